"""The decision rule as matrix products. Shapes: B images, Q prompts, G groups, K classes, D embedding width.

Logits and probabilities are (B, Q), but laid out in memory as (Q, B): a softmax over a few options is 8 times as fast
if the images of each option are contiguous. `.T` of it costs nothing.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip.arrays import Array, double, namespace
from treegen.clip.looks import rules_of
from treegen.errors import ProblemsError
from treegen.text import counted
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Images whose class scores are computed at once. A BLAS may round an image's sums otherwise in a product of another
#: shape; in blocks, those of a few images can be computed again without all others, and are equal to the last bit.
BLOCK: Final = 512
_ROWS: Final = 8  # that a BLAS computes at once, or a multiple of them


def similarity_logits(image_features: Array, text_features: Array, logit_scale: float) -> Array:
    """Return scaled cosine similarities.

    Args:
        image_features: (B, D), rows of length 1.
        text_features: (Q, D), rows of length 1.
        logit_scale: the model's own.

    Returns:
        (B, Q).
    """
    return (padded(logit_scale * text_features) @ image_features.T)[: len(text_features)].T


def padded(rows: Array) -> Array:
    """Rows (N, D) with rows of zeros below, for a matrix product in which equal rows have equal results.

    A BLAS rounds its last rows otherwise if their number is not a multiple of what it computes at once. Two classes
    with the same text would then no longer be tied, and rounding would decide between them instead of their order.
    """
    xp = namespace(rows)
    blank = xp.zeros((-len(rows) % _ROWS, rows.shape[1]), dtype=rows.dtype, device=rows.device)
    return xp.concat([rows, blank])


def group_probabilities(logits: Array, sizes: tuple[int, ...]) -> Array:
    """Apply a softmax within each group.

    Args:
        logits: (B, Q), the prompts of a group adjacent.
        sizes: number of options of each group (G), each at least 1, sum Q.

    Returns:
        (B, Q) in 0 to 1; the probabilities of each group sum to 1.
    """
    xp = namespace(logits)
    columns = xp.empty(logits.T.shape, dtype=logits.dtype, device=logits.device)
    columns[...] = logits.T
    share_columns(columns, sizes)
    return columns.T


def share_columns(columns: Array, sizes: tuple[int, ...]) -> None:
    """Turn logits (Q, B) into probabilities, in place."""
    xp = namespace(columns)
    for start, end in spans(sizes):  # one pass over all images for each group: nothing is looped over images
        group = columns[start:end]
        group -= xp.max(group, axis=0)
        xp.exp(group, out=group)  # not of the standard, but of NumPy and torch: saves a fifth of the time
        group /= xp.sum(group, axis=0)


def spans(sizes: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield where each group's options start and end among all options."""
    yield from pairwise(accumulate(sizes, initial=0))


def split_groups(columns: Array, sizes: tuple[int, ...]) -> tuple[Array, ...]:
    """One view (..., O) for each group of an array (..., Q), in the order of the groups."""
    return tuple(columns[..., start:end] for start, end in spans(sizes))


def rule_matrix(tree: Tree, classes: Sequence[str] | None = None) -> "NDArray[np.float32]":
    """Return the rules as M (K, Q), float32: 1 at the class's option; 1/len(options) over the group of a null answer.

    A class that has looks has a row for each of them, see `treegen.clip.looks`.

    Args:
        tree: its rules.
        classes: whose rules, in which order (K); as in the tree if not given.

    Raises:
        ProblemsError: an index is out of range, or a class has no rule.
    """
    rules = rules_of(tree, classes)
    names, sizes = [group.name for group in tree.groups], np.array([len(group.options) for group in tree.groups], int)
    rows = [tuple(map(dict(rule.answers).get, names)) for rule in rules]
    indices = np.array(rows, float).reshape(len(rules), len(names))  # (K, G); a null becomes NaN
    wrong = np.argwhere((indices < 0) | (indices >= sizes))
    if len(wrong):
        row, group = wrong[0]
        size = counted(sizes[group], "option")
        message = f"{rules[row].name!r} has option {rows[row][group]} in {names[group]!r}, which has {size}"
        raise ProblemsError(message, "`treegen check` lists all problems of the tree")
    null = np.isnan(indices)
    matrix = np.repeat(null / sizes, sizes, axis=1).astype(np.float32)
    places = (np.cumsum(sizes) - sizes + indices)[~null].astype(int)
    matrix[np.nonzero(~null)[0], places] = 1
    return matrix


def answered(matrix: Array) -> Array:
    """Return the rules (K, Q) with 0 instead of 1/len(options) over the group of a null answer."""
    return namespace(matrix).astype(matrix == 1, matrix.dtype)


def answer_counts(matrix: Array) -> Array:
    """Return the number of groups that each class answers (K), as the dtype of the matrix; 1 if it answers none."""
    xp = namespace(matrix)
    return xp.clip(xp.sum(answered(matrix), axis=1), 1, None)


def class_means(probabilities: Array, matrix: Array) -> Array:
    """Return the mean probability of the class's option over the groups that it answers: (B, K), float64, in 0 to 1.

    A null says nothing about the class, so it neither helps nor hurts. A class that answers no group has 0.
    The division is exact enough in float64 to keep two different sums different.
    """
    return double(class_scores(probabilities, answered(matrix))) / double(answer_counts(matrix))


def class_scores(probabilities: Array, matrix: Array) -> Array:
    """Apply the sum rule: S = p Mᵀ (B, K), in 0 to G.

    Source: Kittler et al. 1998, "On combining classifiers": of the fixed rules the sum suffers least from errors of
    the single estimates.
    """
    rules = padded(matrix).T
    blocks = [probabilities[start : start + BLOCK] @ rules for start in range(0, max(1, len(probabilities)), BLOCK)]
    scores = blocks[0] if len(blocks) == 1 else namespace(rules).concat(blocks)
    return scores[:, : len(matrix)]
