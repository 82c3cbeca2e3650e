"""The keys that work in every pane, the footer with those that are of use, and all keys in words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

from rich.cells import cell_len
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Footer, Static

from treegen.review.context import PANES, ReviewContext
from treegen.review.widgets.feedback import CONVERSATION

_UNDO: Final = "app.do('edits', 'undo')"
_SAVE: Final = "app.do('saving', 'save')"
_CANCEL: Final = "app.do('feedback', 'cancel')"
_QUIT: Final = "app.quit"
#: the keys of the problems that change the tree
_REPAIRS: Final = tuple(f"app.do('edits', '{what}')" for what in ("fix", "add_missing", "delete_at"))
#: the keys of the footer for which there is always room
_ALWAYS: Final = (_UNDO, _SAVE, "app.keys", _QUIT)
_LAST: Final = ("app.do('navigation', 'search')", _CANCEL, *_ALWAYS)  # in this order at its end
#: the keys that a second reviewer has not
_NOT_FOR_SECOND: Final = (
    *(f"app.do('edits', 'run', '{what}')" for what in ("add", "rename", "edit_prompt", "merge", "split", "add_look")),
    *(f"app.do('edits', 'move_by', {by})" for by in (-1, 1)),
    "app.do('edits', 'lock')",
    "app.do('maps', 'heat')",
    _SAVE,
)
#: the keys that work in every pane
EVERYWHERE: Final = (
    *[
        Binding(str(number), f"app.pane('{name}')", name, show=False, tooltip=name.capitalize())
        for number, name in enumerate(PANES, 1)
    ],
    Binding("a,r,d,p,m,x", "app.do('edits', 'run', '')", "edit", show=False),  # where nothing is edited, to say so
    Binding("u", _UNDO, "undo", tooltip="Undo"),
    Binding("U,ctrl+r,ctrl+y", "app.do('edits', 'redo')", "redo", show=False, tooltip="Redo"),
    Binding("ctrl+s", _SAVE, "save", tooltip="Save"),
    Binding("E", "app.do('editor', 'tree')", "edit the tree", show=False, tooltip="Edit the tree as text"),
    Binding("ctrl+e", "app.do('editor', 'group')", "edit the group", show=False, tooltip="Edit the group as text"),
    *[replace(binding, show=False) for binding in CONVERSATION],
    Binding(
        "ctrl+x",
        _CANCEL,
        "cancel",
        priority=True,
        tooltip="Cancel the request",
    ),
    Binding(
        "escape", "app.do('navigation', 'leave_search')", "leave the search", show=False, tooltip="Leave the search"
    ),
    Binding("o", "app.do('navigation', 'jump')", "jump", show=False, tooltip="Jump to a pane"),
    Binding("s", "app.do('scoring', 'score_test')", "score", show=False, tooltip="Score on the test split"),
    Binding("S", "app.do('approval', 'ask')", "approve", show=False, tooltip="Approve, and what changed since"),
    Binding(
        "C", "app.do('compare', 'show')", "changes", show=False, tooltip="Changes in words, and what restores them"
    ),
    Binding("ampersand", "app.do('filters', 'ask')", "filter", show=False, tooltip="Filter rules or images"),
    Binding("t", "app.do('notes', 'toggle')", "reviewed", show=False, tooltip="Reviewed: mark, and go to the next"),
    Binding("T", "app.do('notes', 'next')", "next unreviewed", show=False, tooltip="Next that is not reviewed"),
    Binding("c", "app.do('notes', 'comment')", "comment", show=False, tooltip="Comment on group, option or class"),
    Binding(
        "equals_sign",
        "app.do('agreement', 'show')",
        "agreement",
        show=False,
        tooltip="Agreement with a second reviewer",
    ),
    Binding("M", "app.messages", "messages", show=False, tooltip="Messages so far"),
    Binding("D", "app.do('appearance', 'toggle_dark')", "light or dark", show=False, tooltip="Light or dark"),
    Binding("i", "app.do('appearance', 'toggle')", "details", show=False, tooltip="Details: show or hide"),
    Binding("I", "app.do('appearance', 'turn')", "move details", show=False, tooltip="Details: beside or below"),
    Binding("ctrl+z", "app.suspend_process", "suspend", show=False, tooltip="Suspend; fg in the shell goes on"),
    Binding("question_mark", "app.keys", "keys", tooltip="Keys"),
    Binding("q,ctrl+q", _QUIT, "quit", tooltip="Quit; what is unsaved is kept"),
)
_GAP: Final = 2  # cells behind each key of the footer
_MOVES: Final = [
    ("arrows, h j k l", "move"),
    ("g G, home end", "first, last"),
    ("ctrl+f ctrl+b, page keys", "pages"),
    ("enter", "go in, re-point a rule, go to a problem"),
    ("tab", "next pane"),
    ("mouse", "click, click again to choose"),
    ("ctrl+p", "command palette"),
    ("escape", "leave a dialog"),
]
_SHOWN: Final = {"slash": "/", "ampersand": "&", "equals_sign": "=", "question_mark": "?"}


class KeysFooter(Footer):
    """Format as many useful keys as fit, always including the key that shows all of them."""

    def __init__(self, *, id: str | None = None) -> None:
        """Make a footer of one line, without Textual's key of the command palette."""
        super().__init__(id=id, compact=True, show_command_palette=False)
        self._keys: list[Any] = []
        self._composed: list[Binding] | None = None
        self._state: tuple[object, ...] = ()
        self._idle: Sequence[str] = ()

    def show(self, context: ReviewContext) -> None:
        """Show other keys if the width or what can be undone and saved has changed; for the focus Textual does it."""
        session = context.review.session
        idle = {_UNDO: not session.position, _SAVE: not session.unsaved, _CANCEL: not context.is_asking}
        if session.is_blank:  # a file that cannot be read has nothing to change
            idle |= dict.fromkeys(_REPAIRS, True)
        if context.review.second:
            idle |= dict.fromkeys(_NOT_FOR_SECOND, True)
        self._idle = [action for action, is_idle in idle.items() if is_idle]
        state = (self.app.size.width, *self._idle)
        if state != self._state:
            self._state = state
            self._fit()

    async def recompose(self) -> None:
        """Compose again only for other keys: Textual asks for it several times before the first paint."""
        if self._bound() != self._composed:
            await super().recompose()

    def _bound(self) -> list[Binding]:
        return [active.binding for active in self.screen.active_bindings.values() if active.binding.show]

    def compose(self) -> ComposeResult:
        """Sort the keys: those for this place, then those for all."""
        self._composed = self._bound() if self._bindings_ready else None
        self._keys = [*cast("Iterable[Any]", super().compose())]
        for key in self._keys:
            is_letter = key.action == _QUIT and "q" in self.screen.active_bindings  # in a text it would be written
            key.key_display = "q" if is_letter else key.key_display.replace("^", "ctrl+")
        self._keys.sort(key=lambda key: _LAST.index(key.action) if key.action in _LAST else -1)
        self._fit()
        yield from (key for key in self._keys if key.action not in _ALWAYS)
        yield Static("", id="gap")
        yield from (key for key in self._keys if key.action in _ALWAYS)

    def _fit(self) -> None:
        """Hide keys that do nothing now, and those for which there is no room: cheaper than to compose again."""
        useful = [key for key in self._keys if key.action not in self._idle]
        room = self.app.size.width - 2 * _GAP - sum(_width(key) for key in useful if key.action in _ALWAYS)
        for key in self._keys:
            key.display = key in useful
            if key in useful and key.action not in _ALWAYS:
                room -= _width(key)
                key.display = room >= 0


def _width(key: Any) -> int:
    return cell_len(f"{key.key_display} {key.description}") + _GAP


def _bindings(app: App[Any], screen: Screen[Any]) -> Iterator[Binding]:
    """Every key of the review that has a long description, once; the numbers of the panes first."""
    nodes: list[DOMNode] = [*screen.walk_children(), app]
    listed = {
        (binding.key, binding.tooltip): binding
        for node in nodes
        for kind in type(node).__mro__
        for binding in vars(kind).get("BINDINGS", ())
        if isinstance(binding, Binding) and binding.tooltip and kind.__module__.startswith("treegen.")
    }
    yield from sorted(listed.values(), key=lambda binding: not binding.key.isdigit())


def _words_of(binding: Binding) -> str:
    return ", ".join(_SHOWN.get(key, key) for key in binding.key.split(","))


def key_rows(app: App[Any]) -> list[tuple[str, str]]:
    """Return every key and what it does."""
    return [*[(_words_of(binding), binding.tooltip) for binding in _bindings(app, app.screen_stack[0])], *_MOVES]


def key_commands(app: App[Any], screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Yield everything that a key does, for the command palette."""
    for binding in _bindings(app, screen):
        yield SystemCommand(binding.tooltip, f"key {_words_of(binding)}", partial(_run, app, binding.action))


async def _run(app: App[Any], action: str) -> None:
    await app.run_action(action, app.focused)
