"""Rows of tables as text: CSV, TSV, JSON Lines and Parquet, with line numbers."""

import csv
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, Final

from treegen.errors import InputError
from treegen.extras import require
from treegen.files import read_text
from treegen.text import counted, first_line

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
Row = dict[str, str]
_QUOTES: Final = "put text that holds a comma in double quotes"


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the rows with their line number in the file (for Parquet: the row number), from 1.

    Raises:
        InputError: the file is missing, of an unknown kind, empty, or invalid; the message gives the line.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: of no known kind", f"expected a name that ends in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file", "mend [images] in domain.toml")
    if suffix == ".parquet":
        yield from _parquet(path)
    elif suffix in (".csv", ".tsv"):
        yield from _csv(path, "\t" if suffix == ".tsv" else ",")
    else:
        yield from _json_lines(path)


def _csv(path: Path, delimiter: str) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    begun = 1  # start of the row that is read next
    try:
        heads = next(reader, None)
        if not heads:
            raise InputError(f"{path}: empty", "the first line names the columns: path,label")
        begun = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(heads):
                told = f"{path}: line {reader.line_num}: {counted(len(cells), 'cell')} under {len(heads)} columns"
                few = "give every line a cell for each column, if only an empty one"
                raise InputError(told, few if len(cells) < len(heads) else _QUOTES)
            if cells:
                yield reader.line_num, dict(zip((h.strip() for h in heads), cells, strict=True))
            begun = reader.line_num + 1
    except csv.Error as error:
        if str(error) == "unexpected end of data":  # csv's errors carry no code
            told = f"{path}: line {begun}: a double quote is opened and not closed before the end of the file"
            raise InputError(told, 'close it; a double quote within text is written twice: ""') from None
        raise InputError(f"{path}: line {reader.line_num}: {error}", "mend the line") from None


def _json_lines(path: Path) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: line {number}: not JSON: {error}", "each line is one object") from None
        if not isinstance(row, dict):
            raise InputError(
                f"{path}: line {number}: not an object", 'each line is like {"path": "...", "label": "..."}'
            )
        yield number, {key: _text(value) for key, value in row.items()}


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    require("embed")
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except Exception as error:  # pyarrow's errors have no common type
        raise InputError(f"{path}: not Parquet: {first_line(error)}", "write the table again") from None
    for number, row in enumerate(rows, start=1):
        yield number, {key: _text(value) for key, value in row.items()}


def _text(value: Any) -> str:
    """Return a cell as CSV would contain it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return value if isinstance(value, str) else str(value)
