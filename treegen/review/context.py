"""What the flows and panes of the review may ask of the application that runs them."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from textual.geometry import Size
from textual.message import Message
from textual.theme import Theme
from textual.widget import Widget

from treegen.errors import TreegenError
from treegen.review.screens.dialogs import Dialog
from treegen.review.widgets.grid import Grid
from treegen.tree.changes import Change
from treegen.tree.model import Group
from treegen.workflow.review_model import ReviewModel

T = TypeVar("T")
W = TypeVar("W", bound=Widget)

#: the panes on the right, in the order of their number keys; each is the id of its widget
PANES: Final = ("options", "rules", "problems", "score", "history", "images", "ask", "confusion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the cursors are on.

    Attributes:
        group: in the list of groups.
        option: in the options of that group.
        class_name: in the rules.
        marked: the classes that are marked in the rules, in the order of the tree.
        rule_group: the group of the column in the rules; `None` in the column of class names.
        kind: what an edit key is about by the pane that has the focus: `group`, `option`, `class` or nothing.
        grid: the grid that has the focus.
    """

    group: Group | None
    option: str | None
    class_name: str | None
    marked: tuple[str, ...]
    rule_group: Group | None
    kind: str
    grid: Grid | None

    @property
    def edited_group(self) -> Group | None:
        """The group that an edit is about: in the rules that of the column, elsewhere that of the list."""
        return self.rule_group if self.kind == "class" else self.group


class ReviewContext(Protocol):
    """The application as a flow sees it: the review, the selection, and ways to change and to show things."""

    @property
    def review(self) -> ReviewModel:
        """The review that is shown."""

    @property
    def selection(self) -> Selection:
        """What the cursors are on now."""

    @property
    def pane(self) -> str:
        """The pane on the right that is shown, one of `PANES`."""

    @property
    def is_shown(self) -> bool:
        """Whether the panes exist: not before the first paint, and not while the application ends."""

    @property
    def size(self) -> Size:
        """The columns and lines of the terminal."""

    @property
    def is_asking(self) -> bool:
        """Whether a request to a language model is under way."""

    theme: str

    @property
    def current_theme(self) -> Theme:
        """The theme that is shown."""

    @property
    def available_themes(self) -> Mapping[str, Theme]:
        """All themes by their names."""

    def refresh_layout(self) -> None:
        """Place the panels by the size of the terminal, and repaint them."""

    def commit(self, label: str, make: Callable[[], Sequence[Change]]) -> bool:
        """Make changes as one step and show them; complain and return False if they do not fit."""

    def tree_changed(self) -> None:
        """Repaint after a change of the tree, then validate and rescore."""

    def marks_changed(self) -> None:
        """Repaint after a lock, a review or a comment has changed, and the tree has not."""

    def refresh_panes(self) -> None:
        """Repaint everything from the review."""

    def refresh_lines(self) -> None:
        """Repaint title, tabs, status and keys."""

    def refresh_status(self) -> None:
        """Repaint the last score and what is being computed."""

    def notify(self, message: str, **settings: Any) -> None:
        """Show a message in a corner, as text: names in it are neither markup nor escapes."""

    def complain(self, error: TreegenError) -> None:
        """Show what did not work and what to do about it."""

    def show_pane(self, name: str) -> None:
        """Show a pane and give it the focus."""

    async def ask(self, dialog: Dialog[T]) -> T | None:
        """Show a dialog and wait for its answer; only in work that `converse` runs."""

    def converse(self, work: Callable[[], Coroutine[Any, Any, None]], job: str) -> None:
        """Run a coroutine that awaits nothing but `ask`, within the key press that starts it."""

    def start(self, work: Callable[[], Coroutine[Any, Any, None]], group: str) -> None:
        """Run a coroutine beside the keys and cancel what runs in its group; a failure becomes `BackgroundFailed`."""

    def exit(self) -> None:
        """End the application."""

    def post_message(self, message: Message, /) -> bool:
        """Send a message to the application, from any thread."""

    def copy_to_clipboard(self, text: str, /) -> None:
        """Copy a text to the terminal's clipboard."""

    def suspend(self) -> AbstractContextManager[None]:
        """Leave the terminal to another program."""

    def query_one(self, kind: type[W], /) -> W:
        """Return the one widget of a class."""

    def query(self, kind: type[W], /) -> Iterable[W]:
        """Return the widgets of a class."""

    def push_screen(self, screen: Dialog[T], /) -> object:
        """Show a screen without waiting for its answer."""
