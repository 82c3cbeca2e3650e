"""Pictures for a vision language model: some of each class, from the dev split only, small and as data URLs."""

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
_MOST_COLOURS: Final = 256  # up to this many PNG is smaller and lossless, as for drawings


def pictures_of(domain: Domain, images: Sequence[LabelledImage], count: int) -> dict[str, tuple[str, ...]]:
    """Return up to `count` pictures per class as data URLs, cropped as the domain says.

    Args:
        domain: names classes and crop.
        images: those of the dev split; the selection depends on their contents only. Broken ones are left out.
        count: pictures per class.
    """
    assert domain.images is not None
    of_class: dict[int, dict[str, LabelledImage]] = {}
    for image in images:
        of_class.setdefault(image.label, {})[image.digest] = image
    urls_of_class: dict[str, tuple[str, ...]] = {}
    for label, name in enumerate(domain.classes):
        urls: list[str] = []
        for _, image in sorted(of_class.get(label, {}).items()):
            if len(urls) == count:
                break
            try:
                urls.append(data_url(open_picture(image, domain.images.crop)))
            except ValueError:  # the score lists it among the skipped
                continue
        urls_of_class[name] = tuple(urls)
    return urls_of_class


def data_url(picture: "Image", longest: int = LONGEST_SIDE) -> str:
    """Encode a picture in RGB as PNG (few colours) or JPEG, its longer side at most `longest` pixels."""
    small = picture.copy()
    small.thumbnail((longest, longest))
    kind = "PNG" if small.getcolors(_MOST_COLOURS) else "JPEG"
    file = io.BytesIO()
    small.save(file, kind, **({"quality": _QUALITY} if kind == "JPEG" else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
