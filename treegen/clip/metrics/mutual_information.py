"""Mutual information in bits, from counts."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def contingency(rows: "NDArray[np.int64]", columns: "NDArray[np.int64]", shape: tuple[int, int]) -> "NDArray[np.int64]":
    """Return counts (R, C) of pairs of indices (n), which must be within the shape."""
    counts = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1])
    return counts.reshape(shape)


def mutual_information(counts: "NDArray[np.int64]") -> tuple[float, float]:
    """Return the mutual information of rows and columns in bits, as counted and corrected for chance.

    As counted, even independent variables seem to share about (R - 1)(C - 1) / (2n ln 2) bits: the fewer images, the
    more. The correction subtracts this, for the rows, columns and cells that have counts, and stays between 0 and the
    counted value. It is unbiased for n well above the number of cells; with fewer images it still errs by tenths of a
    bit.

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
    """Return the bits about the class from a group that answers every image as the rules say.

    Args:
        classes: number of images of each class (K).
        matrix: (K, O): the group's columns of the rule matrix; a null answer is uniform over the options.
    """
    n = classes.sum()
    if n == 0:
        return 0.0
    shares = classes / n
    own = np.array([_entropy(row) for row in matrix])
    return max(0.0, _entropy(shares @ matrix) - float(shares @ own))


def _entropy(weights: "NDArray[np.int64] | NDArray[np.float64]") -> float:
    """Return the entropy in bits of weights that need not sum to 1."""
    given = weights[weights > 0].astype(np.float64)
    shares = given / given.sum()
    return float(-(shares * np.log2(shares)).sum())
