"""Text for messages: control characters made visible, values shown as JSON, counted nouns, suggestions."""

import json
import re
import shlex
import unicodedata
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, Final

_SHOWN: Final = 60
#: written with a vowel and spoken with a consonant, and the reverse
_LIKE_YOU: Final = re.compile(r"eu|ewe|uni(?![nm])|use|usu|usa|uti|ubiq|ufo|uku|uran|once\b|one\b|oui|u\b")
_SILENT: Final = re.compile(r"hour|honest|hono|heir|8|11\b|18\b|[fhlmnrsx]\b")
_MOST_CANDIDATES: Final = 100  # difflib compares with each: a check of 1,000 unknown names would take minutes


def printable(text: object, *, keep: str = "") -> str:
    r"""Escape everything that a terminal obeys or cannot show, except the characters of `keep`.

    >>> print(printable("red\x1b[31m"))
    red\u001b[31m
    """
    text = str(text)
    return text if text.isprintable() else "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08x}"


def quote(value: Any) -> str:
    """Return a value as JSON on one line, with control characters escaped."""
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def show(value: Any) -> str:
    """Return a value as JSON, cut to what fits in a message, with control characters escaped."""
    text = quote(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def encodable(text: str) -> str:
    """Replace what UTF-8 cannot encode: halves of surrogate pairs, which JSON can hold as escapes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def quoted(*words: object) -> str:
    """Return words of a command as a shell reads them.

    >>> quoted("treegen", "check", "my birds/tree.json")
    "treegen check 'my birds/tree.json'"
    """
    return shlex.join(map(str, words))


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> counted(1, "class", "classes"), counted(0, "option")
    ('1 class', '0 options')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def first_of(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """Join the first items, and say how many more there are.

    >>> first_of(["ant", "bee", "cat"], 2), first_of(["ant", "bee"], 2)
    ('ant, bee and 1 more', 'ant, bee')
    """
    return separator.join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def points(difference: float) -> str:
    """Format a difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}"


def p_value(p: float) -> str:
    """Format a p-value; very small ones as a bound."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def did_you_mean(name: str, candidates: Collection[str], *, kind: str = "", cutoff: float = 0.7) -> str:
    """Return the end of a sentence that suggests the nearest candidate; empty if none is near.

    >>> did_you_mean("Sawn", ["Newt", "Swan"])
    '; did you mean "Swan"?'
    >>> did_you_mean("Newt", ["Newts"], kind="the folder")
    '; did you mean the folder "Newts"?'
    """
    few = candidates if len(candidates) <= _MOST_CANDIDATES else ()
    close = get_close_matches(name, few, n=1, cutoff=cutoff)
    return f"; did you mean {kind and kind + ' '}{show(close[0])}?" if close else ""


def first_line(text: object) -> str:
    """Return the first line that is not blank, without white space around it; empty if there is none."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def article(words: str) -> str:
    """Return the English indefinite article that words are spoken with; empty if they begin with neither sound.

    >>> article("orange body"), article("unicorn"), article("hourglass"), article("X shape"), article("(red)")
    ('an', 'a', 'an', 'an', '')
    """
    plain = unicodedata.normalize("NFKD", words).casefold()
    if not plain[:1].isascii() or not plain[:1].isalnum():
        return ""
    if _SILENT.match(plain):
        return "an"
    return "an" if plain[0] in "aeiou" and not _LIKE_YOU.match(plain) else "a"
