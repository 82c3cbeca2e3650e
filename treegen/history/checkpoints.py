"""Finished parts of something long, kept in the store as soon as they are there: who is interrupted goes on from them.

A part is found again by what was asked for it, so one of another domain, other groups or another template is not used.
"""

import hashlib
from collections.abc import Iterable

from treegen.history.store import Store, now


class Checkpoints:
    """The parts of one tree file. Not for use in several threads."""

    def __init__(self, store: Store, *, fresh: bool = False) -> None:
        """`fresh` forgets what is kept."""
        self._store = store
        if fresh:
            with store.writing() as db:
                db.execute("DELETE FROM part WHERE file=?", (store.file,))

    def get(self, name: str, asked: Iterable[str]) -> str | None:
        """What is kept of a part, if the same was asked for it."""
        query = "SELECT value FROM part WHERE file=? AND digest=? AND name=?"
        rows = self._store.rows(query, (self._store.file, _digest(asked), name))
        return str(rows[0][0]) if rows else None

    def put(self, name: str, asked: Iterable[str], value: str) -> None:
        """Keeps a part."""
        with self._store.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO part(file, digest, name, value, created) VALUES (?,?,?,?,?)",
                (self._store.file, _digest(asked), name, value, now()),
            )


def _digest(asked: Iterable[str]) -> str:
    """SHA-256 over texts; where one ends and the next begins counts."""
    found = hashlib.sha256()
    for text in asked:
        encoded = text.encode(errors="backslashreplace")
        found.update(f"{len(encoded)}:".encode() + encoded)
    return found.hexdigest()
