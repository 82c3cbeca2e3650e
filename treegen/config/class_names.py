"""Class lists as people have them: what is not a list of names is refused, and meaningless names are reported."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from treegen.errors import InputError
from treegen.text import show

_DELIMITERS: Final = ",;\t|"
_HEADS: Final = re.compile(
    r"(?:class|label|category|species|synset|wn|index|idx|number|no|nr)?[ _]?(?:id|ids|name|names|no|index|idx|#)?",
    re.IGNORECASE,
)
_LEAST_ROWS: Final = 3  # fewer lines with a comma may be names with one
_SYNSET: Final = re.compile(r"n\d{8}(?!\d)")
_DOUBTFUL: Final = {
    "WordNet ids": _SYNSET,
    "names behind a number": re.compile(r"\d+[._]+(?=\D)"),
    "bare numbers": re.compile(r"\d+\Z"),
}
_REMEDY: Final = "write names that say what it is, and give these as [aliases] if labels use them"


def refuse_table(path: Path, names: Sequence[str]) -> None:
    """Refuse a file that is a table, or all names on one line.

    Raises:
        InputError: it is not one name a line; the tip says what to do.
    """
    if len(names) == 1 and (delimiter := next((d for d in ",;\t" if names[0].count(d)), "")):
        count = len([part for part in names[0].split(delimiter) if part.strip()])
        message = f"{path}: one line with {count} names"
        raise InputError(message, f"put each name on a line of its own: tr '{delimiter}' '\\n' does it")
    for delimiter in _DELIMITERS:
        rows = [[cell.strip().strip('"') for cell in name.split(delimiter)] for name in names]
        width = len(rows[0]) if rows else 0
        if width < 2 or len(rows) < _LEAST_ROWS or any(len(row) != width for row in rows):
            continue
        if _is_head(rows[0]) or all(row[0].isdigit() or _SYNSET.fullmatch(row[0]) for row in rows[1:]):
            message = f"{path}: a table with {width} columns ({', '.join(map(show, rows[0]))}), not a list of names"
            column = next((n for n, head in enumerate(rows[0], 1) if "name" in head.lower()), width)
            raise InputError(message, f"keep the names alone, one a line: cut -d '{delimiter}' -f {column} {path}")


def _is_head(cells: Sequence[str]) -> bool:
    return all(cell and _HEADS.fullmatch(cell) for cell in cells)


def doubtful(names: Sequence[str]) -> list[str]:
    """Say which names a language model and CLIP cannot make anything of: ids, and numbers before names."""
    found = []
    for kind, pattern in _DOUBTFUL.items():
        matching = [name for name in names if pattern.match(name)]
        if matching:
            share = f"{len(matching)} of {len(names)} class names"
            found.append(f"{share} look like {kind}, such as {show(matching[0])}; {_REMEDY}")
    return found
