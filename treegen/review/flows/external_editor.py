"""A tree or a group in the reviewer's own editor: what comes back is validated and becomes one step."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from treegen.errors import InputError, TreegenError
from treegen.tree.document import dump, read_text
from treegen.tree.group_text import group_text, with_group
from treegen.tree.model import Tree
from treegen.versions import tree_of

if TYPE_CHECKING:
    from treegen.review.app import ReviewApp


def edit_tree(app: "ReviewApp") -> None:
    """Opens the whole tree in $VISUAL or $EDITOR."""
    _edit(app, dump(app.review.tree), "edited as text", lambda text: tree_of(text, "what you wrote"))


def edit_group(app: "ReviewApp") -> None:
    """Opens the group under the cursor, with each class's answer in words."""
    tree, group = app.review.tree, app.group
    if group is None:
        return
    label = f"edited {group.name} as text"
    _edit(app, group_text(tree, group.name), label, lambda text: with_group(tree, group.name, text))


def _edit(app: "ReviewApp", before: str, label: str, read: Callable[[str], Tree]) -> None:
    """What comes back is one step. A text that cannot be read stays in a file beside the history."""
    session = app.review.session
    fd, name = tempfile.mkstemp(dir=session.store.folder, prefix="edit-", suffix=".json")
    path = Path(name)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(before)
    try:
        _hand_over(app, path)
        text = read_text(path)
        if text != before:
            session.become(label, read(text))
            app.changed()
        path.unlink()
    except TreegenError as error:
        kept = InputError(error.message, f"{error.tip}; your text is kept in {path}".lstrip("; "))
        app.complain(kept)


def _hand_over(app: "ReviewApp", path: Path) -> None:
    """Lets the editor have the terminal until it ends."""
    try:
        with app.suspend():
            run_editor(path)
    except SuspendNotSupported:
        raise InputError("there is no terminal to open an editor in", "edit the file itself") from None


def run_editor(path: Path) -> None:
    """Runs $VISUAL or $EDITOR on a file and waits.

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
