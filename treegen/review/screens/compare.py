"""The diff of the tree under review in words, from which single changes are taken back."""

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from treegen.review.screens.dialogs import Dialog, Keys
from treegen.review.widgets.grid import Column, Grid
from treegen.text import printable

#: the number of a change to take back, or what else to do
CompareAnswer = int | Literal["all", "base", "copy"] | None


_MOST: Final = 30  # lines of the list


class CompareDialog(Dialog[CompareAnswer]):
    """What changed, one row each."""

    KEYS: ClassVar[Keys] = (
        ("enter", "restore one"),
        ("R", "restore all"),
        ("b", "compare with another"),
        ("y", "copy"),
        ("escape", "leave"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Leave"),
        Binding("R", "dismiss('all')", "Restore all"),
        Binding("b", "dismiss('base')", "Compare with another"),
        Binding("y", "dismiss('copy')", "Copy"),
    ]

    def __init__(self, title: str, changes: Sequence[str], at: int = 0) -> None:
        """Build a dialog with the cursor on a change."""
        super().__init__()
        self._title, self._changes, self._at = title, list(changes), at

    def compose(self) -> ComposeResult:
        """Compose title, keys and changes."""
        with Vertical(classes="dialog wide"):
            yield Static(printable(self._title), markup=False, classes="title")
            yield Grid(id="changes")
        yield self.keys_line()

    def on_mount(self) -> None:
        """Show the changes."""
        grid = self.query_one(Grid)
        width = max((len(text) for text in self._changes), default=10)
        columns = [Column(head="", width=min(width, 300))]
        grid.fill(columns, len(self._changes), lambda r, c: self._changes[r], note="nothing has changed")
        grid.styles.height = min(max(len(self._changes), 1) + 2, _MOST)  # head, changes, and what scrolls to the side
        grid.put_cursor(self._at)
        grid.focus()

    def on_grid_chosen(self) -> None:
        """Take the change under the cursor back."""
        self.dismiss(self.query_one(Grid).row)
