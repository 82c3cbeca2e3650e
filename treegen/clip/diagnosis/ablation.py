"""Ablation: the effect of leaving out each group."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, double, namespace, to_numpy
from treegen.clip.decisions import FittedRule, RuleInputs
from treegen.clip.diagnosis.group_report import identical, rows_without
from treegen.clip.metrics.accuracy import paired
from treegen.clip.metrics.statistics import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from treegen.clip.metrics.statistics import Indices

_BLOCK: Final = 2**16  # scores computed per block: 512 KiB, which fits a core's cache
_TIE: Final = 1e-9  # rounding error of float64 sums is less


def without_each(
    decision: FittedRule,
    evidence: RuleInputs,
    labels: Sequence[int],
    predictions: Sequence[int],
    classes: Sequence[str],
    clusters: "Indices | None" = None,
) -> list[dict[str, Any] | None]:
    """Compare the tree without each group to the complete tree.

    `p_holm` is corrected for the number of groups. `identical` names two classes that the rest of the tree cannot
    distinguish: such a tree is invalid. A rule's parameters stay as they are.

    Args:
        decision: the rule.
        evidence: inputs of the images (B).
        labels: true class of each.
        predictions: of the complete tree.
        classes: names (K).
        clusters: the cluster of each image, which the tests then count.

    Returns:
        One entry per group; `None` for the only group of a tree.
    """
    count = len(evidence.sizes)
    if count == 1:
        return [None]
    guesses = (
        _means_without(evidence)
        if decision.rule.name == "mean" and evidence.looks is None
        else [to_numpy(decision.scores(evidence.without(g))).argmax(1) for g in range(count)]
    )
    true, whole_tree = np.asarray(labels), np.asarray(predictions)
    tests = [paired(true, guess, whole_tree, clusters) for guess in guesses]
    corrected = holm([test["p"] for test in tests])
    parts = [to_numpy(double(part)) for part in scoring.split_groups(evidence.matrix, evidence.sizes)]
    return [
        {**test, "p_holm": p, "identical": identical(alike, evidence.row_classes if evidence.looks else classes)}
        for test, p, alike in zip(tests, corrected, rows_without(parts), strict=True)
    ]


def _means_without(evidence: RuleInputs) -> list["NDArray[np.int64]"]:
    """Predict with the mean rule without each group (G, B), in one pass: subtract the group's share of the sum.

    Classes that only this group distinguishes are then tied; the first of them is predicted, as with exactly equal
    scores.
    """
    matrix = double(scoring.answered(evidence.matrix))
    predictions = [list["NDArray[np.int64]"]() for _ in evidence.sizes]
    xp = namespace(matrix)
    answer_counts, parts = xp.sum(matrix, axis=1), scoring.split_groups(matrix, evidence.sizes)
    counts = [xp.clip(answer_counts - xp.sum(part, axis=1), 1, None)[:, None] for part in parts]
    step = max(1, _BLOCK // len(matrix))
    for start in range(0, len(evidence.probabilities), step):
        columns = double(evidence.probabilities.T[:, start : start + step])  # (Q, b)
        whole = matrix @ columns
        for group, (left, right) in enumerate(scoring.spans(evidence.sizes)):
            predictions[group].append(_first_best((whole - parts[group] @ columns[left:right]) / counts[group]))
    return [np.concatenate(blocks) for blocks in predictions]


def _first_best(scores: Array) -> "NDArray[np.int64]":
    """Return the first class with the highest score, up to rounding, from scores (K, b)."""
    near = scores >= namespace(scores).max(scores, axis=0) - _TIE
    best: NDArray[np.int64] = to_numpy(near).argmax(0)
    return best
