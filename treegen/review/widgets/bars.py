"""The keys in words: all of them, and those that are of use where the cursor is."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from textual.app import SystemCommand
from textual.binding import Binding

from treegen.tree.problems import errors_of

if TYPE_CHECKING:
    from treegen.review.app import ReviewApp

PANES: Final = ("options", "rules", "problems", "score", "history", "images", "ask")
#: every key of the application
KEYS: Final = (
    *[Binding(str(n), f"pane('{name}')", name.capitalize()) for n, name in enumerate(PANES, 1)],
    Binding("a", "edit('add')", "Add"),
    Binding("r", "edit('rename')", "Rename"),
    Binding("d", "edit('delete')", "Delete"),
    Binding("p", "edit('edit_prompt')", "Prompt"),
    Binding("m", "edit('merge')", "Merge option"),
    Binding("x", "edit('split')", "Split option"),
    Binding("K,shift+up", "shift(-1)", "Move up"),
    Binding("J,shift+down", "shift(1)", "Move down"),
    Binding("f", "fix", "Fix the problem, if the fix is certain"),
    Binding("L", "lock", "Lock for the language model"),
    Binding("u,ctrl+z", "undo", "Undo"),
    Binding("U,ctrl+r,ctrl+y", "redo", "Redo"),
    Binding("ctrl+s", "save", "Save"),
    Binding("E", "editor('tree')", "Edit the tree as text"),
    Binding("ctrl+e", "editor('group')", "Edit the group as text"),
    Binding("F", "feedback", "Feedback to the language model"),
    Binding("ctrl+g", "send", "Send the feedback"),
    Binding("ctrl+l", "feedback(True)", "Feedback from the mistakes"),
    Binding("ctrl+t", "target", "Feedback about something else"),
    Binding("ctrl+x", "cancel", "Cancel the request", priority=True),
    Binding("e", "edit('reword')", "Take a proposed change in your words"),
    Binding("A", "accept_all", "Take all proposed changes"),
    Binding("slash", "search", "Search"),
    Binding("n", "find(1)", "Next found"),
    Binding("N", "find(-1)", "Previous found"),
    Binding("escape", "leave_search", "Leave the search"),
    Binding("o", "jump", "Jump to a pane"),
    Binding("y", "copy", "Copy"),
    Binding("s", "score", "Score on the test part"),
    Binding("D", "toggle_dark", "Light or dark"),
    Binding("question_mark", "keys", "Keys"),
    Binding("q,ctrl+q", "quit", "Quit; what is unsaved is kept", priority=False),
)
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
_HINTS: Final = {
    "groups": "enter options  a add  r rename  p prompt  d delete  J K move  L lock  / search",
    "options": "a add  r rename  d delete  m merge  x split  J K move  p prompt  / search",
    "rules": "enter re-point  a add  r rename  d delete  J K move  L lock  / search",
    "problems": "enter go there  f fix  / search  y copy",
    "mistakes": "enter the rule at fault  tab answers  / search",
    "proposal": "enter take  e reword  x leave  A take all  F feedback  / search",
    "feedback": "escape leave the text  ctrl+g send  ctrl+t about something else  ctrl+l from mistakes  ctrl+x cancel",
    "votes": "enter the rule at fault  h l more columns  tab pictures  / search",
}
_SPACE: Final = "  "
_GAP: Final = 4  # cells between the keys for this place and those for all
_SHOWN: Final = {"slash": "/", "question_mark": "?"}


def help_rows(app: "ReviewApp") -> list[tuple[str, str]]:
    """Every key and what it does."""
    own = [binding for binding in app.BINDINGS if isinstance(binding, Binding)]
    rows = [(", ".join(_SHOWN.get(key, key) for key in b.key.split(",")), b.description) for b in own]
    return [*rows, *_MOVES]


def commands(app: "ReviewApp") -> Iterator[SystemCommand]:
    """Everything that a key does, for the command palette."""
    for binding, (keys, told) in zip(app.BINDINGS, help_rows(app), strict=False):
        if isinstance(binding, Binding):
            yield SystemCommand(told, f"key {keys}", partial(app.run_action, binding.action))


def tabs(app: "ReviewApp", panes: Sequence[str], *, narrow: bool) -> str:
    """The panes with their numbers, as markup that can be clicked; short names where there is little room."""
    found = app.review.known_problems
    counts = {"problems": f" {len(errors_of(found))}/{len(found)}"} if found else {}
    shown = []
    for number, name in enumerate(panes, 1):
        label = f"{number} {name[:3] if narrow else name}{counts.get(name, '')}"
        label = f"[reverse] {label} [/reverse]" if name == app.pane else f" {label} "
        shown.append(f"[@click=app.pane('{name}')]{label}[/]")
    return "".join(shown)


def hints(app: "ReviewApp") -> str:
    """The next useful keys, as many as there is room for; how to see all of them always stands there."""
    last = ["? keys", "q quit"]
    if app.review.session.unsaved:
        last.insert(0, "ctrl+s save")
    if app.review.session.position:
        last.insert(0, "u undo")
    room = app.size.width - 2 - _GAP - len(_SPACE.join(last))
    first = _of_use(app)
    while first and len(_SPACE.join(first)) > room:
        first.pop()
    return _SPACE.join(first).ljust(len(_SPACE.join(first)) + _GAP) + _SPACE.join(last)


def _of_use(app: "ReviewApp") -> list[str]:
    name = (app.focused.id or "") if app.focused else ""
    return _HINTS.get(name, "1 options  2 rules  / search").split(_SPACE)
