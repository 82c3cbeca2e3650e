"""Embed the views of pictures that are decoded already and of no image set."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip.arrays import to_numpy
from treegen.clip.compute.adapting import Questions, open_adapter
from treegen.clip.compute.views import view_of
from treegen.clip.encoders.interface import side_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from treegen.clip.encoders.interface import Encoder

_PICTURES: Final = 64  # that the model sees at once, of one image or several


def embed_pictures(
    encoder: "Encoder",
    pictures: "Sequence[Image]",
    digests: Sequence[str],
    count: int,
    questions: Questions | None = None,
) -> "NDArray[np.float32]":
    """Embed views of RGB pictures.

    Args:
        encoder: embeds them, all views of a picture in one batch.
        pictures: not empty (B).
        digests: SHA-256 of each picture's file in hex, from which its views are drawn.
        count: of views (V).
        questions: train on the views of each picture first, to answer these; without it nothing is trained, and if
            nothing can be, as the encoder's notes then say.

    Returns:
        (B, V, D), rows of length 1, or NaN where the encoder returned that.

    Raises:
        ModelError: the encoder fails.
    """
    prepare, together = encoder.preprocessor, max(1, _PICTURES // count)
    side = side_of(prepare)
    rows: list[NDArray[np.float32]] = []
    adapter = open_adapter(encoder) if questions else None
    for first in range(0, len(pictures), together):
        part = digests[first : first + together]
        views = [
            view_of(digest, number).of(picture, side) if number else picture
            for picture, digest in zip(pictures[first : first + together], part, strict=True)
            for number in range(count)
        ]
        batch = prepare.collate([prepare(view) for view in views])
        if adapter and questions:
            rows.append(adapter.features(batch, part, questions))
        else:
            rows.append(to_numpy(encoder.encode_prepared(batch)).reshape(len(part), count, -1))
    return np.concatenate(rows)
