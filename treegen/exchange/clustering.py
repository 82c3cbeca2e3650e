"""Average-linkage clusters of phrases on cosine distance, cut where a tree can use the most of them."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

#: phrases that are linked with each other: distances take 8 * n * n / 2 bytes, 72 MB here; the rest joins afterwards
MOST_LINKED: Final = 3000
#: clusters farther apart than this (cosine distance) have nothing to do with each other and are never merged
FARTHEST: Final = 0.75
#: what one more group must bring, in phrases
GROUP_COST: Final = 1
_ROWS: Final = 2000


def cluster(vectors: Any, owners: Sequence[Sequence[int]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Clusters phrases; deterministic.

    The cut (at most at `FARTHEST`) is the one that serves a tree best: a cluster of two phrases or more can give each
    of its classes one answer, so it is worth its number of classes less `GROUP_COST`; the cut with the highest sum is
    taken. Cut too low, phrases stand alone; cut too high, a class has several phrases in one cluster, of which only one
    can count.

    Args:
        vectors: (N, V) dense or sparse, rows of length 1.
        owners: the classes (as numbers) of every phrase (N).

    Returns:
        The cluster of every phrase (N), -1 for none; and its cosine similarity to the cluster's centre (N).
    """
    count = vectors.shape[0]
    linked = np.unique(np.linspace(0, count - 1, min(count, MOST_LINKED)).round().astype(int))
    labels = np.full(count, -1)
    found, height = _link(_dense(vectors[linked] @ vectors[linked].T), [owners[i] for i in linked])
    labels[linked] = found
    centres = _centres(vectors, labels)
    nearness = np.ones(count, np.float32)
    for start in range(0, count, _ROWS):
        rows = slice(start, min(start + _ROWS, count))
        near = _dense(vectors[rows] @ centres.T)
        own, best = labels[rows], near.argmax(axis=1)
        joins = (own < 0) & (near.max(axis=1) >= 1 - height)
        labels[rows] = np.where(joins, best, own)
        nearness[rows] = near[np.arange(near.shape[0]), np.maximum(labels[rows], 0)]
    return labels, nearness


def _dense(matrix: Any) -> np.ndarray[Any, Any]:
    return np.asarray(matrix.todense() if hasattr(matrix, "todense") else matrix)


def _link(similarity: np.ndarray[Any, Any], owners: Sequence[Sequence[int]]) -> tuple[np.ndarray[Any, Any], float]:
    """Labels of the best cut (n), numbered by first appearance, and the distance at which it was made."""
    count = len(similarity)
    if count < 2:
        return np.zeros(count, int), 0.0
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    distance = np.clip(1.0 - similarity.astype(np.float64), 0.0, 2.0)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0.0)
    merges = linkage(squareform(distance, checks=False), method="average")
    steps = _best_cut(merges, owners)
    parents = list(range(count + len(merges)))
    for step in range(steps):
        for side in (int(merges[step, 0]), int(merges[step, 1])):
            parents[side] = count + step
    roots: dict[int, int] = {}
    labels = np.empty(count, int)
    for i in range(count):
        root = i
        while parents[root] != root:
            root = parents[root]
        labels[i] = roots.setdefault(root, len(roots))
    return labels, float(merges[steps - 1, 2]) if steps else 0.0


def _best_cut(merges: np.ndarray[Any, Any], owners: Sequence[Sequence[int]]) -> int:
    """Number of merges after which the clusters are worth most; the first if several are."""
    count = len(owners)
    classes: dict[int, set[int]] = {i: set(own) for i, own in enumerate(owners)}
    worth = best = steps = 0
    for step, (a, b, height, _) in enumerate(merges.tolist()):
        if height > FARTHEST:
            break
        left, right = classes.pop(int(a)), classes.pop(int(b))
        worth -= _worth(left, int(a) >= count) + _worth(right, int(b) >= count)
        big, small = (left, right) if len(left) >= len(right) else (right, left)
        big |= small
        classes[count + step] = big
        worth += _worth(big, True)
        last = step + 1 == len(merges) or merges[step + 1, 2] > height  # equal heights are one cut
        if worth > best and last:
            best, steps = worth, step + 1
    return steps


def _worth(classes: set[int], several: bool) -> int:
    return max(0, len(classes) - GROUP_COST) if several else 0


def _centres(vectors: Any, labels: np.ndarray[Any, Any]) -> Any:
    """Mean vectors of the clusters, of length 1: (C, V), sparse if the vectors are."""
    from scipy.sparse import csr_matrix, diags

    members = np.flatnonzero(labels >= 0)
    shape = (int(labels.max()) + 1, len(labels))
    own = csr_matrix((np.ones(len(members), np.float32), (labels[members], members)), shape=shape)
    sums = own @ vectors
    squares = sums.multiply(sums).sum(axis=1) if hasattr(sums, "multiply") else (sums * sums).sum(axis=1)
    scale = 1 / np.maximum(np.sqrt(np.asarray(squares).ravel()), 1e-12)
    return diags(scale.astype(np.float32)) @ sums
