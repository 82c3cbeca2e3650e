"""Search in a grid: the first row that holds the text while it is typed, then n and N from one to the next."""

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
        self._sought = self._sought_before = ""
        self._grid: Grid | None = None
        self._start = 0

    @property
    def grid(self) -> Grid | None:
        """The grid that is searched."""
        return self._grid

    def ask(self, grid: Grid) -> None:
        """Show the field; what it finds is in that grid."""
        self._grid, self._start, self._sought_before = grid, grid.row, self._sought
        self.display = True
        self.value = ""
        self.screen.set_focus(self)  # at once: text may be queued already

    def action_leave(self) -> None:
        """Hide the field and go back to where the search began."""
        if self.display and self._grid:
            self._grid.put_cursor(self._start)
            self._sought = self._sought_before
            self._hide(self._grid)

    def _hide(self, grid: Grid) -> None:
        self.display = False
        self.screen.set_focus(grid)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Go to the first row from the start on that holds what is typed so far, and show how many do."""
        event.stop()
        if self.display and self._grid:
            self._sought = event.value.casefold()
            rows = self._found(self._grid)
            row = self._nearest(self._grid, rows, self._start, 1)
            self.border_subtitle = f"{rows.index(row) + 1} of {len(rows)}" if rows else "none" if self._sought else ""
            self._grid.put_cursor(row)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Stay on the row that was found; n and N go on from there."""
        event.stop()
        if self._grid:
            self._sought = event.value.casefold()
            self._hide(self._grid)
            self._go(self._grid, self._start, 1)

    def find(self, grid: Grid, direction: int) -> None:
        """Go to the next (1) or the previous (-1) row that holds the text."""
        self._go(grid, grid.row + direction, direction)

    def _go(self, grid: Grid, start: int, step: int) -> None:
        if not self._sought or not grid.count:
            return
        if rows := self._found(grid):
            grid.put_cursor(self._nearest(grid, rows, start, step))
        else:
            self.app.notify(f"nothing holds {self._sought}", timeout=2)

    def _found(self, grid: Grid) -> list[int]:
        """Return the rows that hold the text."""
        if not self._sought:
            return []
        rows = range(grid.count)
        return [row for row in rows if any(self._sought in text.casefold() for text in grid.row_texts(row))]

    @staticmethod
    def _nearest(grid: Grid, rows: list[int], start: int, step: int) -> int:
        """Return the first row from the start on, going round at the end; the start if there is none."""
        return min(rows, key=lambda row: (row - start) * step % grid.count, default=start)
