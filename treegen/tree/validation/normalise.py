"""When two wordings are the same: the normalisation that enforces mutual exclusivity."""

import unicodedata
from functools import lru_cache
from typing import Final

_ARTICLES: Final = frozenset({"a", "an", "the"})
_UNCOUNTED: Final = ("ss", "us", "is")
_SIGNS: Final = frozenset("<>≤≥=≠+±#%°")  # "< 5" is not "> 5", and "C++" not "C"
_MINUS: Final = frozenset("-−")
#: plurals that `singular` has no rule for
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


def singular(word: str) -> str:
    """Return a naive English singular: enough to see that 'wing' and 'wings' cannot both be options."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or word.endswith(_UNCOUNTED) or not word.endswith("s"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]


def _is_mark(c: str) -> bool:
    """Whether `c` is a vowel sign or accent, part of its letter: without them Hindi or Thai words become the same."""
    return unicodedata.category(c).startswith("M")


def _replaced(text: str, place: int) -> str:
    """Return the character at `place`, or its replacement: signs become words, a minus stays with its number."""
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


def normalise_name(name: str) -> str:
    """Normalise the name of a class, in which underscores stand for spaces.

    >>> normalise_name("river_eels") == normalise_name("River Eel")
    True
    """
    return normalise(name.replace("_", " "))


@lru_cache(maxsize=2**16)
def normalise(text: str) -> str:
    """Fold case, width (NFKC), punctuation, white space, articles and plurals.

    Signs that carry meaning are kept (`< 5`, `-1`, `C++`), and text made of symbols only keeps all of them.

    >>> normalise("The  Doors") == normalise("ｄｏｏｒ")
    True
    """
    if text.isascii() and text.replace(" ", "").isalnum():  # nearly all names and options
        folded = text.lower().strip()
        return " ".join(w for w in map(singular, folded.split()) if w not in _ARTICLES) or folded
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
    spaced = "".join(_replaced(folded, place) for place in range(len(folded)))
    words = [singular(w) for w in spaced.split() if any(c.isalnum() or c in _SIGNS for c in w)]
    return " ".join(w for w in words if w not in _ARTICLES) or folded
