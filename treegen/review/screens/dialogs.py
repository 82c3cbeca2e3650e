"""Dialogs: a text, a choice, several choices. Escape cancels each."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from treegen.review.widgets.field import Field
from treegen.review.widgets.grid import Column, Grid
from treegen.text import printable

Judge = Callable[[str], str]  # returns what is wrong with a text; empty if nothing
Keys = Sequence[tuple[str, str]]  # of the line below a dialog: each with what it does
T = TypeVar("T")
_MOST = 12  # lines of a list of answers


class Dialog(ModalScreen[T]):
    """A screen over the panes that is answered once.

    Attributes:
        on_answer: called with the answer, within the key press that gave it: Textual's own callback comes later, and
            the next key would already be a command.
        KEYS: the keys that work here, and what they do: the line of them covers the footer of the panes behind it.
    """

    KEYS: ClassVar[Keys] = (("enter", "accept"), ("escape", "leave"))
    on_answer: Callable[[Any], None] | None = None

    def keys_line(self) -> Static:
        """Return the line of the keys, in the style of the footer."""
        parts = [((key, "bold $footer-key-foreground"), f" {what}  ") for key, what in self.KEYS]
        return Static(Content.assemble(*(piece for part in parts for piece in part)), classes="dialog-keys")

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Close the dialog; do nothing if it is closed already, as a second key of the same burst may ask for it."""
        if self.app.screen is not self:
            return AwaitComplete()
        closed: AwaitComplete = super().dismiss(result)
        if self.on_answer:
            self.on_answer(result)
        return closed


class TextDialog(Dialog[str | None]):
    """Asks for a line of text and validates it while typing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Leave")]

    def __init__(self, title: str, text: str = "", judge: Judge = lambda text: "") -> None:
        """Build the dialog.

        Args:
            title: the question.
            text: the initial text.
            judge: returns what is wrong with a text; such a text is refused.
        """
        super().__init__()
        self._title, self._text, self._judge = title, text, judge

    def compose(self) -> ComposeResult:
        """Compose title, field, and error."""
        with Vertical(classes="dialog"):
            yield Static(printable(self._title, keep="\n"), markup=False, classes="title")
            yield Field(printable(self._text), select_on_focus=False)
            yield Static("", markup=False, id="wrong")
        yield self.keys_line()

    def on_mount(self) -> None:
        """Put the cursor after the text."""
        field = self.query_one(Input)
        field.focus()
        field.cursor_position = len(field.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Validate while typing."""
        wrong = self._judge(event.value) if event.value != printable(self._text) else ""
        self.query_one("#wrong", Static).update(printable(wrong))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Accept the text unless it is invalid."""
        text = self._text if event.value == printable(self._text) else event.value
        wrong = self._judge(text)
        if wrong:
            self.query_one("#wrong", Static).update(printable(wrong))
        else:
            self.dismiss(text)


class ChoiceDialog(Dialog[int | None]):
    """Asks for one of several texts; typing filters them."""

    KEYS: ClassVar[Keys] = (("up down", "choose"), *Dialog.KEYS)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave"),
        Binding("down,ctrl+n", "step(1)", "Next", priority=True),
        Binding("up,ctrl+p", "step(-1)", "Previous", priority=True),
    ]

    def __init__(self, title: str, choices: Sequence[str], at: int = 0) -> None:
        """Build the dialog.

        Args:
            title: the question.
            choices: the answers.
            at: the initial cursor position.
        """
        super().__init__()
        self._title, self._choices, self._at = title, list(choices), at
        self._shown = list(range(len(choices)))

    def compose(self) -> ComposeResult:
        """Compose title, field and answers."""
        with Vertical(classes="dialog"):
            yield Static(printable(self._title, keep="\n"), markup=False, classes="title")
            yield Field(placeholder="type to narrow down", select_on_focus=False)
            yield Grid(id="choices")
        yield self.keys_line()

    def on_mount(self) -> None:
        """Show all answers."""
        self._fill()
        grid = self.query_one(Grid)
        grid.styles.height = min(len(self._choices) + 2, _MOST)  # head, choices, and what scrolls to the side
        grid.put_cursor(self._at)
        self.query_one(Input).focus()

    def _fill(self) -> None:
        width = max((len(self._choices[i]) for i in self._shown), default=10)
        grid = self.query_one(Grid)
        shown = self._shown
        columns = [Column(head="", width=min(width, 100))]
        grid.fill(columns, len(shown), lambda r, c: self._choices[shown[r]], note="nothing fits")
        grid.put_cursor(0)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep the answers that contain the typed text."""
        wanted = event.value.casefold()
        self._shown = [i for i, choice in enumerate(self._choices) if wanted in choice.casefold()]
        self._fill()

    def action_step(self, by: int) -> None:
        """Move the cursor while the field is focused."""
        grid = self.query_one(Grid)
        grid.put_cursor(grid.row + by)

    def on_input_submitted(self) -> None:
        """Accept the answer under the cursor."""
        self._take()

    def on_grid_chosen(self) -> None:
        """Accept the clicked answer."""
        self._take()

    def _take(self) -> None:
        if self._shown:
            self.dismiss(self._shown[self.query_one(Grid).row])


class SeveralDialog(Dialog[tuple[int, ...] | None]):
    """Asks for some of several texts: space marks, enter accepts the marked ones."""

    KEYS: ClassVar[Keys] = (("space", "mark"), ("enter", "accept those marked"), ("escape", "leave"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave"),
        Binding("space", "mark", "Mark"),
        Binding("enter", "take", "Take", priority=True),
    ]

    def __init__(self, title: str, choices: Sequence[str]) -> None:
        """Build a dialog with nothing marked."""
        super().__init__()
        self._title, self._choices = title, list(choices)
        self._marked: set[int] = set()

    def compose(self) -> ComposeResult:
        """Compose title and answers."""
        with Vertical(classes="dialog"):
            yield Static(printable(self._title, keep="\n"), markup=False, classes="title")
            yield Grid(id="choices")
        yield self.keys_line()

    def on_mount(self) -> None:
        """Focus the grid."""
        self._fill()
        self.query_one(Grid).focus()

    def _fill(self) -> None:
        width, marked = max((len(c) for c in self._choices), default=10), frozenset(self._marked)
        columns = [Column(head="", width=3), Column(head="", width=min(width, 100))]

        def cell(row: int, column: int) -> str:
            return self._choices[row] if column else "[x]" if row in marked else "[ ]"

        self.query_one(Grid).fill(columns, len(self._choices), cell)

    def action_mark(self) -> None:
        """Toggle the mark and move on."""
        grid = self.query_one(Grid)
        self._marked ^= {grid.row}
        self._fill()
        grid.put_cursor(grid.row + 1)

    def action_take(self) -> None:
        """Accept the marked answers."""
        self.dismiss(tuple(sorted(self._marked)))
