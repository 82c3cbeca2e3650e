"""Pictures for a language model that sees: some of each class, of the dev part alone, small and as data URLs."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from treegen.config.domain import Domain
from treegen.images import LabelledImage, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE: Final = 512  # pixels
_QUALITY: Final = 90
_MOST_COLOURS: Final = 256  # up to so many PNG is smaller and exact, as of drawings


def pictures_of(domain: Domain, images: Sequence[LabelledImage], count: int) -> dict[str, tuple[str, ...]]:
    """For each class up to `count` pictures as data URLs, cropped as the domain says.

    Args:
        domain: names classes and crop.
        images: of the dev part; which of them are taken depends on their contents alone. Broken ones are left out.
        count: pictures of each class.
    """
    assert domain.images is not None
    own: dict[int, dict[str, LabelledImage]] = {}
    for image in images:
        own.setdefault(image.label, {})[image.digest] = image
    found: dict[str, tuple[str, ...]] = {}
    for label, name in enumerate(domain.classes):
        urls: list[str] = []
        for _, image in sorted(own.get(label, {}).items()):
            if len(urls) == count:
                break
            try:
                urls.append(data_url(open_picture(image, domain.images.crop)))
            except ValueError:  # the score lists it among the skipped
                continue
        found[name] = tuple(urls)
    return found


def data_url(picture: "Image", longest: int = LONGEST_SIDE) -> str:
    """A picture in RGB as a PNG (few colours) or JPEG, its longer side at most `longest` pixels."""
    small = picture.copy()
    small.thumbnail((longest, longest))
    kind = "PNG" if small.getcolors(_MOST_COLOURS) else "JPEG"
    file = io.BytesIO()
    small.save(file, kind, **({"quality": _QUALITY} if kind == "JPEG" else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
