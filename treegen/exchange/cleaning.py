"""What is taken out of phrases before they become options: class names, photo prefixes, "has" and "with".

An option that holds its class's name gives the answer away: the tree would classify by name again.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from treegen.tree.validation.normalise import normalise

_WORD: Final = re.compile(r"[^\W_]+")
_PHOTO: Final = re.compile(
    r"^(?:in\s+)?(?:(?:an?|the|this|one)\s+)?(?:[\w-]+\s+){0,2}?(?:photo|photograph|picture|image|shot|close-up|view)s?,?\s+"
    r"(?:of|showing|shows|depicts|depicting|captures|features|reveals|highlights|displays)\s+(?=\S)",
    re.IGNORECASE,
)
_LEAD: Final = re.compile(
    r"^(?:(?:it|they|which|that|who|usually|often|typically|generally|commonly|also|may|can)\s+)*"
    r"(?:has|have|having|with|features?|featuring|possess(?:es)?|displays?)\s+(?=\S)",
    re.IGNORECASE,
)
_EDGE: Final = " \t,;:.!–—•*'’\""
_BULLET: Final = re.compile(r"^\s*[-+]\s+|\s+-\s*$")
_OPEN: Final = re.compile(r"\(\s*\)|\[\s*\]")
_LEFT_OVER: Final = frozenset(
    "a an the of in on at by for from to and or with as is are was has have it its this that these those s".split()
)
_VERBS: Final = frozenset(
    "is are was were has have had shows show appears appear can stands sits displays features captures depicts "
    "looks seems contains includes being".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A phrase ready to be an option: empty `text` if nothing is left, `leak` the name that was in it."""

    text: str
    leak: str = ""
    prose: bool = False


@dataclass(slots=True)
class Cleaner:
    """Cleans the phrases of one file; `noun` takes a name's place in sentences."""

    noun: str
    _patterns: dict[str, re.Pattern[str] | None] = field(default_factory=dict)

    def clean(self, owner: str, text: str) -> Cleaned:
        """Takes out the name of the class, then what is not part of the description."""
        prose, leak = is_sentence(text) or _PHOTO.match(text) is not None, ""
        key = f"{owner}\n" if prose else owner
        if key not in self._patterns:
            self._patterns[key] = _name_pattern(owner, self.noun, prose)
        pattern = self._patterns[key]
        if pattern is not None and (found := pattern.search(text)):
            leak = found.group().strip()
            text = pattern.sub(self._stand_in if prose else " ", text)
        shorter = _without_subject(text, self.noun) if prose else text
        text = _tidy(shorter)
        if not _says_something(text, self.noun if leak else ""):
            return Cleaned(text="", leak=leak)
        prose = prose and is_sentence(f"{shorter[:1].upper()}{shorter[1:]}.")
        return Cleaned(text=f"{text[:1].upper()}{text[1:]}" if prose else text, leak=leak, prose=prose)

    def _stand_in(self, name: re.Match[str]) -> str:
        return f" the {self.noun}" + ("'s " if name.group().endswith(("'s", "’s", "'", "’")) else " ")


@lru_cache(maxsize=20_000)
def is_sentence(text: str) -> bool:
    """A whole sentence: six words or more that begin with a capital and end with a full stop, with a verb."""
    words = [w.casefold() for w in _WORD.findall(text)]
    shaped = text[:1].isupper() and text.rstrip().endswith((".", "!"))
    return len(words) >= 6 and shaped and any(w in _VERBS or w.endswith("s") for w in words[1:])


def _name_pattern(name: str, noun: str, prose: bool) -> re.Pattern[str] | None:
    """Finds the class's name in plural and possessive, also without the domain's noun at its end.

    In prose also its last word by itself: "the albatross's feathers" of the Laysan Albatross.
    """
    words = _WORD.findall(name)
    if not words:
        return None
    variants = [words]
    if len(words) > 1 and normalise(words[-1]) == normalise(noun):
        variants.append(words[:-1])
    elif prose and len(words) > 1 and len(words[-1]) > 3 and words[-1].isalpha():
        variants.append(words[-1:])
    inner = "|".join(r"[\W_]+".join(map(re.escape, v)) for v in variants)
    return re.compile(rf"(?<!\w)(?:(?:an?|the)\s+)?(?:{inner})(?:['’]s|e?s['’]?|['’])?(?!\w)", re.IGNORECASE)


def _without_subject(text: str, noun: str) -> str:
    """`A photo of a bird with X.` and `The bird has X.` say X."""
    told = re.sub(r"\s+([,.;:])", r"\1", _PHOTO.sub("", text.strip()))
    subject = re.compile(
        rf"^(?:(?:an?|the|this|these|its?)\s+)?{re.escape(noun)}s?\b,?\s+"
        r"(?:(?:which|that)\s+|typically\s+|usually\s+|often\s+|also\s+)*(?:has|have|with|features)\s+(?=\S)",
        re.IGNORECASE,
    )
    return subject.sub("", re.sub(r"\s+", " ", told).strip(_EDGE), count=1)


def _tidy(text: str) -> str:
    """One space between words, no punctuation, connecting words or `has` at the edges."""
    text = re.sub(r"\s+([,.;:])", r"\1", re.sub(r"\s+", " ", _OPEN.sub(" ", text)))
    text = re.sub(r"([,;:])(?:\s*[,;:])+", r"\1", _BULLET.sub("", text)).strip(_EDGE)
    text = _LEAD.sub("", text)
    words = text.split(" ")
    while words and words[0].casefold().strip(_EDGE) in ("of", "and", "or", "s", ""):
        words = words[1:]
    while words and words[-1].casefold().strip(_EDGE) in _LEFT_OVER - {"s"}:
        words = words[:-1]
    told = " ".join(words).strip(_EDGE.replace("'", "").replace('"', "").replace("’", ""))
    return told if told.count('"') % 2 == 0 else told.replace('"', "")


def _says_something(text: str, noun: str) -> bool:
    """More than connecting words and the domain's noun is left."""
    words = normalise(text).split()
    return any(w not in _LEFT_OVER and w != normalise(noun) and any(c.isalnum() for c in w) for w in words)
