"""A field for a filter, which works while it is typed."""

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from treegen.review.widgets.field import Field
from treegen.review.widgets.grid import Grid

#: takes a filter and returns "n of N"
Apply = Callable[[str], str]


class FilterBar(Field):
    """The field is shown only while it is written in; enter keeps the filter, escape takes up the one before."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave the filter", key_display="escape"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        """Make a hidden field."""
        hint = "wrong, changed, unreviewed, commented, option=..., or a part of a name"
        super().__init__(id=id, placeholder=hint, select_on_focus=False)
        self.display = False
        self._grid: Grid | None = None
        self._apply: Apply = lambda text: ""
        self._before = ""

    def ask(self, grid: Grid, before: str, apply: Apply) -> None:
        """Show the field.

        Args:
            grid: gets the keys back.
            before: the filter that is set.
            apply: sets a filter.
        """
        self._grid, self._apply, self._before = grid, apply, before
        self.display = True
        self.value = before
        self.cursor_position = len(before)
        self.screen.set_focus(self)  # at once: text may be queued already

    def action_leave(self) -> None:
        """Hide the field, with the filter as it was."""
        if self.display:
            self._apply(self._before)
            self._hide()

    def _hide(self) -> None:
        self.display = False
        if self._grid:
            self.screen.set_focus(self._grid)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter by what is typed so far."""
        event.stop()
        if self.display:
            self.border_subtitle = self._apply(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter."""
        event.stop()
        self._apply(event.value)
        self._hide()
