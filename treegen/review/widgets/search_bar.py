"""Search in a grid: a field, then n and N from one row that holds the text to the next."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from treegen.review.widgets.field import Field
from treegen.review.widgets.grid import Grid


class SearchBar(Field):
    """The field for what is sought; it is shown only while it is written in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave the search", key_display="escape"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        """Make a hidden field."""
        super().__init__(id=id, placeholder="search", select_on_focus=False)
        self.display = False
        self._sought = ""
        self._grid: Grid | None = None

    def ask(self, grid: Grid) -> None:
        """Show the field; what it finds is in that grid."""
        self._grid = grid
        self.display = True
        self.value = ""
        self.screen.set_focus(self)  # at once: text may be queued already

    def action_leave(self) -> None:
        """Hide the field and give the focus back to the grid."""
        if self.display and self._grid:
            self.display = False
            self.screen.set_focus(self._grid)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the first row from the cursor on that holds the text."""
        event.stop()
        self._sought = event.value.casefold()
        self.action_leave()
        if self._grid:
            self.find(self._grid, 0)

    def find(self, grid: Grid, direction: int) -> None:
        """Go to the next (1) or the previous (-1) row that holds the text, or (0) stay if this one does."""
        if not self._sought or not grid.count:
            return
        step = direction or 1
        for away in range(grid.count):
            row = (grid.row + direction + step * away) % grid.count
            if any(self._sought in text.casefold() for text in grid.row_texts(row)):
                grid.put_cursor(row)
                return
        self.app.notify(f"nothing holds {self._sought}", timeout=2)
