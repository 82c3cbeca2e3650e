"""What every decision rule is: how the answers of the groups become class scores. Shapes as in `scoring`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, namespace

if TYPE_CHECKING:
    pass

Parameters = Mapping[str, float]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RuleInputs:
    """What a rule decides on.

    Attributes:
        logits: (B, Q), scaled.
        probabilities: (B, Q), the softmax of `logits` within each group.
        matrix: (K, Q), the rules as `scoring.rule_matrix` gives them.
        groups: names of the groups (G).
        sizes: number of options of each (G), sum Q.
        names: (B, K), scaled similarities to the class names; `None` where no rule asks for them.
    """

    logits: Array
    probabilities: Array
    matrix: Array
    groups: tuple[str, ...]
    sizes: tuple[int, ...]
    names: Array | None = None

    def take(self, rows: Array) -> "RuleInputs":
        """The same for some of the images, by number."""
        names = None if self.names is None else self.names[rows]
        return replace(self, logits=self.logits[rows], probabilities=self.probabilities[rows], names=names)

    def without(self, group: int) -> "RuleInputs":
        """The same without a group, by number."""
        columns = np.flatnonzero(np.repeat(np.arange(len(self.sizes)) != group, self.sizes))
        return replace(
            self,
            logits=self.logits.T[columns].T,
            probabilities=self.probabilities.T[columns].T,
            matrix=self.matrix[:, columns],
            groups=_less(self.groups, group),
            sizes=_less(self.sizes, group),
        )

    def columns(self, values: Array) -> tuple[Array, ...]:
        """Logits or probabilities (B, Q) as one view (O, B) for each group: the way they lie in memory."""
        return tuple(values.T[start:end] for start, end in scoring.spans(self.sizes))

    def expected(self) -> Array:
        """(K, G): index of the class's option in each group, -1 where its answer is null."""
        xp = namespace(self.matrix)
        columns = [
            xp.where(xp.max(part, axis=1) == 1, xp.argmax(part, axis=1), -1)
            for part in scoring.split_groups(self.matrix, self.sizes)
        ]
        return xp.stack(columns, axis=1)


def _less(values: tuple[T, ...], place: int) -> tuple[T, ...]:
    return values[:place] + values[place + 1 :]


class DecisionRule(Protocol):
    """A pair of functions: what is learnt on the dev part, and what is decided with it."""

    @property
    def name(self) -> str:
        """As in domain.toml."""
        ...

    @property
    def parameters(self) -> tuple[str, ...]:
        """What it learns: nothing if empty, one number for each group if `*`."""
        ...

    @property
    def uses_names(self) -> bool:
        """Whether it also looks at the similarities to the class names."""
        ...

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        """The parameters that suit labelled images (B): plain numbers, the same for the same images."""
        ...

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """(B, K); the class with the highest score is the prediction."""
        ...


def words_of(rule: str, parameters: Parameters) -> str:
    """A decision rule by its name, with its parameters in a line."""
    return " ".join([rule, *(f"{name}={value:.6g}" for name, value in parameters.items())])


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRule:
    """A decision rule with its parameters."""

    rule: DecisionRule
    parameters: tuple[tuple[str, float], ...] = ()

    @property
    def words(self) -> str:
        """Name and parameters, as looks at the test part are told apart."""
        return words_of(self.rule.name, dict(self.parameters))

    def scores(self, evidence: RuleInputs) -> Array:
        """(B, K)."""
        return self.rule.scores(evidence, dict(self.parameters))


def fit(rule: DecisionRule, evidence: RuleInputs, labels: Sequence[int]) -> FittedRule:
    """The rule with the parameters that suit labelled images (B)."""
    return FittedRule(rule=rule, parameters=tuple(rule.fit(evidence, labels).items()))
