"""The images pane: the misclassified images, the picture itself, and every group's answer."""

from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static
from textual_image.widget import Image

from treegen.images import open_picture
from treegen.review.context import ReviewContext
from treegen.review.widgets.grid import Column, Grid, PaneGrid, entitle, widths_of
from treegen.workflow.class_filter import filtered_mistakes

if TYPE_CHECKING:
    from treegen.clip.diagnosis.mistakes import Mistake


_NOTE: Final = {True: "nothing is wrongly classified", False: "not scored yet"}


class MistakesGrid(PaneGrid):
    """The wrongly classified images."""

    ENTER = "app.do('navigation', 'to_fault')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "the rule at fault", key_display="enter"),
        Binding("tab", "app.focus_next", "answers"),
        Binding("escape", "app.do('filters', 'leave')", "all", show=False, tooltip="Take the filter off"),
    ]


class VotesGrid(PaneGrid):
    """What every group answers for one image."""

    ENTER = "app.do('navigation', 'to_fault')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "the rule at fault", key_display="enter"),
        Binding("right,l", "move(0,1)", "more columns", key_display="h l"),
        Binding("tab", "app.focus_next", "pictures"),
    ]


class ImagesPane(Vertical):
    """Misclassified images of the dev split; the group at fault is marked."""

    filter = passing = ""

    @property
    def list(self) -> MistakesGrid:
        """The grid that is filtered."""
        return self.query_one(MistakesGrid)

    def compose(self) -> ComposeResult:
        """Compose the list above; below, picture and answers."""
        yield MistakesGrid(copied=3, id="mistakes")
        with Horizontal(id="below"):
            with Vertical(id="frame"):
                yield Image(id="picture")
                yield Static(id="broken", markup=False)
            yield VotesGrid(id="votes")

    def show(self, context: ReviewContext) -> None:
        """Repaint the mistakes of the last score."""
        self._review = review = context.review
        self.mistakes = found = filtered_mistakes(self.filter, review)
        total = len(review.measured.mistakes) if review.measured else 0
        self.passing = f"{len(found)} of {total}"

        def cell(row: int, column: int) -> str:
            one = found[row]
            fault = "label may be wrong" if one.label_doubtful else one.at_fault.group
            return (one.true, one.predicted, fault, one.image.name)[column]

        heads = ["class", "taken for", "at fault", "file"]
        columns = [
            Column(head=h, width=w) for h, w in zip(heads, widths_of(heads, len(found), cell, most=24), strict=True)
        ]
        note = f"no image passes &{self.filter}; escape shows all" if self.filter and total else ""
        note = note or review.missing or _NOTE[review.measured is not None and not review.measured.is_stored]
        grid = self.query_one("#mistakes", PaneGrid)
        grid.fill(columns, len(found), cell, note=note)
        grid.entitle(
            "misclassified images",
            f"&{self.filter}: {self.passing}" if self.filter else str(total),
            "of the tree before" if review.measured and review.stale else "",
        )
        self.show_picture()

    @property
    def mistake(self) -> "Mistake | None":
        """The mistake under the cursor."""
        row = self.query_one("#mistakes", Grid).row
        return self.mistakes[row] if row < len(self.mistakes) else None

    def on_grid_moved(self, event: Grid.Moved) -> None:
        """Follow the cursor of the list."""
        if event.grid.id == "mistakes":
            self.show_picture()

    def show_picture(self) -> None:
        """Show picture and answers of the mistake under the cursor."""
        mistake = self.mistake
        self._show_votes(mistake)
        picture, broken = self.query_one("#picture", Image), self.query_one("#broken", Static)
        broken.update("")
        picture.image = None
        if mistake is None or self._review.domain is None or self._review.domain.images is None:
            return
        try:
            picture.image = open_picture(mistake.image, self._review.domain.images.crop)
        except ValueError as error:
            broken.update(f"{mistake.image.name}: {error}")

    def _show_votes(self, mistake: "Mistake | None") -> None:
        votes = mistake.votes if mistake else ()

        def cell(row: int, column: int) -> str:
            vote = votes[row]
            seen = f"{vote.option} ({100 * vote.probability:.0f} %)"
            return (vote.group, seen, vote.true_option or "-", vote.predicted_option or "-", f"{vote.margin:+.2f}")[
                column
            ]

        def tone(row: int, column: int) -> str:
            vote = votes[row]
            if mistake and vote == mistake.at_fault:
                return "bad"
            return "dim" if vote.true_option == vote.predicted_option else ""

        heads = [
            "group",
            "CLIP sees",
            *((mistake.true, mistake.predicted) if mistake else ("true", "taken for")),
            "for it",
        ]
        widths = widths_of(heads, len(votes), cell, most=24)
        columns = [Column(head=h, width=w, right=n == 4) for n, (h, w) in enumerate(zip(heads, widths, strict=True))]
        grid = self.query_one("#votes", PaneGrid)
        grid.fill(columns, len(votes), cell, tone, "choose an image")
        grid.entitle("what each group answers")
        entitle(self.query_one("#frame"), mistake.image.name if mistake else "picture")
