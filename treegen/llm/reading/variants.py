"""Other ways to read a reply that no reader understands as it is. Each undoes one mistake that has a single meaning.

A variant is only tried after the text itself was refused, and it must then pass the same strict readers.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from treegen.llm.reading.lexer import UnreadableError

T = TypeVar("T")
_FENCE: Final = re.compile(r"^\s*```[^\n]*\n(.*?)\n\s*```\s*$", re.DOTALL)
#: an object whose first member is an object without a key: no notation has that, but templates double their braces
_DOUBLED: Final = re.compile(r"\{\s*\{")
_ESCAPED: Final = re.compile(r"\{\s*(?:\\[nrt]|\s)*\\\"")
_TEXT: Final = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_BREAKS: Final = re.compile(r"\s*[\r\n]\s*")


def read_with_variants(text: str, read: Callable[[str], T]) -> tuple[T, str]:
    """Read a text, or else the first of its variants that can be read.

    Returns:
        What was read, and a note on the variant; the note is empty for the text itself.

    Raises:
        UnreadableError: neither the text nor a variant can be read; the error is that of the text.
    """
    try:
        return read(text), ""
    except UnreadableError as error:
        for variant, note in _variants(text):
            try:
                return read(variant), note
            except UnreadableError:
                continue
        raise error from None


def _variants(text: str) -> Iterator[tuple[str, str]]:
    if decoded := _decoded(text):
        yield decoded, "the reply was encoded as JSON twice"
    if _DOUBLED.search(text):
        for variant in _single_braces(text):
            yield variant, "doubled braces were read as single ones"
    if (joined := _TEXT.sub(_on_one_line, text)) != text:
        yield joined, "line breaks within texts were read as spaces"


def _decoded(text: str) -> str:
    """Return what a JSON text holds, with or without its quotation marks; empty if it is not one."""
    fenced = _FENCE.match(text)
    inner = (fenced[1] if fenced else text).strip()
    if inner[:1] != '"':
        start, end = inner.find("{"), inner.rfind("}")
        if not _ESCAPED.match(inner, max(start, 0)):
            return ""
        inner = f'"{inner[start : end + 1]}"'
    try:
        value = json.loads(inner, strict=False)
    except (ValueError, RecursionError):
        return ""
    return value if isinstance(value, str) and value != text else ""


def _single_braces(text: str) -> Iterator[str]:
    """Yield the text with its outermost braces alone made single, and with all of them."""
    first, last = _DOUBLED.search(text), text.rfind("}")
    before = text.rfind("}", 0, last)
    if first and before >= 0 and not text[before + 1 : last].strip():
        start = first.start() + 1
        yield text[: first.start()] + text[start:last] + text[last + 1 :]
    yield text.replace("{{", "{").replace("}}", "}")


def _on_one_line(match: re.Match[str]) -> str:
    return _BREAKS.sub(" ", match[0])
