"""Decision rules without learnt parameters.

Of a class with several looks the best one counts, where nothing else is said.

A null says nothing about its class. The sum, the article's rule, gives it 1/len(options), which lets classes that
answer beat it. All others look only at the groups that a class answers, as if the rest answered as these on average.
"""

from collections.abc import Sequence
from typing import Final

from treegen.clip import scoring
from treegen.clip.arrays import Array, double, log_softmax, namespace
from treegen.clip.decisions.interface import Parameters, RuleInputs

#: The most the mean may add as a tie-breaker: votes differ by fractions whose denominators are small.
_TIE: Final = 1e-6
_NEVER: Final = 1e9  # below every sum of logarithms, and still a number


class Fixed:
    """Base of rules that learn nothing."""

    parameters: tuple[str, ...] = ()
    uses_names = probabilities = False

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        """Return no parameters."""
        return {}


class Mean(Fixed):
    """S = mean of p_g(option of the class) over the groups that the class answers, 0 to 1: the default."""

    name = "mean"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K), float64."""
        return evidence.best(scoring.class_means(evidence.probabilities, evidence.matrix))


class SumRule(Fixed):
    """S = Σ_g p_g(option of the class), 0 to G: the article's. A null adds 1/len(options)."""

    name = "sum"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K)."""
        return evidence.best(scoring.class_scores(evidence.probabilities, evidence.matrix))


class LogProduct(Fixed):
    """S = Σ_g log p_g(option of the class), at most 0: the groups as independent witnesses.

    One group that is confident but wrong outweighs many that are right. A class that answers no group is never
    predicted. Of a class with several looks it is the logarithm of their mean product.

    Source: direct attribute prediction, Lampert et al. 2009, without its class priors.
    """

    name = "log-product"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K)."""
        xp = namespace(evidence.logits)
        logs = xp.concat([log_softmax(part, 0) for part in evidence.columns(evidence.logits)])  # (Q, B)
        given = xp.astype(evidence.matrix == 1, logs.dtype)
        silent = xp.astype(xp.sum(given, axis=1) == 0, logs.dtype)  # a product of nothing would beat all others
        scores = (given @ logs).T * evidence.answer_scale - _NEVER * silent
        return scores if evidence.looks is None else evidence.looks.mixture(scores)


class Vote(Fixed):
    """S = number of groups whose most probable option is the class's; the mean breaks ties.

    Equally probable options share the group's vote.
    """

    name = "vote"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K), float64."""
        xp = namespace(evidence.probabilities)
        tops = [double(part == xp.max(part, axis=0)) for part in evidence.columns(evidence.probabilities)]
        votes = xp.concat([top / xp.sum(top, axis=0) for top in tops])  # (Q, B)
        counts = (double(scoring.answered(evidence.matrix)) @ votes).T * double(evidence.answer_scale)
        return evidence.best(counts + tie_breaker(evidence))


class Maximum(Fixed):
    """S = max_g p_g(option of the class): one confident group decides; the mean breaks ties.

    Source: Kittler et al. 1998, "On combining classifiers".
    """

    name = "max"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K), float64."""
        matrices = scoring.split_groups(scoring.answered(evidence.matrix), evidence.sizes)
        first, *parts = evidence.columns(evidence.probabilities)
        best = matrices[0] @ first  # (K, B)
        for part, matrix in zip(parts, matrices[1:], strict=True):
            best = namespace(best).maximum(best, matrix @ part)
        return evidence.best(double(best).T + tie_breaker(evidence))


def tie_breaker(evidence: RuleInputs, exact: Array | None = None) -> Array:
    """Return the mean (B, K), too small to change anything but ties; `exact` are the float64 probabilities."""
    probabilities = double(evidence.probabilities) if exact is None else exact
    return _TIE * scoring.class_means(probabilities, double(evidence.matrix))
