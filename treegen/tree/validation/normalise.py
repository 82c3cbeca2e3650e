"""When two wordings are the same: the normalisation behind mutual exclusivity."""

import unicodedata
from functools import lru_cache
from typing import Final

_ARTICLES: Final = frozenset({"a", "an", "the"})
_UNCOUNTED: Final = ("ss", "us", "is")
_SIGNS: Final = frozenset("<>≤≥=≠+±#%°")  # "< 5" is not "> 5", and "C++" not "C"
_MINUS: Final = frozenset("-−")
#: plurals that no rule of `_singular` finds
_IRREGULAR: Final = {
    "buses": "bus",
    "children": "child",
    "feet": "foot",
    "gases": "gas",
    "geese": "goose",
    "halves": "half",
    "heroes": "hero",
    "hooves": "hoof",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "men": "man",
    "mice": "mouse",
    "oxen": "ox",
    "potatoes": "potato",
    "scarves": "scarf",
    "shelves": "shelf",
    "teeth": "tooth",
    "tomatoes": "tomato",
    "volcanoes": "volcano",
    "wolves": "wolf",
    "women": "woman",
}


def _singular(word: str) -> str:
    """A naive English singular: enough to see that 'wing' and 'wings' cannot both be options."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or word.endswith(_UNCOUNTED) or not word.endswith("s"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]


def _is_mark(c: str) -> bool:
    """Vowel signs and accents belong to their letter: without them Hindi or Thai words become the same."""
    return unicodedata.category(c).startswith("M")


def _kept(text: str, place: int) -> str:
    """The character at `place`, or what stands for it: signs are words of their own, a minus belongs to its number."""
    c = text[place]
    if c.isalnum() or _is_mark(c):
        return c
    if c in _SIGNS:
        return f" {c} "
    before, after = text[place - 1 : place] if place else "", text[place + 1 : place + 2]
    return "-" if c in _MINUS and after.isdigit() and not before.strip() else " "


def is_sign(word: str) -> bool:
    """Whether a word of a normalised text is a sign, such as `<`."""
    return not any(map(str.isalnum, word))


@lru_cache(maxsize=2**16)
def normalise(text: str) -> str:
    """Folds case, width (NFKC), punctuation, white space, articles and plurals.

    Signs that carry meaning stay (`< 5`, `-1`, `C++`), and text of symbols alone keeps all of them.

    >>> normalise("The  Doors") == normalise("ｄｏｏｒ")
    True
    """
    if text.isascii() and text.replace(" ", "").isalnum():  # what nearly all names and options are
        folded = text.lower().strip()
        return " ".join(w for w in map(_singular, folded.split()) if w not in _ARTICLES) or folded
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
    spaced = "".join(_kept(folded, place) for place in range(len(folded)))
    words = [_singular(w) for w in spaced.split() if any(c.isalnum() or c in _SIGNS for c in w)]
    return " ".join(w for w in words if w not in _ARTICLES) or folded
