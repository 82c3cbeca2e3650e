"""The messages of the session, to be read again after their toasts are gone."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from treegen.review.screens.dialogs import Dialog, Keys
from treegen.review.toasts import Toast
from treegen.review.widgets.grid import Column, Grid
from treegen.text import counted

_TONES: Final = {"error": "bad", "warning": "warn", "information": "dim"}
_WIDEST: Final = 160  # columns of the dialog, as in the style sheet
_BESIDE: Final = 31  # columns of its frame, of the scroll bar, and of what is beside the message


class MessagesDialog(Dialog[None]):
    """Time, severity and text of each message, newest first; below, the whole of the one under the cursor."""

    KEYS: ClassVar[Keys] = (("y", "copy"), ("tab", "scroll a long message"), ("escape", "leave"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,M", "dismiss(None)", "Leave"),
        Binding("y", "copy", "Copy"),
    ]

    def __init__(self, messages: Sequence[Toast], count: int) -> None:
        """Build a list of messages.

        Args:
            messages: those that are kept, oldest first.
            count: how many there were in all.
        """
        super().__init__()
        self._messages, self._count = messages[::-1], count

    def compose(self) -> ComposeResult:
        """Compose title, keys, list and the whole message."""
        kept = len(self._messages)
        older = f"; {self._count - kept} older ones are not kept" if self._count > kept else ""
        with Vertical(classes="dialog wide full"):
            yield Static(f"{counted(kept, 'message')} of this session{older}", markup=False, classes="title")
            yield Grid(id="messages")
            with VerticalScroll(classes="whole"):
                yield Static(id="message", markup=False)
        yield self.keys_line()

    def on_mount(self) -> None:
        """Put the cursor on the last message."""
        room = min(self.app.size.width * 9 // 10, _WIDEST) - _BESIDE  # a longer one ends in an ellipsis
        columns = [Column(head="time", width=8), Column(head="severity", width=11), Column(head="message", width=room)]
        grid = self.query_one(Grid)
        grid.fill(columns, len(self._messages), self._cell, self._tone, "no message yet")
        grid.put_cursor(0)
        grid.focus()

    def _cell(self, row: int, column: int) -> str:
        each = self._messages[row]
        return (f"{each.time:%H:%M:%S}", each.severity, " ".join(each.text.split("\n")))[column]

    def _tone(self, row: int, column: int) -> str:
        return _TONES.get(self._messages[row].severity, "") if column < 2 else ""

    def on_grid_moved(self) -> None:
        """Show the whole message under the cursor."""
        self.query_one("#message", Static).update(self._messages[self.query_one(Grid).row].text)

    def action_copy(self) -> None:
        """Copy the whole message under the cursor."""
        if self._messages:
            self.app.copy_to_clipboard(self._messages[self.query_one(Grid).row].text)
