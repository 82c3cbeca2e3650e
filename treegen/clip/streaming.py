"""Predictions of any number of images, a few at a time. Shapes as in `scoring`; B images in all, b at a time."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import torch

from treegen.clip import scoring

if TYPE_CHECKING:
    from torch import Tensor

    from treegen.clip.embedding.cache import Places

_SLICE: Final = 1024  # (Q, b) float32 of 300 options then stays in the processor's cache


def predict(
    chunks: "Iterable[tuple[Places | Tensor, Tensor]]",
    count: int,
    text_features: "Tensor",
    sizes: tuple[int, ...],
    matrix: "Tensor",
    logit_scale: float,
) -> "Tensor":
    """Predictions of the sum rule: what `scoring` gives, without ever holding more than some images' logits.

    Args:
        chunks: places of images, and their features (b, D).
        count: B.
        text_features: (Q, D).
        sizes: options of each group (G), sum Q.
        matrix: (K, Q).
        logit_scale: the model's own.

    Returns:
        (B) class indices; -1 for a place that no chunk holds.
    """
    predictions = torch.full((count,), -1)
    texts = logit_scale * text_features
    for places, features in chunks:
        for start in range(0, len(features), _SLICE):
            columns = texts @ features[start : start + _SLICE].T  # (Q, b): the options of a group stand side by side
            scoring.share_columns(columns, sizes)
            where = torch.as_tensor(places[start : start + _SLICE])
            best = (matrix @ columns).cpu().numpy().argmax(0)  # three times as fast as torch's; the first of equals
            predictions[where] = torch.from_numpy(best)
    return predictions


def in_chunks(features: "Tensor") -> "Iterator[tuple[Tensor, Tensor]]":
    """Features (B, D) that are all there, as `predict` takes them."""
    for start in range(0, len(features), _SLICE):
        part = features[start : start + _SLICE]
        yield torch.arange(start, start + len(part)), part
