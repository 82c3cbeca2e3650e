"""Images whose label may be wrong: no group's answer is that of the labelled class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip.arrays import to_numpy
from treegen.clip.decisions.interface import RuleInputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST: Final = 2  # groups that must contradict a label: a single one may be wrong about any image


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """An image whose answers contradict its label in every group that the labelled class answers.

    Attributes:
        index: of the image.
        groups: how many groups contradict the label.
        agreeing: in how many groups the answer is that of the predicted class.
    """

    index: int
    groups: int
    agreeing: int


def find_label_errors(evidence: RuleInputs, labels: Sequence[int], predictions: Sequence[int]) -> tuple[Doubt, ...]:
    """Return the doubtful labels, those first whose prediction most groups agree with; then in the images' order.

    Args:
        evidence: of B images.
        labels: (B).
        predictions: (B).
    """
    parts = [to_numpy(part).argmax(0) for part in evidence.columns(evidence.probabilities)]
    answers: NDArray[np.int64] = np.stack(parts, axis=1)  # (B, G)
    true, predicted = evidence.expected_of(labels), evidence.expected_of(predictions)
    groups, agreeing = (true >= 0).sum(1), (predicted == answers).sum(1)
    contradicted = ((true < 0) | (true != answers)).all(1) & (groups >= LEAST)
    doubtful = np.flatnonzero(contradicted & (np.asarray(labels) != np.asarray(predictions)))
    doubts = [Doubt(index=int(b), groups=int(groups[b]), agreeing=int(agreeing[b])) for b in doubtful]
    return tuple(sorted(doubts, key=lambda doubt: (-doubt.agreeing, doubt.index)))
