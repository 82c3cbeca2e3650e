"""Rows of tables as text: CSV, TSV, JSON Lines and Parquet, with line numbers."""

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache, partial
from io import StringIO
from pathlib import Path
from typing import Any, Final

from treegen.errors import InputError
from treegen.extras import require
from treegen.files import kind_of, read_text, refuse_binary
from treegen.images.files import HEAD, PULL, head_of, is_picture, is_pointer_file
from treegen.images.files import SUFFIXES as PICTURES
from treegen.images.interface import SPLITS
from treegen.text import counted, encodable, first_line, show

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
Row = dict[str, str]
_QUOTES: Final = "put text with a comma in double quotes"
_DELIMITERS: Final = ",;\t|"
_OFFICE: Final = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
_SEP_LINE: Final = re.compile(r'"?sep=(.)"?(?=\r?\n)', re.IGNORECASE)  # by which Excel knows the delimiter
#: names of columns that people use, in lower case
PATH_NAMES: Final = (
    "path file_name filename file filepath file_path image image_path image_file image_id img img_path photo picture "
    "datei fichier archivo id"
).split()
LABEL_NAMES: Final = (
    "label labels class class_name classname category species name target y tag klasse art tier classe etiqueta"
).split()


def read_rows(path: Path, wanted: Sequence[str] = ()) -> Iterator[tuple[int, Row]]:
    """Yield the rows with their line number in the file (for Parquet: the row number), from 1.

    Args:
        path: the table. The delimiter of a CSV is that of its header: commas, semicolons, tabs or pipes; or that of a
            line `sep=;` before it.
        wanted: columns that there must be.

    Raises:
        InputError: the file is missing, of an unknown kind, empty, or invalid; the message gives the line.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: no such file", "correct [images] in domain.toml")
    if is_pointer_file(path):
        raise _pointer(path)
    if suffix not in SUFFIXES:
        raise _unknown(path)
    if suffix != ".parquet":
        refuse_binary(path, "a table in text")
    if suffix == ".parquet":
        yield from _parquet(path, wanted)
    elif suffix in (".csv", ".tsv"):
        yield from _csv(path, wanted, "\t" if suffix == ".tsv" else ",")
    else:
        yield from _json_lines(path, wanted)


def columns_of(path: Path) -> tuple[list[str], list[Row]]:
    """Return the names of a table's columns and its rows.

    Raises:
        InputError: see `read_rows`; or it has no rows.
    """
    rows = [row for _, row in read_rows(path)]
    if not rows:
        raise InputError(f"{path}: no rows", "add a line for each picture below the column names")
    names = list(dict.fromkeys(name for row in rows for name in row))
    if pictures := [name for name in names if Path(name).suffix.lower() in PICTURES]:
        message = f"{path}: the first line does not name the columns, but the picture {show(pictures[0])}"
        raise InputError(message, "add a line before it: path,label")
    return names, rows


def guess_columns(names: Sequence[str], rows: Sequence[Row]) -> tuple[str | None, str | None]:
    """Return which columns of a table may hold file names and labels: by their names, and by endings of pictures."""
    by_name = {name.lower(): name for name in reversed(names)}
    path = next((by_name[name] for name in PATH_NAMES if name in by_name), None)
    holding = [n for n in names if any(Path(row.get(n, "")).suffix.lower() in PICTURES for row in rows[:20])]
    if holding and path not in holding:
        path = holding[0]
    label = next((by_name[name] for name in LABEL_NAMES if name in by_name and by_name[name] != path), None)
    if label is None and path is not None and len(names) == 2:
        label = next(name for name in names if name != path)
    return path, label


def guess_split(names: Sequence[str], rows: Sequence[Row], used: Collection[str | None]) -> str | None:
    """Return the first column, besides those used, all of whose cells name splits; `None` if there is none."""
    for name in names:
        cells = {row.get(name, "").strip().lower() for row in rows} - {""}
        if cells and name not in used and cells <= SPLITS.keys():
            return name
    return None


def _unknown(path: Path) -> InputError:
    """Say what a file is that is not a table."""
    kind, suffix = kind_of(head_of(path)), path.suffix.lower()
    message = f"{path}: {kind}, not a table" if kind else f"{path}: unknown kind of table"
    if suffix in _OFFICE:
        return InputError(message, "save it as CSV")
    if suffix in PICTURES or "image" in kind:
        return InputError(message, "name the folder that it is in")
    if "archive" in kind:
        return InputError(message, "unpack it, and name what is in it")
    return InputError(message, f"expected a name that ends in {', '.join(SUFFIXES)}")


def _require_columns(path: Path, line: int, names: Sequence[str], wanted: Sequence[str], row: Row | None) -> None:
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    existing = ", ".join(map(show, names)) or "none"
    message = f"{path}: line {line}: no column {' and no column '.join(map(show, missing))}; there are: {existing}"
    if any(Path(name).suffix.lower() in PICTURES for name in names):
        raise InputError(message, f"the first line must name the columns, such as {','.join(wanted)}")
    guessed = guess_columns(names, [row] if row else [])
    quoted = [json.dumps(name, ensure_ascii=False) if name else '"..."' for name in guessed]
    raise InputError(message, f"name them below [images]: columns = {{path = {quoted[0]}, label = {quoted[1]}}}")


def _csv(path: Path, wanted: Sequence[str], delimiter: str) -> Iterator[tuple[int, Row]]:
    text = read_text(path)
    if sep := _SEP_LINE.match(text):
        delimiter, text = sep[1], text[sep.end() :]  # the line stays as a blank one, so that numbers are right
    else:
        delimiter = _delimiter(text, wanted, delimiter)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    start = 1  # line where the next row starts
    try:
        rows = ([cell.strip() for cell in cells] for cells in reader)
        heads = next((cells for cells in rows if any(cells)), [])
        if not heads:
            raise InputError(f"{path}: empty", "the first line names the columns: path,label")
        head = reader.line_num
        if repeated := [name for name, count in Counter(heads).items() if count > 1 and name]:
            raise InputError(f"{path}: line {head}: two columns are named {show(repeated[0])}", "rename one of the two")
        checked = bool(set(wanted) <= set(heads))
        start = head + 1
        for cells in reader:
            if not checked and cells:
                _require_columns(path, head, heads, wanted, dict(zip(heads, cells, strict=False)))
            if not any(cell.strip() for cell in cells[len(heads) :]):  # spreadsheets fill rows up with delimiters
                del cells[len(heads) :]
            if cells and len(cells) != len(heads):
                sizes = f"{counted(len(cells), 'cell')} under {counted(len(heads), 'column')}"
                message = f"{path}: line {reader.line_num}: {sizes}"
                few = "give every line a cell for each column, even an empty one"
                raise InputError(message, few if len(cells) < len(heads) else _QUOTES)
            if cells:
                yield reader.line_num, dict(zip(heads, cells, strict=True))
            start = reader.line_num + 1
        _require_columns(path, head, heads, wanted, None)
    except csv.Error as error:
        if str(error) == "unexpected end of data":  # csv's errors carry no code
            message = f"{path}: line {start}: a double quote is not closed before the end of the file"
            raise InputError(message, 'close it; a double quote within text is written twice: ""') from None
        raise InputError(f"{path}: line {reader.line_num}: {error}", "correct the line") from None


def _delimiter(text: str, wanted: Sequence[str], default: str) -> str:
    """Return the delimiter of the header: the one that gives the wanted columns, else the most frequent."""
    blank = f' \r\n"{_DELIMITERS}'
    head = next((line for line in StringIO(text) if line.strip(blank)), "").rstrip("\r\n")
    ordered = sorted(_DELIMITERS, key=lambda sign: sign != default)
    cells = {sign: {cell.strip().strip('"') for cell in head.split(sign)} for sign in ordered}
    fitting = [sign for sign in ordered if len(wanted) > 1 and set(wanted) <= cells[sign]]
    return fitting[0] if fitting else max(ordered, key=head.count)


def _json_lines(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=partial(_without_duplicates, path, number))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: line {number}: not JSON: {error}", "each line is one object") from None
        if not isinstance(row, dict):
            raise InputError(
                f"{path}: line {number}: not an object", 'each line is like {"path": "...", "label": "..."}'
            )
        texts = {encodable(key): encodable(cell_text(value)) for key, value in row.items()}
        _require_columns(path, number, list(texts), wanted, texts)
        yield number, texts


def _without_duplicates(path: Path, number: int, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if repeated := [name for name, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise InputError(f"{path}: line {number}: {show(repeated[0])} is a duplicate key", "rename one of the two")
    return dict(pairs)


def _parquet(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, Row]]:
    pictures, names = picture_columns(path), label_names(path)
    with open_parquet(path) as file:
        heads = list(file.schema_arrow.names)
        if repeated := [name for name, count in Counter(heads).items() if count > 1]:
            raise InputError(f"{path}: two columns are named {show(repeated[0])}", "rename one of the two")
        _require_columns(path, 1, heads, wanted, None)
        plain = [name for name in heads if name not in pictures]
        number = 0
        for batch in batches(file, path, plain):
            for row in batch.to_pylist():
                number += 1
                yield number, {key: _named(value, names.get(key)) for key, value in row.items()}


def open_parquet(path: Path) -> Any:
    """Open a Parquet file.

    Raises:
        InputError: it is none, or pyarrow is not installed.
    """
    require("embed")
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except Exception as error:  # pyarrow's errors have no common type
        raise _not_parquet(path, error) from None


def batches(file: Any, path: Path, columns: Sequence[str], rows: int = 65_536) -> Iterator[Any]:
    """Yield columns of an open Parquet file, some rows at a time.

    Raises:
        InputError: the file is damaged.
    """
    try:
        yield from file.iter_batches(rows, columns=list(columns))
    except Exception as error:  # pyarrow's errors have no common type
        raise _not_parquet(path, error) from None


def _pointer(path: Path) -> InputError:
    return InputError(f"{path}: a git-lfs pointer, not the table", PULL)


def _not_parquet(path: Path, error: Exception) -> InputError:
    if is_pointer_file(path):
        return _pointer(path)
    return InputError(f"{path}: not Parquet: {first_line(error) or 'broken'}", "write the table again")


def picture_columns(path: Path) -> tuple[str, ...]:
    """Return the columns of a Parquet file that hold pictures as bytes, as push_to_hub of Hugging Face writes them."""
    from pyarrow import types

    with open_parquet(path) as file:
        found = list[str]()
        for field in file.schema_arrow:
            if types.is_struct(field.type):
                found += [field.name] * any(field.type.field(i).name == "bytes" for i in range(field.type.num_fields))
            elif types.is_binary(field.type) or types.is_large_binary(field.type):
                first = (cell for batch in batches(file, path, [field.name], 1) for cell in batch.column(0).to_pylist())
                found += [field.name] * is_picture((next(filter(None, first), b""))[:HEAD])
    return tuple(found)


def picture_lists(path: Path) -> tuple[str, ...]:
    """Return the columns of a Parquet file that hold several pictures in each row."""
    from pyarrow import types

    with open_parquet(path) as file:
        return tuple(
            field.name
            for field in file.schema_arrow
            if (types.is_list(field.type) or types.is_large_list(field.type))
            and types.is_struct(inner := field.type.value_type)
            and any(inner.field(i).name == "bytes" for i in range(inner.num_fields))
        )


def count_pictures(path: Path, columns: Sequence[str] | None = None) -> int:
    """Return how many pictures the columns of a Parquet file hold, by its metadata; of all columns if not given.

    Raises:
        InputError: it is not Parquet, or pyarrow is not installed.
    """
    wanted = picture_columns(path) if columns is None else columns
    leaves = {leaf for name in wanted for leaf in (name, f"{name}.bytes")}
    count = 0
    with open_parquet(path) as file:
        for number in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(number)
            for chunk in (group.column(i) for i in range(group.num_columns)):
                if chunk.path_in_schema in leaves:
                    nulls = chunk.statistics.null_count if chunk.statistics and chunk.statistics.has_null_count else 0
                    count += chunk.num_values - nulls
    return count


def bytes_of(cell: Any) -> bytes:
    """Return the picture in a cell of a Parquet file; empty if there is none."""
    return (cell.get("bytes") if isinstance(cell, dict) else cell) or b""


def label_names(path: Path) -> dict[str, tuple[str, ...]]:
    """Return, for columns of numbers, the names that a Hugging Face Parquet file keeps for them (its ClassLabels)."""
    with open_parquet(path) as file:
        stored = (file.schema_arrow.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(stored)["info"]["features"] if stored else {}
        return {
            name: tuple(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("names")
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _named(value: Any, names: tuple[str, ...] | None) -> str:
    """Return a cell as text; for a ClassLabel its name."""
    if names and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return cell_text(value)


@lru_cache(maxsize=4)
def row_group(path: Path, changed: int, column: str, group: int) -> Any:
    """Return the pictures of one row group of a Parquet file; the last are kept, as they are read one by one."""
    with open_parquet(path) as file:
        return file.read_row_group(group, columns=[column]).column(0)


def picture_bytes(path: Path, column: str, row: int) -> bytes:
    """Return a picture out of a Parquet file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        changed = path.stat().st_mtime_ns
        with open_parquet(path) as file:
            group, first = 0, 0
            while row >= first + file.metadata.row_group(group).num_rows:
                first += file.metadata.row_group(group).num_rows
                group += 1
        return bytes(bytes_of(row_group(path, changed, column, group)[row - first].as_py()))
    except (InputError, ValueError, TypeError, IndexError) as error:
        raise OSError(f"not a picture in Parquet: {error}") from None


def cell_text(value: Any) -> str:
    """Return a cell as CSV would contain it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():  # of a column of whole numbers with gaps
        return str(int(value))
    return value if isinstance(value, str) else str(value)
