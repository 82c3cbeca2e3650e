"""Decision rules that learn nothing. A null answer counts as all options alike: 1/len(options)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import torch

from treegen.clip import scoring
from treegen.clip.decisions.interface import Evidence, Parameters

if TYPE_CHECKING:
    from torch import Tensor

#: What the sum may add to a score that it only breaks the ties of: votes differ by 1/len(options) and its differences.
_TIE: Final = 1e-6


class Fixed:
    """Learns nothing."""

    parameters: tuple[str, ...] = ()
    uses_names = False

    def fit(self, evidence: Evidence, labels: Sequence[int]) -> dict[str, float]:
        """Nothing."""
        return {}


class SumRule(Fixed):
    """S = Σ_g p_g(option of the class), 0 to G: the article's, and the default."""

    name = "sum"

    def scores(self, evidence: Evidence, parameters: Parameters) -> "Tensor":
        """(B, K)."""
        return scoring.class_scores(evidence.probabilities, evidence.matrix)


class LogProduct(Fixed):
    """S = Σ_g log p_g(option of the class), at most 0: the groups as independent witnesses.

    One group that is sure and wrong outweighs many that are right.

    Source: direct attribute prediction, Lampert et al. 2009, without its class priors.
    """

    name = "log-product"

    def scores(self, evidence: Evidence, parameters: Parameters) -> "Tensor":
        """(B, K)."""
        logs = [part.log_softmax(1) for part in scoring.split_groups(evidence.logits, evidence.sizes)]
        expected = evidence.expected()
        nulls = (expected < 0).to(logs[0].dtype)  # (K, G)
        shares = torch.tensor(evidence.sizes, dtype=logs[0].dtype, device=nulls.device).log()
        given = torch.where(evidence.matrix == 1, evidence.matrix, 0)
        return torch.cat(logs, 1) @ given.T - nulls @ shares


class Vote(Fixed):
    """S = number of groups whose most probable option is the class's; ties are decided by the sum.

    Equally probable options share the group's vote.
    """

    name = "vote"

    def scores(self, evidence: Evidence, parameters: Parameters) -> "Tensor":
        """(B, K), float64."""
        parts = scoring.split_groups(evidence.probabilities, evidence.sizes)
        tops = [(part == part.amax(1, keepdim=True)).double() for part in parts]
        votes = torch.cat([top / top.sum(1, keepdim=True) for top in tops], 1)
        return votes @ evidence.matrix.double().T + tie_breaker(evidence)


class Maximum(Fixed):
    """S = max_g p_g(option of the class): one sure group decides; ties are decided by the sum.

    Source: Kittler et al. 1998, "On combining classifiers".
    """

    name = "max"

    def scores(self, evidence: Evidence, parameters: Parameters) -> "Tensor":
        """(B, K), float64."""
        parts = scoring.split_groups(evidence.probabilities, evidence.sizes)
        matrices = scoring.split_groups(evidence.matrix, evidence.sizes)
        best = parts[0] @ matrices[0].T
        for part, matrix in zip(parts[1:], matrices[1:], strict=True):
            best = torch.maximum(best, part @ matrix.T)
        return best.double() + tie_breaker(evidence)


def tie_breaker(evidence: Evidence) -> "Tensor":
    """(B, K): the sum, too small to change what is not a tie."""
    return (_TIE / len(evidence.sizes)) * (evidence.probabilities.double() @ evidence.matrix.double().T)
