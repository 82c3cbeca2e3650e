"""When two wordings are the same: the normalisation behind mutual exclusivity."""

import unicodedata
from typing import Final

_ARTICLES: Final = frozenset({"a", "an", "the"})
_UNCOUNTED: Final = ("ss", "us", "is")


def _singular(word: str) -> str:
    """A naive English singular: enough to see that 'wing' and 'wings' cannot both be options."""
    if len(word) <= 3 or word.endswith(_UNCOUNTED) or not word.endswith("s"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]


def _is_mark(c: str) -> bool:
    """Vowel signs and accents belong to their letter: without them Hindi or Thai words become the same."""
    return unicodedata.category(c).startswith("M")


def normalise(text: str) -> str:
    """Folds case, width (NFKC), punctuation, white space, articles and plurals.

    Text of symbols alone (such as '+' and '-') keeps its symbols, so that they stay different.

    >>> normalise("The  Doors") == normalise("ｄｏｏｒ")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
    spaced = "".join(c if c.isalnum() or _is_mark(c) else " " for c in folded)
    words = [_singular(w) for w in spaced.split() if any(c.isalnum() for c in w)]
    return " ".join(w for w in words if w not in _ARTICLES) or folded
