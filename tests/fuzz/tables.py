"""Tables that name pictures, as people write them: CSV, TSV, JSON Lines, Parquet, Hugging Face's metadata."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

import pyarrow
from pyarrow import parquet

from tests.fuzz.folders import class_folder, name_of
from tests.fuzz.inputs import LABELS, Input, toml, write, write_domain
from tests.fuzz.pictures import Picture, any_picture

_HEADS: Final = (
    *(
        ("path", "label"),
        ("path", "label"),
        ("path", "label"),
        ("file_name", "label"),
        ("Datei", "Art"),
        ("image", "y"),
    ),
    *(("label", "path"), ("path", "path"), ("", "label"), ("path ", " label"), ("a.png", "Newt"), ("id", "class")),
)
_PARTS: Final = ("train", "test", "val", "dev", "", "TEST", "holdout", "validation")
_CROPS: Final = (
    "",
    "0 0 1 1",
    "(0.1, 0.2, 0.9, 0.8)",
    "0;0;1;1",
    "1 1 0 0",
    "a b c d",
    "nan nan nan nan",
    "0 0 1e9 1",
    "[0,0]",
)
_OUTSIDE: Final = __file__
_PATHS: Final = (
    _OUTSIDE,
    *(
        "missing.png",
        "https://example.org/1.png",
        "s3://bucket/1.png",
        "data:image/png;base64,AAAA",
        "n" * 300 + ".png",
    ),
    *("../outside.png", "C:\\pictures\\1.png", "~/1.png", ".", "a\0b.png", "", " ", "deep/" * 900 + "1.png"),
    *("\x1b[31m.png", "\ud800.png", "NaN", "Newt", "1"),
)


def tables(random: Random, folder: Path) -> Input:
    """A table of some of the pictures of a folder, with what goes wrong in tables."""
    given = Input(kind="tables", folder=folder)
    root = folder / "set"
    root.mkdir()
    files: dict[str, Picture] = {}
    for number in range(random.randint(0, 10)):
        picture = any_picture(random, number, awkward=0.2)
        where = random.choice(["", "sub", class_folder(random)])
        files[f"{where}/{name_of(random, picture)}".lstrip("/")] = picture
    write(root, files, given)
    shape = random.random()
    if shape < 0.15:
        _pushed(random, root, given)
    elif shape < 0.3:
        _metadata(random, root, given, files)
    else:
        _manifest(random, root, given, files)
    return given


def _rows(random: Random, files: "dict[str, Picture]", given: Input) -> list[list[str]]:
    rows, named = list[list[str]](), [*files]
    for _ in range(random.randint(0, 16)):
        if named and random.random() < 0.85:
            name = random.choice(named)
            shape = random.randrange(8)
            others = {0: name.replace("/", "\\"), 1: f"./{name}", 2: name.removesuffix(files[name].ending)}
            text = others.get(shape, name)
            if not files[name].counts:
                given.found = given.count = (
                    None  # a table may name what is no picture: it then counts, if its row is used
                )
        else:
            text = random.choice(_PATHS)
            if text == _OUTSIDE:  # a file, and so it counts if its row is used
                given.found = given.count = None
        rows.append([text, random.choice(LABELS)])
    return rows


def _manifest(random: Random, root: Path, given: Input, files: "dict[str, Picture]") -> None:
    heads = list(random.choice(_HEADS)) if random.random() < 0.5 else ["path", "label"]
    rows = _rows(random, files, given)
    if random.random() < 0.3:
        heads.append("split")
        rows = [[*row, random.choice(_PARTS) if random.random() < 0.3 else "test"] for row in rows]
    if random.random() < 0.2:
        heads.append("crop")
        rows = [[*row, random.choice(_CROPS) if random.random() < 0.4 else "0 0 1 1"] for row in rows]
    suffix = random.choice([".csv", ".csv", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".CSV", ".txt", ".xlsx"])
    table = given.folder / f"list{suffix}"
    given.source = table
    data = _encoded(random, suffix, heads, rows)
    if random.random() < 0.25:
        data = _damaged(random, data)
    if random.random() < 0.97:
        table.write_bytes(data)
    columns = {key: name for key, name in zip(("path", "label"), heads, strict=False) if name != key and name}
    line = ", ".join(f"{key} = {toml(name)}" for key, name in columns.items())
    images = f'manifest = "list{suffix}"\nfolder = "set"'
    write_domain(given.folder, images + (f"\ncolumns = {{{line}}}" if line and random.random() < 0.7 else ""), random)


def _encoded(random: Random, suffix: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    if suffix in (".jsonl", ".ndjson"):
        values: list[Any] = [dict(zip(heads, row, strict=False)) for row in rows]
        for value in values:
            if random.random() < 0.1:
                value[random.choice(heads)] = random.choice([None, 3, 1.5, True, ["Newt"], {"a": 1}, [], 10**400])
        if values and random.random() < 0.1:
            values[random.randrange(len(values))] = random.choice([[], 3, "text", None])
        return "\n".join(json.dumps(value) for value in values).encode()
    if suffix == ".parquet":
        columns: dict[str, Any] = {head: [_text(row[at]) for row in rows] for at, head in enumerate(heads)}
        if random.random() < 0.2 and heads:
            columns[heads[-1]] = random.choice([[1.0] * len(rows), [None] * len(rows), [2**62] * len(rows)])
        raw = io.BytesIO()
        parquet.write_table(pyarrow.table(columns), raw)
        return raw.getvalue()
    out = io.StringIO()
    ends = random.choice(["\n", "\r\n", "\n", "\r"])
    kind: Literal[0, 1] = csv.QUOTE_ALL if random.random() < 0.5 else csv.QUOTE_MINIMAL
    delimiter = "\t" if suffix == ".tsv" else random.choice(",,,;\t|")
    csv.writer(out, delimiter=delimiter, lineterminator=ends, quoting=kind).writerows([heads, *rows])
    text = out.getvalue()
    if random.random() < 0.1:
        text = random.choice(["\n\n", "# comment\n", "sep=;\n", " "]) + text
    encoding = random.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])
    return text.encode(encoding, "replace")


def _text(cell: str) -> str:
    return cell.encode(errors="replace").decode()


def _damaged(random: Random, data: bytes) -> bytes:
    """Cut off, with a quote, a cell or bytes too many, or of another kind altogether."""
    place = random.randrange(len(data) + 1)
    return random.choice(
        [
            data[:place],
            data[:place] + b'"' + data[place:],
            data[:place] + b"," + data[place:],
            data[:place] + b"\n" + data[place:],
            data[:place] + random.randbytes(3) + data[place:],
            b"",
            b"\n",
            b"PAR1",
            b"[]",
            b"\x00" * 9,
            b"{" * 9000,
            random.randbytes(99),
        ]
    )


def _metadata(random: Random, root: Path, given: Input, files: "dict[str, Picture]") -> None:
    """A folder as Hugging Face's imagefolder has it, with tables in some of its folders."""
    given.source = root
    for where in random.sample(["", "train", "test", "sub"], random.randint(0, 3)):
        inside = {n.removeprefix(f"{where}/" if where else ""): p for n, p in files.items() if n.startswith(where)}
        suffix = random.choice([".csv", ".jsonl", ".parquet"])
        data = _encoded(
            random, suffix, ["file_name", random.choice(["label", "label", "text"])], _rows(random, inside, given)
        )
        (root / where).mkdir(parents=True, exist_ok=True)
        (root / where / f"metadata{suffix}").write_bytes(_damaged(random, data) if random.random() < 0.15 else data)
    write_domain(given.folder, 'hf = "set"', random)


def _pushed(random: Random, root: Path, given: Input) -> None:
    """Parquet that holds the pictures, as push_to_hub writes it; some rows hold none."""
    names = random.choice([None, ["Newt", "Swan"], ["Swan", "Eel", "Newt"], [], ["Newt", "Newt"]])
    for part in random.sample(["train-00000-of-00001", "test-00000-of-00001", "all"], random.randint(1, 2)):
        rows: list[dict[str, Any]] = []
        for number in range(random.randint(0, 6)):
            picture = any_picture(random, number)
            cell: Any = {"bytes": picture.data, "path": f"{number}{picture.ending}"}
            if random.random() < 0.2:
                cell = random.choice([None, {"bytes": None, "path": "x.png"}, {"bytes": b"", "path": None}])
            label: Any = random.choice([0, 1, 2, -1, 99, None]) if names is not None else random.choice(LABELS)
            rows.append({random.choice(["image", "image"]): cell, "label": label})
        kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
        label_type = pyarrow.int64() if names is not None else pyarrow.string()
        schema = pyarrow.schema([("image", kind), ("label", label_type)])
        if names is not None:
            features: Any = random.choice(
                [{"label": {"names": names}}, {"label": {"names": 3}}, {"label": 3}, [], None]
            )
            text = json.dumps({"info": {"features": features}}) if random.random() < 0.9 else "{"
            schema = schema.with_metadata({b"huggingface": text.encode()})
        table = pyarrow.Table.from_pylist(rows, schema=schema)
        path = root / "data" / f"{part}.parquet"
        path.parent.mkdir(exist_ok=True)
        parquet.write_table(table, path, row_group_size=random.choice([1, 3, 100]))
        if random.random() < 0.1:
            path.write_bytes(_damaged(random, path.read_bytes()))
    single = [*(root / "data").iterdir()]
    given.found = given.count = None  # the pictures are rows
    if len(single) == 1 and random.random() < 0.5:
        given.source = single[0]
        write_domain(given.folder, f'manifest = "set/data/{single[0].name}"', random)
    else:
        given.source = root
        write_domain(given.folder, 'hf = "set"', random)
