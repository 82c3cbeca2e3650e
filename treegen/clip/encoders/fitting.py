"""Finds out whether Pillow alone does to pictures what a model's own transform does."""

from typing import Any, Final

import numpy as np

from treegen.clip.encoders.pixels import LIGHT, Fit, PixelPreprocessor

#: Width and height of the pictures on which it is seen: wide, high and square, smaller and larger than models want.
_SIZES: Final = ((41, 53), (500, 333), (97, 97), (640, 229))


def preprocessor_of(resize: Any) -> PixelPreprocessor:
    """A preprocessor that does what `resize` does, without torch if it can be done without.

    Args:
        resize: torchvision's composition of steps that take and give a picture.
    """
    fit = _fit_of(resize)
    if fit is not None and _alike(resize, fit):
        return PixelPreprocessor(fit, LIGHT)
    return PixelPreprocessor(resize)


def _fit_of(resize: Any) -> Fit | None:
    """The same in our words; `None` if it has other steps than models usually have."""
    from PIL.Image import Resampling
    from torchvision.transforms import CenterCrop, Resize

    steps = resize.transforms
    if not steps or type(steps[0]) is not Resize or steps[0].max_size is not None:
        return None
    name = str(getattr(steps[0].interpolation, "value", ""))  # both call their filters the same
    size, resampling = steps[0].size, Resampling.__members__.get(name.upper())
    sides = [size] if isinstance(size, int) else list(size)
    if resampling is None:
        return None
    if len(steps) == 1 and len(sides) == 2:
        return Fit(height=sides[0], width=sides[1], whole=True, resampling=int(resampling))
    cropped = len(steps) == 2 and len(sides) == 1 and type(steps[1]) is CenterCrop
    if cropped and tuple(steps[1].size) == (sides[0], sides[0]):
        return Fit(height=sides[0], width=sides[0], whole=False, resampling=int(resampling))
    return None


def _alike(resize: Any, fit: Fit) -> bool:
    """Whether both make the same of some pictures, bit by bit."""
    from PIL import Image

    for width, height in _SIZES:
        count = width * height * 3
        noise = (np.arange(count, dtype=np.uint64) * 2_654_435_761 >> np.uint64(7)).astype(np.uint8)
        picture = Image.fromarray(noise.reshape(height, width, 3))
        if not np.array_equal(np.asarray(resize(picture)), np.asarray(fit(picture))):
            return False
    return True
