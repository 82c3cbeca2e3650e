"""The text of a foreign file as plain data: which syntax it has, and everything that was read tolerantly."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

from treegen.errors import InputError
from treegen.llm.reading.lexer import UnreadableError
from treegen.llm.reading.parser import parse_reply, read_value, tree_shape
from treegen.tree.document import parse_json, read_text, unwritable
from treegen.tree.validation.problems import Problem
from treegen.tree.validation.schema import printable, show

GROUP_KEYS: Final = ("classification_groups", "classification_cot")
MOST_COLUMNS: Final = 1000
_DELIMITERS: Final = (",", "\t", ";", "|")
_SIGNATURES: Final = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"RIFF": "an image or sound",
    b"PK\x03\x04": "a ZIP archive (or an office document)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUMPY": "a numpy array",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_TIP: Final = "known: a tree (the article's too), descriptor lists as JSON, JSON Lines, Python literals or CSV"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of a CSV file, the blank ones left out, each with its line."""

    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a file holds.

    Attributes:
        syntax: such as `JSON` or `Python literals`, for the report.
        data: plain data; a `Table` for CSV.
        text: as it was read.
        is_tree: `data` has the shape of a tree (`tree_shape`), not of a descriptor list.
        notes: what was read tolerantly, one sentence each.
    """

    path: Path
    syntax: str
    data: Any
    text: str
    is_tree: bool = False
    notes: tuple[str, ...] = ()


def read_source(path: Path) -> Source:
    """Reads a file of any known syntax.

    Raises:
        InputError: it cannot be read, or not in one way only; the message has the file and the place in it.
    """
    _refuse_binary(path)
    text = read_text(path)
    if not text.strip():
        raise InputError(f"{path}: the file is empty", _TIP)
    data, problems = parse_json(text)
    if data is None and not problems:
        raise InputError(f"{path}: holds null and nothing else", _TIP)
    if data is not None:
        return _json_source(path, text, data, problems)
    if text.lstrip()[:1] in "{[" and not problems[0].message.startswith("not JSON"):
        raise _error(path, problems[0])  # a number or a depth that no other syntax makes readable
    if any(f"{key}" in text for key in GROUP_KEYS):
        return _reply_source(path, text)
    source = _lines_source(path, text) or _table_source(path, text)
    return source or _literal_source(path, text, problems[0])


def _refuse_binary(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return  # read_text says what is wrong
    for signature, what in _SIGNATURES.items():
        if head.startswith(signature):
            raise InputError(f"{path}: {what}, not UTF-8 text", "name a text file, or save it as UTF-8")
    if b"\0" in head:
        raise InputError(f"{path}: holds a zero byte at {head.index(0)}: not a text file", _TIP)


def _json_source(path: Path, text: str, data: Any, problems: Sequence[Problem]) -> Source:
    """Strict JSON; lists whose key stands twice are joined in a descriptor file, refused in a tree."""
    for problem in unwritable(data):
        raise InputError(f"{path}: {printable(problem.pointer) or '/'}: {problem.message}", "write the text out")
    shaped = _shaped(path, data)
    if shaped is not None and problems:
        raise _error(path, problems[0])
    if shaped is not None:
        return Source(path=path, syntax="JSON", data=shaped, text=text, is_tree=True)
    notes: list[str] = []
    if problems:
        data, notes = _joined(path, text)
    return Source(path=path, syntax="JSON", data=data, text=text, notes=tuple(notes))


def _shaped(path: Path, data: Any) -> dict[str, Any] | None:
    """The data in a tree's shape; `None` if it speaks of no groups."""
    inner = data[0] if isinstance(data, list) and len(data) == 1 else data
    while isinstance(inner, dict) and len(inner) == 1 and not set(inner) & set(GROUP_KEYS):
        inner = next(iter(inner.values()))
    if not isinstance(inner, dict) or not set(inner) & set(GROUP_KEYS):
        return None
    try:
        return tree_shape(data)
    except UnreadableError as error:
        raise _error(path, error.problem) from None


def _error(path: Path, problem: Problem) -> InputError:
    place = f"{printable(problem.pointer)}: " if problem.pointer else ""
    return InputError(f"{path}: {problem.code} {place}{problem.message}", "mend that place and import again")


def _joined(path: Path, text: str) -> tuple[Any, list[str]]:
    """JSON in which a key that stands twice keeps both of its lists."""
    notes: list[str] = []

    def join(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            if key not in made:
                made[key] = value
            elif isinstance(value, list) and isinstance(made[key], list):
                made[key] = [*made[key], *value]
                notes.append(f"the key {show(key)} stands twice: its lists were joined")
            elif made[key] != value:
                told = f"{path}: the key {show(key)} stands twice with different values"
                raise InputError(told, "keep one of the two")
        return made

    return json.loads(text, object_pairs_hook=join), notes


def _reply_source(path: Path, text: str) -> Source:
    """A tree in code fences, as a Python dict, with comments or trailing commas."""
    parsed = parse_reply(text)
    if parsed.data is None:
        raise _error(path, parsed.problems[0])
    notes = ("its syntax had to be repaired: read the result with care",) if parsed.repaired else ()
    return Source(path=path, syntax="Python or fenced JSON", data=parsed.data, text=text, is_tree=True, notes=notes)


def _lines_source(path: Path, text: str) -> Source | None:
    """JSON Lines: the first line is an object or list by itself, and the next one begins like one.

    Raises:
        InputError: a line is not strict JSON; the message has its number in the file.
    """
    lines = [(n, line) for n, line in enumerate(StringIO(text, newline=None), 1) if line.strip()]
    if len(lines) < 2 or any(line.lstrip()[0] not in "{[" for _, line in lines[:2]):
        return None
    if any(problem.place for problem in parse_json(lines[0][1])[1]):
        return None
    records = []
    for number, line in lines:
        data, problems = parse_json(line)
        if problems or not isinstance(data, dict | list):
            raise _line_error(path, number, line)
        records.append(data)
    return Source(path=path, syntax="JSON Lines", data=records, text=text)


def _line_error(path: Path, number: int, line: str) -> InputError:
    """What is wrong with one of the JSON Lines, at its place in the file."""
    problem = next(iter(parse_json("\n" * (number - 1) + line)[1]), None)
    told = f"line {number}: neither an object nor a list"
    if problem:
        told = problem.message if problem.place else f"line {number}, {printable(problem.pointer)}: {problem.message}"
    return InputError(f"{path}: JSON Lines: {told}", "mend that line and import again")


def _table_source(path: Path, text: str) -> Source | None:
    """CSV: the sign that divides the most lines into the same number of columns, at least two."""
    first = text.lstrip()[:1]
    named = path.suffix.lower() in (".csv", ".tsv")
    if not named and first in "{[(`":
        return None
    best: tuple[float, str, Table] | None = None
    faults: list[str] = []
    for delimiter in _DELIMITERS:
        try:
            table = _table(text, delimiter)
        except csv.Error as error:
            faults.append(str(error))
            continue
        widths = [len(row) for row in table.rows]
        wide = [w for w in widths if w == widths[0]]
        share = len(wide) / len(widths) if widths and 1 < widths[0] <= MOST_COLUMNS else 0.0
        if share > (best[0] if best else 0.0):
            best = (share, delimiter, table)
    if best is None or best[0] <= (0.5 if named else 0.9):
        if named:
            ragged = [_ragged(best[2])] if best else []
            fault = next(iter([*ragged, *faults]), "one column only")
            raise InputError(f"{path}: not CSV: {fault}", "save it as CSV in UTF-8 again")
        return None
    if not named and len(best[2].rows) < 2:
        return None
    shown = {"\t": "tab"}.get(best[1], best[1])
    return Source(path=path, syntax=f"CSV divided by {shown!r}", data=best[2], text=text)


def _ragged(table: Table) -> str:
    """The first row that has not as many cells as the head, and how many there are."""
    wanted = len(table.rows[0])
    others = [(line, len(row)) for line, row in zip(table.lines, table.rows, strict=True) if len(row) != wanted]
    line, count = others[0]
    more = f"; {len(others) - 1} more differ from it" if len(others) > 1 else ""
    return f"line {line} has {count} cell{'s' if count != 1 else ''}, the head has {wanted}{more}"


def _table(text: str, delimiter: str) -> Table:
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines = [], []
    line = 1
    for row in reader:
        if any(cell.strip() for cell in row):
            rows.append(tuple(cell.strip() for cell in row))
            lines.append(line)
        line = reader.line_num + 1
    return Table(rows=tuple(rows), lines=tuple(lines))


def _literal_source(path: Path, text: str, found: Problem) -> Source:
    """Python literals and near-JSON; last, lines of the form `Class: a, b, c`."""
    try:
        data, repaired = read_value(text)
    except UnreadableError as error:
        json_like = text.lstrip()[:1] in "{["
        lines = [] if json_like else list(_class_lines(text))  # broken JSON has colons too
        if lines:
            return Source(path=path, syntax="lines of text", data=lines, text=text)
        told = found.message if json_like and found.code == "TG101" else error.problem.message
        raise InputError(f"{path}: not a file that can be imported: {told}", _TIP) from None
    notes = ("its syntax had to be repaired: read the result with care",) if repaired else ()
    shaped = _shaped(path, data)
    if shaped is not None:
        return Source(path=path, syntax="Python literals", data=shaped, text=text, is_tree=True, notes=notes)
    return Source(path=path, syntax="Python literals", data=data, text=text, notes=notes)


def _class_lines(text: str) -> Iterator[str]:
    """Lines, if every one that is not blank has a name, a colon and something behind it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(0 < line.find(":") < min(len(line) - 1, 100) for line in lines):
        yield from lines
