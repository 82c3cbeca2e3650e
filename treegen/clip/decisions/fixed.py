"""Decision rules that learn nothing. A null answer counts as all options alike: 1/len(options)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import torch

from treegen.clip import scoring
from treegen.clip.decisions.interface import Parameters, RuleInputs

if TYPE_CHECKING:
    from torch import Tensor

#: What the sum may add to a score that it only breaks the ties of: votes differ by 1/len(options) and its differences.
_TIE: Final = 1e-6


class Fixed:
    """Learns nothing."""

    parameters: tuple[str, ...] = ()
    uses_names = False

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        """Nothing."""
        return {}


class SumRule(Fixed):
    """S = Σ_g p_g(option of the class), 0 to G: the article's, and the default."""

    name = "sum"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> "Tensor":
        """(B, K)."""
        return scoring.class_scores(evidence.probabilities, evidence.matrix)


class LogProduct(Fixed):
    """S = Σ_g log p_g(option of the class), at most 0: the groups as independent witnesses.

    One group that is sure and wrong outweighs many that are right.

    Source: direct attribute prediction, Lampert et al. 2009, without its class priors.
    """

    name = "log-product"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> "Tensor":
        """(B, K)."""
        logs = torch.cat([part.log_softmax(0) for part in evidence.columns(evidence.logits)])  # (Q, B)
        nulls = (evidence.expected() < 0).to(logs.dtype)  # (K, G)
        shares = torch.tensor(evidence.sizes, dtype=logs.dtype, device=nulls.device).log()
        given = torch.where(evidence.matrix == 1, evidence.matrix, 0)
        return (given @ logs - (nulls @ shares)[:, None]).T


class Vote(Fixed):
    """S = number of groups whose most probable option is the class's; ties are decided by the sum.

    Equally probable options share the group's vote.
    """

    name = "vote"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> "Tensor":
        """(B, K), float64."""
        tops = [(part == part.amax(0)).double() for part in evidence.columns(evidence.probabilities)]
        votes = torch.cat([top / top.sum(0) for top in tops])  # (Q, B)
        return (evidence.matrix.double() @ votes).T + tie_breaker(evidence)


class Maximum(Fixed):
    """S = max_g p_g(option of the class): one sure group decides; ties are decided by the sum.

    Source: Kittler et al. 1998, "On combining classifiers".
    """

    name = "max"

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> "Tensor":
        """(B, K), float64."""
        matrices = scoring.split_groups(evidence.matrix, evidence.sizes)
        first, *parts = evidence.columns(evidence.probabilities)
        best = matrices[0] @ first  # (K, B)
        for part, matrix in zip(parts, matrices[1:], strict=True):
            torch.maximum(best, matrix @ part, out=best)
        return best.double().T + tie_breaker(evidence)


def tie_breaker(evidence: RuleInputs, exact: "Tensor | None" = None) -> "Tensor":
    """(B, K): the sum, too small to change what is not a tie; `exact` are the probabilities in float64."""
    probabilities = evidence.probabilities.double() if exact is None else exact
    return (_TIE / len(evidence.sizes)) * scoring.class_scores(probabilities, evidence.matrix.double())
