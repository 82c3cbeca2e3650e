"""Line and column of JSON Pointers in a text, found without parsing what no pointer refers to."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from treegen.tree.validation.problems import Place, Problem, path_of

_STRING: Final = r'"(?:[^"\\]++|\\.)*+"'  # possessive: truncated text costs one pass
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_TEXT: Final = re.compile(_STRING, re.DOTALL)
_PLAIN: Final = re.compile(r"[^\s,{}\[\]\"]+")
#: an object or a list without nesting: what most members of a tree are
_FLAT: Final = re.compile(rf'[{{\[](?:[^{{}}\[\]"]++|{_STRING})*+[}}\]]', re.DOTALL)
_BRACKET: Final = re.compile(rf"{_STRING}|[{{}}\[\]]", re.DOTALL)
_STEPS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}

_Targets = dict[str, "_Targets"]


class _Node:
    """A value: its offset (or its key's), and those of its members that are wanted."""

    __slots__ = ("inner", "offset")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.inner: dict[str, _Node] = {}


def locate(text: str, pointers: Iterable[str]) -> dict[str, Place]:
    """Return the location of each pointer: of the key of a member, of the value in a list.

    A missing target is located at its nearest existing parent; of duplicate keys the last one counts, as in JSON.

    Args:
        text: JSON, possibly truncated.
        pointers: RFC 6901.

    >>> locate('{"a": [1, 2]}', ["/a/1"])
    {'/a/1': Place(line=1, column=11)}
    """
    paths = {pointer: path_of(pointer) for pointer in pointers}
    targets: _Targets = {}
    for parts in paths.values():
        below = targets
        for part in parts:
            below = below.setdefault(part, {})
    start = _skip_space(text, 0)
    root = _Node(start)
    if targets:
        _read(text, start, targets, root)
    starts = [0, *(m.end() for m in re.finditer("\n", text))]
    return {pointer: _place(starts, _nearest(root, parts)) for pointer, parts in paths.items()}


def problem_places(text: str, problems: Iterable[Problem]) -> list[Place]:
    """Return the location of each problem in the text it was found in."""
    problems = list(problems)
    places = locate(text, {p.pointer for p in problems if p.place is None})
    return [p.place or places[p.pointer] for p in problems]


def place_at(text: str, offset: int) -> Place:
    """Return line and column of the character at `offset`, both from 1."""
    return _place([0, *(m.end() for m in re.finditer("\n", text[:offset]))], offset)


def bracket_deeper_than(text: str, most: int) -> int:
    """Return the offset of the first bracket that opens more than `most` levels; 0 if none does."""
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth += _STEPS.get(bracket[0], 0)
        if depth > most:
            return bracket.start()
    return 0


def _place(starts: list[int], offset: int) -> Place:
    line = bisect_right(starts, offset)
    return Place(line=line, column=offset - starts[line - 1] + 1)


def _nearest(node: _Node, parts: list[str]) -> int:
    for part in parts:
        if part not in node.inner:
            break
        node = node.inner[part]
    return node.offset


def _read(text: str, at: int, targets: _Targets, node: _Node) -> int:
    """Read the value that starts at `at` and record its wanted members; return where it ends."""
    if not targets or text[at : at + 1] not in ("{", "["):
        return _skip_value(text, at)
    is_object, number = text[at] == "{", 0
    at = _skip_space(text, at + 1)
    while at < len(text) and text[at] not in "}]":
        start, key = at, str(number)
        if is_object:
            match = _TEXT.match(text, at)
            if not match:
                return len(text)
            key = _key(match[0])
            at = _skip_space(text, _skip_space(text, match.end()) + 1)  # the colon
        # members that no pointer refers to are skipped by one regular expression: most of a large tree
        if key in targets:
            node.inner[key] = _Node(start)
            at = _read(text, at, targets[key], node.inner[key])
        else:
            at = _skip_value(text, at)
        at, number = _skip_space(text, at), number + 1
        if text[at : at + 1] == ",":
            at = _skip_space(text, at + 1)
    return at + 1


def _key(token: str) -> str:
    if "\\" not in token:
        return token[1:-1]
    try:
        return str(json.loads(token)).encode(errors="replace").decode()  # half a surrogate pair: as in pointers
    except ValueError:
        return token[1:-1]


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _skip_value(text: str, at: int) -> int:
    """Return where the value that starts at `at` ends: always after `at`, so reading terminates for any text."""
    match = _TEXT.match(text, at) or _PLAIN.match(text, at) or _FLAT.match(text, at)
    if match:
        return match.end()
    # a nested value: count brackets, passing over those in strings
    depth = 0
    for bracket in _BRACKET.finditer(text, at):
        depth += _STEPS.get(bracket[0], 0)
        if depth <= 0:
            return bracket.end()
    return len(text)
