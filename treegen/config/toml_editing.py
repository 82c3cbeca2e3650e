"""Writes one table of a TOML text and leaves every other character, comments and order, as it is."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Final

from treegen.config.toml_locations import locate_toml
from treegen.errors import InputError

Value = str | int | float | bool | Mapping[str, float]
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def with_table(text: str, name: str, values: Mapping[str, Value]) -> str:
    r"""The text with the table `[name]` holding these values and no others.

    A key that is there already keeps its line and the comment behind it; a new one comes behind the table's last key; a
    table that is not there comes at the end.

    Raises:
        InputError: the table is written in a way that cannot be edited line by line, such as `name = {...}`.

    >>> print(with_table('[decision]\nrule = "sum"  # for now', "decision", {"rule": "weighted"}))
    [decision]
    rule = "weighted"  # for now
    """
    if "\r\n" in text and text.count("\r\n") == text.count("\n"):
        return with_table(text.replace("\r\n", "\n"), name, values).replace("\n", "\r\n")
    before = tomllib.loads(text)
    shown = "\n".join([f"[{name}]", *(f"{_key(key)} = {_value(value)}" for key, value in values.items())])
    if name not in before:
        after = text + ("" if not text or text.endswith("\n") else "\n") + ("\n" if text.strip() else "") + shown + "\n"
    else:
        after = _edited(text, name, before[name], values)
    try:
        same = tomllib.loads(after) == {**before, name: {key: _plain(value) for key, value in values.items()}}
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise InputError(f"the table [{name}] is written in a way that cannot be edited", f"write it so:\n{shown}")
    return after


def _edited(text: str, name: str, there: Mapping[str, object], values: Mapping[str, Value]) -> str:
    lines = text.split("\n")
    pointers = {key: f"/{name}/" + key.replace("~", "~0").replace("/", "~1") for key in there}
    places = locate_toml(text, [f"/{name}", *pointers.values()])
    numbers = {key: places[pointer].line - 1 for key, pointer in pointers.items()}
    last = max([places[f"/{name}"].line - 1, *numbers.values()])
    new = [f"{_key(key)} = {_value(value)}" for key, value in values.items() if key not in there]
    for key, number in numbers.items():
        if key in values:
            lines[number] = f"{_key(key)} = {_value(values[key])}{_comment(lines[number])}"
    gone = {number for key, number in numbers.items() if key not in values}
    kept = [line for number, line in enumerate(lines[: last + 1]) if number not in gone]
    return "\n".join([*kept, *new, *lines[last + 1 :]])


def _comment(line: str) -> str:
    """The comment behind a key and its value, with the white space before it; empty if there is none."""
    for mark in re.finditer(r"\s*#", line):
        try:
            if tomllib.loads(line[: mark.start()]) == tomllib.loads(line):
                return line[mark.start() :]
        except tomllib.TOMLDecodeError:
            continue
    return ""


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Value) -> str:
    """A TOML value; JSON's escapes are among TOML's."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(own)}" for key, own in value.items()) + " }" if value else "{}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _plain(value: Value) -> object:
    return dict(value) if isinstance(value, Mapping) else value
