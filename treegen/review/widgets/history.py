"""The history pane: the session's scores as a plot, its steps, and the stored revisions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual_plotext import PlotextPlot

from treegen.history.score_document import as_tested
from treegen.review.context import ReviewContext
from treegen.review.widgets.grid import Column, PaneGrid, entitle
from treegen.review.widgets.panes import TO_THE_TREE
from treegen.text import counted

if TYPE_CHECKING:
    from treegen.history.store import Revision


class HistoryGrid(PaneGrid):
    """The steps and revisions."""

    ENTER = "app.do('compare', 'from_history')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "compare", key_display="enter"),
    ]


class HistoryPane(Vertical):
    """Steps and revisions, newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [*TO_THE_TREE]
    _rows: "Sequence[int | Revision]" = ()

    def compose(self) -> ComposeResult:
        """Compose the plot above the list."""
        yield PlotextPlot(id="plot")
        yield HistoryGrid(id="steps", copied=2)

    def show(self, context: ReviewContext) -> None:
        """Repaint scores, steps and revisions."""
        review = context.review
        session = review.session
        self._plot([100 * share for share in review.scores])
        steps = list(enumerate(session.steps, 1))[::-1]
        rows = [
            (
                "step" if number <= session.position else "undone",
                str(number),
                "; ".join(c.sentence for c in step.changes) or step.label,
            )
            for number, step in steps
        ]
        scores = session.store.scores()
        revisions = session.store.revisions()[::-1]
        self._rows = [*(number for number, _ in steps), *revisions]
        for revision in revisions:
            score = as_tested(scores.get(revision.id))
            accuracy = f"test {100 * score['test']['accuracy']:.1f} %  " if score else ""
            rows.append(
                ("revision", str(revision.id), f"{revision.created}  {revision.author}  {accuracy}{revision.note}")
            )
        most = max((len(row[2]) for row in rows), default=4)
        columns = [
            Column(head="", width=8),
            Column(head="no.", width=5, right=True),
            Column(head="what", width=min(most, 300)),
        ]
        grid = self.grid
        count = len(session.steps)
        grid.entitle("history", f"{counted(count, 'step')}, {counted(len(rows) - count, 'revision')}")
        grid.fill(
            columns,
            len(rows),
            lambda r, c: rows[r][c],
            lambda r, c: "dim" if rows[r][0] == "undone" else "",
            "nothing happened yet",
        )

    @property
    def grid(self) -> HistoryGrid:
        """The list."""
        return self.query_one(HistoryGrid)

    def at(self, row: int) -> "int | Revision | None":
        """Return what a row shows: the number of a step, or a revision."""
        return self._rows[row] if row < len(self._rows) else None

    def _plot(self, shares: list[float]) -> None:
        plot = self.query_one("#plot", PlotextPlot)
        plot.plt.clear_data()
        entitle(plot, "dev accuracy in this session, %")
        plot.display = len(shares) > 1  # one score is no line, and is in the status line
        if plot.display:
            steps = list(range(1, len(shares) + 1))
            plot.plt.plot(steps, shares, marker="braille")
            plot.plt.xticks(steps[:: max(len(steps) // 10, 1)])
        plot.refresh()
