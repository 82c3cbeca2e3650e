"""What each group is worth: the predictions again without it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import torch

from treegen.clip.decisions import Evidence, Fitted
from treegen.clip.measures import paired
from treegen.clip.option_truth import identical
from treegen.clip.statistics import holm

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK: Final = 2**21  # scores that are computed together: 16 MiB
_TIE: Final = 1e-9  # float64 sums of the same numbers differ by less


def without_each(
    decision: Fitted, evidence: Evidence, labels: Sequence[int], predictions: Sequence[int], classes: Sequence[str]
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
    guesses = _sums_without(evidence) if decision.rule.name == "sum" else [
        decision.scores(evidence.without(g)).argmax(1).tolist() for g in range(count)
    ]  # fmt: skip
    tests = [paired(labels, guess, predictions) for guess in guesses]
    corrected = holm([test["p"] for test in tests])
    rest = [evidence.without(g).matrix.double().numpy() for g in range(count)]
    return [
        {**test, "p_holm": p, "identical": identical(matrix, classes)}
        for test, p, matrix in zip(tests, corrected, rest, strict=True)
    ]


def _sums_without(evidence: Evidence) -> list[list[int]]:
    """The sum rule without each group (G, B), from one pass: what the group adds is taken off the whole sum.

    Classes that only this group tells apart are tied then; the first of them is the prediction, as it would be of
    scores that are exactly equal.
    """
    offsets = torch.tensor((0, *evidence.sizes)).cumsum(0).tolist()
    matrix, found = evidence.matrix.double(), [list[int]() for _ in evidence.sizes]
    step = max(1, _BLOCK // len(matrix))
    for start in range(0, len(evidence.probabilities), step):
        own = evidence.probabilities[start : start + step].double()
        whole = own @ matrix.T
        for group, (left, right) in enumerate(pairwise(offsets)):
            rest = whole - own[:, left:right] @ matrix[:, left:right].T
            found[group] += _first_best(rest)
    return found


def _first_best(scores: "Tensor") -> list[int]:
    """The first class whose score is the highest, but for rounding."""
    near = scores >= scores.amax(1, keepdim=True) - _TIE
    best: list[int] = near.to(torch.uint8).argmax(1).tolist()
    return best
