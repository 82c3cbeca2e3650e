"""Jump mode: a letter on every visible pane."""

from collections.abc import Iterable
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.events import Key
from textual.widget import Widget
from textual.widgets import Label

from treegen.review.screens.dialogs import Dialog, Keys

_LETTERS: Final = "asdfghjkl"


class JumpScreen(Dialog[None]):
    """Letters over the panes; pressing one focuses its pane, anything else cancels."""

    KEYS: ClassVar[Keys] = (("a s d ...", "go to the panel with this letter"), ("escape", "leave"))

    def __init__(self, targets: Iterable[Widget]) -> None:
        """Assign letters to the visible widgets."""
        super().__init__()
        seen = [w for w in targets if w.region.area and w.is_on_screen]
        self._targets = dict(zip(_LETTERS, seen, strict=False))

    def compose(self) -> ComposeResult:
        """Compose each letter at the corner of its pane."""
        for letter, widget in self._targets.items():
            label = Label(f" {letter} ", classes="jump")
            label.styles.offset = (widget.region.x, widget.region.y)
            yield label
        yield self.keys_line()

    def on_key(self, event: Key) -> None:
        """Focus the pane of the letter."""
        event.stop()
        target = self._targets.get(event.key)
        self.dismiss()
        if target:
            target.focus()
