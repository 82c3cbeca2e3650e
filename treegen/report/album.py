"""Small pictures inside a page: as data URLs, within a budget, the most telling first."""

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from treegen.images import Crop, LabelledImage, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE: Final = 112  # pixels
_MOST_BYTES: Final = 3_200  # of one picture: 200 of them are 0.86 MB as text
_QUALITIES: Final = (80, 60, 40, 20)


@dataclass(slots=True, kw_only=True, eq=False)
class Picture:
    """A place for a picture on the page.

    Attributes:
        image: what belongs there.
        name: of its file.
        source: a data URL; empty if the budget is used up or the picture cannot be read.
        missing: why it cannot be read.
    """

    image: LabelledImage
    name: str
    source: str = ""
    missing: str = ""


class Album:
    """The pictures of a page. Places are taken first and filled last, so that the most telling are in the budget."""

    def __init__(self, most: int, crop: Crop) -> None:
        """Start an empty album of at most so many pictures, cropped as the domain says."""
        self._most, self._crop = most, crop
        self._places: list[tuple[int, Picture]] = []

    def place(self, image: LabelledImage, priority: int) -> Picture:
        """Take a place for a picture; those of low priority numbers are filled first."""
        picture = Picture(image=image, name=image.name)
        self._places.append((priority, picture))
        return picture

    def fill(self) -> None:
        """Fill the places, as far as the budget goes."""
        sources: dict[tuple[str, Crop | None], Picture] = {}
        left = self._most
        for _, picture in sorted(self._places, key=lambda place: place[0]):
            if not left:
                return
            key = (picture.image.digest, picture.image.crop)
            first = sources.setdefault(key, picture)
            if first is picture:
                self._read(picture)
            picture.source, picture.missing = first.source, first.missing
            left -= bool(picture.source)

    def _read(self, picture: Picture) -> None:
        try:
            picture.source = thumbnail(open_picture(picture.image, self._crop))
        except ValueError as error:
            picture.missing = str(error)

    @property
    def shown(self) -> int:
        """How many places are filled."""
        return sum(bool(picture.source) for _, picture in self._places)

    @property
    def missing(self) -> list[Picture]:
        """The pictures that cannot be read, each content once."""
        return list({p.image.digest: p for _, p in self._places if p.missing}.values())


def thumbnail(picture: "Image") -> str:
    """Encode a picture in RGB as a data URL of at most about 4,300 characters."""
    from PIL import features

    kind = "WEBP" if features.check("webp") else "JPEG"
    side = LONGEST_SIDE
    while True:
        small = picture.copy()
        small.thumbnail((side, side))
        for quality in _QUALITIES:
            file = io.BytesIO()
            small.save(file, kind, quality=quality)
            if file.tell() <= _MOST_BYTES or side < LONGEST_SIDE // 4:
                text = base64.b64encode(file.getvalue()).decode("ascii")
                return f"data:image/{kind.lower()};base64,{text}"
        side = side * 3 // 4
