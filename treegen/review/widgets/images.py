"""The images pane: images of the dev split, the picture itself, and every group's answer."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static
from textual_image.widget import Image

from treegen.images import open_picture
from treegen.review.context import ReviewContext
from treegen.review.widgets.grid import Column, Grid, PaneGrid, entitle, widths_of
from treegen.review.widgets.panes import unseen_note
from treegen.review.widgets.thumbnail_page import ThumbnailPage
from treegen.text import counted, printable
from treegen.workflow.image_browser import BrowsedImage, Which, browsed_images
from treegen.workflow.second import Opinion, stored_opinion

if TYPE_CHECKING:
    from treegen.clip.diagnosis.mistakes import Mistake


_LONGEST: Final = 160  # characters of a rationale
_TITLES: Final[dict[Which, str]] = {
    "wrong": "misclassified images",
    "right": "correctly classified images",
    "all": "images",
}
_NOTES: Final[dict[Which, str]] = {
    "wrong": "nothing is wrongly classified; w shows the right images",
    "right": "nothing is rightly classified; w shows all images",
    "all": "the dev split has no images",
}
_LINE: Final = 5  # lines of the list above thumbnails
_LOW: Final = 30  # lines of the pane below which it is one line less


class MistakesGrid(PaneGrid):
    """The images, at first those that are wrongly classified."""

    ENTER = "app.do('navigation', 'to_fault')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "the rule at fault", key_display="enter"),
        Binding("w", "app.do('browsing', 'next_set')", "wrong, right, all", tooltip="Images: wrong, right or all"),
        Binding("v", "app.do('browsing', 'toggle_thumbnails')", "thumbnails", tooltip="Thumbnails, or one picture"),
        Binding("z", "app.do('browsing', 'full_size')", "full size", tooltip="Picture in full size"),
        Binding("O", "app.do('browsing', 'open_current')", "viewer", tooltip="Open the picture in the system's viewer"),
        Binding("tab", "app.focus_next", "answers"),
        Binding("escape", "app.do('filters', 'leave')", "all", show=False, tooltip="Take the filter off"),
    ]
    #: how many thumbnails are in a line: what the arrows go by; 0 without thumbnails
    across = 0

    def action_move(self, down: int, right: int) -> None:
        """Move among the thumbnails, or in the list."""
        if self.across:
            self.put_cursor(self.row + down * self.across + right)
        else:
            super().action_move(down, right)


class VotesGrid(PaneGrid):
    """What every group answers for one image."""

    ENTER = "app.do('navigation', 'to_fault')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "the rule at fault", key_display="enter"),
        Binding("z", "app.do('browsing', 'full_size')", "full size"),
        Binding("O", "app.do('browsing', 'open_current')", "viewer"),
        Binding("right,l", "move(0,1)", "more columns", key_display="h l"),
        Binding("tab", "app.focus_next", "pictures"),
    ]


class ImagesPane(Vertical):
    """Images of the dev split; of one that is misclassified the group at fault is marked.

    Attributes:
        which: the wrong images, the right ones, or all.
        filter: which of them.
        passing: how many of how many, in words.
        shown: those that pass, in the order of the list.
    """

    which: Which = "wrong"
    filter = passing = ""
    shown: tuple[BrowsedImage, ...] = ()

    class Paged(Message):
        """Another page of thumbnails may be seen, or the cursor is on another."""

    @property
    def list(self) -> MistakesGrid:
        """The grid that is filtered."""
        return self.query_one(MistakesGrid)

    @property
    def page(self) -> ThumbnailPage:
        """The thumbnails."""
        return self.query_one(ThumbnailPage)

    def compose(self) -> ComposeResult:
        """Compose the list above; below, picture and answers, or thumbnails."""
        yield MistakesGrid(copied=3, id="mistakes")
        with Horizontal(id="below"):
            with Vertical(id="frame"):
                yield Static(id="said", markup=False)
                yield Image(id="picture")
                yield Static(id="broken", markup=False)
            with Vertical(id="beside"):
                yield Image(id="instead")
            yield VotesGrid(id="votes")
        yield ThumbnailPage(id="page")

    def on_mount(self) -> None:
        """Show no thumbnails at first."""
        self.page.display = False

    def show(self, context: ReviewContext) -> None:
        """Repaint the images of the last score."""
        self._review = review = context.review
        self.shown = found = browsed_images(self.which, self.filter, review)
        total = len(browsed_images(self.which, "", review) if self.filter else found)
        self.passing = f"{len(found)} of {total}"

        def cell(row: int, column: int) -> str:
            one = found[row]
            if one.mistake is None:
                return (one.true, "✓", "", one.image.name)[column]
            fault = "label may be wrong" if one.mistake.label_doubtful else one.mistake.at_fault.group
            return (one.true, one.predicted, fault, one.image.name)[column]

        def tone(row: int, column: int) -> str:
            return "good" if column == 1 and found[row].mistake is None else ""

        heads = ["class", "taken for", "at fault", "file"]
        columns = [
            Column(head=h, width=w) for h, w in zip(heads, widths_of(heads, len(found), cell, most=24), strict=True)
        ]
        grid = self.list
        grid.fill(columns, len(found), cell, tone, note=self._note(total))
        grid.entitle(
            _TITLES[self.which],
            f"&{self.filter}: {self.passing}" if self.filter else str(total),
            "of the tree before" if review.measured and review.stale else "",
        )
        self.follow()

    def _note(self, total: int) -> str:
        """Return why no image is listed."""
        if self.filter and total:
            return f"no image passes &{self.filter}; escape shows all"
        measured = self._review.measured
        if self._review.missing or measured is None or measured.is_stored:
            return unseen_note(self._review)
        return _NOTES[self.which]

    def toggle_thumbnails(self) -> None:
        """Show thumbnails in place of picture and answers, or these again."""
        page = self.page
        page.display = not page.display
        self.query_one("#below").display = not page.display
        low = self.size.height < _LOW
        self.list.styles.height = _LINE - low if page.display else None
        if not page.display:
            self.list.across = 0
        self.call_after_refresh(self.follow)

    @property
    def current(self) -> BrowsedImage | None:
        """The image under the cursor."""
        row = self.list.row
        return self.shown[row] if row < len(self.shown) else None

    @property
    def mistake(self) -> "Mistake | None":
        """The mistake under the cursor; none on an image that is rightly classified."""
        return self.current.mistake if self.current else None

    @property
    def mistakes(self) -> "tuple[Mistake, ...]":
        """The mistakes that are listed."""
        return tuple(each.mistake for each in self.shown if each.mistake)

    def on_grid_moved(self, event: Grid.Moved) -> None:
        """Follow the cursor of the list."""
        if event.grid.id == "mistakes":
            self.follow()

    def on_thumbnail_page_clicked(self, event: ThumbnailPage.Clicked) -> None:
        """Move the cursor to the picture."""
        self.list.put_cursor(event.number)

    def follow(self) -> None:
        """Show what the cursor of the list is on."""
        if self.page.display:
            self.post_message(self.Paged())
        else:
            self.show_picture()

    def show_picture(self) -> None:
        """Show picture and answers of the image under the cursor."""
        current = self.current
        self._show_votes(current)
        picture, broken = self.query_one("#picture", Image), self.query_one("#broken", Static)
        broken.update("")
        self._say("")
        picture.image = None
        self._show_instead(None)
        if current is None or self._review.domain is None or self._review.domain.images is None:
            return
        try:
            picture.image = open_picture(current.image, self._review.domain.images.crop)
        except ValueError as error:
            broken.update(f"{current.image.name}: {error}")
        doubtful = current.mistake and current.mistake.label_doubtful
        self._show_instead(current.mistake if doubtful else None)
        self._say("\n".join(map(printable, self._remarks(current))))

    def _say(self, text: str) -> None:
        """Show a text above the pictures; without one it takes no room."""
        line = self.query_one("#said", Static)
        line.update(text)
        line.display = bool(text)

    def _show_instead(self, doubtful: "Mistake | None") -> None:
        """Show beside a picture whose label may be wrong one of the class that it looks like."""
        instead, beside, review = self.query_one("#instead", Image), self.query_one("#beside"), self._review
        instead.image, beside.display = None, False
        observations = review.measured.observations if review.measured else None
        if doubtful is None or observations is None or review.domain is None or review.domain.images is None:
            return
        if alike := observations.of_class(doubtful.predicted):
            index = alike[-1]  # one that is rightly classified, if there is any
            with suppress(ValueError):  # it cannot be read any more
                instead.image = open_picture(observations.images[index], review.domain.images.crop)
                beside.display = True
                entitle(beside, doubtful.predicted)

    def _opinion(self, current: BrowsedImage) -> Opinion | None:
        return stored_opinion(self._review.session.store, self._review.tree, current.image.digest)

    def _remarks(self, current: BrowsedImage) -> "Iterator[str]":
        """Yield what a doubtful label looks like, and what a vision model sees in the picture."""
        mistake = current.mistake
        if mistake and mistake.label_doubtful:
            agreeing = sum(vote.option == vote.predicted_option for vote in mistake.votes)
            yield f"looks like {mistake.predicted} in {counted(agreeing, 'group')}"
        if (opinion := self._opinion(current)) and opinion.seen:
            yield f"{opinion.model}: {opinion.seen[:_LONGEST]}{'...' * (len(opinion.seen) > _LONGEST)}"

    def _show_votes(self, current: BrowsedImage | None) -> None:
        votes = current.votes if current else ()
        mistake = current.mistake if current else None
        opinion = self._opinion(current) if current else None

        def cell(row: int, column: int) -> str:
            vote = votes[row]
            seen = f"{vote.option} ({100 * vote.probability:.0f} %)"
            second = [opinion.answers.get(vote.group) or "-"] if opinion else []
            rule, other = vote.true_option or "-", vote.predicted_option or "-"
            against = [other, f"{vote.margin:+.2f}"] if mistake else []
            return [vote.group, seen, *second, rule, *against][column]

        def tone(row: int, column: int) -> str:
            vote = votes[row]
            if mistake and vote == mistake.at_fault:
                return "bad"
            if mistake is None:
                return "" if vote.option == vote.true_option else "dim" if vote.true_option is None else "warn"
            return "dim" if vote.true_option == vote.predicted_option else ""

        heads = [
            "group",
            "CLIP sees",
            *(["model sees"] if opinion else []),
            current.true if current else "true",
            *([mistake.predicted, "for it"] if mistake else []),
        ]
        widths = widths_of(heads, len(votes), cell, most=24)
        columns = [
            Column(head=h, width=w, right=h == "for it" and n == len(heads) - 1)
            for n, (h, w) in enumerate(zip(heads, widths, strict=True))
        ]
        grid = self.query_one("#votes", PaneGrid)
        grid.fill(columns, len(votes), cell, tone, "choose an image")
        grid.entitle("what each group answers")
        entitle(self.query_one("#frame"), current.image.name if current else "picture")
