"""A tree or a group in the reviewer's own editor: the result is validated and becomes one step."""

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

from textual.app import SuspendNotSupported

from treegen.errors import InputError, TreegenError
from treegen.files import read_text
from treegen.review.context import ReviewContext
from treegen.review.flows.file_watch import why_unreadable
from treegen.review.screens.dialogs import ChoiceDialog
from treegen.review.widgets.feedback import FeedbackField
from treegen.tree.document import dump
from treegen.tree.group_text import group_text, with_group
from treegen.tree.model import Tree
from treegen.vcs.versions import tree_of
from treegen.workflow.session import Session

_WITH_LINES: Final = {"vi", "vim", "nvim", "view", "nano", "pico", "emacs", "emacsclient", "micro", "joe", "kak", "ne"}
_WITH_GOTO: Final = {"code", "code-insiders", "codium", "vscodium", "cursor", "windsurf"}  # -g FILE:LINE
_WITH_COLON: Final = {"subl", "sublime_text", "hx", "helix", "zed"}  # FILE:LINE
_AT_ONCE: Final = 1.0  # seconds in which nobody edits anything


class _Suspending(Protocol):
    def suspend(self) -> AbstractContextManager[None]: ...


class EditorFlow:
    """The editor in place of the review, until it ends; what comes back is one step."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context

    def tree(self) -> None:
        """Open the whole tree in $VISUAL or $EDITOR; a file that cannot be read, itself."""
        if self.context.review.session.is_blank and (problem := self.context.review.file_problem):
            self.file(problem.place.line if problem.place else None)
            return
        before = dump(self.context.review.tree)
        self._start(before, "edited as text", lambda text: tree_of(text, "what you wrote"))

    def group(self) -> None:
        """Open the group under the cursor, with each class's answer in words."""
        tree, group = self.context.review.tree, self.context.selection.edited_group
        if group is None:
            self.context.notify("move the cursor to a group", timeout=3)
            return
        label = f"edited {group.name} as text"
        self._start(group_text(tree, group.name), label, lambda text: with_group(tree, group.name, text))

    def feedback(self) -> None:
        """Open the feedback that is being written."""
        field = self.context.query_one(FeedbackField)

        def take(text: str) -> None:
            field.text = text.rstrip("\n")

        self.context.converse(partial(_edit, self.context, field.text, take, ".md"), "editor")

    def file(self, line: int | None) -> None:
        """Open the tree's own file, which cannot be read, and read it again afterwards."""
        self.context.converse(partial(edit_file, self.context, line), "editor")

    def _start(self, before: str, label: str, read: Callable[[str], Tree]) -> None:
        def take(text: str) -> None:
            self.context.review.session.become(label, read(text))
            self.context.tree_changed()

        self.context.converse(partial(_edit, self.context, before, take, ".json"), "editor")


async def edit_file(context: ReviewContext, line: int | None) -> None:
    """Open the tree's own file, which cannot be read, at a line, and read it again afterwards."""
    review = context.review
    run_editor(context, review.path, line)
    if review.session.is_blank:
        is_read = review.reread()
    else:  # an earlier session was resumed: saving merges
        review.unreadable = why_unreadable(review.session)
        is_read = review.file_problem is None
    context.tree_changed()
    if problem := review.file_problem:
        context.notify(f"{review.path.name} still cannot be read: {problem.message}", severity="warning", timeout=6)
    elif is_read:
        context.notify(f"{review.path.name} is read", timeout=4)


async def _edit(context: ReviewContext, before: str, take: Callable[[str], None], suffix: str) -> None:
    """Take what comes back; a text that cannot be read may be edited again, and is kept in a file."""
    path = _written(context.review.session, before, suffix)
    while True:
        began = monotonic()
        try:
            run_editor(context, path)
        except TreegenError as error:
            _give_up(context, path, before, error)
            return
        at_once = monotonic() - began < _AT_ONCE
        try:
            text = read_text(path)
            if text == before and at_once and await _is_saved(context):
                text = read_text(path)
            if text != before:
                take(text)
            path.unlink(missing_ok=True)
            return
        except TreegenError as error:
            _give_up(context, path, before, error)
            if not path.exists() or await context.ask(ChoiceDialog(error.message, ["edit it again", "leave it"])) != 0:
                return


def _written(session: Session, text: str, suffix: str) -> Path:
    """Write the text to edit into a file next to the history.

    Raises:
        InputError: it cannot be written.
    """
    session.check_store()
    try:
        fd, name = tempfile.mkstemp(dir=session.store.folder, prefix="edit-", suffix=suffix)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{session.store.folder}: {error.strerror or error}", "nothing was changed") from None
    return Path(name)


def _give_up(context: ReviewContext, path: Path, before: str, error: TreegenError) -> None:
    """Complain, and keep the file if anything was written into it."""
    try:
        is_changed = path.read_bytes() != before.encode()
    except OSError:
        is_changed = False
    if is_changed:
        error = InputError(error.message, f"{error.tip}; your text is kept in {path}".lstrip("; "))
    else:
        path.unlink(missing_ok=True)
    context.complain(error)


async def _is_saved(context: ReviewContext) -> bool:
    """Ask about an editor that has opened a window and ended at once, such as `code` without `--wait`."""
    title = "The editor ended at once and the text is unchanged (set EDITOR='code --wait' or the like)"
    choices = ["there is nothing to change", "it is open in a window: I have saved it now, read it"]
    return await context.ask(ChoiceDialog(title, choices)) == 1


def run_editor(app: _Suspending, path: Path, line: int | None = None) -> None:
    """Let $VISUAL or $EDITOR have the terminal, and wait.

    Args:
        app: has the terminal.
        path: the file.
        line: where the cursor goes, in editors that are known to take a line.

    Raises:
        InputError: it cannot be started, or it failed.
    """
    failure: Exception | None = None
    try:
        with app.suspend():
            try:
                _run(path, line)
            except Exception as error:  # raised below: Textual takes the terminal back only if the block ends normally
                failure = error
    except SuspendNotSupported:
        raise InputError("there is no terminal to open an editor in", "edit the file itself") from None
    if failure:
        raise failure


def _run(path: Path, line: int | None) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        command = shlex.split(editor)
        with _keys_are_the_editors():
            done = subprocess.run([*command, *_at_line(Path(command[0]).stem, path, line)], check=False)
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{editor}: {error}", "set EDITOR to the editor you use") from None
    if done.returncode != 0:
        raise InputError(f"{editor} ended with {done.returncode}", "nothing was changed")


def _at_line(editor: str, path: Path, line: int | None) -> list[str]:
    """Return the arguments that open a file at a line, in editors that are known to have such."""
    if line and editor in _WITH_LINES:
        return [f"+{line}", str(path)]
    if line and editor in _WITH_GOTO:
        return ["-g", f"{path}:{line}"]
    return [f"{path}:{line}" if line and editor in _WITH_COLON else str(path)]


@contextmanager
def _keys_are_the_editors() -> Iterator[None]:
    """Pass over ctrl+c and ctrl+backslash, which the terminal sends to the review too while an editor has it."""
    numbers = (signal.SIGINT, signal.SIGQUIT)
    before = [signal.signal(number, lambda *_: None) for number in numbers]  # SIG_IGN would be the editor's too
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
