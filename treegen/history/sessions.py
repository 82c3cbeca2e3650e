"""The journal of review sessions: every step is stored before it is shown, and survives a crash."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from treegen.history.store import Store, now
from treegen.tree.changes import Change, from_json
from treegen.tree.review_notes import NO_NOTES, NoteChange, Notes, read_target, target_text

_LOCK: Final = "session-{}.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a session: its label, its changes, the changes that undo it, and the notes that it writes."""

    label: str
    changes: tuple[Change, ...]
    back: tuple[Change, ...]
    notes: tuple[NoteChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session as it was left.

    Attributes:
        id: its number in the store.
        base: the text of the tree it started with.
        saved: the text of the tree as the session last read or wrote it.
        file_hash: SHA-256 of the file as the session last read or wrote it.
        steps: all steps that can be undone or redone.
        position: how many of them are applied.
        locks: what language models may not change: `group NAME`, `class NAME`.
        notes: what is reviewed, and comments; they outlast the session.
    """

    id: int
    base: str
    saved: str
    file_hash: str
    steps: tuple[Step, ...]
    position: int
    locks: frozenset[str]
    notes: Notes = field(default_factory=dict)


class Journal:
    """The sessions of one tree file. Each belongs to one process at a time, released even if that is killed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: IO[bytes] | None = None
        self._notes: Notes = NO_NOTES

    def last(self) -> Opened | None:
        """Return the file's last session that has not ended, without taking it over."""
        return self.latest(hold=False)

    def latest(self, *, hold: bool = True) -> Opened | None:
        """Take over the file's last session that has not ended and that no living process holds."""
        query = (
            "SELECT id, base, saved, file_hash, position, locks FROM session WHERE file=? AND ended IS NULL "
            "ORDER BY id DESC"
        )
        self._store.check("session", "file=? AND ended IS NULL", (self._store.file,))
        for number, base, saved, file_hash, position, locks in self._store.rows(query, (self._store.file,)):
            if hold and not self._hold(number):
                continue
            with self._store.shaped():
                steps = self._steps(number)
                return Opened(
                    id=number,
                    base=base,
                    saved=saved,
                    file_hash=file_hash,
                    steps=steps,
                    position=range(len(steps) + 1).index(position),  # how many of them
                    locks=frozenset(self._store.parsed(locks)),
                    notes=self.notes(),
                )
        return None

    def begin(self, base: str, file_hash: str) -> int:
        """Start a new session with a tree's text; return its number."""
        with self._store.writing() as db:
            cursor = db.execute(
                "INSERT INTO session(file, base, saved, file_hash, position, locks, created) VALUES (?,?,?,?,0,'[]',?)",
                (self._store.file, base, base, file_hash, now()),
            )
            self._store.add_checksum("session", "id=?", (cursor.lastrowid,))
        number = int(cursor.lastrowid or 0)
        self._hold(number)
        return number

    def end(self, session: int) -> None:
        """End the session, as the file has changed without it. Its steps stay in the store."""
        with self._store.writing() as db:
            self._update(db, session, ended=now())
        self.release()

    def restore(self, left: Opened) -> int:
        """Store a session again, in a store that may have an earlier state of it; return its new number."""
        self.end(self._store.current_id("session", left.id))
        number = self.begin(left.base, left.file_hash)
        self._notes = NO_NOTES  # all are lost
        for position, step in enumerate(left.steps):
            self.add(number, position, step, left.locks)
        self.saw_file(number, left.saved, left.file_hash)
        self.move(number, left.position, left.locks, left.notes)
        return number

    def add(self, session: int, position: int, step: Step, locks: frozenset[str], notes: Notes | None = None) -> None:
        """Store a step after `position`; undone steps after it can no longer be redone, but stay in the store.

        Args:
            session: its number.
            position: how many steps are before it.
            step: what is done.
            locks: those after it.
            notes: those after it; `None` if they stay as they are.
        """
        changes, back = (json.dumps([c.as_json() for c in part]) for part in (step.changes, step.back))
        written = json.dumps([change.as_json() for change in step.notes])
        with self._store.writing() as db:
            # dropped, not deleted: numbers repeat after an undo, and nothing of the user's is ever lost
            db.execute("UPDATE step SET dropped=1 WHERE session=? AND number>?", (session, position))
            db.execute(
                "INSERT INTO step(session, number, label, changes, back, notes, dropped, created) "
                "VALUES (?,?,?,?,?,?,0,?)",
                (session, position + 1, step.label, changes, back, written, now()),
            )
            self._store.add_checksum("step", "session=? AND number>?", (session, position))
            self._at(db, session, position + 1, locks)
            self._write_notes(db, notes)
        self._notes = self._notes if notes is None else notes  # now that they are committed

    def move(self, session: int, position: int, locks: frozenset[str], notes: Notes | None = None) -> None:
        """Store the position after undo or redo; locks and notes by the names that groups and classes have there."""
        with self._store.writing() as db:
            self._at(db, session, position, locks)
            self._write_notes(db, notes)
        self._notes = self._notes if notes is None else notes

    def notes(self) -> Notes:
        """Return what is reviewed in the file's tree, and the comments."""
        self._store.check("note", "file=?", (self._store.file,))
        rows = self._store.rows("SELECT kind, target, value FROM note WHERE file=?", (self._store.file,))
        with self._store.shaped():
            self._notes = {(kind, read_target(target)): value for kind, target, value in rows}
        return self._notes

    def _write_notes(self, db: sqlite3.Connection, notes: Notes | None) -> None:
        """Write the notes that differ from those this journal knows: another review may write others meanwhile."""
        if notes is None:
            return
        gone = [(self._store.file, kind, target_text(target)) for kind, target in self._notes.keys() - notes.keys()]
        db.executemany("DELETE FROM note WHERE file=? AND kind=? AND target=?", gone)
        written = [
            (self._store.file, kind, target_text(target), value)
            for (kind, target), value in notes.items()
            if self._notes.get((kind, target)) != value
        ]
        db.executemany("INSERT OR REPLACE INTO note(file, kind, target, value) VALUES (?,?,?,?)", written)
        self._store.add_checksum("note", "file=? AND sum IS NULL", (self._store.file,))

    def saw_file(self, session: int, saved: str, file_hash: str) -> None:
        """Record that the session has read or written the file in its current state."""
        with self._store.writing() as db:
            self._update(db, session, saved=saved, file_hash=file_hash)

    def lock(self, session: int, locks: frozenset[str]) -> None:
        """Store what language models may not change."""
        with self._store.writing() as db:
            self._update(db, session, locks=json.dumps(sorted(locks)))

    def decide(self, feedback: str, changes: Sequence[Change], *, taken: bool, why: str) -> None:
        """Store the reviewer's decision on proposed changes; the next request reports it to the language model."""
        rows = [(self._store.file, feedback, json.dumps(c.as_json()), c.sentence, taken, why, now()) for c in changes]
        with self._store.writing() as db:
            db.executemany(
                "INSERT INTO decision(file, feedback, change, sentence, taken, why, created) VALUES (?,?,?,?,?,?,?)",
                rows,
            )
            self._store.add_checksum("decision", "file=? AND sum IS NULL", (self._store.file,))

    def decisions(self, most: int = 40) -> list[tuple[str, bool, str]]:
        """Return the last decisions, oldest first: sentence, taken, why. Of repeated ones the last counts."""
        self._store.check("decision", "file=?", (self._store.file,))
        rows = self._store.rows(
            "SELECT sentence, taken, why FROM decision WHERE id IN "
            "(SELECT max(id) FROM decision WHERE file=? GROUP BY sentence) ORDER BY id DESC LIMIT ?",
            (self._store.file, most),
        )
        return [(sentence, bool(taken), why) for sentence, taken, why in reversed(rows)]

    def put_text(self, session: int, name: str, value: str) -> None:
        """Store a text of the session under a name, replacing the previous one."""
        with self._store.writing() as db:
            db.execute(
                "INSERT INTO kept(file, session, name, value) VALUES (?,?,?,?) "
                "ON CONFLICT(session, name) DO UPDATE SET value=excluded.value",
                (self._store.file, session, name, value),
            )
            self._store.add_checksum("kept", "session=? AND name=?", (session, name))

    def get_text(self, session: int, name: str) -> str:
        """Return the session's text, or else that of the file's last session that has one; empty if none has."""
        query = "SELECT value FROM kept WHERE file=? AND name=? ORDER BY session=? DESC, session DESC LIMIT 1"
        self._store.check("kept", "file=? AND name=?", (self._store.file, name))
        rows = self._store.rows(query, (self._store.file, name, session))
        return str(rows[0][0]) if rows else ""

    def release(self) -> None:
        """Allow another process to take the session."""
        if self._held:
            self._held.close()
            self._held = None

    def _steps(self, session: int) -> tuple[Step, ...]:
        self._store.check("step", "session=?", (session,))
        rows = self._store.rows(
            "SELECT label, changes, back, notes FROM step WHERE session=? AND dropped=0 ORDER BY number", (session,)
        )
        return tuple(
            Step(
                label=label,
                changes=tuple(map(from_json, self._store.parsed(changes))),
                back=tuple(map(from_json, self._store.parsed(back))),
                notes=tuple(map(NoteChange.from_json, self._store.parsed(notes))),
            )
            for label, changes, back, notes in rows
        )

    def _at(self, db: sqlite3.Connection, session: int, position: int, locks: frozenset[str]) -> None:
        self._update(db, session, position=position, locks=json.dumps(sorted(locks)))

    def _update(self, db: sqlite3.Connection, session: int, **values: Any) -> None:
        """Change columns of a session's row."""
        self._store.check("session", "id=?", (session,))  # else the new checksum would hide damage
        db.execute(f"UPDATE session SET {'=?, '.join(values)}=? WHERE id=?", (*values.values(), session))
        self._store.add_checksum("session", "id=?", (session,))

    def _hold(self, session: int) -> bool:
        """Lock the session for this process. The system releases the lock when the process ends, however it ends."""
        # a lock of the system instead of a row in the store: a row would survive a crash and lock the user out
        file = (self._store.folder / _LOCK.format(session)).open("ab")
        if not _locked(file):
            file.close()
            return False
        self.release()
        self._held = file
        return True


def _locked(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # no such locks on this system: the user must run one process at a time
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
