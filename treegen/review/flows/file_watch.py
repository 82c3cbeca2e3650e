"""The file on disk: what somebody else changes in it is reported when it happens."""

import asyncio
from functools import partial
from typing import Final

from treegen.errors import TreegenError
from treegen.files import read_text
from treegen.review.background import DaemonThread
from treegen.review.context import ReviewContext
from treegen.text import counted
from treegen.tree.changes.difference import difference
from treegen.tree.validation.lenient import read_leniently
from treegen.tree.validation.problems import Problem
from treegen.vcs.versions import tree_of
from treegen.workflow.session import Session

BETWEEN: Final = 1.0  # seconds between two looks at the file's time and size
_NAMED: Final = 3  # changes that are named


class FileWatch:
    """Looks at the tree's file.

    Attributes:
        changed: what is different on disk from what the session last read or wrote; empty if nothing is.
    """

    def __init__(self, context: ReviewContext) -> None:
        self.context = context
        self.changed = ""
        self._stamp = _stamp_of(context.review.session)
        self._thread = DaemonThread("file")

    def poll(self) -> None:
        """Compare the file if its time, its size or its place has changed."""
        session = self.context.review.session
        stamp = _stamp_of(session)
        if stamp != self._stamp:
            self._stamp = stamp
            self.context.start(partial(self._compare, session), "file")

    async def _compare(self, session: Session) -> None:
        before, self.changed = self.changed, await asyncio.wrap_future(self._thread.submit(changes_on_disk, session))
        unreadable = await asyncio.wrap_future(self._thread.submit(why_unreadable, session))
        if session.is_blank:
            self.read_again()
            return
        self.context.review.unreadable = unreadable
        if self.changed and self.changed != before:
            text = f"{session.path.name} {self.changed}\nctrl+s asks what to do; nothing is lost"
            self.context.notify(text, severity="warning", timeout=10)
        if self.context.is_shown:
            self.context.refresh_panes()

    def read_again(self) -> None:
        """Read a file that could not be read, now that it has changed."""
        review = self.context.review
        try:
            is_read = review.reread()
        except TreegenError as error:
            self.context.complain(error)
            return
        self.changed = "" if is_read else self.changed
        self.context.tree_changed()
        if is_read:
            self.context.notify(f"{review.path.name} is read", timeout=4)

    def close(self) -> None:
        """Look no more."""
        self._thread.shutdown(cancel_futures=True)


def _stamp_of(session: Session) -> tuple[int, ...]:
    try:
        found = session.path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def why_unreadable(session: Session) -> tuple[Problem, ...]:
    """Return why the file on disk cannot be read as a tree, with places; nothing if it can, or is not there."""
    if not session.path.exists():
        return ()
    try:
        return read_leniently(read_text(session.path)).problems
    except TreegenError as error:
        return (Problem(code="TG101", pointer="", message=error.message),)


def changes_on_disk(session: Session) -> str:
    """Return how the file differs from what the session last read or wrote, as the end of a sentence; or nothing."""
    if not session.path.exists():
        return "was deleted on disk"
    try:
        if not session.file_changed:
            return ""
        theirs = tree_of(read_text(session.path), session.path.name)
    except TreegenError as error:
        return f"was changed on disk, and is not a tree now: {error.message.splitlines()[0]}"
    changes = difference(session.saved, theirs)
    if not changes:
        return "was written on disk; the tree in it is the same" if theirs == session.saved else "was approved on disk"
    named = "; ".join(change.sentence for change in changes[:_NAMED])
    more = f"; and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    return f"was changed on disk: {counted(len(changes), 'change')}: {named}{more}"
