"""Abstaining where a rule is unsure: the accuracy gained for the share of images left to a person."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.arrays import Array, to_numpy, top_two
from treegen.clip.metrics.accuracy import share_of
from treegen.history.score_document import Fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNFIT: Final = 0.02  # of the correctly predicted dev images are said to fit no class
LEAST_RIGHT: Final = 20  # correctly predicted images, below which no such threshold is fitted
#: shares of the dev images to answer
COVERAGES: Final = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


def margins(scores: Array) -> "NDArray[np.float64]":
    """Return the score margin between best and second class: (B), from (B, K); 0 for a tie."""
    _, _, best, second = top_two(scores.T)
    return to_numpy(best - second)


def thresholds(scores: Array) -> list[tuple[float, float]]:
    """Return (coverage, margin) per entry of `COVERAGES`: that share of the images (B, K) has at least the margin.

    With tied margins, more do. Full coverage requires no margin.
    """
    ordered = sorted(margins(scores).tolist(), reverse=True)
    count = len(ordered)
    last = {wanted: max(0, math.ceil(wanted * count - 1e-9) - 1) for wanted in COVERAGES}  # 0.7 * 10 is above 7
    return [(wanted, 0.0 if wanted == 1 else ordered[last[wanted]]) for wanted in COVERAGES]


def least_fit(scores: Array, labels: Sequence[int]) -> Fit | None:
    """Return the best score below which an image is said to fit no class: all but `UNFIT` of the right ones reach it.

    Noise, a blank page or a picture of something else has no options that it shows, so its best score is low.

    Args:
        scores: (B, K), on the dev split.
        labels: (B).

    Returns:
        The score, the share of correctly predicted images below it, and their number; `None` for fewer than
        `LEAST_RIGHT`, from which no threshold can be fitted.
    """
    import numpy as np

    values = to_numpy(scores)
    right = values.max(1)[values.argmax(1) == np.asarray(labels)]
    if len(right) < LEAST_RIGHT:
        return None
    return {"least": float(np.quantile(right, UNFIT)), "share": UNFIT, "n": len(right)}


def curve(scores: Array, labels: Sequence[int], limits: Sequence[tuple[float, float]]) -> list[dict[str, Any]]:
    """Return coverage and accuracy for each threshold.

    Args:
        scores: (B, K).
        labels: (B).
        limits: from `thresholds`, on these images or on others.
    """
    predictions, sureness = to_numpy(scores).argmax(1).tolist(), margins(scores).tolist()
    entries = []
    for wanted, least in limits:
        answered = [t == p for t, p, margin in zip(labels, predictions, sureness, strict=True) if margin >= least]
        if answered:
            share = share_of(sum(answered), len(answered))
            entries.append({"wanted": wanted, "margin": least, "coverage": len(answered) / len(labels), **share})
    return entries
