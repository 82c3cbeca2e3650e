"""Saying nothing where a rule is unsure: how much accuracy is had for how many images left to a person."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.arrays import Array, to_numpy, top_two
from treegen.clip.metrics.accuracy import share_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: shares of the dev images that are to be answered
COVERAGES: Final = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


def margins(scores: Array) -> "NDArray[np.float64]":
    """(B): score of the best class less that of the second, of (B, K); 0 for a tie."""
    _, _, best, second = top_two(scores.T)
    return to_numpy(best - second)


def thresholds(scores: Array) -> list[tuple[float, float]]:
    """(coverage, margin) for each of `COVERAGES`: so many of these images (B, K) have at least that margin.

    Where margins are equal, more have it. Full coverage asks for no margin.
    """
    ordered = sorted(margins(scores).tolist(), reverse=True)
    count = len(ordered)
    last = {wanted: max(0, math.ceil(wanted * count - 1e-9) - 1) for wanted in COVERAGES}  # 0.7 * 10 is above 7
    return [(wanted, 0.0 if wanted == 1 else ordered[last[wanted]]) for wanted in COVERAGES]


def curve(scores: Array, labels: Sequence[int], limits: Sequence[tuple[float, float]]) -> list[dict[str, Any]]:
    """For each threshold how many images are answered and how many of these rightly.

    Args:
        scores: (B, K).
        labels: (B).
        limits: from `thresholds`, of these images or of others.
    """
    found, sure = to_numpy(scores).argmax(1).tolist(), margins(scores).tolist()
    entries = []
    for wanted, least in limits:
        answered = [t == p for t, p, margin in zip(labels, found, sure, strict=True) if margin >= least]
        if answered:
            share = share_of(sum(answered), len(answered))
            entries.append({"wanted": wanted, "margin": least, "coverage": len(answered) / len(labels), **share})
    return entries
