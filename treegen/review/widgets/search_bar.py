"""Search in the pane that has the keys: a field, then n and N from one found row to the next."""

from typing import TYPE_CHECKING

from textual.widgets import Input

from treegen.review.widgets.grid import Grid

if TYPE_CHECKING:
    from treegen.review.app import ReviewApp


class Search:
    """What is sought, and where."""

    def __init__(self, app: "ReviewApp") -> None:
        self.app = app
        self._sought = ""
        self._grid: Grid | None = None

    def ask(self) -> None:
        """Shows the field; what it finds is in the grid that has the keys now, or among the groups."""
        field = self.app.query_one("#search", Input)
        self._grid = self.app.focused_grid or self.app.query_one("#groups", Grid)
        field.display = True
        field.value = ""
        self.app.screen.set_focus(field)  # at once: the text may wait already

    def leave(self) -> None:
        """Takes the field away again."""
        field = self.app.query_one("#search", Input)
        if field.display and self._grid:
            field.display = False
            self.app.screen.set_focus(self._grid)

    def submit(self, text: str) -> None:
        """Goes to the first row from the cursor on that holds the text."""
        self._sought = text.casefold()
        self.leave()
        if self._grid:
            self._find(self._grid, 0)

    def go_on(self, direction: int) -> None:
        """Goes to the next (1) or the previous (-1) row that holds the text."""
        if grid := self.app.focused_grid:
            self._find(grid, direction)

    def _find(self, grid: Grid, direction: int) -> None:
        if not self._sought or not grid.count:
            return
        step = direction or 1
        for away in range(grid.count):
            row = (grid.row + direction + step * away) % grid.count
            if any(self._sought in text.casefold() for text in grid.row_texts(row)):
                grid.put_cursor(row)
                return
        self.app.notify(f"nothing holds {self._sought}", timeout=2, markup=False)
