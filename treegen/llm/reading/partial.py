"""What a reply says so far, while it streams: groups with their options, and the classes that have rules.

For display only. What is shown may turn out to be wrong: the whole reply is read by `treegen.llm.reading.parser`.
"""

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from treegen.llm.reading.parser import GROUP_KEYS, answer_begins

_BEGINS: Final = re.compile(r'\{\s*"')
_MOST_OBJECTS: Final = 5  # that are tried: an example before the tree, or wrappers around it


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialGroup:
    """A group so far: its name, its prompt, and the options that are complete."""

    name: str
    prompt: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialReply:
    """What has arrived: groups, and the classes of which a rule has begun, each in their order."""

    groups: tuple[PartialGroup, ...] = ()
    classes: tuple[str, ...] = ()


def arrived(text: str) -> PartialReply:
    """Read what an incomplete reply says so far: JSON, also behind reasoning, in a fence or in a wrapper.

    Empty for a reply in another notation, and where jiter (of the extra `llm`) is not installed.

    >>> arrived('{"classification_groups": {"size": {"prompt": "It is {}.", "options": ["tiny", "hu').groups[0].options
    ('tiny',)
    """
    begins = answer_begins(text)
    for match in islice(_BEGINS.finditer(text, begins), _MOST_OBJECTS) if begins is not None else ():
        reply = _shown(read_partial(text[match.start() :]))
        if reply.groups or reply.classes:
            return reply
    return PartialReply()


def read_partial(text: str) -> Any:
    """Read a JSON value that may break off; `None` if it is not JSON. A text or number that breaks off is left out."""
    try:
        import jiter

        # half an option must not look like a whole one, so not "trailing-strings"
        return jiter.from_json(text.encode(errors="replace"), partial_mode=True)
    except (ImportError, ValueError):
        return None


class Arriving:
    """Holds a reply as far as it has arrived, and reads it when asked."""

    _text = ""

    def hear(self, text: str) -> None:
        """Take the reply as far as it has arrived."""
        self._text = text

    @property
    def now(self) -> PartialReply:
        """What has arrived so far."""
        return arrived(self._text)


def _shown(data: Any) -> PartialReply:
    if not isinstance(data, dict):
        return PartialReply()
    groups = next((data[key] for key in GROUP_KEYS if key in data), None)
    rules = next((value for key, value in data.items() if key == "rules" or key.endswith("_rules")), None)
    return PartialReply(
        groups=tuple(
            PartialGroup(name=name, prompt=_text(group.get("prompt")), options=_texts(group.get("options")))
            for name, group in _named(groups, "name")
        ),
        classes=tuple(dict.fromkeys(name for name, _ in _named(rules, "class"))),
    )


def _named(value: Any, key: str) -> list[tuple[str, dict[str, Any]]]:
    """Objects below their names, or a list of objects with their names at `key`."""
    pairs = value.items() if isinstance(value, dict) else [(v.get(key), v) for v in value or () if isinstance(v, dict)]
    return [(name, inner) for name, inner in pairs if isinstance(name, str) and isinstance(inner, dict)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()
