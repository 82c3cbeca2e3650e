"""Prediction sets: the classes that cannot be excluded for an image, so that the true one is among them so often.

Shapes: B images, K classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip.metrics.accuracy import share_right
from treegen.history.score_document import SetCoverage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from treegen.clip.metrics.statistics import Indices

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


def set_limits(
    scores: "NDArray[np.floating]", labels: Sequence[int], level: float, clusters: "Indices | None" = None
) -> SetLimits:
    """Fit the thresholds on the dev split by split conformal prediction, per class where its images suffice.

    With n scores of true classes in ascending order the threshold is the one at place floor((n + 1) (1 - level)): if
    new images are drawn like these, at least `level` of them reach it. Images of one cluster share the weight of one,
    and n counts clusters: then it holds for an image of a new cluster.

    Source: Vovk et al. 2005, "Algorithmic learning in a random world"; per class: Mondrian conformal prediction;
    with clusters: Lee, Barber and Willett 2023, "Distribution-free inference with hierarchical data".

    Args:
        scores: (B, K), any scale, of images that the decision rule was not fitted to.
        labels: (B).
        level: 0 to 1, exclusive.
        clusters: the cluster of each image (B); by default each is one of its own.
    """
    true = np.asarray(labels, int)
    cluster = np.arange(len(true)) if clusters is None else np.asarray(clusters)
    reached = scores[np.arange(len(true)), true]
    pooled, least, own = _threshold(reached, cluster, level), list[float](), list[bool]()
    for k in range(scores.shape[1]):
        rows = true == k
        own.append((len(np.unique(cluster[rows])) + 1) * (1 - level) >= _EXPECTED_BELOW - 1e-9)
        least.append(_threshold(reached[rows], cluster[rows], level) if own[-1] else pooled)
    return SetLimits(level=level, least=tuple(least), own=tuple(own))


def _threshold(reached: "NDArray[np.floating]", clusters: "NDArray[np.integer]", level: float) -> float:
    """Return the greatest score below which so few images are; minus infinity if they are too few to exclude any."""
    _, place, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    order = np.argsort(reached, kind="stable")
    weights = 1 / sizes[place[order]]
    fits = np.cumsum(weights) - weights <= (len(sizes) + 1) * (1 - level) - 1 + 1e-9
    return float(reached[order][fits.sum() - 1]) if fits.any() else -math.inf


def coverage(
    limits: SetLimits,
    covered: "NDArray[np.bool_]",
    sizes: "NDArray[np.integer]",
    clusters: "Indices | None" = None,
) -> SetCoverage:
    """Return how often sets have the true class, and how large they are.

    Args:
        limits: fitted on other images.
        covered: whether the true class is in the set of each image (B), B at least 1.
        sizes: classes in the set of each (B).
        clusters: the cluster of each (B), which the interval then counts.
    """
    share = share_right(covered, clusters)
    size, empty = float(sizes.mean()), int((sizes == 0).sum())
    return {**share, "level": limits.level, "size": size, "empty": empty, "own": sum(limits.own)}
