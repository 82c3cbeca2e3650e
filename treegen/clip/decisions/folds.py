"""Folds for cross-validation on the dev split."""

from collections.abc import Sequence
from random import Random
from typing import Final

FOLDS: Final = 5


def folds_of(labels: Sequence[int]) -> list[int]:
    """Assign each image (B) a fold, 0 to `FOLDS` - 1 (fewer for few images), stratified by class, seeded."""
    count, draw = max(1, min(FOLDS, len(labels))), Random(0)
    order = list(range(len(labels)))
    draw.shuffle(order)
    order.sort(key=labels.__getitem__)  # stable: keeps the shuffled order within a class
    places = [0] * len(labels)
    for turn, b in enumerate(order):
        places[b] = turn % count
    return places
