"""A tree or a group in the reviewer's own editor: the result is validated and becomes one step."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.app import SuspendNotSupported

from treegen.errors import InputError, TreegenError
from treegen.files import read_text
from treegen.review.context import ReviewContext
from treegen.tree.document import dump
from treegen.tree.group_text import group_text, with_group
from treegen.tree.model import Tree
from treegen.vcs.versions import tree_of


class EditorFlow:
    """The editor in place of the review, until it ends; what comes back is one step."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context

    def tree(self) -> None:
        """Open the whole tree in $VISUAL or $EDITOR."""
        before = dump(self.context.review.tree)
        _edit(self.context, before, "edited as text", lambda text: tree_of(text, "what you wrote"))

    def group(self) -> None:
        """Open the group under the cursor, with each class's answer in words."""
        tree, group = self.context.review.tree, self.context.selection.group
        if group is None:
            return
        label = f"edited {group.name} as text"
        _edit(self.context, group_text(tree, group.name), label, lambda text: with_group(tree, group.name, text))


def _edit(context: ReviewContext, before: str, label: str, read: Callable[[str], Tree]) -> None:
    """Make what comes back one step. A text that cannot be read stays in a file beside the history."""
    session = context.review.session
    fd, name = tempfile.mkstemp(dir=session.store.folder, prefix="edit-", suffix=".json")
    path = Path(name)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(before)
    try:
        _hand_over(context, path)
        text = read_text(path)
        if text != before:
            session.become(label, read(text))
            context.tree_changed()
        path.unlink()
    except TreegenError as error:
        kept = InputError(error.message, f"{error.tip}; your text is kept in {path}".lstrip("; "))
        context.complain(kept)


def _hand_over(context: ReviewContext, path: Path) -> None:
    """Let the editor have the terminal until it ends."""
    try:
        with context.suspend():
            run_editor(path)
    except SuspendNotSupported:
        raise InputError("there is no terminal to open an editor in", "edit the file itself") from None


def run_editor(path: Path) -> None:
    """Run $VISUAL or $EDITOR on a file and wait.

    Raises:
        InputError: it cannot be started, or it failed.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], check=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{editor}: {error}", "set EDITOR to the editor you use") from None
    if done.returncode != 0:
        raise InputError(f"{editor} ended with {done.returncode}", "nothing was changed")
