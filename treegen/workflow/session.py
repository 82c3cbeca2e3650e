"""A review session: a tree edited by changes, with undo that survives a restart and saves that lose nothing."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from treegen.errors import InputError, TreegenError
from treegen.files import read_text, write_atomically
from treegen.history.sessions import Journal, Opened, Step
from treegen.history.store import Revision, Store
from treegen.tree.changes import Change, ClassRenamed, GroupRenamed, apply
from treegen.tree.changes.conflicts import conflict_changes
from treegen.tree.changes.difference import difference, undo
from treegen.tree.document import digest_of, dump, save
from treegen.tree.merge.three_way import EMPTY, MergeResult, merge
from treegen.tree.model import Tree
from treegen.tree.review_notes import NoteChange, Notes, applied, followed, renamed
from treegen.tree.validation.lenient import Reading, read_leniently, value_of
from treegen.tree.validation.problems import Problem
from treegen.vcs.versions import tree_of

_OPEN_EDITOR: Final = "enter on the problem opens it in your editor"


class ConflictError(InputError):
    """The file was changed by someone else since the session last read it; nothing was written."""


class Session:
    """The tree under review. Every step is stored before `tree` reflects it.

    Attributes:
        path: the tree file.
        tree: the current tree.
        steps: all steps that can be undone or redone; the first `position` are applied.
        resumed: whether an earlier session was resumed.
        read_only: nothing is changed or stored, and another session is not resumed.
        restored: how many times the history was removed while it was in use, and written again with every step.
        locks: what language models may not change: `group NAME` or `class NAME`.
        notes: which groups and classes are reviewed, and comments.
        unreadable: why the file cannot be read as a tree, with places in its text. Unless an earlier session with
            unsaved work was resumed, there is no tree then, and nothing can be changed until `reread` finds one.
    """

    def __init__(self, path: Path, store: Store, *, read_only: bool = False) -> None:
        """Open the file, and resume its last session unless another process has it open or it is only to be read.

        Raises:
            InputError: the file cannot be read.
        """
        self.path, self.store, self.read_only = path, store, read_only
        self._journal = Journal(store)
        self.restored = 0
        try:
            self._open(read_text(path))
        except BaseException:
            self.close()
            raise

    def _open(self, text: str) -> None:
        """Resume the last session, or begin a new one."""
        read, file_hash = read_leniently(text), _hash(text)
        self.unreadable = read.problems
        self._readings: tuple[Reading, ...] = ()
        last = None if self.read_only else self._journal.latest()
        self._opened = self.store.opened
        self.resumed = False
        self.notes: Notes = self._journal.notes()
        if last is not None:
            self._id, self.steps, self.position = last.id, last.steps, last.position
            self._base = last.base
            self.locks, self._file_hash = last.locks, last.file_hash
            self.saved = tree_of(last.saved, str(self.path))
            applied = (change for step in self.steps[: self.position] for change in step.changes)
            # an approval is no step: it is that of the file
            self.tree = replace(apply(tree_of(last.base, str(self.path)), applied), review=self.saved.review)
            if read.tree == self.tree:  # saved, but the store could not say so: the disk was full
                self.saved, self._file_hash = read.tree, file_hash
            self.resumed = self.unsaved or file_hash == self._file_hash
        if read.tree is None and not self.resumed:
            self._journal.release()  # which stays, for the day when the file can be read again
        elif last is not None and not self.resumed:
            self._journal.end(last.id)  # nothing unsaved, and the file has changed since
        if not self.resumed:
            self._begin(read.tree, file_hash)
        if file_hash == self._file_hash:
            self._readings = read.readings

    def _begin(self, read: Tree | None, file_hash: str) -> None:
        tree = read or EMPTY
        self._base = dump(tree)
        self._id = 0 if self.read_only or read is None else self._journal.begin(self._base, file_hash)
        self.saved = self.tree = tree
        self.steps, self.position = tuple[Step, ...](), 0
        self.locks, self._file_hash = frozenset[str](), file_hash

    def check_store(self) -> None:
        """Write the whole session into the history again if that was removed or replaced while it was in use.

        Raises:
            InputError: it cannot be written, or the session is only to be read.
        """
        if self.read_only:
            raise InputError("this review is read-only", "start it without --readonly to change the tree")
        if self.is_blank:
            raise InputError(f"{self.path.name} cannot be read: {self.unreadable[0].message}", _OPEN_EDITOR)
        self.store.reopen_if_lost()
        if self.store.opened == self._opened:
            return
        left = Opened(
            id=self._id,
            base=self._base,
            saved=dump(self.saved),
            file_hash=self._file_hash,
            steps=self.steps,
            position=self.position,
            locks=self.locks,
            notes=self.notes,
        )
        self._id = self._journal.restore(left)
        self._opened = self.store.opened
        self.restored += 1

    @property
    def is_blank(self) -> bool:
        """Whether there is no tree, because the file cannot be read."""
        return bool(self.unreadable) and not self._id

    def reread(self) -> bool:
        """Read a file that could not be read again; return whether there is a tree now.

        Raises:
            InputError: it cannot be opened.
        """
        self._open(read_text(self.path))
        return not self.is_blank

    @property
    def readings(self) -> tuple[Reading, ...]:
        """What was read otherwise than it is written in the file, and was neither accepted nor changed since."""
        if not self._readings:
            return ()
        changes = [change for step in self.steps[: self.position] for change in step.changes]
        renames = [change for change in changes if isinstance(change, GroupRenamed | ClassRenamed)]
        moved = (replace(reading, target=renamed(reading.target, renames)) for reading in self._readings)
        return tuple(
            reading
            for reading in moved
            if self.notes.get(("read", reading.target)) != self._file_hash
            and value_of(self.tree, reading.target) == reading.value
        )

    def reading_of(self, problem: Problem) -> Reading | None:
        """Return the reading that a problem is about, if it is about one."""
        return next((reading for reading in self.readings if reading.problem == problem), None)

    def accept(self, reading: Reading) -> None:
        """Accept what was read instead of what is written, as a step."""
        old = self.notes.get(("read", reading.target), "")
        change = NoteChange(kind="read", target=reading.target, old=old, new=self._file_hash)
        self.note(f"accepted {reading.problem.pointer or '/'} as read", [change])

    @property
    def unsaved(self) -> bool:
        """Whether the tree differs from what the session last saw in the file, or the file holds it otherwise."""
        return self.tree != self.saved or bool(self._readings)

    @property
    def file_changed(self) -> bool:
        """Whether the file differs from what the session last saw."""
        try:
            return _hash(read_text(self.path)) != self._file_hash
        except InputError:  # it is gone, or is no text any more
            return True

    def do(self, label: str, changes: Iterable[Change], notes: Sequence[NoteChange] = ()) -> None:
        """Apply changes as one step, with notes that belong to them.

        Raises:
            ChangeError: a change cannot be applied; nothing is changed.
        """
        step_changes = tuple(changes)
        if not step_changes:
            self.note(label, notes)
            return
        tree = apply(self.tree, step_changes)
        step = Step(label=label, changes=step_changes, back=undo(self.tree, *step_changes), notes=tuple(notes))
        moved = followed(self.notes, self.tree, tree, step_changes)
        self._add(step, tree, applied(moved, notes) if notes else moved)

    def note(self, label: str, changes: Iterable[NoteChange]) -> None:
        """Write notes as one step, which leaves the tree as it is."""
        written = tuple(change for change in changes if change.old != change.new)
        if written:
            step = Step(label=label, changes=(), back=(), notes=written)
            self._add(step, self.tree, applied(self.notes, written))

    def _add(self, step: Step, tree: Tree, notes: Notes) -> None:
        locks = self._renamed_locks(step.changes)
        self.check_store()
        self._journal.add(self._id, self.position, step, locks, None if notes is self.notes else notes)
        self.steps = (*self.steps[: self.position], step)
        self.position += 1
        self.tree, self.locks, self.notes = tree, locks, notes

    def become(self, label: str, tree: Tree) -> None:
        """Apply the difference to another tree as one step: after an editor, a merge or a proposal."""
        self.do(label, (*difference(self.tree, tree), *conflict_changes(self.tree.conflicts, tree.conflicts)))

    def undo(self) -> Step | None:
        """Undo the last step and return it; `None` if there is none."""
        if not self.position:
            return None
        step = self.steps[self.position - 1]
        self._move(self.position - 1, step.back, [change.inverse() for change in reversed(step.notes)])
        return step

    def redo(self) -> Step | None:
        """Redo the step that was undone last and return it; `None` if there is none."""
        if self.position == len(self.steps):
            return None
        step = self.steps[self.position]
        self._move(self.position + 1, step.changes, step.notes)
        return step

    def _move(self, position: int, changes: tuple[Change, ...], written: Sequence[NoteChange]) -> None:
        tree, locks = apply(self.tree, changes) if changes else self.tree, self._renamed_locks(changes)
        notes = applied(self.notes, written) if written else followed(self.notes, self.tree, tree, changes)
        self.check_store()
        self._journal.move(self._id, position, locks, None if notes is self.notes else notes)
        self.position, self.tree, self.locks, self.notes = position, tree, locks, notes

    def save(self) -> Revision:
        """Write the canonical text and store the tree as a revision.

        Raises:
            ConflictError: someone else changed the file; `merge_file` merges that change, `overwrite` replaces it.
            InputError: the file cannot be written.
        """
        if self.file_changed:
            tip = "merge their changes into yours, or save yours under another name; nothing is lost either way"
            raise ConflictError(f"{self.path} was changed by somebody else in the meantime", tip)
        return self._write()

    def overwrite(self) -> Revision:
        """Overwrite what someone else wrote, after storing it: as a revision, or as a file if it is not a tree.

        Raises:
            InputError: the file cannot be read or written.
        """
        self.check_store()
        if self.path.exists():
            try:
                theirs = tree_of(read_text(self.path), str(self.path))
            except TreegenError:  # such as conflict markers, or no text at all
                self._keep_bytes()
            else:
                latest = self.store.latest()
                note = "found in the file before it was overwritten"
                self.store.add_revision(theirs, author="human", note=note, parent=latest.id if latest else None)
        return self._write()

    def _keep_bytes(self) -> None:
        """Keep what is in the file next to the history."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or error}", "nothing was written") from None
        name = f"overwritten-{hashlib.sha256(data).hexdigest()[:12]}-{self.path.name}"
        write_atomically(self.store.folder / name, data)

    def save_as(self, path: Path, tree: Tree | None = None) -> None:
        """Write the tree, or another one, into another file; the session stays with its own.

        Raises:
            InputError: there is such a file, or it cannot be written.
        """
        if path.exists():
            raise InputError(f"{path} exists", "name a file that does not")
        save(path, tree or self.tree)

    def recover(self, revision: Revision) -> None:
        """Write a revision over a file that cannot be read, after keeping that, and go on with it.

        Raises:
            InputError: the file cannot be kept or written.
        """
        if self.path.exists():
            self._keep_bytes()
        save(self.path, tree_of(revision.tree, str(self.path)))
        self.reread()

    def merge_file(self) -> MergeResult:
        """Merge what someone else wrote into the tree, as one step. The next save writes the result.

        Raises:
            InputError: the file cannot be read.
            ProblemsError: it is not a tree, or one of the trees cannot be merged by name.
        """
        text = read_text(self.path)
        theirs = tree_of(text, str(self.path))
        merged = merge(self.saved, self.tree, theirs)
        self.become("merge the changes made to the file", merged.tree)
        self.saved, self._file_hash = theirs, _hash(text)
        self._journal.saw_file(self._id, dump(theirs), self._file_hash)
        return merged

    def take_approval(self) -> None:
        """Take up the sign-off that was written into the file for the saved content.

        Raises:
            ConflictError: the content of the file is another one.
            InputError: the file cannot be read.
            ProblemsError: it is not a tree.
        """
        text = read_text(self.path)
        signed = tree_of(text, str(self.path))
        if digest_of(signed) != digest_of(self.saved):
            raise ConflictError(f"{self.path} was changed by somebody else in the meantime", "save to merge")
        self.check_store()
        self.saved, self.tree = signed, replace(self.tree, review=signed.review)
        self._file_hash = _hash(text)
        self._journal.saw_file(self._id, dump(signed), self._file_hash)

    def set_lock(self, what: str, locked: bool) -> None:
        """Lock or unlock `group NAME` or `class NAME` for language models."""
        locks = self.locks | {what} if locked else self.locks - {what}
        self.check_store()
        self._journal.lock(self._id, locks)
        self.locks = locks

    def decide(self, feedback: str, changes: Iterable[Change], *, taken: bool, why: str) -> None:
        """Record the reviewer's decision on proposed changes."""
        self.check_store()
        self._journal.decide(feedback, list(changes), taken=taken, why=why)

    def decisions(self) -> list[tuple[str, bool, str]]:
        """Return the decisions on proposed changes so far, oldest first: sentence, taken, why."""
        return self._journal.decisions()

    def store_text(self, name: str, text: str) -> None:
        """Store a text next to the tree: unfinished work that the next session continues."""
        if self.read_only or self.is_blank:
            return
        self.check_store()
        self._journal.put_text(self._id, name, text)

    def stored_text(self, name: str) -> str:
        """Return the text stored under the name; empty if there is none."""
        return self._journal.get_text(self._id, name)

    def _renamed_locks(self, changes: Iterable[Change]) -> frozenset[str]:
        """Return the locks under the names that groups and classes have after changes."""
        locks = self.locks
        for change in changes:
            if isinstance(change, GroupRenamed | ClassRenamed):
                kind = "group" if isinstance(change, GroupRenamed) else "class"
                renames = {f"{kind} {change.old}": f"{kind} {change.new}"}
                locks = frozenset(renames.get(lock, lock) for lock in locks)
        return locks

    def close(self) -> None:
        """Release the process's hold on the session. Unsaved changes are kept, and the next session resumes them."""
        self._journal.release()

    def _write(self) -> Revision:
        self.check_store()
        if self._readings and self.path.exists():
            self._keep_bytes()
        text = save(self.path, self.tree)
        self._readings, self.unreadable = (), ()
        self.saved, self._file_hash = self.tree, _hash(text)  # now: if the store cannot be written, the file still is
        labels = [step.label for step in self.steps[: self.position] if step.changes]
        latest = self.store.latest()
        note = "; ".join(labels[-3:]) or "saved"
        revision = self.store.find_revision(digest_of(self.tree)) or self.store.add_revision(
            self.tree, author="human", note=f"review: {note}", parent=latest.id if latest else None
        )
        self._journal.saw_file(self._id, text, self._file_hash)
        return revision


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
