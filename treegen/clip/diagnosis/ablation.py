"""What each group is worth: the predictions again without it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, double, namespace, to_numpy
from treegen.clip.decisions import FittedRule, RuleInputs
from treegen.clip.diagnosis.group_report import identical, rests
from treegen.clip.metrics.accuracy import paired
from treegen.clip.metrics.statistics import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK: Final = 2**16  # scores that are computed together: 512 KiB, which a core's cache holds
_TIE: Final = 1e-9  # float64 sums of the same numbers differ by less


def without_each(
    decision: FittedRule,
    evidence: RuleInputs,
    labels: Sequence[int],
    predictions: Sequence[int],
    classes: Sequence[str],
) -> list[dict[str, Any] | None]:
    """For each group the tree without it against the tree: what dropping the group would do.

    `p_holm` is corrected for the number of groups. `identical` are two classes that the rest of the tree cannot tell
    apart: such a tree is refused. A rule's parameters stay as they are.

    Args:
        decision: the rule.
        evidence: of the images (B).
        labels: true class of each.
        predictions: of the whole tree.
        classes: names (K).

    Returns:
        One entry for each group; `None` for a tree of one group, which is nothing without it.
    """
    count = len(evidence.sizes)
    if count == 1:
        return [None]
    guesses = (
        _sums_without(evidence)
        if decision.rule.name == "sum"
        else [to_numpy(decision.scores(evidence.without(g))).argmax(1) for g in range(count)]
    )
    true, whole = np.asarray(labels), np.asarray(predictions)
    tests = [paired(true, guess, whole) for guess in guesses]
    corrected = holm([test["p"] for test in tests])
    parts = [to_numpy(double(part)) for part in scoring.split_groups(evidence.matrix, evidence.sizes)]
    return [
        {**test, "p_holm": p, "identical": identical(alike, classes)}
        for test, p, alike in zip(tests, corrected, rests(parts), strict=True)
    ]


def _sums_without(evidence: RuleInputs) -> list["NDArray[np.int64]"]:
    """The sum rule without each group (G, B), from one pass: what the group adds is taken off the whole sum.

    Classes that only this group tells apart are tied then; the first of them is the prediction, as it would be of
    scores that are exactly equal.
    """
    matrix, found = double(evidence.matrix), [list["NDArray[np.int64]"]() for _ in evidence.sizes]
    step = max(1, _BLOCK // len(matrix))
    for start in range(0, len(evidence.probabilities), step):
        columns = double(evidence.probabilities.T[:, start : start + step])  # (Q, b)
        whole = matrix @ columns
        for group, (left, right) in enumerate(scoring.spans(evidence.sizes)):
            found[group].append(_first_best(whole - matrix[:, left:right] @ columns[left:right]))
    return [np.concatenate(own) for own in found]


def _first_best(scores: Array) -> "NDArray[np.int64]":
    """For scores (K, b) the first class whose score is the highest, but for rounding."""
    near = scores >= namespace(scores).max(scores, axis=0) - _TIE
    best: NDArray[np.int64] = to_numpy(near).argmax(0)
    return best
