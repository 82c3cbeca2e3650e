"""The posterior of the classes: a decision rule whose score is a probability."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, double, like, log_softmax, namespace, softmax, to_numpy
from treegen.clip.decisions.folds import FOLDS, folds_of
from treegen.clip.decisions.interface import Parameters, RuleInputs
from treegen.clip.decisions.learnt import likely_factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR: Final = "prior: "  # starts the names of parameters that are given, not learnt
_STRENGTHS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)  # of the smoothing, in images per row
_LEAST: Final = 1e-12  # a likelihood whose logarithm is finite
_NEVER: Final = 1e-300  # prior of a class that is never predicted
_EXPONENTS: Final = (0.05, 2.0)  # least and greatest


class Bayes:
    """P(class | answers) ∝ P(class) (Π_g l_g)^λ, with l_g = Σ_a p_g(a) P(g answers a | the class's option).

    How often a group gives each answer for each true option is counted on the dev split. A row of few images is
    smoothed towards what the whole group does: as often right as over all options, else wrong as its answers are
    spread. How much, is decided by the log loss of the classes in cross-validation, as is the exponent λ: groups that
    err on the same images count for less than as many independent ones. A null says what the group answers anyway.

    A class with several looks is their mixture, in equal shares. What is learnt is learnt as if each look were a class,
    and an image of the class one of the look that its answers fit best.

    Source: naive Bayes with confusion matrices as in Dawid & Skene 1979, here with the labels known.
    """

    name, parameters, uses_names, probabilities = "bayes", ("*",), False, True

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        """Return exponent and strength, and the counts above 0 by group, true option (none: null) and answer."""
        true, folds = evidence.rows_of(labels), np.asarray(folds_of(labels, evidence.clusters), int)
        held = [np.flatnonzero(folds == fold) for fold in range(FOLDS) if (folds == fold).any()]
        total = _Counts.of(evidence, true, np.arange(len(true)))
        rest = [total.without(_Counts.of(evidence, true, images)) for images in held]
        fits = [(*_held_out(evidence, true, held, rest, strength), strength) for strength in _STRENGTHS]
        _, exponent, strength = min(fits)
        return {"exponent": exponent, "strength": strength, **dict(_named(evidence, total))}

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return probabilities (B, K), float64; rows sum to 1."""
        prior = like(log_priors(evidence, parameters), evidence.probabilities)
        posterior = softmax(weighted_logs(evidence, parameters) + prior, 1)
        return posterior if evidence.looks is None else evidence.looks.total(posterior)


def weighted_logs(evidence: RuleInputs, parameters: Parameters) -> Array:
    """Return the logarithm of what the answers say for each row (B, R), float64, up to a constant of each image."""
    table, rules = likelihoods(evidence, parameters), answer_rows(evidence)
    logs = _log_likelihoods(double(evidence.probabilities), like(table, evidence.probabilities), rules)
    return logs * float(parameters.get("exponent", 1.0))


def likelihoods(evidence: RuleInputs, parameters: Parameters) -> "NDArray[np.float64]":
    """Return P(answer | true option) (Q, Q), and below it P(answer) of each group for nulls (G, Q): (Q + G, Q).

    An option that was not counted, since the tree was edited, is recognized as often as its group is right.
    """
    counts = _Counts(evidence.sizes)
    for row, column, key in _cells(evidence):
        counts.pairs[row, column] = parameters.get(key, 0.0)
    return _table(counts, float(parameters.get("strength", 1.0)))


def answer_rows(evidence: RuleInputs) -> Array:
    """Return which row of `likelihoods` each class has in each group: (K, Q + G), float64, 0 or 1."""
    xp, given = namespace(evidence.matrix), double(scoring.answered(evidence.matrix))
    parts = scoring.split_groups(given, evidence.sizes)
    nulls = xp.stack([1 - xp.sum(part, axis=1) for part in parts], axis=1)
    return xp.concat([given, nulls], axis=1)


def log_priors(evidence: RuleInputs, parameters: Parameters) -> "NDArray[np.float64]":
    """Return the logarithms of the priors (R): uniform where none is given, 0 for a class without answers.

    The looks of a class share its prior equally.
    """
    answers = to_numpy(scoring.answered(evidence.matrix)).sum(1) > 0
    weights = np.array([float(parameters.get(prior_key(name), 1.0)) for name in evidence.row_classes]) * answers
    if evidence.looks is not None:
        weights *= evidence.looks.weights
    logs: NDArray[np.float64] = np.log(np.maximum(weights / max(weights.sum(), _LEAST), _NEVER))
    return logs


def prior_key(name: str) -> str:
    """Return the name of the parameter that holds the prior weight of a class."""
    return f"{PRIOR}{name}"


def _cells(evidence: RuleInputs) -> Iterator[tuple[int, int, str]]:
    """Yield row and column of each count, with the name of its parameter."""
    for number, (start, end) in enumerate(scoring.spans(evidence.sizes)):
        group, options = evidence.groups[number], evidence.option_names(number)
        rows = [*zip(options, range(start, end), strict=True), ("", sum(evidence.sizes) + number)]
        for option, row in rows:
            for answer, column in zip(options, range(start, end), strict=True):
                yield row, column, f"{group}: {option} > {answer}"


def _log_likelihoods(probabilities: Array, table: Array, rules: Array) -> Array:
    """Return the logarithm of each class's product over the groups (B, K), of probabilities (B, Q)."""
    xp = namespace(probabilities)
    logs = xp.log(xp.clip(table @ probabilities.T, _LEAST, None))  # (Q + G, B)
    return (rules @ logs).T


class _Counts:
    """How often each answer (columns) was given for each true option, and for null (rows): (Q + G, Q)."""

    def __init__(self, sizes: tuple[int, ...], pairs: "NDArray[np.float64] | None" = None) -> None:
        """Start with these counts, or with none."""
        self.sizes = sizes
        self.pairs = np.zeros((sum(sizes) + len(sizes), sum(sizes))) if pairs is None else pairs

    @classmethod
    def of(cls, evidence: RuleInputs, true: "NDArray[np.int64]", images: "NDArray[np.int64]") -> "_Counts":
        """Count over some images, by index, of those whose true rows (B) are given."""
        counts, expected = cls(evidence.sizes), to_numpy(evidence.expected())[true][images]
        starts = [start for start, _ in scoring.spans(evidence.sizes)]
        for number, part in enumerate(evidence.columns(evidence.probabilities)):
            shares, null = to_numpy(part)[:, images], sum(evidence.sizes) + number
            rows = np.where(expected[:, number] >= 0, starts[number] + expected[:, number], null)
            given = shares.any(axis=0)  # a person or a model may have seen no answer
            np.add.at(counts.pairs, (rows[given], starts[number] + shares.argmax(0)[given]), 1)
        return counts

    def without(self, other: "_Counts") -> "_Counts":
        """Subtract the counts of some of the images."""
        return _Counts(self.sizes, self.pairs - other.pairs)


def _rate(pairs: "NDArray[np.float64]") -> float:
    """Return how often a group is right, with one more image that it guesses, of its counts (O, O)."""
    return float((np.trace(pairs) + 1 / len(pairs)) / (pairs.sum() + 1))


def _table(counts: _Counts, strength: float) -> "NDArray[np.float64]":
    """Return the smoothed table of `likelihoods`: each row as of `strength` more images that are like the group's."""
    table = np.zeros_like(counts.pairs)
    for number, (start, end) in enumerate(scoring.spans(counts.sizes)):
        pairs, size = counts.pairs[start:end, start:end], end - start
        null = sum(counts.sizes) + number
        answers = pairs.sum(0) + counts.pairs[null, start:end]
        spread = (answers + 1 / size) / (answers.sum() + 1)
        table[null, start:end] = spread
        if size == 1:
            table[start, start] = 1
            continue
        rate, others = _rate(pairs), np.tile(spread, (size, 1))
        np.fill_diagonal(others, 0)
        usual = (1 - rate) * others / others.sum(1, keepdims=True)
        np.fill_diagonal(usual, rate)
        table[start:end, start:end] = (pairs + strength * usual) / (pairs.sum(1, keepdims=True) + strength)
    return table


def _held_out(
    evidence: RuleInputs,
    true: "NDArray[np.int64]",
    held: "Sequence[NDArray[np.int64]]",
    rest: Sequence[_Counts],
    strength: float,
) -> tuple[float, float]:
    """Return the log loss of each fold's images by the counts of the rest, and the exponent that minimises it."""
    probabilities, rules = double(evidence.probabilities), answer_rows(evidence)
    logs = np.zeros((len(true), len(rules)))
    for images, counts in zip(held, rest, strict=True):
        table = like(_table(counts, strength), probabilities)
        logs[images] = to_numpy(_log_likelihoods(probabilities[images], table, rules))
    exponent = likely_factor([(logs.T, true)], *_EXPONENTS)
    losses = -log_softmax(exponent * logs, 1)[np.arange(len(true)), true]
    return float(losses.sum()), exponent


def _named(evidence: RuleInputs, counts: _Counts) -> Iterator[tuple[str, float]]:
    """Yield the counts above 0 as parameters, by the names of groups, options and answers."""
    for row, column, key in _cells(evidence):
        if count := counts.pairs[row, column]:
            yield key, float(count)
