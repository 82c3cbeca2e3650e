"""The tree in the reviewer's own editor: what comes back is validated and becomes one step."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from treegen.errors import InputError, TreegenError
from treegen.tree.document import dump, read_text
from treegen.versions import tree_of

if TYPE_CHECKING:
    from treegen.review.app import ReviewApp


def edit_tree(app: "ReviewApp") -> None:
    """Opens the tree in $VISUAL or $EDITOR. A text that is no tree stays in a file beside the history."""
    session = app.review.session
    before = dump(session.tree)
    fd, name = tempfile.mkstemp(dir=session.store.folder, prefix="edit-", suffix=".json")
    path = Path(name)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(before)
    try:
        _hand_over(app, path)
        text = read_text(path)
        if text != before:
            tree = tree_of(text, "what you wrote")
            session.become("edited as text", tree)
            app.changed()
        path.unlink()
    except TreegenError as error:
        kept = InputError(error.message, f"{error.tip}; your text is kept in {path}")
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
