"""Repair of a file that is not a tree: shows its problems with locations, and opens the editor until it is one."""

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from treegen.errors import TreegenError
from treegen.files import read_text
from treegen.review.background import BackgroundApp
from treegen.review.flows.external_editor import run_editor
from treegen.review.widgets.grid import Column, Grid
from treegen.text import printable
from treegen.vcs.versions import tree_of
from treegen.workflow.check import check_tree_file


def is_tree(path: Path) -> bool:
    """Whether the file can be opened as a tree.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    text = read_text(path)
    try:
        tree_of(text, str(path))
    except TreegenError:
        return False
    return True


def refuse_unreadable(path: Path) -> None:
    """Refuse a file that cannot be opened as a tree, where it is not to be repaired.

    Raises:
        InputError: there is no such file, or it cannot be read.
        ProblemsError: it is not a tree.
    """
    tree_of(read_text(path), str(path))


class RepairApp(BackgroundApp[bool]):
    """Shows the problems; exits with True as soon as the file is a tree."""

    CSS_PATH: ClassVar[str] = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("E,e,enter", "edit", "Open the file in $EDITOR", priority=True),
        Binding("q,ctrl+q", "leave", "Leave"),
    ]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._lines: list[int | None] = []

    def compose(self) -> ComposeResult:
        """Compose the problems and the keys."""
        yield Static(printable(f"{self.path.name} is not a tree yet"), id="title", markup=False)
        yield Grid(id="found")
        yield Static("E or enter opens the file in $EDITOR; the review begins when it is a tree    q leave", id="hints")

    def on_mount(self) -> None:
        """Show the problems."""
        self._show()

    def _show(self) -> None:
        findings = check_tree_file(self.path)
        rows = [
            (f"{place.line}:{place.column}" if place else "", p.severity, p.code, f"{p.pointer or '/'}: {p.message}")
            for p, place in zip(findings.problems, findings.places, strict=True)
        ]
        self._lines = [place.line if place else None for place in findings.places]
        columns = [
            Column(head="place", width=9),
            Column(head="", width=7),
            Column(head="code", width=5),
            Column(head="problem", width=300),
        ]
        grid = self.query_one(Grid)
        grid.fill(columns, len(rows), lambda r, c: rows[r][c], lambda r, c: "bad" if rows[r][1] == "error" else "warn")
        grid.focus()

    def action_edit(self) -> None:
        """Open the file itself; nothing in it is lost."""
        try:
            row = self.query_one(Grid).row
            run_editor(self, self.path, self._lines[row] if row < len(self._lines) else None)
            if is_tree(self.path):
                self.exit(True)
                return
            self._show()
        except TreegenError as error:
            self.complain(error)

    def action_leave(self) -> None:
        """Quit and leave the file as it is."""
        self.exit(False)
