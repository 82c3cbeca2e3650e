"""The detail panel: what the cursor is on, in words and in pictures, right of the panes or below them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widgets import Static
from textual_image.widget import Image

from treegen.review.details.detail import BAD, DIM, GOOD, Detail, Picture, line
from treegen.review.widgets.grid import entitle

if TYPE_CHECKING:
    from PIL.Image import Image as Pixels

MOST: Final = 12  # pictures
_NARROWEST, _WIDEST = 13, 32  # columns of a picture


class Thumbnail(Vertical):
    """A picture with a caption below it."""

    def compose(self) -> ComposeResult:
        """Compose picture and caption."""
        yield Image()
        yield Static(markup=False)

    def show(self, picture: Picture, pixels: "Pixels | None", width: int) -> None:
        """Show a picture; `None` for one that cannot be read."""
        image = self.query_one(Image)
        image.styles.width, image.styles.height = width - 2, width // 2 - 1
        image.image = pixels
        mark = ("", "") if picture.good is None else ("✓ ", GOOD) if picture.good else ("✗ ", BAD)
        first, _, second = (picture.caption if pixels else f"{picture.image.name}\ncannot be read").partition("\n")
        self.query_one(Static).update(Content("\n").join([line(mark, first), line((second, DIM))]))
        self.display = True

    def clear(self) -> None:
        """Show nothing."""
        if self.display:
            self.display = False
            self.query_one(Image).image = None


class Thumbnails(Container):
    """Pictures beside each other, as large as there is room for."""

    _shown: "tuple[Sequence[Picture], Sequence[Pixels | None]]" = ((), ())

    def compose(self) -> ComposeResult:
        """Compose places for pictures."""
        for _ in range(MOST):
            yield Thumbnail()

    def on_mount(self) -> None:
        """Show none at first."""
        self.show([], [])

    def show(self, pictures: Sequence[Picture], pixels: "Sequence[Pixels | None]") -> None:
        """Show as many pictures as fit."""
        self._shown = (pictures, pixels)
        self.on_resize()

    def on_resize(self) -> None:
        """Arrange the pictures: the text above them may get its height after they are read."""
        pictures, pixels = self._shown
        width, fitting = arranged(self.size, min(len(pictures), MOST))
        self.styles.grid_size_columns = max(self.size.width // width, 1)
        self.styles.grid_rows = str(lines_of(width))
        self.styles.grid_columns = str(width)
        for number, place in enumerate(self.query(Thumbnail)):
            if number < min(fitting, len(pixels)):
                place.show(pictures[number], pixels[number], width)
            else:
                place.clear()


def arranged(room: Size, count: int) -> tuple[int, int]:
    """Return how many columns wide each of so many square pictures can be, and how many of them fit then.

    >>> arranged(Size(60, 20), 3), arranged(Size(30, 8), 9)
    ((20, 3), (13, 2))
    """
    for width in range(_WIDEST, _NARROWEST - 1, -1):
        fitting = (room.width // width) * (room.height // lines_of(width))
        if fitting >= count:
            return width, fitting
    return _NARROWEST, (room.width // _NARROWEST) * (room.height // lines_of(_NARROWEST))


def lines_of(width: int) -> int:
    """Return the height of a square picture of so many columns, with two lines of caption."""
    return width // 2 + 1


class DetailPanel(Container):
    """Text and pictures about one thing."""

    def compose(self) -> ComposeResult:
        """Compose the text, which scrolls, and the pictures."""
        with VerticalScroll(id="detail-text"):
            yield Static(id="detail-lines")
        yield Thumbnails(id="thumbnails")

    @property
    def follows(self) -> bool:
        """Whether it is shown and follows the cursor: it stays as it is while it has the focus and is scrolled."""
        return bool(self.display) and not self.query_one(VerticalScroll).has_focus

    def show(self, detail: Detail) -> None:
        """Show the text; pictures follow when they are read."""
        entitle(self, detail.title, detail.about)
        text = Content("\n").join(detail.lines)
        if detail.about:
            text = text.stylize(DIM)
        self.query_one("#detail-lines", Static).update(text)
        self.query_one(VerticalScroll).scroll_home(animate=False)
        self.set_class(not detail.pictures, "wordy")

    def show_pictures(self, pictures: Sequence[Picture], pixels: "Sequence[Pixels | None]") -> None:
        """Show the pictures of the detail."""
        self.query_one(Thumbnails).show(pictures, pixels)
