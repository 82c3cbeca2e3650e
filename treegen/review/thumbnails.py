"""Thumbnails: read on a thread of their own, and kept for the next time."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from treegen.images import LabelledImage, open_picture
from treegen.review.background import DaemonThread
from treegen.review.context import ReviewContext

if TYPE_CHECKING:
    from PIL.Image import Image

_SIDE: Final = 192  # pixels of a thumbnail
_MOST_CACHED: Final = 400


class ThumbnailReader:
    """Reads pictures as squares on the background of the theme."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context
        self._thread = DaemonThread("thumbnails")
        self._thumbnails: dict[tuple[LabelledImage, str], Image | None] = {}

    async def read(self, images: Sequence[LabelledImage]) -> "list[Image | None]":
        """Return thumbnails; `None` for a picture that cannot be read.

        What is cancelled before the thread comes to it is not read.
        """
        ground = self.context.current_theme.background or "#808080"
        jobs = [asyncio.wrap_future(self._thread.submit(self._read, image, ground)) for image in images]
        return list(await asyncio.gather(*jobs))

    def _read(self, image: LabelledImage, ground: str) -> "Image | None":
        """Return a thumbnail, on the thread."""
        key = (image, ground)
        if key not in self._thumbnails:
            self._thumbnails[key] = self._thumbnail(image, ground)
        while len(self._thumbnails) > _MOST_CACHED:
            self._thumbnails.pop(next(iter(self._thumbnails)))
        return self._thumbnails[key]

    def _thumbnail(self, image: LabelledImage, ground: str) -> "Image | None":
        from PIL import ImageOps

        domain = self.context.review.domain
        try:
            picture = open_picture(image, domain.images.crop) if domain and domain.images else open_picture(image)
            return ImageOps.pad(picture, (_SIDE, _SIDE), color=ground)
        except ValueError:
            return None

    def close(self) -> None:
        """Read no more."""
        self._thread.shutdown(cancel_futures=True)
