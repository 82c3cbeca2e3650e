"""Names and prompts of imported groups."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

from treegen.exchange.grouping import Built
from treegen.exchange.topics import content_words, stem
from treegen.tree.validation.normalise import normalise

_THINGS: Final = frozenset(
    "animal dog cat bird breed creature car vehicle plant flower object person dish food size".split()
)
_VERBS: Final = frozenset("is are was were can has have lives looks stands shows appears does".split())
_SHORT: Final = 4  # words of an answer that is a value, not a phrase with its subject in it


def group_name(subject: str, taken: Collection[str]) -> str:
    """A readable identifier that is not taken yet: letters, digits and underscores."""
    base = re.sub(r"[^\w]+", "_", subject.strip().casefold()).strip("_")[:40].strip("_") or "group"
    base = f"group_{base}" if base[0].isdigit() else base
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def surface_name(built: Built) -> str:
    """The subject in the form in which its phrases use it: `headlights`, not `headlight`."""
    if built.subject.typed:
        return built.subject.name
    words = built.subject.name.split()
    counts: dict[str, int] = {}
    for member in built.placed:
        tokens = re.findall(r"[^\W_]+(?:[-'’][^\W_]+)*", member.text)
        for start in range(len(tokens) - len(words) + 1):
            part = tokens[start : start + len(words)]
            if [stem(p) for p in part] == words:
                counts[" ".join(part).casefold()] = counts.get(" ".join(part).casefold(), 0) + 1
    return max(counts, key=lambda c: counts[c], default=built.subject.name)


def prompt_for(built: Built, noun: str) -> str:
    """A prompt with one `{}` and the domain's noun that reads well with most of the options.

    Sentences stand alone: the noun is in them, where their class's name was.
    """
    noun = " ".join(noun.replace("{", " ").replace("}", " ").split()) or "object"
    photo = f"A photo of {'an' if noun[0].casefold() in 'aeiou' else 'a'} {noun}"
    texts = [option.text for option in built.options]
    if sum(m.prose for m in built.placed) > len(built.placed) / 2:
        return "{}."
    if _most(texts, lambda t: t.split()[0].casefold() in _VERBS):
        return f"{photo} that {{}}."
    subject = set(normalise(built.subject.name).split())
    if built.subject.typed and _most(texts, lambda t: _is_value(t) and not subject & set(content_words(t))):
        kind = " ".join(built.subject.name.replace("_", " ").replace("{", " ").replace("}", " ").split()) or "look"
        plural = normalise(kind) != kind.casefold() and kind.casefold().endswith("s")
        return f"{photo} whose {kind} {'are' if plural else 'is'} {{}}."
    if subject & (_THINGS | {normalise(noun)}):
        return f"{photo}: {{}}."
    return f"{photo} with {{}}."


def _is_value(text: str) -> bool:
    """One word, or a thing with its article: "white", "a four-legged animal"; "white fur" is what one has."""
    words = text.casefold().split()
    return len(words) == 1 or (len(words) <= _SHORT and words[0] in ("a", "an", "the"))


def _most(texts: Sequence[str], test: Callable[[str], bool]) -> bool:
    return sum(test(t) for t in texts) > len(texts) / 2
