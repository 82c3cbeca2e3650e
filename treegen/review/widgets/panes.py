"""The panes that show a tree as a grid: groups, options, rules, problems."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.binding import Binding, BindingType

from treegen.review.context import ReviewContext
from treegen.review.details.detail import answer_word
from treegen.review.widgets.grid import Cell, Column, Grid, PaneGrid, widths_of
from treegen.text import counted, printable
from treegen.tree.changes import MutableTree
from treegen.tree.changes.edits import users
from treegen.tree.feedback_target import Target
from treegen.tree.model import Tree
from treegen.tree.review_notes import class_target, group_target, option_target
from treegen.tree.validation.problems import errors_of, path_of
from treegen.workflow.answer_shares import AnswerShare, AnswerShares
from treegen.workflow.class_filter import class_filter

if TYPE_CHECKING:
    from treegen.tree.model import Group
    from treegen.tree.validation.problems import Problem
    from treegen.workflow.review_model import ReviewModel

_ADD: Final = Binding("a", "app.do('edits', 'run', 'add')", "add", tooltip="Add")
_RENAME: Final = Binding("r", "app.do('edits', 'run', 'rename')", "rename", tooltip="Rename")
_DELETE: Final = Binding("d", "app.do('edits', 'run', 'delete')", "delete", tooltip="Delete")
_PROMPT: Final = Binding("p", "app.do('edits', 'run', 'edit_prompt')", "prompt", tooltip="Prompt")
_MERGE: Final = Binding("m", "app.do('edits', 'run', 'merge')", "merge", tooltip="Merge option")
_SPLIT: Final = Binding("x", "app.do('edits', 'run', 'split')", "split", tooltip="Split option")
_MOVES: Final = (
    Binding("K,shift+up", "app.do('edits', 'move_by', -1)", "move up", show=False, tooltip="Move up"),
    Binding("J,shift+down", "app.do('edits', 'move_by', 1)", "move", key_display="J K", tooltip="Move down"),
)
#: the way back from panes in which nothing is edited
TO_THE_TREE: Final = (
    Binding("1", "app.pane('options')", "options"),
    Binding("2", "app.pane('rules')", "rules"),
)
_MARKED: Final = "+ "
CHANGED: Final = "• "
_LOCK: Final = Binding("L", "app.do('edits', 'lock')", "lock", tooltip="Lock for the language model")


def marks_of(review: "ReviewModel", target: Target) -> str:
    """Return the signs in front of a group, option or class: changed, locked, reviewed, commented."""
    name, changed = target.class_name or target.group, review.changed
    parts = {"group": changed.groups, "class": changed.classes}
    is_new = (target.group, target.option) in changed.options if target.kind == "option" else name in parts[target.kind]
    signs = (
        (CHANGED.strip(), is_new),
        ("*", target.kind != "option" and f"{target.kind} {name}" in review.session.locks),
        ("✓", target in review.reviewed),
        ("¶", ("comment", target) in review.session.notes),
    )
    return "".join(f"{sign} " for sign, is_set in signs if is_set)


def progress_of(review: "ReviewModel", kind: str, total: int) -> str:
    """Return how many groups or classes are reviewed; empty before the first."""
    done = sum(target.kind == kind for target in review.reviewed)
    return f"{done} of {total} reviewed" if done else ""


def percent(value: float | None, *, stale: bool = False) -> str:
    """Format a share in whole percent; empty if unknown, and marked if it is that of an earlier tree."""
    return "" if value is None else f"{'~' if stale else ''}{100 * value:.0f} %"


def tone_of(value: float | None, *, stale: bool = False) -> str:
    """Return green from 80 %, red below 50 %; grey for a share of an earlier tree."""
    if value is None or stale:
        return "dim" if stale else ""
    return "good" if value >= 0.8 else "bad" if value < 0.5 else "warn"


def shade_of(share: float) -> str:
    """Return the shade of a share in a heat map: deeper green towards all, deeper red towards none.

    >>> shade_of(1.0), shade_of(0.5), shade_of(0.49), shade_of(0.0)
    ('good4', 'good1', 'bad1', 'bad4')
    """
    return f"good{level(share)}" if share >= 0.5 else f"bad{level(1 - share)}"


def level(share: float, bounds: Sequence[float] = (0.7, 0.85, 0.95)) -> int:
    """Return 1 for a share below the first bound, and 4 from the last on."""
    return 1 + bisect_right(bounds, share)


def unseen_note(review: "ReviewModel") -> str:
    """Return why it is not known what CLIP answers on each image."""
    if review.missing:
        return review.missing
    if review.errors:
        return f"{counted(review.errors, 'error')}: no score, so nothing is known of the images; 3 lists them"
    if review.measured and review.measured.is_stored:
        return "a stored score says nothing of each image; that is being computed"
    return "not scored yet"


def _nothing(review: "ReviewModel", what: str) -> str:
    """Return why there is no group or class."""
    if review.session.is_blank:
        return "cannot be read: 3 says why"
    return f"no {what} yet: a adds one"


class GroupsPane(PaneGrid):
    """The groups, with CLIP's accuracy on each."""

    _names: Sequence[str] = ()

    ENTER = "app.pane('options')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "options", key_display="enter"),
        _ADD,
        _RENAME,
        _PROMPT,
        _DELETE,
        *_MOVES,
        _LOCK,
        replace(_MERGE, show=False),  # of the option under the cursor, which is seen beside the groups
        replace(_SPLIT, show=False),
    ]

    def show(self, context: ReviewContext) -> None:
        """Repaint the groups."""
        review = context.review
        groups = review.tree.groups
        self._names = [printable(group.name) for group in groups]
        measured, stale = review.measured, review.stale
        right = [g["accuracy"] if (g := measured and measured.group(group.name)) else None for group in groups]
        marks = [marks_of(review, group_target(group.name)) for group in groups]

        def cell(row: int, column: int) -> str:
            return (marks[row] + groups[row].name, percent(right[row], stale=stale))[column]

        columns = [
            Column(head="group", width=max(self.scrollable_content_region.width - 10, 12)),
            Column(head="" if review.second else "right", width=6, right=True),
        ]
        self.fill(
            columns,
            len(groups),
            cell,
            lambda r, c: tone_of(right[r], stale=stale) if c else "",
            _nothing(review, "group"),
        )
        self.entitle("groups", str(len(groups)), progress_of(review, "group", len(groups)))

    @property
    def copied_text(self) -> str:
        """The name of the group, without signs."""
        return self._names[self.row] if self.row < len(self._names) else ""

    def chosen(self, review: "ReviewModel") -> "Group | None":
        """Return the group under the cursor."""
        groups = review.tree.groups
        return groups[self.row] if self.row < len(groups) else None


class OptionsPane(PaneGrid):
    """The options of a group: their classes, and CLIP's accuracy on each."""

    _options: Sequence[str] = ()

    ENTER = "app.do('edits', 'run', 'rename')"
    BINDINGS: ClassVar[list[BindingType]] = [
        _ADD,
        _RENAME,
        _DELETE,
        _MERGE,
        _SPLIT,
        *_MOVES,
        _PROMPT,
        replace(_LOCK, show=False),  # of the group
    ]

    def show(self, context: ReviewContext) -> None:
        """Repaint the options of the group under the cursor."""
        review, group = context.review, context.selection.group
        if group is None:
            self.fill([], 0, lambda r, c: "", note="choose a group")
            self.entitle("options")
            return
        self._options = [printable(option) for option in group.options]
        known, stale = review.measured and review.measured.group(group.name), review.stale
        right: dict[str, Any] = {o["option"]: o for o in known["options"]} if known else {}
        classes = [users(review.tree, group.name, option) for option in group.options]
        marks = [marks_of(review, option_target(group.name, option)) for option in group.options]

        def cell(row: int, column: int) -> str:
            option = group.options[row]
            accuracy = right.get(option, {}).get("accuracy")
            return (
                marks[row] + option,
                str(len(classes[row])),
                percent(accuracy, stale=stale),
                ", ".join(classes[row][:30]),
            )[column]

        def tone(row: int, column: int) -> str:
            if column == 2:
                return tone_of(right.get(group.options[row], {}).get("accuracy"), stale=stale)
            return "dim" if not classes[row] or column == 3 else ""

        first = widths_of(["option"], len(group.options), cell, least=12, most=36)[0]
        columns = [
            Column(head="option", width=first),
            Column(head="n", width=4, right=True),
            Column(head="right", width=6, right=True),
            Column(head="classes", width=widths_of(["classes"] * 4, len(group.options), cell, most=200)[3]),
        ]
        self.fill(columns, len(group.options), cell, tone, "no option yet: a adds one")
        self.entitle(f"options of {group.name}", str(len(group.options)))

    @property
    def copied_text(self) -> str:
        """The option, without signs."""
        return self._options[self.row] if self.row < len(self._options) else ""


class RulesPane(PaneGrid):
    """The matrix of classes and groups, in words."""

    ENTER = "app.do('edits', 'run', 'point')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "re-point", key_display="enter"),
        _ADD,
        _RENAME,
        _DELETE,
        Binding("x", "app.do('edits', 'run', 'add_look')", "look", tooltip="Add a look of the class"),
        *_MOVES,
        _LOCK,
        replace(_PROMPT, show=False),  # of the column
        Binding("H", "app.do('maps', 'heat')", "heat map", tooltip="Heat map: how often CLIP gives each answer"),
        Binding("space", "mark", "mark", show=False, tooltip="Mark the class: enter re-points all that are marked"),
        Binding("v", "mark_range", "mark to here", show=False, tooltip="Mark the classes from the last marked to here"),
        Binding("escape", "app.do('filters', 'leave')", "unmark", show=False, tooltip="Leave filter, search or marks"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        """Build an empty pane whose cursor is a cell."""
        super().__init__(id=id, cells=True)
        self.marked: set[str] = set()
        self._last_marked = 0
        self.names: Sequence[str] = ()  #: the classes of the rows
        self.filter = self.passing = ""
        self.is_heat_map = False
        self._word: Cell = lambda row, column: ""

    @property
    def copied_text(self) -> str:
        """The class or the answer under the cursor, without signs."""
        if self.column == 0:
            return printable(self.names[self.row]) if self.row < len(self.names) else ""
        return printable(self._word(self.row, self.column)) if self.row < len(self.names) else ""

    @property
    def list(self) -> Grid:
        """The grid that is filtered."""
        return self

    def class_at(self, tree: Tree) -> str | None:
        """Return the class under the cursor."""
        names = self.names if self.filter else tree.rows  # which may have changed since the last paint
        name = names[self.row] if self.row < len(names) else None
        return name if name in tree.rows else None

    def action_mark(self) -> None:
        """Mark the class under the cursor, or take its mark off, and go on."""
        if self.row < len(self.names):
            self.marked ^= {self.names[self.row]}
            self._last_marked = self.row
            self.put_cursor(self.row + 1)
            self.redraw()

    def action_mark_range(self) -> None:
        """Mark the classes from the one that was marked last to the one under the cursor."""
        first, last = sorted((self._last_marked, self.row))
        self.marked |= set(self.names[first : last + 1])
        self.redraw()

    def unmark(self) -> None:
        """Take the marks off."""
        self.marked.clear()
        self.redraw()

    def show(self, context: ReviewContext) -> None:
        """Repaint the rules."""
        review = context.review
        tree = review.tree
        draft, groups = MutableTree(tree), [g.name for g in tree.groups]
        accepts = class_filter(self.filter, review)
        self.names = names = [name for name in tree.rows if accepts(name)]
        rules = {rule.name: rule for rule in tree.rules}
        marks = [marks_of(review, class_target(name)) for name in names]
        changed = review.changed.answers
        shares = AnswerShares(tree, review.measured) if self.is_heat_map else None

        def word(row: int, column: int) -> str:
            return answer_word(draft.answer(names[row], groups[column - 1]))

        def share(row: int, column: int) -> AnswerShare | None:
            name = rules[names[row]].class_name
            return shares.of(name, groups[column - 1], word(row, column)) if shares else None

        def cell(row: int, column: int) -> str:
            if column == 0:
                return (_MARKED if names[row] in self.marked else "") + marks[row] + rules[names[row]].title
            sign = CHANGED if (names[row], groups[column - 1]) in changed else ""
            number = _number(share(row, column)) if shares else ""
            return f"{number}{sign}{word(row, column)}"

        def tone(row: int, column: int) -> str:
            if column == 0:
                return "warn" if names[row] in self.marked else ""
            if known := share(row, column):
                return "dim" if known.stale else shade_of(known.share)
            answer = draft.answer(names[row], groups[column - 1])
            if (names[row], groups[column - 1]) in changed:
                return "warn"
            return "" if isinstance(answer, str) else "dim" if answer is None or review.second else "bad"

        heads = ["class", *groups]
        self._word = word
        widths = widths_of(heads, min(len(names), 30), cell, least=6, most=26 if shares else 22)
        widths[0] += len(_MARKED)
        columns = [Column(head=h, width=w) for h, w in zip(heads, widths, strict=True)]
        note = f"no class passes &{self.filter}; escape shows all" if self.filter else _nothing(review, "class")
        self.fill(columns, len(names), cell, tone, note)
        total = len(tree.rules)
        looks = f" with {counted(total, 'rule')}" if tree.looks else ""
        counts = f"{counted(len(tree.classes), 'class', 'classes')}{looks}, {counted(len(groups), 'group')}"
        self.passing = f"{len(names)} of {total}"
        shown = f"&{self.filter}: {self.passing}" if self.filter else counts
        heat = self._heat_words(review, shares)
        self.entitle("rules", shown if self.filter or not heat else "", heat, progress_of(review, "class", total))

    def _heat_words(self, review: "ReviewModel", shares: AnswerShares | None) -> str:
        """Return what the numbers of the heat map are, or why there are none."""
        if not self.is_heat_map:
            return ""
        return "% of dev images that CLIP answers so" if shares else f"no heat map: {unseen_note(review)}"


def _number(share: AnswerShare | None) -> str:
    """Return a share as the number in front of an answer, in percent."""
    text = f"{'~' if share.stale else ''}{100 * share.share:.0f}" if share else ""
    return f"{text:>3} "


class ProblemsPane(PaneGrid):
    """Everything wrong with the tree."""

    ENTER = "app.do('navigation', 'to_problem')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "go there", key_display="enter"),
        Binding("f", "app.do('edits', 'fix')", "fix", tooltip="Fix the problem, if the fix is certain"),
        Binding("a", "app.do('edits', 'add_missing')", "add", tooltip="Add the class whose rule is missing"),
        Binding("d", "app.do('edits', 'delete_at')", "delete", tooltip="Delete what the problem is about"),
        Binding("y", "copy", "copy", tooltip="Copy"),
    ]
    problems: "Sequence[Problem]" = ()

    @property
    def problem(self) -> "Problem | None":
        """The problem under the cursor."""
        return self.problems[self.row] if self.row < len(self.problems) else None

    @property
    def copied_text(self) -> str:
        """The code, the place and the whole message."""
        return "  ".join(self.row_texts(self.row)[1:]) if self.row < self.count else ""

    def show(self, context: ReviewContext) -> None:
        """Repaint the problems, errors first."""
        self.problems = sorted(context.review.problems, key=lambda p: p.severity != "error")
        found = self.problems

        def cell(row: int, column: int) -> str:
            problem = found[row]
            place = problem.pointer or (f"line {problem.place.line}" if problem.place else "/")
            return (problem.severity, problem.code, f"{place}: {problem.message}")[column]

        def tone(row: int, column: int) -> str:
            return ("bad" if found[row].severity == "error" else "warn") if column == 0 else ""

        heads = ["", "code", "problem"]
        widths = widths_of(heads, len(found), cell, most=300)
        columns = [Column(head=head, width=width) for head, width in zip(heads, widths, strict=True)]
        self.fill(columns, len(found), cell, tone, "no problem")
        errors = len(errors_of(found))
        self.entitle("problems", f"{counted(errors, 'error')}, {counted(len(found) - errors, 'warning')}")


def place_of(pointer: str) -> tuple[str | None, str | None, str | None]:
    """Return group, option index and class that a JSON Pointer names."""
    parts = path_of(pointer)
    if parts[:1] == ["looks"] and len(parts) > 1:
        return None, None, parts[1]
    if parts[:1] == ["classification_groups"] and len(parts) > 1:
        option = parts[3] if len(parts) > 3 and parts[2] == "options" else None
        return parts[1], option, None
    if parts[:1] == ["rules"] and len(parts) > 1:
        return (parts[2] if len(parts) > 2 else None), None, parts[1]
    return None, None, None
