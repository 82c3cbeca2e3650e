"""Pictures that are nearly the same (scaled, saved again or lightly edited copies), found by a perceptual hash."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_SIDE: Final = 16  # of the hash, and of the thumbnail
_STEP: Final = 4  # grey levels by which a neighbour must be darker: less is the noise of a JPEG on an even ground
_MOST_BITS: Final = 26  # of 256 that may differ
_MOST_COLOUR: Final = 6.0  # mean difference of the thumbnails, in levels of 0 to 255


def fingerprint(picture: "Image") -> "tuple[np.ndarray, np.ndarray]":
    """Return the difference hash (256 bits) and the thumbnail (16, 16, 3) of a picture in RGB.

    Source: N. Krawetz, "Kind of Like That" (2013), dHash; here 16 x 16 bits, and with a threshold.
    """
    import numpy as np
    from PIL.Image import Resampling

    grey = np.asarray(picture.convert("L").resize((_SIDE + 1, _SIDE), Resampling.BOX), dtype=np.int16)
    thumbnail = np.asarray(picture.resize((_SIDE, _SIDE), Resampling.BOX), dtype=np.int16)
    return (grey[:, 1:] - grey[:, :-1] > _STEP).reshape(-1), thumbnail


def nearly_same(one: "tuple[np.ndarray, np.ndarray]", two: "tuple[np.ndarray, np.ndarray]") -> bool:
    """Tell whether two pictures are the same to the eye, by their fingerprints."""
    import numpy as np

    bits = int((one[0] != two[0]).sum())
    return bits <= _MOST_BITS and float(np.abs(one[1] - two[1]).mean()) <= _MOST_COLOUR
