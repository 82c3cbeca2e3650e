"""Write one table of a TOML file; comments, order and every other character stay as they are."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from treegen.errors import InputError
from treegen.files import read_text, write_atomically

Value = str | int | float | bool | Mapping[str, float] | Mapping[str, list[str]]
_MARK: Final = "\ufeff"


def write_table(path: Path, name: str, values: Mapping[str, Value]) -> None:
    """Write a table of a file as `with_table` does; a byte order mark stays.

    Raises:
        InputError: the file cannot be read or written, or its table cannot be edited.
    """
    text = with_table(read_text(path), name, values)
    write_atomically(path, _MARK + text if path.read_bytes().startswith(_MARK.encode()) else text)


def with_table(text: str, name: str, values: Mapping[str, Value]) -> str:
    r"""Return the text with the table `[name]` holding these values and no others.

    A key that is there already keeps its line and the comment behind it; a new one comes behind the table's last key; a
    table that is not there comes at the end.

    Raises:
        InputError: the table is written in a way that cannot be edited.

    >>> print(with_table('[decision]\nrule = "sum"  # for now', "decision", {"rule": "weighted"}))
    [decision]
    rule = "weighted"  # for now
    """
    if "\r\n" in text and text.count("\r\n") == text.count("\n"):
        return with_table(text.replace("\r\n", "\n"), name, values).replace("\n", "\r\n")
    import tomlkit

    before = tomllib.loads(text)
    shown = tomlkit.dumps({name: {key: _item(value) for key, value in values.items()}})
    if name not in before:  # appended by hand: tomlkit would put it before comments at the end
        after = text + ("" if not text or text.endswith("\n") else "\n") + ("\n" if text.strip() else "") + shown
    else:
        document = tomlkit.parse(text)
        _edit(document[name], values)
        after = tomlkit.dumps(document)
    # dotted keys and tables in several places can be edited wrongly: read the result and compare it
    try:
        same = tomllib.loads(after) == {**before, name: dict(values)}
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise InputError(
            f"the table [{name}] is written in a way that cannot be edited", f"write it like this:\n{shown}"
        )
    return after


def _edit(table: Any, values: Mapping[str, Value]) -> None:
    """Make the table hold the values alone; comments behind its last key stay behind it."""
    from tomlkit.items import Table

    for key in [key for key in table if key not in values]:
        del table[key]
    body = table.value.body if isinstance(table, Table) else []
    last = max((number + 1 for number, (key, _) in enumerate(body) if key is not None), default=0)
    rest = body[last:]
    del body[last:]
    for key, value in values.items():
        table[key] = _item(value)
    body += rest


def _item(value: Value) -> Any:
    import tomlkit

    if not isinstance(value, Mapping):
        return value
    inline = tomlkit.inline_table()
    inline.update(value)
    return inline
