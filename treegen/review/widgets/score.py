"""The score pane: accuracy with its interval, baseline and controls, and every class as a bar."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from treegen.history.score_document import as_tested
from treegen.review.context import ReviewContext
from treegen.review.widgets.grid import Column, PaneGrid, entitle, widths_of
from treegen.review.widgets.panes import TO_THE_TREE, percent, tone_of
from treegen.text import counted, printable
from treegen.workflow.luck import luck_words
from treegen.workflow.verdict import paired_points, scope_sentence, spread_words

if TYPE_CHECKING:
    from treegen.workflow.review_model import ReviewModel


_MOST_ADVICE: Final = 3


def _share(part: Mapping[str, Any]) -> str:
    low, high = part["interval"]
    share = f"{100 * part['accuracy']:5.1f} %  [{100 * low:.1f}, {100 * high:.1f}]  n = {part['n']}"
    return f"{share}  {spread_words(part)}".rstrip()


def _shown_p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"= {p:.4f}"


class ScorePane(Vertical):
    """The scores of the tree."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "app.do('scoring', 'score_test')", "score on test"),
        *TO_THE_TREE,
    ]
    _ordered: Sequence[dict[str, Any]] = ()

    def compose(self) -> ComposeResult:
        """Compose the numbers above the classes."""
        yield Static(id="numbers", markup=False)
        yield PaneGrid(id="classes", copied=0)

    def show(self, context: ReviewContext) -> None:
        """Repaint the last scores."""
        review = context.review
        self.query_one("#numbers", Static).update(printable_lines([*self._numbers(review), *self._advice(review)]))
        classes = review.measured.dev["classes"] if review.measured else []
        self._ordered = ordered = sorted(classes, key=lambda c: 2.0 if c["recall"] is None else c["recall"])

        def cell(row: int, column: int) -> str:
            one = ordered[row]
            filled = round(20 * (one["recall"] or 0))
            taken = ", ".join(f"{t['name']} ({t['count']})" for t in one["taken_for"])
            return (one["name"], percent(one["recall"], stale=review.stale), "━" * filled + "─" * (20 - filled), taken)[
                column
            ]

        def tone(row: int, column: int) -> str:
            return tone_of(ordered[row]["recall"], stale=review.stale) if column in (1, 2) else ""

        first = widths_of(["class"], len(ordered), cell, most=24)[0]
        columns = [
            Column(head="class", width=first),
            Column(head="recall", width=6, right=True),
            Column(head="", width=20),
            Column(head="taken for", width=widths_of([""] * 4, len(ordered), cell, most=200)[3]),
        ]
        grid = self.query_one(PaneGrid)
        grid.fill(columns, len(ordered), cell, tone, review.missing or "not scored yet")
        grid.entitle("classes on the dev split", str(len(ordered)))
        entitle(self.query_one("#numbers"), "score")

    def class_at(self, row: int) -> str | None:
        """Return the class of a row."""
        return self._ordered[row]["name"] if row < len(self._ordered) else None

    @staticmethod
    def _advice(review: "ReviewModel") -> list[str]:
        advice = review.measured.dev.get("advice", ()) if review.measured else ()
        return [f"{'-' if each['shown'] else '?'} {each['sentence']}" for each in advice[:_MOST_ADVICE]]

    @staticmethod
    def _numbers(review: "ReviewModel") -> list[str]:
        if review.second:
            return [review.missing]
        lines = []
        if review.measured:
            stale = "  (stale: the tree has changed since)" if review.stale else ""
            rule = "" if review.measured.rule == "mean" else f", decision rule {review.measured.rule}"
            lines.append(f"dev split       {_share(review.measured.dev)}{rule}{stale}")
            if luck := review.measured.dev.get("luck"):
                lines.append(luck_words(luck))
        if review.tested is None:
            return [*lines, "test split: s scores the saved tree, with baseline and controls"]
        score = as_tested(review.tested)
        if score is None:
            return [*lines, "test split: sealed by the domain; `treegen score --unseal` evaluates it"]
        controls = score["controls"]
        lines += [
            scope_sentence(score),
            f"test split      {_share(score['test'])}",
            f"name baseline   {_share(score['baseline'])}",
            f"shuffled rules  {_share(controls['shuffled_rules'])}",
            f"random words    {_share(controls['random_words'])}",
            f"chance          {_share(controls['chance'])}",
        ]
        if evaluations := score.get("test_looks"):
            lines.append(f"the test split was evaluated {counted(evaluations, 'time')}")
        against = score["mcnemar"]
        for paired, words in (
            (against["parent"], "since the parent revision"),
            (against["baseline"], "against the name baseline"),
        ):
            if paired:
                lines.append(
                    f"{words}: {paired_points(paired)}, {paired['wins']} won, "
                    f"{paired['losses']} lost, p {_shown_p(paired['p'])}"
                )
        return lines


def printable_lines(lines: list[str]) -> str:
    """Escape and join lines, so that none can break the terminal."""
    return "\n".join(map(printable, lines))
