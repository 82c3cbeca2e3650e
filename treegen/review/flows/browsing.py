"""The image browser: which images, as a list or as thumbnails, and one of them large."""

import asyncio
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from treegen.errors import InputError
from treegen.images import LabelledImage, open_picture, read_bytes
from treegen.review.context import ReviewContext
from treegen.review.details.detail import Picture
from treegen.review.screens.picture import PictureScreen
from treegen.review.thumbnails import ThumbnailReader
from treegen.review.widgets.images import ImagesPane
from treegen.workflow.image_browser import WHICH, BrowsedImage, Which, pair_filter

if TYPE_CHECKING:
    from PIL.Image import Image

_REST: Final = 0.05  # seconds without a move after which thumbnails are read
_IN_TERMINAL: Final = "z shows the picture in the terminal"


class BrowsingFlow:
    """What the keys of the images lead to."""

    def __init__(self, context: ReviewContext, thumbnails: ThumbnailReader) -> None:
        """Prepare.

        Args:
            context: the application.
            thumbnails: reads the pictures of a page.
        """
        self.context, self._thumbnails = context, thumbnails
        self._page: tuple[Sequence[BrowsedImage], range, int] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def next_set(self) -> None:
        """Show the wrong images, then the right ones, then all."""
        pane = self.context.query_one(ImagesPane)
        self._choose(WHICH[(WHICH.index(pane.which) + 1) % len(WHICH)], pane.filter)

    def _choose(self, which: Which, text: str) -> None:
        pane = self.context.query_one(ImagesPane)
        pane.which, pane.filter = which, text
        pane.show(self.context)
        pane.list.put_cursor(0)

    def show_pair(self, true: str, predicted: str | None) -> None:
        """Show the images of a class that are taken for another; of all images of the class for `None`."""
        self.context.show_pane("images")
        self._choose("all", pair_filter(true, predicted))

    def toggle_thumbnails(self) -> None:
        """Show thumbnails instead of one picture, or the other way round."""
        self.context.query_one(ImagesPane).toggle_thumbnails()

    def soon(self) -> None:
        """Show the page of thumbnails around the cursor as soon as it rests."""
        if self.context.is_shown:
            self.context.start(self._show_page, "thumbnails")

    async def _show_page(self) -> None:
        pane = self.context.query_one(ImagesPane)
        page, grid, shown = pane.page, pane.list, pane.shown  # looked up now: the review may be left while it reads
        window = page.window(len(shown), grid.row)
        grid.across = page.across
        state = (shown, window, page.size.width)
        if state != self._page:
            self._page = None
            await asyncio.sleep(_REST)
            images = [shown[number] for number in window]
            pixels = await self._thumbnails.read([each.image for each in images])
            await page.show([_picture(each) for each in images], pixels)
            self._page = state
        page.mark(grid.row)

    def full_size(self) -> None:
        """Show the picture under the cursor as large as the terminal."""
        self.context.converse(self._full_size, "full size")

    async def _full_size(self) -> None:
        pane = self.context.query_one(ImagesPane)
        if pane.current is None:
            self.context.notify("no image is under the cursor", timeout=3)
            return
        screen = PictureScreen(pane.shown, pane.list.row, self._read, self.open_outside)
        if (at := await self.context.ask(screen)) is not None:
            pane.list.put_cursor(at)

    def _read(self, image: LabelledImage) -> "Image":
        domain = self.context.review.domain
        return open_picture(image, domain.images.crop) if domain and domain.images else open_picture(image)

    def open_current(self) -> None:
        """Open the picture under the cursor in the system's viewer."""
        if (current := self.context.query_one(ImagesPane).current) is None:
            self.context.notify("no image is under the cursor", timeout=3)
        else:
            self.open_outside(current.image)

    def open_outside(self, image: LabelledImage) -> None:
        """Open a picture in the system's viewer; complain where there is none."""
        try:
            command = [*viewer(), str(self._file_of(image))]
        except InputError as error:
            self.context.complain(error)
            return
        self.context.start(partial(self._run, command), "viewer")
        self.context.notify(f"{image.name}: opening in the viewer", timeout=2)

    async def _run(self, command: Sequence[str]) -> None:
        """Run a viewer, out of reach of the terminal: some would take it."""
        nowhere = asyncio.subprocess.DEVNULL
        started = await asyncio.create_subprocess_exec(
            *command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
        if code := await started.wait():
            self.context.complain(InputError(f"{command[0]} ended with {code}: no viewer was opened", _IN_TERMINAL))

    def _file_of(self, image: LabelledImage) -> Path:
        """Return the file of a picture; of one in an archive a copy.

        Raises:
            InputError: it cannot be read.
        """
        try:
            if image.size is None:
                image.path.stat()
                return image.path.resolve()
            data = read_bytes(image)
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="treegen-", ignore_cleanup_errors=True)
            path = Path(self._folder.name) / Path(image.name).name
            path.write_bytes(data)
        except OSError as error:
            raise InputError(f"{image.name}: {error.strerror or error}", "the picture cannot be read") from None
        return path

    def close(self) -> None:
        """Remove copies."""
        if self._folder:
            self._folder.cleanup()


def viewer() -> list[str]:
    """Return the command that opens a file in the system's viewer.

    Raises:
        InputError: there is none.
    """
    is_mac = platform.system() == "Darwin"
    command = "open" if is_mac else "xdg-open"
    if not shutil.which(command):
        raise InputError(f"this system has no {command}, so no viewer can be opened", _IN_TERMINAL)
    if not (is_mac or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("there is no display to open a viewer on", _IN_TERMINAL)
    return [command]


def _picture(each: BrowsedImage) -> Picture:
    """Return a thumbnail's picture with its class, and what it is taken for."""
    caption = each.true if each.mistake is None else f"{each.true}\n→ {each.predicted}"
    return Picture(image=each.image, caption=caption, good=each.mistake is None)
