"""Prediction sets: the classes that cannot be excluded for an image, so that the true one is among them so often.

Shapes: B images, K classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip.metrics.accuracy import share_of
from treegen.history.score_document import SetCoverage

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL: Final = 0.9  # of the coverage that a score reports
_EXPECTED_BELOW: Final = 2  # dev images of a class below its threshold, from which the class has a threshold of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimits:
    """Which score a class must have to be in the set of an image.

    Attributes:
        level: share of images (0 to 1, exclusive) whose set has the true class.
        least: the score by class (K); minus infinity if the class is in every set.
        own: whether a class's threshold is of its own images (K), or of all.
    """

    level: float
    least: tuple[float, ...]
    own: tuple[bool, ...]

    def in_order(self, classes: Sequence[str], order: Sequence[str]) -> "SetLimits":
        """Return the limits of the same classes in another order."""
        places = [classes.index(name) for name in order]
        least, own = tuple(self.least[k] for k in places), tuple(self.own[k] for k in places)
        return replace(self, least=least, own=own)

    def members(self, scores: "NDArray[np.floating]") -> "NDArray[np.bool_]":
        """Return which classes are in the set of each image: (B, K), from its scores (B, K)."""
        inside: NDArray[np.bool_] = scores >= np.asarray(self.least)
        return inside


def set_limits(scores: "NDArray[np.floating]", labels: Sequence[int], level: float) -> SetLimits:
    """Fit the thresholds on the dev split by split conformal prediction, per class where its images suffice.

    With n scores of true classes in ascending order the threshold is the one at place floor((n + 1) (1 - level)): if
    new images are drawn like these, at least `level` of them reach it.

    Source: Vovk et al. 2005, "Algorithmic learning in a random world"; per class: Mondrian conformal prediction.

    Args:
        scores: (B, K), any scale, of images that the decision rule was not fitted to.
        labels: (B).
        level: 0 to 1, exclusive.
    """
    true = np.asarray(labels, int)
    reached = scores[np.arange(len(true)), true]
    pooled, least, own = _threshold(reached, level), list[float](), list[bool]()
    for k in range(scores.shape[1]):
        of_class = reached[true == k]
        own.append((len(of_class) + 1) * (1 - level) >= _EXPECTED_BELOW - 1e-9)
        least.append(_threshold(of_class, level) if own[-1] else pooled)
    return SetLimits(level=level, least=tuple(least), own=tuple(own))


def _threshold(reached: "NDArray[np.floating]", level: float) -> float:
    """Return the least score of so many images; minus infinity if they are too few to exclude any."""
    place = math.floor((len(reached) + 1) * (1 - level) + 1e-9)
    return float(np.sort(reached)[place - 1]) if place >= 1 else -math.inf


def coverage(limits: SetLimits, covered: "NDArray[np.bool_]", sizes: "NDArray[np.integer]") -> SetCoverage:
    """Return how often sets have the true class, and how large they are.

    Args:
        limits: fitted on other images.
        covered: whether the true class is in the set of each image (B), B at least 1.
        sizes: classes in the set of each (B).
    """
    share = share_of(int(covered.sum()), len(covered))
    size, empty = float(sizes.mean()), int((sizes == 0).sum())
    return {**share, "level": limits.level, "size": size, "empty": empty, "own": sum(limits.own)}
