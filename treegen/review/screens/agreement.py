"""The agreement with a second reviewer per group, and one disagreement to decide."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from treegen.review.screens.dialogs import Dialog, Keys
from treegen.review.widgets.grid import Column, Grid, widths_of
from treegen.text import printable
from treegen.tree.agreement import Pair
from treegen.workflow.second_review import SecondReview

#: what is taken: of the first, of the second, no answer, or the option with that number; or the next one is shown
Decision = Literal["first", "second", "none", "next"] | int | None
NO_ANSWER = "(no answer)"


class AgreementDialog(Dialog[int | None]):
    """Kappa of each group and of all; enter goes through the disagreements of the one under the cursor."""

    KEYS: ClassVar[Keys] = (("enter", "go through the disagreements"), ("escape", "leave"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss(None)", "Leave")]

    def __init__(self, review: SecondReview) -> None:
        """Show a second review, with the cursor on the total."""
        super().__init__()
        self._review = review

    def compose(self) -> ComposeResult:
        """Compose title, keys and groups."""
        with Vertical(classes="dialog wide"):
            yield Static(printable(self._review.words), markup=False, classes="title")
            yield Grid(id="agreement")
        yield self.keys_line()

    def on_mount(self) -> None:
        """Show the total, then the groups."""
        review = self._review
        *groups, total = review.agreements
        rows = []
        for each in (total, *groups):
            interval = f"[{each.interval[0]:.2f}, {each.interval[1]:.2f}]" if each.interval else "-"
            kappa = "-" if each.kappa is None else f"{each.kappa:.2f}"
            share = f"{100 * each.agreed / each.n:.0f} %" if each.n else ""
            left = len(review.open(each.group))
            rows.append((each.group or "all groups", str(each.n), share, kappa, interval, str(left or "")))
        heads = ["group", "n", "agree", "kappa", "95 % interval", "open"]
        widths = widths_of(heads, len(rows), lambda r, c: rows[r][c], least=4, most=30)
        columns = [
            Column(head=head, width=width, right=number in (1, 2, 3, 5))
            for number, (head, width) in enumerate(zip(heads, widths, strict=True))
        ]
        grid = self.query_one(Grid)
        grid.fill(columns, len(rows), lambda r, c: rows[r][c], lambda r, c: "warn" if c == 5 else "")
        grid.styles.height = min(len(rows) + 1, 16)
        grid.focus()

    def on_grid_chosen(self) -> None:
        """Take the group under the cursor; -1 for all."""
        self.dismiss(self.query_one(Grid).row - 1)


class AdjudicationDialog(Dialog[Decision]):
    """One disagreement: the options, who took which, what each would do to the score, and comments."""

    KEYS: ClassVar[Keys] = (
        ("1", "first's"),
        ("2", "second's"),
        ("0", "no answer"),
        ("enter", "this one"),
        ("n", "next"),
        ("escape", "leave"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Leave"),
        Binding("1", "dismiss('first')", "The first's"),
        Binding("2", "dismiss('second')", "The second's"),
        Binding("0", "dismiss('none')", "No answer"),
        Binding("n", "dismiss('next')", "Next"),
    ]

    def __init__(self, title: str, pair: Pair, options: Sequence[str], name: str, comments: Sequence[str]) -> None:
        """Build a dialog with the cursor on the second's answer.

        Args:
            title: which disagreement it is.
            pair: the answers.
            options: of the group.
            name: of the second reviewer.
            comments: of both, in words.
        """
        super().__init__()
        self._title, self._pair, self._second, self._comments = title, pair, name, comments
        self._choices: list[str | None] = [*options, None]
        self._effects: Sequence[str] = ()

    def compose(self) -> ComposeResult:
        """Compose title, keys and answers."""
        with Vertical(classes="dialog wide full" if self._comments else "dialog wide"):
            yield Static(printable(self._title, keep="\n"), markup=False, classes="title")
            yield Grid(id="answers")
            if self._comments:
                with VerticalScroll(classes="whole"):
                    yield Static("\n".join(map(printable, self._comments)), markup=False)
        yield self.keys_line()

    def on_mount(self) -> None:
        """Show the answers."""
        self._fill()
        grid = self.query_one(Grid)
        if not self._comments:
            grid.styles.height = min(len(self._choices) + 1, 16)
        grid.put_cursor(self._choices.index(self._pair.second) if self._pair.second in self._choices else 0)
        grid.focus()

    def show_effects(self, effects: Sequence[str]) -> None:
        """Show what each answer would do to the accuracy on the dev split."""
        self._effects = effects
        if self.is_attached:
            self._fill()

    def _fill(self) -> None:
        rows = []
        for number, choice in enumerate(self._choices):
            answers = (("first", self._pair.first), (self._second, self._pair.second))
            who = [name for name, answer in answers if answer == choice]
            effect = self._effects[number] if number < len(self._effects) else ""
            rows.append((NO_ANSWER if choice is None else choice, ", ".join(who), effect))
        heads = ["answer", "taken by", "effect on the dev split"]
        widths = widths_of(heads, len(rows), lambda r, c: rows[r][c], least=8, most=60)
        columns = [Column(head=head, width=width) for head, width in zip(heads, widths, strict=True)]
        self.query_one(Grid).fill(
            columns, len(rows), lambda r, c: rows[r][c], lambda r, c: "warn" if rows[r][1] and c < 2 else ""
        )

    def on_grid_chosen(self) -> None:
        """Take the answer under the cursor."""
        self.dismiss(self.query_one(Grid).row)
