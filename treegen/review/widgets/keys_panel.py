"""All keys beside the panes, filtered by what is typed."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from treegen.review.widgets.field import Field
from treegen.review.widgets.grid import Column, Grid, entitle


class KeysFilter(Field):
    """What is typed is sought among the keys and what they do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "app.keys", "leave the keys", key_display="escape"),
        Binding("up", "page(-1)", show=False),
        Binding("down", "page(1)", show=False),
    ]

    def action_page(self, direction: int) -> None:
        """Scroll the keys."""
        self.screen.query_one(KeysPanel).list.action_page(direction)


class KeysPanel(Vertical):
    """Every key and what it does. The panes stay visible."""

    _rows: Sequence[tuple[str, str]] = ()
    _before: Widget | None = None

    def compose(self) -> ComposeResult:
        """Compose the field above the keys."""
        yield KeysFilter(placeholder="type to filter", select_on_focus=False, id="keys-filter")
        yield Grid(id="keys-list")

    @property
    def list(self) -> Grid:
        """The keys."""
        return self.query_one("#keys-list", Grid)

    def on_mount(self) -> None:
        """Hide it at first."""
        self.display = False

    def toggle(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show these keys, or give the keys back to what had them before."""
        if self.display:
            self.display = False
            self.screen.set_focus(self._before)
            return
        self._rows, self._before = rows, self.screen.focused
        self.display = True
        field = self.query_one(KeysFilter)
        field.value = ""
        self._fill("")
        self.screen.set_focus(field)  # at once: text may be queued already

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the keys that hold what is typed."""
        event.stop()
        self._fill(event.value)

    def _fill(self, text: str) -> None:
        wanted = text.casefold()
        rows = [row for row in self._rows if wanted in f"{row[0]} {row[1]}".casefold()]
        width = min(max((len(key) for key, _ in self._rows), default=4), 14)
        columns = [Column(head="", width=width), Column(head="", width=60)]
        self.list.fill(columns, len(rows), lambda r, c: rows[r][c], note="no such key")
        self.list.put_cursor(0)
        entitle(self, "keys", f"{len(rows)} of {len(self._rows)}" if wanted else str(len(rows)))
