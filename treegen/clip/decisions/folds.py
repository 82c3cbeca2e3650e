"""Folds for cross-validation on the dev split."""

from collections.abc import Sequence
from random import Random
from typing import Final

FOLDS: Final = 5


def folds_of(labels: Sequence[int], clusters: Sequence[int] | None = None) -> list[int]:
    """Assign each image (B) a fold, 0 to `FOLDS` - 1 (fewer for few images), stratified by class, seeded.

    Images of one cluster (B) share a fold, by the class of the first.
    """
    if clusters is not None:
        first: dict[int, int] = {}
        for cluster, label in zip(clusters, labels, strict=True):
            first.setdefault(cluster, label)
        fold = dict(zip(first, folds_of(list(first.values())), strict=True))
        return [fold[cluster] for cluster in clusters]
    count, draw = max(1, min(FOLDS, len(labels))), Random(0)
    order = list(range(len(labels)))
    draw.shuffle(order)
    order.sort(key=labels.__getitem__)  # stable: keeps the shuffled order within a class
    places = [0] * len(labels)
    for turn, b in enumerate(order):
        places[b] = turn % count
    return places
