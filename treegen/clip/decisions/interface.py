"""The interface of decision rules, which turn the groups' answers into class scores. Shapes as in `scoring`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, namespace, to_numpy
from treegen.clip.looks import Looks

if TYPE_CHECKING:
    from numpy.typing import NDArray

Parameters = Mapping[str, float]
_READABLE: Final = 100  # parameters
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RuleInputs:
    """The inputs of a decision rule.

    Attributes:
        logits: (B, Q), scaled.
        probabilities: (B, Q), the softmax of `logits` within each group.
        matrix: (K, Q), the rules as returned by `scoring.rule_matrix`; (R, Q) if a class has several looks.
        groups: names of the groups (G).
        sizes: number of options of each (G), sum Q.
        names: (B, K), scaled similarities to the class names; `None` if no rule uses them.
        options: names of the options of each group (G), by which learnt parameters find theirs; empty: their indices.
        classes: names of the classes (K), by which priors find theirs; may be empty.
        clusters: the cluster of each image (B), so that cross-validation holds out whole ones; `None`: there are none.
        looks: which rows of the matrix are looks of which class; `None` if each is a class.
    """

    logits: Array
    probabilities: Array
    matrix: Array
    groups: tuple[str, ...]
    sizes: tuple[int, ...]
    names: Array | None = None
    options: tuple[tuple[str, ...], ...] = ()
    classes: tuple[str, ...] = ()
    clusters: tuple[int, ...] | None = None
    looks: Looks | None = None

    def take(self, rows: Array) -> "RuleInputs":
        """Select some of the images, by index."""
        return replace(
            self,
            logits=self.logits[rows],
            probabilities=self.probabilities[rows],
            names=None if self.names is None else self.names[rows],
            clusters=None if self.clusters is None else tuple(self.clusters[row] for row in rows.tolist()),
        )

    def without(self, group: int) -> "RuleInputs":
        """Drop a group, by index."""
        columns = np.flatnonzero(np.repeat(np.arange(len(self.sizes)) != group, self.sizes))
        return replace(
            self,
            logits=self.logits.T[columns].T,
            probabilities=self.probabilities.T[columns].T,
            matrix=self.matrix[:, columns],
            groups=_less(self.groups, group),
            sizes=_less(self.sizes, group),
            options=_less(self.options, group),
        )

    def best(self, scores: Array) -> Array:
        """Return the score of each class (B, K), that of its best look, of scores of the rows (B, R)."""
        return scores if self.looks is None else self.looks.best(scores)

    def rows_of(self, labels: Sequence[int]) -> "NDArray[np.intp]":
        """Return for each image (B) the row of its class; of several looks the one that its answers fit best."""
        if self.looks is None:
            return np.asarray(labels, np.intp)
        return self.looks.rows_of(scoring.class_means(self.probabilities, self.matrix), labels)

    def expected_of(self, labels: Sequence[int]) -> "NDArray[np.int64]":
        """Return the option of each image's class in each group: (B, G), -1 where its answer is null."""
        expected: NDArray[np.int64] = to_numpy(self.expected())[self.rows_of(labels)]
        return expected

    @property
    def class_count(self) -> int:
        """The number of classes (K)."""
        return len(self.matrix) if self.looks is None else len(self.looks.counts)

    @property
    def row_classes(self) -> tuple[str, ...]:
        """The name of the class of each row; empty names if there are none."""
        if not self.classes:
            return ("",) * len(self.matrix)
        return self.classes if self.looks is None else tuple(self.classes[k] for k in self.looks.classes)

    @property
    def answer_scale(self) -> Array:
        """The factor (K) from what a class's answers add up to, to all groups: 1 if it answers every group."""
        return len(self.sizes) / scoring.answer_counts(self.matrix)

    def option_names(self, group: int) -> tuple[str, ...]:
        """Return the names of a group's options, by the index of the group."""
        return self.options[group] if self.options else tuple(map(str, range(self.sizes[group])))

    def columns(self, values: Array) -> tuple[Array, ...]:
        """Split logits or probabilities (B, Q) into one view (O, B) per group, following the memory layout."""
        return tuple(values.T[start:end] for start, end in scoring.spans(self.sizes))

    def expected(self) -> Array:
        """Return the index of the class's option in each group: (K, G), -1 where its answer is null."""
        xp = namespace(self.matrix)
        columns = [
            xp.where(xp.max(part, axis=1) == 1, xp.argmax(part, axis=1), -1)
            for part in scoring.split_groups(self.matrix, self.sizes)
        ]
        return xp.stack(columns, axis=1)


def _less(values: tuple[T, ...], place: int) -> tuple[T, ...]:
    return values[:place] + values[place + 1 :]


class DecisionRule(Protocol):
    """A decision rule: `fit` learns parameters on the dev split, `scores` applies them."""

    @property
    def name(self) -> str:
        """The name in domain.toml."""
        ...

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of learnt parameters: none if empty, one number per group if `*`."""
        ...

    @property
    def uses_names(self) -> bool:
        """Whether it also uses the similarities to the class names."""
        ...

    @property
    def probabilities(self) -> bool:
        """Whether its scores are the probabilities of the classes."""
        ...

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        """Fit the parameters to labelled images (B): plain numbers, deterministic."""
        ...

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K); the class with the highest score is the prediction."""
        ...


def words_of(rule: str, parameters: Parameters) -> str:
    """Describe a decision rule on one line: its name and parameters, or a hash of them if there are many."""
    words = [f"{name}={value:.6g}" for name, value in parameters.items()]
    if len(words) > _READABLE:
        words = [hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]]
    return " ".join([rule, *words])


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRule:
    """A decision rule with its parameters."""

    rule: DecisionRule
    parameters: tuple[tuple[str, float], ...] = ()

    @property
    def words(self) -> str:
        """Name and parameters, which identify a test evaluation."""
        return words_of(self.rule.name, dict(self.parameters))

    def scores(self, evidence: RuleInputs) -> Array:
        """Return scores (B, K)."""
        return self.rule.scores(evidence, dict(self.parameters))


def fit(rule: DecisionRule, evidence: RuleInputs, labels: Sequence[int]) -> FittedRule:
    """Fit the rule's parameters to labelled images (B)."""
    return FittedRule(rule=rule, parameters=tuple(rule.fit(evidence, labels).items()))
