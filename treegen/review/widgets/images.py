"""The images pane: the misclassified images, the picture itself, and every group's answer."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static
from textual_image.widget import Image

from treegen.images import open_picture
from treegen.review.context import ReviewContext
from treegen.review.widgets.grid import Column, Grid, PaneGrid, entitle, widths_of
from treegen.text import counted, printable
from treegen.workflow.class_filter import filtered_mistakes
from treegen.workflow.second import Opinion, stored_opinion

if TYPE_CHECKING:
    from treegen.clip.diagnosis.mistakes import Mistake


_LONGEST: Final = 160  # characters of a rationale
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
                yield Static(id="said", markup=False)
                yield Image(id="picture")
                yield Static(id="broken", markup=False)
            with Vertical(id="beside"):
                yield Image(id="instead")
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
        self._say("")
        picture.image = None
        self._show_instead(None)
        if mistake is None or self._review.domain is None or self._review.domain.images is None:
            return
        try:
            picture.image = open_picture(mistake.image, self._review.domain.images.crop)
        except ValueError as error:
            broken.update(f"{mistake.image.name}: {error}")
        self._show_instead(mistake if mistake.label_doubtful else None)
        self._say("\n".join(map(printable, self._said(mistake))))

    def _say(self, text: str) -> None:
        """Show a text above the pictures; without one it takes no room."""
        said = self.query_one("#said", Static)
        said.update(text)
        said.display = bool(text)

    def _show_instead(self, doubtful: "Mistake | None") -> None:
        """Show beside a picture whose label may be wrong one of the class that it looks like."""
        instead, beside, review = self.query_one("#instead", Image), self.query_one("#beside"), self._review
        instead.image, beside.display = None, False
        seen = review.measured.observations if review.measured else None
        if doubtful is None or seen is None or review.domain is None or review.domain.images is None:
            return
        if alike := seen.of_class(doubtful.predicted):
            index = alike[-1]  # one that is rightly classified, if there is any
            with suppress(ValueError):  # it cannot be read any more
                instead.image = open_picture(seen.images[index], review.domain.images.crop)
                beside.display = True
                entitle(beside, doubtful.predicted)

    def _opinion(self, mistake: "Mistake") -> Opinion | None:
        return stored_opinion(self._review.session.store, self._review.tree, mistake.image.digest)

    def _said(self, mistake: "Mistake") -> "Iterator[str]":
        """Yield what a doubtful label looks like, and what a vision model sees in the picture."""
        if mistake.label_doubtful:
            agreeing = sum(vote.option == vote.predicted_option for vote in mistake.votes)
            yield f"looks like {mistake.predicted} in {counted(agreeing, 'group')}"
        if (opinion := self._opinion(mistake)) and opinion.seen:
            yield f"{opinion.model}: {opinion.seen[:_LONGEST]}{'...' * (len(opinion.seen) > _LONGEST)}"

    def _show_votes(self, mistake: "Mistake | None") -> None:
        votes = mistake.votes if mistake else ()
        opinion = self._opinion(mistake) if mistake else None

        def cell(row: int, column: int) -> str:
            vote = votes[row]
            seen = f"{vote.option} ({100 * vote.probability:.0f} %)"
            second = [opinion.answers.get(vote.group) or "-"] if opinion else []
            rules = (vote.true_option or "-", vote.predicted_option or "-")
            cells: list[str] = [vote.group, seen, *second, *rules, f"{vote.margin:+.2f}"]
            return cells[column]

        def tone(row: int, column: int) -> str:
            vote = votes[row]
            if mistake and vote == mistake.at_fault:
                return "bad"
            return "dim" if vote.true_option == vote.predicted_option else ""

        heads = [
            "group",
            "CLIP sees",
            *(["model sees"] if opinion else []),
            *((mistake.true, mistake.predicted) if mistake else ("true", "taken for")),
            "for it",
        ]
        widths = widths_of(heads, len(votes), cell, most=24)
        columns = [
            Column(head=h, width=w, right=n == len(heads) - 1)
            for n, (h, w) in enumerate(zip(heads, widths, strict=True))
        ]
        grid = self.query_one("#votes", PaneGrid)
        grid.fill(columns, len(votes), cell, tone, "choose an image")
        grid.entitle("what each group answers")
        entitle(self.query_one("#frame"), mistake.image.name if mistake else "picture")
