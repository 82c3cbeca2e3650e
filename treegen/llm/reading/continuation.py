"""A reply that was truncated at the token limit: where it can be resumed, and how to join the rest to it."""

import re
from typing import Final

from treegen.llm.reading.lexer import last_stop
from treegen.llm.reading.parser import answer_begins

_FENCE: Final = re.compile(r"\s*```[A-Za-z0-9_-]*[ \t]*\n?")
_LEAST_OVERLAP: Final = 12  # characters that a continuation would not repeat by chance
_MOST_OVERLAP: Final = 2000


def stem_of(text: str) -> str:
    """Return a truncated reply up to its last comma or open bracket, so that a whole key or value follows.

    Half a text or half a number cannot be continued reliably: `1` may become `12`, and spaces at the seam are lost.
    Empty if no object has started.
    """
    begins = answer_begins(text)
    return "" if begins is None else text[: last_stop(text, begins)]


def joined(stem: str, rest: str) -> str:
    """Join a stem and its continuation, dropping a code fence between them and what the continuation repeats."""
    fence = _FENCE.match(rest)
    inner = rest[fence.end() :] if fence else rest
    tail, begins = stem.rstrip()[-_MOST_OVERLAP:], inner.lstrip()
    longest = min(len(tail), len(begins))
    overlap = next((n for n in range(longest, _LEAST_OVERLAP - 1, -1) if tail.endswith(begins[:n])), 0)
    return stem + (begins[overlap:] if overlap else inner)
