"""Copy what a database held that was removed or replaced while it was in use, as by `git clean`, into its successor.

The process that had it open can still read it: the system keeps a removed file for those who have it open. SQLite would
go on writing there, where nobody finds it.
"""

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

logger = logging.getLogger(__name__)
_AT_ONCE: Final = 1024  # rows held in memory
Ids = dict[str, dict[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How the rows of a table are copied.

    Attributes:
        references: columns that hold ids of other tables: column -> table, which must come earlier.
        numbered: it has ids that are used elsewhere. Equal rows are one, and get the id that they have already.
        mutable: columns of a numbered table that may differ between equal rows.
        summed: whether its checksum is also of references, so that it no longer holds if one changes.
    """

    references: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False
    mutable: frozenset[str] = frozenset()
    summed: bool = False


def place_of(path: Path) -> tuple[int, int]:
    """Return what identifies a file whatever its name is, device and inode; zeros if there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def carry_over(before: sqlite3.Connection, after: sqlite3.Connection, tables: Mapping[str, Table]) -> Ids:
    """Copy the rows that a database lacks, within a transaction of the caller.

    Args:
        before: the database that was removed.
        after: its successor, with the same tables.
        tables: those to copy, in this order.

    Returns:
        For each numbered table, old id -> new id. An id stays as it is unless another row has it.

    Raises:
        sqlite3.DatabaseError: the old database cannot be read.
    """
    ids: Ids = {}
    for name, table in tables.items():
        columns = [row[1] for row in before.execute(f"PRAGMA table_info({name})")]
        if table.numbered:
            ids[name] = _copy_numbered(before, after, name, table, columns, ids)
        elif columns:
            _copy(before, after, name, table, columns, ids)
    return ids


def _copy(
    before: sqlite3.Connection, after: sqlite3.Connection, name: str, table: Table, columns: list[str], ids: Ids
) -> None:
    """Copy rows; those whose key is there already stay as they are."""
    columns = [column for column in columns if column != "id"]
    cursor = before.execute(f"SELECT {', '.join(columns)} FROM {name}")
    insert = f"INSERT OR IGNORE INTO {name}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    while rows := cursor.fetchmany(_AT_ONCE):
        after.executemany(insert, (_mapped(row, columns, table, ids) for row in rows))


def _copy_numbered(
    before: sqlite3.Connection, after: sqlite3.Connection, name: str, table: Table, columns: list[str], ids: Ids
) -> dict[int, int]:
    """Copy rows in the order of their ids, and return old id -> new id."""
    result = ids[name] = {}  # a row may refer to an earlier one of the same table
    lasting = [column for column in columns if column not in {"id", "sum", *table.mutable}]
    known = dict(_identified(after, name, lasting))
    taken = set(known.values())
    insert = f"INSERT INTO {name}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for row in before.execute(f"SELECT {', '.join(columns)} FROM {name} ORDER BY id").fetchall():
        mapped = dict(zip(columns, _mapped(row, columns, table, ids), strict=True))
        old, identity = mapped["id"], tuple(mapped[column] for column in lasting)
        if identity not in known:
            mapped["id"] = None if old in taken else old
            known[identity] = int(after.execute(insert, tuple(mapped.values())).lastrowid or 0)
            taken.add(known[identity])
        result[old] = known[identity]
    return result


def _identified(db: sqlite3.Connection, name: str, columns: list[str]) -> Iterator[tuple[tuple[Any, ...], int]]:
    for number, *values in db.execute(f"SELECT id, {', '.join(columns)} FROM {name}"):
        yield tuple(values), number


def _mapped(row: tuple[Any, ...], columns: list[str], table: Table, ids: Ids) -> tuple[Any, ...]:
    """Return a row with the ids that what it refers to has now."""
    if not table.references:
        return row
    values = dict(zip(columns, row, strict=True))
    moved: dict[str, int | None] = {
        column: ids[target].get(values[column], values[column])
        for column, target in table.references.items()
        if values[column] is not None
    }
    if table.summed and any(values[column] != number for column, number in moved.items()):
        moved["sum"] = None
    return tuple((values | moved).values())
