"""The keys in words: all of them, and those that are of use where the cursor is."""

from typing import TYPE_CHECKING, Final

from textual.binding import Binding

if TYPE_CHECKING:
    from treegen.review.app import ReviewApp

_MOVES: Final = [
    ("arrows, h j k l", "move"), ("g G, home end", "first, last"), ("ctrl+f ctrl+b, page keys", "pages"),
    ("enter", "go in, re-point a rule, go to a problem"), ("tab", "next pane"),
    ("mouse", "click, click again to choose"),
    ("ctrl+p", "command palette"), ("escape", "leave a dialog"),
]  # fmt: skip
_HINTS: Final = {
    "group": "enter options  a add  r rename  p prompt  d delete  J K move  L lock",
    "option": "a add  r rename  d delete  m merge  x split  J K move  p prompt",
    "class": "enter re-point  a add  r rename  d delete  J K move  L lock",
}
_SHOWN: Final = {"slash": "/", "question_mark": "?"}


def help_rows(app: "ReviewApp") -> list[tuple[str, str]]:
    """Every key and what it does."""
    own = [binding for binding in app.BINDINGS if isinstance(binding, Binding)]
    rows = [(", ".join(_SHOWN.get(key, key) for key in b.key.split(",")), b.description) for b in own]
    return [*rows, *_MOVES]


def hints(app: "ReviewApp") -> str:
    """The next useful keys."""
    if app.pane == "problems" and app.focused and app.focused.id == "problems":
        return "enter go there  / search  y copy    u undo  ctrl+s save  ? keys  q quit"
    if app.focused and app.focused.id in ("mistakes", "votes"):
        return "enter the rule at fault  tab answers  / search    u undo  ctrl+s save  ? keys  q quit"
    if app.focused and app.focused.id == "proposal":
        return "enter take  x leave  A take all  f feedback    u undo  ctrl+s save  ? keys  q quit"
    unsaved = "ctrl+s save  " if app.review.session.unsaved else ""
    undo = "u undo  " if app.review.session.position else ""
    return f"{_HINTS[app.focused_kind]}    {undo}{unsaved}? keys  q quit"
