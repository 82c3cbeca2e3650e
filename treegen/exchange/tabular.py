"""Descriptor lists in rows: CSV and lists of lists."""

import re
from collections.abc import Sequence
from typing import Final

from treegen.exchange.descriptors import CLASS_KEYS, TEXT_KEYS, TYPE_KEYS, VALUE_KEYS, Gathering, add_text
from treegen.exchange.sources import Table
from treegen.tree.validation.schema import show

_MANY: Final = re.compile(r"\s*[;|\n]\s*")
_GUARDED: Final = re.compile(r"^'(?=[=+\-@\t\r])")


def _folded(cell: str) -> str:
    return cell.casefold().replace(" ", "_")


def add_table(into: Gathering, table: Table) -> str:
    """Rows of cells; the first row is the head if it names the class column, or if there are over two columns.

    A cell may hold several values, divided by `;`, `|` or line ends.
    """
    head, *rows = table.rows
    lines = table.lines[1:]
    names = [_folded(cell) for cell in head]
    column = next((i for i, name in enumerate(names) if name in CLASS_KEYS), None)
    if column is None and len(head) == 2:
        head, rows, lines, names, column = ("class", "descriptor"), list(table.rows), table.lines, ["", "descriptor"], 0
    elif column is None:
        into.notes.append(f"no column is called class: the first one, {show(head[0])}, was taken for it")
        column = 0
    others = [i for i in range(len(head)) if i != column]
    kind = next((i for i in others if names[i] in TYPE_KEYS), None) if len(others) == 2 else None
    value = next((i for i in others if names[i] in VALUE_KEYS and i != kind), None)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(head):
            told = "the last ones were left out" if len(row) > len(head) else "the missing ones were taken for empty"
            cells_told = f"{len(row)} cell{'s' if len(row) != 1 else ''}"
            into.notes.append(f"line {line} has {cells_told}, the head has {len(head)}: {told}")
        cells = [*(_GUARDED.sub("", cell) for cell in row), *[""] * (len(head) - len(row))]
        owner = into.owner(cells[column], "")
        if kind is not None and value is not None:
            _add_cell(into, owner, cells[value], f"line {line}", cells[kind] or None)
            continue
        for i in others:
            typed = not (len(others) == 1 and names[i] in TEXT_KEYS) and not _numbered_text(names[i])
            if cells[i] or len(others) == 1:
                _add_cell(
                    into, owner, cells[i], f"line {line}, {head[i] or f'column {i + 1}'}", head[i] if typed else None
                )
    if kind is not None and value is not None:
        return "a table of class, attribute and value (attribute types)"
    return (
        "a table of class and phrase"
        if len(others) == 1 and names[others[0]] in TEXT_KEYS
        else ("a table with one column for each attribute (attribute types)")
    )


def _numbered_text(name: str) -> bool:
    """`descriptor_1`, `phrase2` or no name: a column of phrases, not an attribute."""
    return not name or name.rstrip("0123456789_") in TEXT_KEYS


def _add_cell(into: Gathering, owner: str, cell: str, place: str, kind: str | None) -> None:
    values = [v for v in _MANY.split(cell) if v]
    if kind is None and len(values) <= 1:
        add_text(into, owner, cell, place)
        return
    for value in values or [cell]:
        into.add(owner, value, place, kind)


def add_rows(into: Gathering, rows: Sequence[Sequence[object]]) -> str:
    """Lists of a class and its phrases, one list a class."""
    for index, row in enumerate(rows):
        owner = into.owner(row[0] if row else "", f"/{index}")
        for part, value in enumerate(row[1:], 1):
            into.add(owner, value, f"/{index}/{part}")
    return "a list of rows: a class and its phrases"
