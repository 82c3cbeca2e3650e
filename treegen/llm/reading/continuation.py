"""A reply that was cut at the token limit: where it can be taken up, and how the rest is joined to it."""

import re
from typing import Final

from treegen.llm.reading.lexer import last_stop
from treegen.llm.reading.parser import answer_begins

_FENCE: Final = re.compile(r"\s*```[A-Za-z0-9_-]*[ \t]*\n?")
_LEAST_OVERLAP: Final = 12  # characters that a continuation repeats on purpose, not by chance
_MOST_OVERLAP: Final = 2000


def stem_of(text: str) -> str:
    """A cut reply up to its last comma or open bracket: what follows is a whole key or value again.

    Half a text or half a number cannot be continued without doubt: `1` may become `12`, and blanks at the seam are
    lost. Empty if no object has begun.
    """
    begins = answer_begins(text)
    return "" if begins is None else text[: last_stop(text, begins)]


def joined(stem: str, rest: str) -> str:
    """A stem and what continues it: without a code fence between them, and without what the rest says once more."""
    fence = _FENCE.match(rest)
    inner = rest[fence.end() :] if fence else rest
    tail, begins = stem.rstrip()[-_MOST_OVERLAP:], inner.lstrip()
    most = min(len(tail), len(begins))
    overlap = next((n for n in range(most, _LEAST_OVERLAP - 1, -1) if tail.endswith(begins[:n])), 0)
    return stem + (begins[overlap:] if overlap else inner)
