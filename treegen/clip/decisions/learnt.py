"""Decision rules that learn a few numbers on the dev split, deterministically.

Of a class with several looks the best one counts; an image of it is learnt from as one of the look that it fits best.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, double, like, namespace, softmax, to_numpy, top_two
from treegen.clip.decisions.fixed import tie_breaker
from treegen.clip.decisions.interface import Parameters, RuleInputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HOTTEST: Final = 100.0  # temperatures are searched from 1 / this to this
_PULL: Final = 1.0  # strength of a Gaussian prior on the gate's weights, in images
_FLAT: Final = 1e-9  # change of the slope per image that counts as zero
_LEAST: Final = 1e-12  # a probability whose logarithm is finite


class Weighted:
    """S = Σ_g w_g p_g(option of the class), with each group weighted by its reliability on the dev split.

    The reliability is the mean recall of the group's options beyond that of a constant answer, as a share of what can
    be gained: (r - 1/m) / (1 - 1/m), with m the options that have images, and r smoothed by one extra image per option,
    of which 1/m is right, so that few images yield little. Negative values count as 0. Weights have mean 1. A group
    without data (m < 2) gets weight 1, and so do all if none is reliable. Classes that only groups of weight 0
    distinguish are tied: the mean decides. Of a class with nulls, the weights of the groups that it answers stand for
    all.
    """

    name, parameters, uses_names, probabilities = "weighted", ("*",), False, False

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        """Return group -> weight, at least 0."""
        expected = evidence.expected_of(labels).T  # (G, B)
        reliabilities: dict[str, float | None] = {}
        for group, true, part in zip(evidence.groups, expected, evidence.columns(evidence.probabilities), strict=True):
            reliabilities[group] = _reliability(true, to_numpy(part).argmax(0), len(part))
        defined = [value for value in reliabilities.values() if value is not None]
        mean = sum(defined) / len(defined) if defined else 0.0
        return {group: 1.0 if value is None or mean == 0 else value / mean for group, value in reliabilities.items()}

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K), float64; a group without a weight, such as one added since, has weight 1."""
        weights = np.repeat([float(parameters.get(group, 1.0)) for group in evidence.groups], evidence.sizes)
        weights, exact = like(weights, evidence.matrix), double(evidence.probabilities)
        given = double(scoring.answered(evidence.matrix))
        own, every = given @ weights, sum(float(parameters.get(group, 1.0)) for group in evidence.groups)
        xp = namespace(own)
        share = xp.where(own > 0, every / xp.where(own > 0, own, 1), 0)
        full = xp.sum(given, axis=1) == len(evidence.sizes)  # exactly the sum, without the rounding of the quotient
        scores = scoring.class_scores(exact, given * weights) * xp.where(full, 1, share)
        return evidence.best(scores + tie_breaker(evidence, exact))


def _reliability(expected: "NDArray[np.int64]", answers: "NDArray[np.int64]", options: int) -> float | None:
    """Return the reliability, 0 to 1, from true options (-1: none) and answers (B); `None` below two true options."""
    answered = expected >= 0
    images = np.bincount(expected[answered], minlength=options)
    right = np.bincount(expected[answered & (expected == answers)], minlength=options)
    has_images = images > 0
    count = int(has_images.sum())
    if count < 2:
        return None
    luck = 1 / count
    recall = float(((right[has_images] + luck) / (images[has_images] + 1)).sum()) / count
    return max(0.0, (recall - luck) / (1 - luck))


class Temperature:
    """The sum, with the softmax of every group at one temperature T: below 1 sharper, above 1 flatter.

    As everywhere but in the article's sum, the groups that a class answers stand for all.

    T minimises the negative log-likelihood of the true options over dev images and groups, which is convex in 1/T.
    Without any true option to learn from it is 1.

    Source: Guo et al. 2017, "On calibration of modern neural networks"; one temperature for a whole CLIP:
    LeVine et al. 2023 (arXiv 2303.12748). Fitted on options here, not on classes.
    """

    name, parameters, uses_names, probabilities = "temperature", ("temperature",), False, False

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        """Return the temperature, 0.01 to 100."""
        expected, parts = evidence.expected_of(labels), []
        for number, part in enumerate(evidence.columns(double(evidence.logits))):
            answering = np.flatnonzero(expected[:, number] >= 0)
            parts.append((part[:, answering], expected[answering, number]))
        if not sum(len(true) for _, true in parts):
            return {"temperature": 1.0}
        return {"temperature": 1 / likely_factor(parts, 1 / _HOTTEST, _HOTTEST)}

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K), 0 to G."""
        tempered = scoring.group_probabilities(evidence.logits / parameters["temperature"], evidence.sizes)
        return _sums(tempered, evidence)


class Gated:
    """P = (1 - g) P_tree + g P_name, with a gate g per image that depends on how confident each of the two is.

    P_tree is the softmax of the sum rule's scores, P_name that of the similarities to the class names, each at a scale
    of its own that maximises the likelihood of the dev classes. The gate is g = sigmoid(b + u m_tree + v m_name) with m
    the difference of the two largest probabilities; b, u and v maximise the likelihood of the dev classes, held near 0
    by a penalty of (b² + u² + v²)/2, about the weight of one image. Where the tree beats the names, g goes to 0.

    Source: the gated fusion of Zhang et al. 2023, "Multimodal chain-of-thought reasoning", with its matrices reduced
    to three numbers: there are dozens of images here, not thousands.
    """

    name, uses_names, probabilities = "gated", True, True
    parameters = ("tree_scale", "name_scale", "bias", "tree_margin", "name_margin")

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        """Return two scales above 0, and the three numbers of the gate."""
        from scipy.optimize import minimize

        assert evidence.names is not None
        tree, true = _sums(evidence.probabilities, evidence), np.asarray(labels)
        scales = {"tree_scale": _likely_scale(tree, true), "name_scale": _likely_scale(evidence.names, true)}
        p_tree, p_name = softmax(double(tree) * scales["tree_scale"], 1), _names(evidence, scales)
        features = to_numpy(_features(p_tree, p_name))  # (B, 3)
        likelihoods = [to_numpy(p)[np.arange(len(true)), true] for p in (p_tree, p_name)]
        minimum = minimize(_gate_loss, [0.0, 0.0, 0.0], args=(features, *likelihoods), jac=True, method="L-BFGS-B")
        return {**scales, **dict(zip(("bias", "tree_margin", "name_margin"), map(float, minimum.x), strict=True))}

    def scores(self, evidence: RuleInputs, parameters: Parameters) -> Array:
        """Return scores (B, K), float64; rows sum to 1."""
        sums = double(_sums(evidence.probabilities, evidence))
        p_tree, p_name = softmax(sums * parameters["tree_scale"], 1), _names(evidence, parameters)
        weights = np.array([float(parameters[key]) for key in ("bias", "tree_margin", "name_margin")])
        gate = _sigmoid(_features(p_tree, p_name) @ like(weights, p_tree))[:, None]
        return (1 - gate) * p_tree + gate * p_name


def _sums(probabilities: Array, evidence: RuleInputs) -> Array:
    """Return for each class the sum over the groups that it answers, scaled to all groups: (B, K), 0 to G."""
    return evidence.best(scoring.class_scores(probabilities, scoring.answered(evidence.matrix)) * evidence.answer_scale)


def _sigmoid(values: Array) -> Array:
    """1 / (1 + exp(-x)), without an overflow for any x."""
    xp = namespace(values)
    small = xp.exp(-xp.abs(values))
    return xp.where(values < 0, small, 1) / (1 + small)


def _names(evidence: RuleInputs, parameters: Parameters) -> Array:
    assert evidence.names is not None
    return softmax(double(evidence.names) * parameters["name_scale"], 1)


def _features(p_tree: Array, p_name: Array) -> Array:
    """Return the gate's features (B, 3): 1, and the difference of the two largest probabilities of each."""
    xp = namespace(p_tree)
    tops = [top_two(p.T) for p in (p_tree, p_name)]
    return xp.stack([xp.ones_like(p_tree[:, 0]), *(best - second for _, _, best, second in tops)], axis=1)


def _likely_scale(scores: Array, true: "NDArray[np.int64]") -> float:
    """Return the factor on scores (B, K) that maximises the likelihood of the true classes (B), 0.01 to 10,000."""
    return likely_factor([(double(scores).T, true)], 1 / _HOTTEST, _HOTTEST**2)


def likely_factor(parts: "Sequence[tuple[Array, NDArray[np.int64]]]", least: float, most: float) -> float:
    """Return the factor on logits that maximises the likelihood: the root of a convex function's slope.

    Args:
        parts: logits (O, B), float64, and the index of the true one for each (B); sizes may differ.
        least: smallest factor, above 0; returned where an even smaller one would be likelier.
        most: the largest. Returns 1 if all factors are equally likely, as with equal logits.
    """
    from scipy.optimize import brentq

    own = sum(float(logits[true, np.arange(len(true))].sum()) for logits, true in parts)

    def slope(log_factor: float) -> float:
        """Return the derivative of the negative log-likelihood by the factor: expected logits less the true ones."""
        factor = math.exp(log_factor)
        return sum(float((logits * softmax(factor * logits, 0)).sum()) for logits, _ in parts) - own

    low, high = math.log(least), math.log(most)
    at_least, at_most = slope(low), slope(high)
    if at_most - at_least <= _FLAT * sum(len(true) for _, true in parts):
        return 1.0
    if at_least >= 0:
        return least
    if at_most <= 0:
        return most
    return math.exp(brentq(slope, low, high, xtol=1e-9))


def _gate_loss(
    weights: "NDArray[np.float64]",
    features: "NDArray[np.float64]",
    tree: "NDArray[np.float64]",
    names: "NDArray[np.float64]",
) -> "tuple[float, NDArray[np.float64]]":
    """Return the penalised negative log-likelihood, and its gradient.

    Args:
        weights: (3).
        features: (B, 3).
        tree: the tree's probability of the true class (B).
        names: the names' probability of the true class (B).
    """
    gate = _sigmoid(features @ weights)
    mixed = np.maximum((1 - gate) * tree + gate * names, _LEAST)
    slope = gate * (1 - gate) * (names - tree) / mixed
    loss = -np.log(mixed).sum() + _PULL * (weights @ weights) / 2
    return float(loss), -features.T @ slope + _PULL * weights
