"""A page of thumbnails around the cursor of the list of images; only those that are seen are read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from textual.containers import Container
from textual.events import Click
from textual.message import Message

from treegen.review.details.detail import Picture
from treegen.review.widgets.detail import Thumbnail, lines_of
from treegen.review.widgets.grid import entitle

if TYPE_CHECKING:
    from PIL.Image import Image as Pixels

_NARROWEST, _WIDEST = 13, 22  # columns of a picture, about
_LINES: Final = 2  # of pictures, if they can be that small


class ThumbnailPage(Container):
    """Pictures in lines, of which one is under the cursor.

    Attributes:
        across: pictures in a line.
        first: the number of the first picture of the page.
    """

    class Clicked(Message):
        """A picture was clicked."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, *, id: str | None = None) -> None:
        """Hold no picture yet."""
        super().__init__(id=id)
        self.across, self.first, self._width = 1, 0, _NARROWEST
        self._places: list[Thumbnail] = []

    def window(self, count: int, cursor: int) -> range:
        """Return the numbers of the pictures that are seen, so that the cursor is among them; scroll whole lines."""
        room = self.content_size
        width = min(max(2 * (room.height // _LINES - 1), _NARROWEST), _WIDEST)
        self.across = max(room.width // width, 1)
        self._width = max(room.width // self.across, 4)
        lines = max(room.height // lines_of(self._width), 1)
        top, line = self.first // self.across, cursor // self.across
        top = min(max(top, line - lines + 1), line)
        self.first = top * self.across
        seen = range(self.first, min(self.first + lines * self.across, count))
        entitle(self, "thumbnails", f"{seen.start + 1} to {seen.stop} of {count}" if seen else "")
        return seen

    async def show(self, pictures: Sequence[Picture], pixels: "Sequence[Pixels | None]") -> None:
        """Show pictures in the window, the first at its start."""
        missing = len(pictures) - len(self._places)
        if missing > 0:
            new = [Thumbnail() for _ in range(missing)]
            self._places += new
            await self.mount_all(new)
        self.styles.grid_size_columns = self.across
        self.styles.grid_columns = str(self._width)
        self.styles.grid_rows = str(lines_of(self._width))
        for number, place in enumerate(self._places):
            if number < len(pictures):
                place.show(pictures[number], pixels[number], self._width)
            else:
                place.clear()

    def mark(self, cursor: int) -> None:
        """Mark the picture under the cursor."""
        for number, place in enumerate(self._places, self.first):
            place.set_class(number == cursor, "here")

    def on_click(self, event: Click) -> None:
        """Report which picture is clicked."""
        for node in event.widget.ancestors_with_self if event.widget else ():
            if isinstance(node, Thumbnail):
                self.post_message(self.Clicked(self.first + self._places.index(node)))
