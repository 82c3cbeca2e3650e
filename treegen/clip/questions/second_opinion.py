"""A second opinion: answers of somebody else to the same questions, joined with CLIP's by Bayes' rule.

Shapes: B images, K classes, Q options of all G groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from treegen.clip.arrays import to_numpy
from treegen.clip.decisions.bayes import Bayes, weighted_logs
from treegen.clip.decisions.interface import RuleInputs
from treegen.clip.scoring import spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST = 1e-300  # a probability whose logarithm is finite


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SecondOpinion:
    """How somebody else answers the questions of a tree, by confusions that were counted on the dev split.

    Attributes:
        rules: groups, options and rules; its logits and probabilities are not used.
        parameters: as learnt by the decision rule `bayes`.
    """

    rules: RuleInputs
    parameters: dict[str, float]

    @classmethod
    def learn(cls, rules: RuleInputs, answers: "NDArray[np.int64]", labels: Sequence[int]) -> Self:
        """Count the confusions on labelled images.

        Args:
            rules: groups, options and rules.
            answers: (B, G), the index of an option; -1 where it cannot be seen.
            labels: (B).
        """
        return cls(rules=rules, parameters=Bayes().fit(_inputs(rules, answers), labels))

    def posterior(self, prior: "NDArray[np.float64]", answers: "NDArray[np.int64]") -> "NDArray[np.float64]":
        """Return the probability of each class (B, K) after the answers (B, G) of images.

        The answers are taken as independent of what the prior rests on, if the class is known.

        Args:
            prior: (B, K), CLIP's posterior; rows add up to 1.
            answers: as for `learn`.
        """
        said = to_numpy(weighted_logs(_inputs(self.rules, answers), self.parameters))
        logs = np.log(np.maximum(prior, _LEAST)) + (
            said if self.rules.looks is None else self.rules.looks.mixture(said)
        )
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        posterior: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
        return posterior


def _inputs(rules: RuleInputs, answers: "NDArray[np.int64]") -> RuleInputs:
    """Return answers as probabilities: 1 for the option that was given, 0 for all of a group that was not seen."""
    given = np.zeros((len(answers), sum(rules.sizes)))
    for number, (start, _) in enumerate(spans(rules.sizes)):
        rows = np.flatnonzero(answers[:, number] >= 0)
        given[rows, start + answers[rows, number]] = 1
    return replace(rules, logits=given, probabilities=given, matrix=to_numpy(rules.matrix))
