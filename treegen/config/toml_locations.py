"""Line and column of JSON Pointers in a TOML text, found by its headers and keys."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from treegen.tree.validation.problems import Place, path_of

_HEADER: Final = re.compile(r"\s*\[[^\[\]]*\]\s*(#.*)?$")
_KEY: Final = re.compile(r"""\s*((?:[A-Za-z0-9_.\s-]|"(?:[^"\\]|\\.)*"|'[^']*')+?)\s*=""")
_FENCE: Final = re.compile(r'"""|\'\'\'')


def locate_toml(text: str, pointers: Iterable[str]) -> dict[str, Place]:
    """Return the location of each pointer's key, or else of the nearest parent that has a line of its own.

    Members of an inline table or a list are located at its first line; missing ones at the top.

    Args:
        text: TOML without arrays of tables.
        pointers: RFC 6901.
    """
    by_path: dict[tuple[str, ...], Place] = {(): Place(line=1, column=1)}
    for path, place in _keys(text):
        for length in range(1, len(path) + 1):
            by_path.setdefault(path[:length], place)
    places = {}
    for pointer in pointers:
        path = tuple(path_of(pointer))
        places[pointer] = next(by_path[path[:n]] for n in range(len(path), -1, -1) if path[:n] in by_path)
    return places


def _keys(text: str) -> Iterator[tuple[tuple[str, ...], Place]]:
    """Yield each header and key with its path and location; lines inside multi-line strings are skipped."""
    table: tuple[str, ...] = ()
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        begun_inside = bool(fence)
        for mark in _FENCE.findall(line):
            fence = "" if mark == fence else fence or mark
        if begun_inside:
            continue
        place = Place(line=number, column=len(line) - len(line.lstrip()) + 1)
        if _HEADER.match(line):
            table = _path(line)
            yield table, place
        elif (key := _KEY.match(line)) and (path := _path(f"{key[1]} = 0")):
            yield (*table, *path), place


def _path(line: str) -> tuple[str, ...]:
    """Return the path that a header or a key defines; empty if it is neither."""
    try:
        value: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: tuple[str, ...] = ()
    while isinstance(value, dict) and len(value) == 1:
        ((key, value),) = value.items()
        path = (*path, key)
    return path
