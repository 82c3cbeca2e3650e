"""Checkpoints: finished steps of a long run, stored at once, so that an interrupted run resumes from them.

A step is looked up by its request, so one of another domain, other groups or another template is not reused.
"""

import hashlib
from collections.abc import Iterable

from treegen.history.store import Store, now


class Checkpoints:
    """The checkpoints of one tree file. Not thread-safe."""

    def __init__(self, store: Store, *, fresh: bool = False) -> None:
        """Open the checkpoints; `fresh` deletes the stored ones."""
        self._store = store
        if fresh:
            with store.writing() as db:
                db.execute("DELETE FROM part WHERE file=?", (store.file,))

    def get(self, name: str, request: Iterable[str]) -> str | None:
        """Return the stored value of a step, if its request was the same."""
        query = "SELECT value FROM part WHERE file=? AND digest=? AND name=?"
        values = (self._store.file, _digest(request), name)
        if self._store.damaged_rows("part", "file=? AND digest=? AND name=?", values):
            return None  # the step is done again
        rows = self._store.rows(query, values)
        return str(rows[0][0]) if rows else None

    def put(self, name: str, request: Iterable[str], value: str) -> None:
        """Store a step's value."""
        with self._store.writing() as db:
            cursor = db.execute(
                "INSERT OR REPLACE INTO part(file, digest, name, value, created) VALUES (?,?,?,?,?)",
                (self._store.file, _digest(request), name, value, now()),
            )
            self._store.add_checksum("part", "rowid=?", (cursor.lastrowid,))


def _digest(request: Iterable[str]) -> str:
    """Return the SHA-256 of texts, including their boundaries."""
    digest = hashlib.sha256()
    for text in request:
        encoded = text.encode(errors="backslashreplace")
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()
