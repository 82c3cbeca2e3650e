"""Predict any number of images, a few at a time. Shapes as in `scoring`; B images in all, b at a time."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, to_numpy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from treegen.clip.embedding.cache import Places

SLICE: Final = 1024  # (Q, b) float32 with 300 options fits the processor's cache


def predict(
    chunks: "Iterable[tuple[Places, Array]]",
    count: int,
    text_features: Array,
    sizes: tuple[int, ...],
    matrix: Array,
    logit_scale: float,
) -> "NDArray[np.int64]":
    """Predict with the mean rule, as `scoring` does, holding the logits of only a few images at a time.

    Args:
        chunks: indices of images, and their features (b, D).
        count: B.
        text_features: (Q, D).
        sizes: options of each group (G), sum Q.
        matrix: (K, Q).
        logit_scale: the model's own.

    Returns:
        (B) class indices; -1 for an index that no chunk contains.
    """
    predictions = np.full(count, -1)
    texts = scoring.padded(logit_scale * text_features)
    for places, features in chunks:
        for start in range(0, len(features), SLICE):
            columns = texts @ features[start : start + SLICE].T
            columns = columns[: len(text_features)]  # (Q, b): the options of a group are adjacent
            scoring.share_columns(columns, sizes)
            scores = to_numpy(scoring.class_means(columns.T, matrix))
            predictions[places[start : start + SLICE]] = scores.argmax(1)
    return predictions


def in_chunks(features: Array) -> "Iterator[tuple[Places, Array]]":
    """Yield features (B, D) already in memory as `predict` takes them."""
    for start in range(0, len(features), SLICE):
        part = features[start : start + SLICE]
        yield np.arange(start, start + len(part)), part
