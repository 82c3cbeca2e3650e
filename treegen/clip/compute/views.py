"""Views of an image: invertible changes that leave its class as it is, drawn from its content.

View 0 is the image itself. Every other one is a crop of 50 to 100 % of the area; what else it is depends on its number
alone, so that the first views of 16 are the views of 4.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, cos, radians, sin
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.Image import Image

#: By number of the view: each kind in turn.
KINDS: Final = ("crop", "flip", "rotation", "light")
ITSELF: Final = "itself"
#: Increase when a view of the same content changes: its embeddings are then recomputed.
_VERSION: Final = 2
_LEAST_AREA: Final = 0.5
_MOST_DEGREES: Final = 10.0
_LIGHT: Final = 0.2  # brightness changes by at most this share

_WORD: Final = re.compile(r"[^\W\d_]+")
_SIDES: Final = frozenset(
    "left right leftward leftwards rightward rightwards lefthand righthand clockwise anticlockwise counterclockwise "
    "mirrored".split()
)
_ASKING: Final = frozenset(
    "color colors colored colour colours coloured coloring colouring hue hues shade shades tint brightness".split()
)
_COLORS: Final = frozenset(
    "red orange yellow green blue purple violet pink brown black white gray grey beige tan gold golden silver cream "
    "turquoise teal maroon reddish yellowish greenish bluish brownish whitish grayish greyish blackish "
    "dark darker light lighter bright pale".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One view.

    Attributes:
        box: the crop: left, top, right, bottom as fractions, 0 to 1.
        degrees: rotation counterclockwise about the middle of the picture, before the crop.
        mirrored: exchange left and right, after the crop.
        light: factor on the brightness.
    """

    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    degrees: float = 0.0
    mirrored: bool = False
    light: float = 1.0

    def of(self, picture: "Image", side: int | None = None) -> "Image":
        """Return the view of an RGB picture.

        Args:
            picture: upright.
            side: pixels of the shorter side that the model scales pictures to: a larger view is made in that size, as
                whatever is done to more pixels takes longer than the model; `None` keeps all pixels.
        """
        from PIL import ImageEnhance, ImageOps
        from PIL.Image import Resampling

        left, top, right, bottom = self.box
        across, down = (_span(*ends) for ends in ((left, right, picture.width), (top, bottom, picture.height)))
        box = (across[0], down[0], across[1], down[1])
        size = _scaled(box[2] - box[0], box[3] - box[1], side)
        if self.degrees:
            view = _rotated(picture, self.degrees, box, size)
        else:
            view = picture.resize(size, Resampling.BICUBIC, box)
        if self.mirrored:
            view = ImageOps.mirror(view)
        return view if self.light == 1.0 else ImageEnhance.Brightness(view).enhance(self.light)


def _scaled(width: int, height: int, side: int | None) -> tuple[int, int]:
    """Return a size whose shorter side is `side`, rounded as torchvision does; never a larger one."""
    short = min(width, height)
    return (width, height) if side is None or side >= short else (side * width // short, side * height // short)


def _rotated(picture: "Image", degrees: float, box: tuple[int, int, int, int], size: tuple[int, int]) -> "Image":
    """Return a box of the rotated picture in a size, by one affine map from the picture in about that scale."""
    from PIL.Image import Resampling, Transform

    left, top, right, bottom = box
    fill, middle = _corner_color(picture), (picture.width / 2, picture.height / 2)
    across, down = (right - left) / size[0], (bottom - top) / size[1]  # pixels of the picture for one of the view
    small = picture.resize((ceil(picture.width / across), ceil(picture.height / down)), Resampling.BICUBIC)
    wide, high = small.width / picture.width, small.height / picture.height
    turn, x, y = radians(degrees), left - middle[0], top - middle[1]
    affine = (
        wide * cos(turn) * across,
        -wide * sin(turn) * down,
        wide * (cos(turn) * x - sin(turn) * y + middle[0]),
        high * sin(turn) * across,
        high * cos(turn) * down,
        high * (sin(turn) * x + cos(turn) * y + middle[1]),
    )
    return small.transform(size, Transform.AFFINE, affine, Resampling.BICUBIC, fillcolor=fill)


def _span(start: float, end: float, size: int) -> tuple[int, int]:
    """Return the first pixel and the one after the last; at least one of them."""
    first = min(round(start * size), size - 1)
    return first, max(first + 1, round(end * size))


def _corner_color(picture: "Image") -> tuple[int, ...]:
    """Return the mean of the corner pixels, which fills what a rotation leaves empty."""
    right, bottom = picture.width - 1, picture.height - 1
    corners = [picture.getpixel(at) for at in ((0, 0), (right, 0), (0, bottom), (right, bottom))]
    return tuple(round(sum(channel) / 4) for channel in zip(*corners, strict=True))


def kind_of(number: int) -> str:
    """Return the kind of a view: `itself`, or one of `KINDS`."""
    return KINDS[(number - 1) % len(KINDS)] if number else ITSELF


def view_of(digest: str, number: int) -> View:
    """Return a view of an image, by its content and the view's number alone.

    Args:
        digest: SHA-256 of the image's bytes in hex.
        number: from 0, the image itself.
    """
    if number == 0:
        return View()
    draw, kind = Random(f"view {_VERSION} {number} {digest}"), kind_of(number)
    side = draw.uniform(_LEAST_AREA, 1.0) ** 0.5
    left, top = draw.uniform(0, 1 - side), draw.uniform(0, 1 - side)
    return View(
        box=(left, top, left + side, top + side),
        degrees=draw.uniform(-_MOST_DEGREES, _MOST_DEGREES) if kind == "rotation" else 0.0,
        mirrored=kind == "flip",
        light=draw.uniform(1 - _LIGHT, 1 + _LIGHT) if kind == "light" else 1.0,
    )


def name_of(number: int) -> str:
    """Return what names a view in the cache; empty for the image itself, whose vector is the one of every version."""
    return f"view {_VERSION} {number}" if number else ""


def excluded_kinds(texts: Sequence[str], language: str) -> frozenset[str]:
    """Return the kinds of views that would change the answer to a question.

    Args:
        texts: its prompt filled with each option.
        language: of these; in another than English nobody knows, so both kinds are excluded.
    """
    if not language.casefold().startswith("en"):
        return frozenset({"flip", "light"})
    words = [frozenset(word.casefold() for word in _WORD.findall(text)) for text in texts]
    every = frozenset[str]().union(*words)
    colored = bool(every & _ASKING) or len({each & _COLORS for each in words}) > 1
    return frozenset({"flip"} if every & _SIDES else ()) | frozenset({"light"} if colored else ())


def views_without(count: int, excluded: Iterable[str]) -> tuple[int, ...]:
    """Return the numbers of the views that are of no excluded kind; the image itself is always among them."""
    left_out = frozenset(excluded)
    return tuple(number for number in range(count) if kind_of(number) not in left_out)
