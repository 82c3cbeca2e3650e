"""Decision rules without learnt parameters. A null answer counts as all options equally: 1/len(options)."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, double, like, log_softmax, namespace
from treegen.clip.decisions.interface import Parameters, RuleInputs

#: The most the sum may add as a tie-breaker: votes differ by 1/len(options) and its differences.
_TIE: Final = 1e-6


class Fixed:
    """Base of rules that learn nothing."""

    parameters: tuple[str, ...] = ()
    uses_names = False

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        """Return no parameters."""
        return {}


class SumRule(Fixed):
    """S = Σ_g p_g(option of the class), 0 to G: the article's, and the default."""

    name = "sum"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K)."""
        return scoring.class_scores(evidence.probabilities, evidence.matrix)


class LogProduct(Fixed):
    """S = Σ_g log p_g(option of the class), at most 0: the groups as independent witnesses.

    One group that is confident but wrong outweighs many that are right.

    Source: direct attribute prediction, Lampert et al. 2009, without its class priors.
    """

    name = "log-product"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K)."""
        xp = namespace(evidence.logits)
        logs = xp.concat([log_softmax(part, 0) for part in evidence.columns(evidence.logits)])  # (Q, B)
        nulls = xp.astype(evidence.expected() < 0, logs.dtype)  # (K, G)
        shares = xp.astype(like(np.log(np.array(evidence.sizes)), logs), logs.dtype)
        given = xp.astype(evidence.matrix == 1, logs.dtype)
        return (given @ logs - (nulls @ shares)[:, None]).T


class Vote(Fixed):
    """S = number of groups whose most probable option is the class's; the sum breaks ties.

    Equally probable options share the group's vote.
    """

    name = "vote"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K), float64."""
        xp = namespace(evidence.probabilities)
        tops = [double(part == xp.max(part, axis=0)) for part in evidence.columns(evidence.probabilities)]
        votes = xp.concat([top / xp.sum(top, axis=0) for top in tops])  # (Q, B)
        return (double(evidence.matrix) @ votes).T + tie_breaker(evidence)


class Maximum(Fixed):
    """S = max_g p_g(option of the class): one confident group decides; the sum breaks ties.

    Source: Kittler et al. 1998, "On combining classifiers".
    """

    name = "max"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K), float64."""
        matrices = scoring.split_groups(evidence.matrix, evidence.sizes)
        first, *parts = evidence.columns(evidence.probabilities)
        best = matrices[0] @ first  # (K, B)
        for part, matrix in zip(parts, matrices[1:], strict=True):
            best = namespace(best).maximum(best, matrix @ part)
        return double(best).T + tie_breaker(evidence)


def tie_breaker(evidence: RuleInputs, exact: Array | None = None) -> Array:
    """Return the sum (B, K), too small to change anything but ties; `exact` are the float64 probabilities."""
    probabilities = double(evidence.probabilities) if exact is None else exact
    return (_TIE / len(evidence.sizes)) * scoring.class_scores(probabilities, double(evidence.matrix))
