"""Several looks of one class: rows of the rule matrix that are one class. Shapes: R rows, K classes, B images."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Self

import numpy as np

from treegen.clip.arrays import Array, like, namespace, to_numpy
from treegen.errors import ProblemsError
from treegen.text import show
from treegen.tree.model import ClassRule, Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rules_of(tree: Tree, classes: Sequence[str] | None = None) -> tuple[ClassRule, ...]:
    """Return the rules in the order of the rule matrix: class after class, the looks of one together.

    Args:
        tree: its rules.
        classes: whose rules, in which order; as in the tree if not given.

    Raises:
        ProblemsError: a class has no rule.
    """
    by_class: dict[str, list[ClassRule]] = {}
    for rule in tree.rules:
        by_class.setdefault(rule.class_name, []).append(rule)
    names = by_class if classes is None else classes
    if missing := [name for name in names if name not in by_class]:
        message = f"the tree has no rule for {', '.join(map(show, missing[:5]))}"
        raise ProblemsError(message, "`treegen check` lists all problems of the tree")
    return tuple(rule for name in names for rule in by_class[name])


@dataclass(frozen=True, slots=True)
class Looks:
    """Which rows of the rule matrix are looks of which class.

    Attributes:
        counts: rows of each class (K), each at least 1; the rows of a class are adjacent.
    """

    counts: tuple[int, ...]

    @classmethod
    def of(cls, tree: Tree, classes: Sequence[str] | None = None) -> Self | None:
        """Return those of a tree, whose classes are in the given order; `None` if no class has several looks."""
        looks = tree.looks
        if all(len(names) == 1 for names in looks.values()):
            return None
        return cls(tuple(len(looks.get(name, (name,))) for name in (tree.classes if classes is None else classes)))

    @property
    def classes(self) -> "NDArray[np.intp]":
        """The class of each row (R)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def weights(self) -> "NDArray[np.float64]":
        """The share of each row in its class (R), 0 to 1: equal for all looks of a class."""
        return np.repeat(1 / np.array(self.counts, np.float64), self.counts)

    @property
    def several(self) -> list["NDArray[np.intp]"]:
        """The rows of each class that has more than one."""
        ends = accumulate(self.counts)
        return [np.arange(end - count, end) for count, end in zip(self.counts, ends, strict=True) if count > 1]

    @property
    def _places(self) -> "NDArray[np.intp]":
        """The rows of each class (K, L), the last one repeated where a class has fewer than L."""
        counts = np.array(self.counts)[:, None]
        starts = np.array([*accumulate(self.counts[:-1], initial=0)])[:, None]
        places: NDArray[np.intp] = starts + np.minimum(np.arange(max(self.counts)), counts - 1)
        return places

    def best(self, scores: Array) -> Array:
        """Return the score of each class, that of its best look: (B, K) of (B, R)."""
        xp = namespace(scores)
        result = scores[:, self._places[:, 0]]
        for places in self._places.T[1:]:
            result = xp.maximum(result, scores[:, places])
        return result

    def total(self, shares: Array) -> Array:
        """Return the sum over the looks of each class: (..., K) of (..., R)."""
        counts = np.array(self.counts)
        result = shares[..., self._places[:, 0]]
        for look, places in enumerate(self._places.T[1:], 1):
            classes = np.flatnonzero(counts > look)
            result[..., classes] += shares[..., places[classes]]
        return result

    def mixture(self, logs: Array) -> Array:
        """Return the logarithm of the mean likelihood over the looks of each class: (B, K) of logarithms (B, R)."""
        xp, highest = namespace(logs), self.best(logs)
        raised = xp.exp(logs - highest[:, self.classes]) * like(self.weights.astype(to_numpy(logs[:0]).dtype), logs)
        return highest + xp.log(self.total(raised))

    def rows_of(self, scores: Array, labels: Sequence[int]) -> "NDArray[np.intp]":
        """Return the row of the best look of each image's class (B), of scores (B, R) and classes (B)."""
        places = self._places[np.asarray(labels, np.intp)]  # (B, L)
        best = np.take_along_axis(to_numpy(scores), places, axis=1).argmax(1)
        rows: NDArray[np.intp] = places[np.arange(len(places)), best]
        return rows
