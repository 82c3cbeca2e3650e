"""The confusion pane: how many images of each class are taken for each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.content import Content

from treegen.clip.diagnosis.confusion import ConfusionMatrix, confusion_matrix
from treegen.review.context import ReviewContext
from treegen.review.widgets.grid import Column, Grid, PaneGrid, widths_of
from treegen.review.widgets.panes import TO_THE_TREE, level, unseen_note
from treegen.text import counted, printable
from treegen.workflow.class_filter import class_filter

if TYPE_CHECKING:
    from treegen.clip.diagnosis.observations import Observations

_RIGHT: Final = (0.7, 0.85, 0.95)  # bounds of the shades of the diagonal: share of the class
_WRONG: Final = (0.12, 0.25, 0.4)  # of other cells
_NAME: Final = 20  # cells of a class name


class ConfusionPane(PaneGrid):
    """Rows are labels, columns are what the tree says, both in the order of the domain."""

    GAP: ClassVar[int] = 1
    ENTER = "app.do('maps', 'to_images')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "its images", key_display="enter"),
        Binding(
            "w", "app.do('maps', 'next_confusion', 1)", "next confusion", tooltip="Next confusion, most images first"
        ),
        Binding(
            "W", "app.do('maps', 'next_confusion', -1)", "previous confusion", show=False, tooltip="Previous confusion"
        ),
        Binding("escape", "app.do('filters', 'leave')", "all", show=False, tooltip="Take the filter off"),
        *TO_THE_TREE,
    ]

    def __init__(self, *, id: str | None = None) -> None:
        """Build an empty pane whose cursor is a cell."""
        super().__init__(id=id, cells=True)
        self.filter = self.passing = ""
        self._review_context: ReviewContext | None = None
        self.matrix = ConfusionMatrix(counts={}, totals={})
        self._names: Sequence[str] = ()
        self.rows: Sequence[int] = ()  #: true classes
        self.predicted: Sequence[int] = ()  #: predicted classes

    @property
    def list(self) -> Grid:
        """The grid that is filtered."""
        return self

    def show(self, context: ReviewContext) -> None:
        """Repaint the matrix of the last score."""
        self._review_context, review = context, context.review
        observations = review.measured.observations if review.measured else None
        accepts = class_filter(self.filter, review)
        self._take(
            observations, [k for k, name in enumerate(observations.classes) if accepts(name)] if observations else []
        )
        names = [printable(name) for name in self._names]
        most = max(self.matrix.counts.values(), default=0)
        room = max(self.scrollable_content_region.height // 3, 3)
        longest = max((len(names[k]) for k in self.predicted), default=1)

        def cell(row: int, column: int) -> str:
            if column == 0:
                return names[self.rows[row]]
            return str(self.matrix.count(self.rows[row], self.predicted[column - 1]) or "")

        first = widths_of(["label"], len(self.rows), cell, least=8, most=_NAME)[0]
        columns = [Column(head="label", width=first)]
        columns += [Column(head=names[k], width=max(2, len(str(most))), right=True) for k in self.predicted]
        note = (
            f"no class passes &{self.filter}; escape shows all" if self.filter and observations else unseen_note(review)
        )
        self.fill(columns, len(self.rows), cell, self._tone_of, note, heads=min(longest, room) if self.rows else 1)
        total = len(self._names)
        self.passing = f"{len(self.rows)} of {total}"
        wrong = sum(self.matrix.counts[pair] for pair in self.matrix.confused)
        self.entitle(
            "confusion",
            f"&{self.filter}: {self.passing}"
            if self.filter
            else counted(total, "class", "classes")
            if observations
            else "",
            f"{wrong} of {counted(len(observations.images), 'dev image')} wrong" if observations else "",
            "of the tree before" if observations and review.stale else "",
        )
        self.tell_cell()

    def on_resize(self) -> None:
        """Give the heads a third of the height."""
        if self._review_context:
            self.show(self._review_context)

    def _take(self, observations: "Observations | None", rows: Sequence[int]) -> None:
        """Take the counts, and as columns the rows and what their images are taken for."""
        self.matrix = ConfusionMatrix(counts={}, totals={})
        self._names, self.rows, self.predicted = (), (), ()
        if observations:
            self.matrix = confusion_matrix([image.label for image in observations.images], observations.predictions)
            shown = set(rows)
            columns = shown | {predicted for true, predicted in self.matrix.counts if true in shown}
            self._names, self.rows, self.predicted = observations.classes, rows, sorted(columns)

    def _tone_of(self, row: int, column: int) -> str:
        if column == 0:
            return ""
        true, predicted = self.rows[row], self.predicted[column - 1]
        share = self.matrix.share(true, predicted)
        if not share:
            return ""
        return f"good{level(share, _RIGHT)}" if true == predicted else f"bad{level(share, _WRONG)}"

    @property
    def pair(self) -> tuple[str, str | None] | None:
        """The label and the prediction under the cursor; no prediction in the column of the labels."""
        if self.row >= len(self.rows):
            return None
        predicted = self._names[self.predicted[self.column - 1]] if self.column else None
        return self._names[self.rows[self.row]], predicted

    def watch_row(self, old: int, new: int) -> None:
        """Repaint two rows, and say what the cell counts."""
        super().watch_row(old, new)
        self.tell_cell()

    def watch_column(self) -> None:
        """Repaint the row, and say what the cell counts."""
        super().watch_column()
        self.tell_cell()

    def tell_cell(self) -> None:
        """Write below the matrix what the cell under the cursor counts."""
        self.border_subtitle = Content(printable(self.words))  # as content: a name is not read as markup

    @property
    def number(self) -> int:
        """How many images the cell under the cursor counts."""
        if self.row >= len(self.rows):
            return 0
        label = self.rows[self.row]
        if self.column == 0:
            return self.matrix.totals.get(label, 0)
        return self.matrix.count(label, self.predicted[self.column - 1])

    @property
    def words(self) -> str:
        """What the cell under the cursor counts."""
        if self.pair is None:
            return ""
        (true, predicted), label = self.pair, self.rows[self.row]
        total = self.matrix.totals.get(label, 0)
        if not total:
            return f"no dev images of {true}"
        if predicted is None:
            right = self.matrix.count(label, label)
            return f"{true}: {right} of {total} right"
        what = "recognised" if true == predicted else f"taken for {predicted}"
        return f"{true} {what}: {self.number} of {total}"

    @property
    def copied_text(self) -> str:
        """What the cell counts, in words."""
        return printable(self.words)

    def step(self, by: int) -> bool:
        """Go to the next (1) or previous (-1) confusion that is shown, most images first; False if there is none."""
        places = [
            (self.rows.index(true), self.predicted.index(predicted) + 1)
            for true, predicted in self.matrix.confused
            if true in self.rows
        ]
        if places:
            here = (self.row, self.column)
            at = (places.index(here) + by) % len(places) if here in places else 0
            self.put_cursor(*places[at])
        return bool(places)
