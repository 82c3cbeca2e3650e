"""Files that are given for a tree and are of another kind: what they are, and what to give instead.

A file of another kind is wrong usage, exit code 2; a tree whose text is damaged has problems, exit code 1.
"""

import json
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import Final

from treegen.errors import InputError
from treegen.files import kind_of, open_regular, read_text
from treegen.text import quoted
from treegen.tree.document import parse_json

_INSTEAD: Final = "name a tree file, or the folder of a domain"
_TABLE: Final = f"tables of images go below [images] in domain.toml, notes into `treegen draft --notes`; {_INSTEAD}"
_TREE_KEYS: Final = {"classification_groups", "rules"}
_MENTIONED: Final = ("classification_groups", '"rules"')  # in a tree with a syntax error
_HEAD: Final = 4096
_LOOKED_AT: Final = 100  # entries of a folder
_PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic")
#: name's ending -> what such a text is, and what to do instead; texts that never hold a tree
_TABLES: Final = {
    ".csv": "a CSV table",
    ".tsv": "a table",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
}
_TEXTS: Final = {
    ".txt": ("a text file", f"`treegen init DIR --classes FILE` reads a list of classes; {_INSTEAD}"),
    ".md": ("a Markdown file", f"`treegen import FILE` reads a tree in a code fence; {_INSTEAD}"),
    ".py": ("a Python file", f"`treegen import FILE` reads a tree in Python; {_INSTEAD}"),
    ".html": ("a web page", _INSTEAD),
    ".jinja": ("a prompt template", _INSTEAD),
    ".yaml": ("a YAML file", _INSTEAD),
    ".yml": ("a YAML file", _INSTEAD),
    ".toml": ("a TOML file", _INSTEAD),
}
#: beginning of the kind of a binary file -> what to do instead
_BINARIES: Final = (
    ("a Parquet", _TABLE),
    ("a tar", f"tars of images go below [images] in domain.toml, as shards; {_INSTEAD}"),
    ("a safetensors", f"it holds a model's weights or an exported tree; {_INSTEAD}"),
    ("UTF-16", "save the file as UTF-8"),
)


def refuse_other_files(path: Path) -> None:
    """Refuse a regular file that is not the text of a tree, whole or damaged; one that cannot be read is left alone.

    Raises:
        InputError: it is of another kind.
    """
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD)
    except OSError:
        return
    refuse_bytes(head, str(path))
    refuse_text(read_text(path), str(path))


def refuse_bytes(head: bytes, name: str) -> None:
    """Refuse content that is not text, by its first bytes.

    Raises:
        InputError: it is not text.
    """
    kind = kind_of(head)
    if kind:
        tip = next((tip for beginning, tip in _BINARIES if kind.startswith(beginning)), _INSTEAD)
        if kind.endswith("image"):
            tip = f"`treegen classify TREE IMAGE` labels pictures; {_INSTEAD}"
        raise InputError(f"{name}: {kind}, not a tree", tip)
    if b"\0" in head:
        raise InputError(f"{name}: contains a zero byte at offset {head.index(0)}: not a tree", f"{_INSTEAD}, in UTF-8")


def refuse_text(text: str, name: str) -> None:
    """Refuse a text of another kind. Whatever may be a damaged tree passes: its problems are reported one by one.

    Args:
        text: the content.
        name: of the file; its ending says what a text that is not JSON may be.

    Raises:
        InputError: it is of another kind.
    """
    data, problems = parse_json(text)
    if isinstance(data, dict) and _TREE_KEYS & data.keys():
        return
    suffix = PurePath(name).suffix.lower()
    if suffix in _TABLES:
        raise InputError(f"{name}: {_TABLES[suffix]}, not a tree", _TABLE)
    if not problems:
        refuse_other_json(data, name)
        return
    start = text.lstrip("\ufeff \t\r\n")
    if suffix == ".py" or not (not start or start[0] == "{" or any(key in text for key in _MENTIONED)):
        what, tip = _TEXTS.get(suffix) or _sniffed(start)
        raise InputError(f"{name}: {what}, not a tree", tip)


def refuse_other_json(data: object, name: str) -> None:
    """Refuse sound JSON that is not a tree, with all its parts or some.

    Raises:
        InputError: it is not an object, or has none of a tree's keys.
    """
    if isinstance(data, dict):
        if not _TREE_KEYS & data.keys():
            what = {"urn:treegen:score:1": "a score"}.get(str(data.get("$schema")), "JSON")
            message = f'{name}: {what}, but not a tree: it has neither "classification_groups" nor "rules"'
            raise InputError(message, "`treegen schema tree` shows the format; `treegen import FILE` reads others")
    elif not (isinstance(data, list) and any(isinstance(d, dict) and _TREE_KEYS & d.keys() for d in data)):
        kind = "a list" if isinstance(data, list) else f"only {json.dumps(data)[:40]}"
        raise InputError(f"{name}: JSON, but not a tree: it is {kind}", _INSTEAD)


def _sniffed(text: str) -> tuple[str, str]:
    """Return what a text without a telling name is, and what to do instead."""
    lines = text.splitlines()[:3]
    for separator in ",;\t":
        counts = {line.count(separator) for line in lines}
        if len(lines) > 1 and len(counts) == 1 and counts != {0}:
            return "a table", _TABLE
    return "text", _INSTEAD


def refuse_pictures(folder: Path) -> None:
    """Refuse a folder with pictures in it, or in the folders in it.

    Raises:
        InputError: it has.
    """
    if any(path.suffix.lower() in _PICTURES for path in _entries(folder)):
        tip = f"`treegen init DIR --images {quoted(folder)}` starts a domain with them; {_INSTEAD}"
        raise InputError(f"{folder}: a folder of pictures, not a tree", tip)


def _entries(folder: Path) -> Sequence[Path]:
    try:
        entries = list(islice(folder.iterdir(), _LOOKED_AT))
        inside = (islice(entry.iterdir(), _LOOKED_AT) for entry in entries if entry.is_dir())
        return [*entries, *islice(chain.from_iterable(inside), _LOOKED_AT)]
    except OSError:
        return []
