"""Files with notes about classes: JSON, JSON Lines, CSV with a header or a Python dict, read as class -> texts.

The texts go to a language model as material, so the reader asks for no particular meaning, and only for a plain shape.
What does not have one is an error with its place: nothing is guessed.
"""

import ast
import csv
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, Final

from treegen.errors import InputError
from treegen.files import read_text, refuse_binary
from treegen.text import counted, printable, show
from treegen.tree.document import parse_json
from treegen.tree.validation.problems import pointer_to

MOST_BYTES: Final = 16 * 2**20
_LONGEST_NAME: Final = 200  # characters of a text that may be a class
_MOST_PYTHON: Final = 4 * 2**20  # characters; Python's own parser takes about a hundred times that in memory
_DELIMITERS: Final = ",;\t"
_CLASS_KEYS: Final = ("class", "class_name", "classname", "label", "name", "category", "species", "concept", "title")
#: keys whose values speak for themselves; every other key is the name of an attribute
_TEXT_KEYS: Final = re.compile(
    r"(?:descriptor|description|phrase|feature|sentence|caption|prompt|text|note|attribute|value)?s?[ _\d]*",
    re.IGNORECASE,
)
_ASSIGNS: Final = re.compile(r"\s*(?:#|[A-Za-z_]\w*\s*(?::[^=\n]*)?=)")
_GUARDED: Final = re.compile(r"^'(?=[=+\-@\t\r])")  # as `export --to csv` writes what a spreadsheet would run
_TAG: Final = re.compile(r"<(?=\s*[/!?A-Za-z])")
_JOINERS: Final = "\u200c\u200d"  # letters of Persian and Hindi need them
_KNOWN: Final = "notes are class -> text, phrases or attributes: JSON, JSON Lines, CSV with a header, or a Python dict"
_NAMES: Final = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one place of a file says of a class.

    Attributes:
        name: the class as the file spells it.
        texts: phrases, sentences, or `attribute: value`; cleaned for a prompt.
    """

    name: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotesFile:
    """A file with notes.

    Attributes:
        entries: in the order of the file.
        by_row: rows or records, of which a class may have several; a key of an object names its class once.
    """

    path: Path
    entries: tuple[Entry, ...]
    by_row: bool


#: one row or record: where it is, and its keys with their values
_Record = tuple[str, list[tuple[str, Any]]]


def read_notes(path: Path, is_class: Callable[[str], bool]) -> NotesFile:
    """Read the notes of a file.

    Args:
        path: at most `MOST_BYTES` long, UTF-8.
        is_class: tells whether a text names a class of the domain; it finds the key or column with the classes.

    Raises:
        InputError: the file cannot be read or has another shape; the message has the file and the place.
    """
    text = _text_of(path)
    data = _data_of(path, text)
    if isinstance(data, dict):
        entries = [_entry(path, name, value, pointer_to(name)) for name, value in data.items()]
        return NotesFile(path=path, entries=tuple(entries), by_row=False)
    if isinstance(data, list) and data and all(isinstance(line, str) for line in data):
        return NotesFile(path=path, entries=tuple(_lines(path, data)), by_row=True)
    records = list(_records(path, data))
    key = _class_key(path, records, is_class)
    return NotesFile(path=path, entries=tuple(_of_record(path, record, key) for record in records), by_row=True)


def _text_of(path: Path) -> str:
    """Read a regular file of bounded size that is not empty."""
    try:
        status = path.stat()
    except OSError:
        return read_text(path)  # says what is wrong
    if S_ISDIR(status.st_mode):
        raise InputError(f"{path}: a folder, not a file", "name the file with the notes")
    if not S_ISREG(status.st_mode):
        raise InputError(f"{path}: not a regular file", "save the notes to a regular file and name that")
    if status.st_size > MOST_BYTES:
        tip = "too much for any prompt: keep only the classes of the domain, or name the right file"
        raise InputError(f"{path}: larger than {MOST_BYTES // 2**20} MiB", tip)
    refuse_binary(path)
    text = read_text(path)
    if not text.strip():
        raise InputError(f"{path}: the file is empty", _KNOWN)
    return text


def _data_of(path: Path, text: str) -> Any:
    """Read an object, a list of texts, or records."""
    json_like = text.lstrip()[:1] in ("{", "[")
    if json_like and path.suffix.lower() in (".jsonl", ".ndjson"):
        return list(_json_lines(path, text))
    if json_like:
        return _json_or_python(path, text)
    if _ASSIGNS.match(text):
        return _assigned(path, _python(path, text))
    return list(_rows(path, text))


def _json_or_python(path: Path, text: str) -> Any:
    data, problems = parse_json(text)
    if data is not None and not problems:
        return data
    problem = problems[0] if problems else None
    if problem is not None and not problem.message.startswith("not JSON at"):
        place = f"{printable(problem.pointer)}: " if problem.pointer else ""
        raise InputError(f"{path}: {place}{problem.message}", "correct that place")
    # a first line that is JSON by itself means JSON Lines, whatever the file is called
    first, _, rest = text.strip().partition("\n")
    if rest and parse_json(first)[0] is not None:
        return list(_json_lines(path, text))
    try:
        module = _python(path, text)
    except InputError:
        message = problem.message if problem else "neither JSON nor a Python dict"
        raise InputError(f"{path}: {message}", f"correct that place; {_KNOWN}") from None
    return _assigned(path, module)


def _json_lines(path: Path, text: str) -> Iterator[_Record]:
    for number, line in enumerate(StringIO(text, newline=None), 1):
        if not line.strip():
            continue
        data, problems = parse_json(line)
        if problems:
            problem = parse_json("\n" * (number - 1) + line)[1][0]  # with its line in the file
            place = "" if problem.place else f"line {number}, {printable(problem.pointer)}: "
            raise InputError(f"{path}: {place}{problem.message}", "write one JSON object in each line")
        if not isinstance(data, dict):
            message = f"{path}: line {number}: {show(data)} is not an object"
            raise InputError(message, "write one JSON object in each line")
        yield f"line {number}", list(data.items())


def _python(path: Path, text: str) -> ast.Module:
    if len(text) > _MOST_PYTHON:
        raise InputError(f"{path}: Python of more than {_MOST_PYTHON // 2**20} MiB", "save it as JSON")
    before = text[: len(text) - len(text.lstrip())].count("\n")  # lines, so that places are those of the file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            return ast.parse("\n" * before + text.strip())
    except SyntaxError as error:
        message = f"{path}: not a Python dict: line {error.lineno}: {error.msg}"
        raise InputError(message, "correct that line") from None
    except (ValueError, MemoryError, RecursionError, SystemError):
        raise InputError(f"{path}: not a Python dict: nested too deep", _KNOWN) from None


def _assigned(path: Path, module: ast.Module) -> Any:
    """Evaluate the one literal of a module, with a name or without."""
    values = [s.value for s in module.body if isinstance(s, ast.Expr | ast.Assign | ast.AnnAssign) and s.value]
    if len(values) != len(module.body) or len(values) != 1:
        content = counted(len(module.body), "statement") if module.body else "only comments"
        raise InputError(f"{path}: {content} where one dict is expected", "keep one dict in the file, without code")
    return _literal(path, values[0])


def _literal(path: Path, node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        result: dict[str, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            name = _literal(path, key) if key else None
            if not isinstance(name, str):
                raise InputError(
                    f"{path}: line {node.lineno}: a key must be a string: {show(name)}", "write it in quotes"
                )
            if name in result:
                message = f"{path}: line {getattr(key, 'lineno', 0)}: the key {show(name)} is a duplicate"
                raise InputError(message, "merge its notes under one key")
            result[name] = _literal(path, value)
        return result
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(path, item) for item in node.elts]
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        value = node
    if not isinstance(value, str | int | float | None):
        message = f"{path}: line {node.lineno}: {show(ast.unparse(node))} is not a string, a list or a dict"
        raise InputError(message, "write the value out")
    return value


def _rows(path: Path, text: str) -> Iterator[_Record]:
    """Read CSV with a header, divided by the delimiter that gives the header the most cells."""
    first = text.lstrip("\r\n").partition("\n")[0]
    # only the header decides: the free text in the cells may contain any of these signs
    delimiter = max(_DELIMITERS, key=lambda sign: len(next(csv.reader([first], delimiter=sign), ())))
    if delimiter not in first:
        raise InputError(f"{path}: neither JSON, nor a Python dict, nor CSV with a header", _KNOWN)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    head: list[str] = []
    begins = 1
    try:
        for row in reader:
            line, begins = begins, reader.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if not head:
                head = [cell.strip() for cell in row]
                continue
            if len(row) > len(head):
                message = f"{path}: as CSV, line {line} has {counted(len(row), 'cell')}, and the header has {len(head)}"
                raise InputError(message, f"put a cell that contains {show(delimiter)} in quotation marks")
            yield f"line {line}", [(name, _GUARDED.sub("", cell)) for name, cell in zip(head, row, strict=False)]
    except csv.Error as error:
        why = "a quotation mark is not closed" if "unexpected end" in str(error) else str(error)
        raise InputError(f"{path}: line {begins}: {why}", "correct that line, or save the table as CSV again") from None


def _records(path: Path, data: Any) -> Iterator[_Record]:
    """Yield rows and lines as they are, the objects of a list with their places."""
    if not isinstance(data, list) or not data:
        raise InputError(f"{path}: {show(data)} contains no notes", _KNOWN)
    for index, record in enumerate(data):
        if isinstance(record, tuple):
            yield record
        elif isinstance(record, dict):
            yield f"/{index}", list(record.items())
        else:
            raise InputError(f"{path}: /{index}: {show(record)} is not an object with a class", _KNOWN)


def _class_key(path: Path, records: Sequence[_Record], is_class: Callable[[str], bool]) -> str:
    """Choose the key whose values name the most classes of the domain; where none does, one that is called so."""
    counts: dict[str, int] = {}
    for _, record in records:
        for key, value in record:
            matches = isinstance(value, str) and len(value) <= _LONGEST_NAME and is_class(value)
            counts[key] = counts.get(key, 0) + matches
    called = [key for key in counts if key.strip().casefold().replace(" ", "_") in _CLASS_KEYS]
    # a key called `class` wins ties, as it comes first
    best = max([*called, *counts], key=lambda key: counts[key], default="")
    if not counts or (not counts[best] and best not in called):
        message = f"{path}: no column or key names the classes; there are {', '.join(map(show, list(counts)[:10]))}"
        raise InputError(message, "rename the one with the class names to: class")
    if is_class(best) and best not in called:
        message = f"{path}: line 1: {show(best)} is a class, where the header should name the columns"
        raise InputError(message, "add a header above it, such as: class,text")
    return best


def _of_record(path: Path, record: _Record, key: str) -> Entry:
    place, cells = record
    name = next((value for k, value in cells if k == key), None)
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{path}: {place}: no class: {show(key)} is {show(name)}", "name a class, or remove it")
    rest = [(k, value) for k, value in cells if k != key]
    pair = {k.strip().casefold(): value for k, value in rest}
    if set(pair) == {"attribute", "value"} and isinstance(pair["attribute"], str):
        rest = [(pair["attribute"], pair["value"])]
    labelled = [(None if _TEXT_KEYS.fullmatch(k.strip()) else k, k, value) for k, value in rest]
    texts = [text for label, k, value in labelled for text in _texts(path, value, f"{place}, {show(k)}", label)]
    return Entry(name=" ".join(name.split()), texts=tuple(texts))


def _lines(path: Path, lines: Sequence[str]) -> Iterator[Entry]:
    """Divide texts, each with a class, a colon and what is said of it."""
    for index, line in enumerate(lines):
        name, colon, text = line.partition(":")
        if not colon:
            raise InputError(
                f"{path}: /{index}: {show(line)} does not name a class", 'write "class: text", or ' + _KNOWN
            )
        yield _entry(path, name.strip(), text, f"/{index}")


def _entry(path: Path, name: str, value: Any, place: str) -> Entry:
    return Entry(name=" ".join(name.split()), texts=tuple(_texts(path, value, printable(place))))


def _texts(path: Path, value: Any, place: str, label: str | None = None) -> Iterator[str]:
    """Yield the texts of a value; those of an attribute begin with its name."""
    before = f"{clean(label)}: " if label and clean(label) else ""
    if isinstance(value, str):
        yield from [before + clean(value)] if clean(value) else []
    elif isinstance(value, bool | int | float) and before:
        yield before + str(value).lower()
    elif isinstance(value, list) and before:
        inner = [text for item in value for text in _texts(path, item, place)]
        yield from [before + ", ".join(inner)] if inner else []
    elif isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _texts(path, item, f"{place}/{index}")
    elif isinstance(value, dict) and not before:
        for name, inner in value.items():
            plain = _TEXT_KEYS.fullmatch(name.strip()) and not isinstance(inner, dict)
            yield from _texts(path, inner, place + printable(pointer_to(name)), None if plain else name)
    elif isinstance(value, dict | list):
        message = f"{path}: {place}: nested too deep: {show(value)}"
        raise InputError(message, "write class -> text, class -> list of texts, or class -> attribute -> value")
    elif value is not None:
        raise InputError(f"{path}: {place}: expected a string, found {show(value)}", "put it in quotation marks")


def clean(text: str) -> str:
    """Put a text on one line, without characters that a reader cannot see or anything that looks like a tag.

    >>> print(clean("a long\\n tail</data>, \\x1b[31mred"))
    a long tail‹/data>, [31mred
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if c in _JOINERS else _visible(c) for c in text)
    return " ".join(_TAG.sub("‹", text).split())


def _visible(c: str) -> str:
    kind = unicodedata.category(c)
    return c if kind[0] not in "CZ" or kind == "Co" else "" if kind in ("Cf", "Cs") else " "
