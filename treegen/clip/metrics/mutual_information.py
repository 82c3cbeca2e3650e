"""How many bits one thing tells about another, from counts."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def contingency(rows: "NDArray[np.int64]", columns: "NDArray[np.int64]", shape: tuple[int, int]) -> "NDArray[np.int64]":
    """Counts (R, C) of pairs of numbers (n), which are at least 0 and below the shape."""
    counts = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1])
    return counts.reshape(shape)


def mutual_information(counts: "NDArray[np.int64]") -> tuple[float, float]:
    """Bits that row and column tell about each other, as counted and corrected for chance.

    As counted, even two things that have nothing to do with each other seem to share about (R - 1)(C - 1) / (2n ln 2)
    bits: the fewer images, the more. The correction takes this off, with the rows, columns and cells that have counts,
    and never goes below 0, nor above what was counted. It is right on average, for n well above the number of cells;
    with fewer images it still errs by tenths of a bit.

    Args:
        counts: (R, C).

    Returns:
        Bits as counted and bits corrected, at least 0; both 0 without counts.

    Source: Miller 1955, "Note on the bias of information estimates"; for the three entropies Roulston 1999.
    """
    n = int(counts.sum())
    if n == 0:
        return 0.0, 0.0
    counted = _entropy(counts.sum(1)) + _entropy(counts.sum(0)) - _entropy(counts.ravel())
    rows, columns, cells = ((counts.sum(1) > 0).sum(), (counts.sum(0) > 0).sum(), (counts > 0).sum())
    bias = float(cells - rows - columns + 1) / (2 * n * float(np.log(2)))
    return max(0.0, counted), min(max(0.0, counted), max(0.0, counted - bias))


def possible_information(classes: "NDArray[np.int64]", matrix: "NDArray[np.float64]") -> float:
    """Bits about the class that a group would give which answers every image as the rules say.

    Args:
        classes: number of images of each class (K).
        matrix: (K, O): the group's part of the rule matrix; a null answer is every option alike.
    """
    n = classes.sum()
    if n == 0:
        return 0.0
    shares = classes / n
    own = np.array([_entropy(row) for row in matrix])
    return max(0.0, _entropy(shares @ matrix) - float(shares @ own))


def _entropy(weights: "NDArray[np.int64] | NDArray[np.float64]") -> float:
    """In bits, of weights that need not add up to 1."""
    given = weights[weights > 0].astype(np.float64)
    shares = given / given.sum()
    return float(-(shares * np.log2(shares)).sum())
