"""Interviews about many images at once: accuracy by number of questions, and the threshold at which to stop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from treegen.clip.questions.answer_model import AnswerModel
from treegen.clip.questions.interview import LEAST_GAIN
from treegen.clip.scoring import spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The log likelihood (N, K) of each class, given the answers about these images (N) in one group.
Evidence = Callable[[int, "NDArray[np.intp]"], "NDArray[np.float64]"]
Order = Literal["gain", "fixed", "random"]

_THRESHOLDS: Final = np.round(np.concatenate([np.arange(0.5, 0.95, 0.01), np.arange(0.95, 0.9995, 0.001)]), 3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """What was predicted after each number of questions.

    Attributes:
        predictions: (B, G + 1), class indices after 0 to G questions.
        confidence: (B, G + 1), the probability of the predicted class.
        asked: (B), the number of questions that were expected to tell something; later columns repeat the last answer.
    """

    predictions: "NDArray[np.intp]"
    confidence: "NDArray[np.float64]"
    asked: "NDArray[np.intp]"

    def questions_until(self, threshold: float) -> "NDArray[np.intp]":
        """Return the number of questions (B) until the predicted class is so probable, or no question helps."""
        reached = self.confidence >= threshold
        first: NDArray[np.intp] = np.where(reached.any(axis=1), reached.argmax(axis=1), self.asked)
        return np.minimum(first, self.asked)


def simulate(
    model: AnswerModel,
    priors: "NDArray[np.float64]",
    evidence: Evidence,
    order: Order = "gain",
    seed: int = 0,
) -> Simulation:
    """Ask all questions about images, in an order of their own for each image.

    Args:
        model: what the answers are expected to be.
        priors: (B, K), rows adding up to 1.
        evidence: the answers.
        order: by information gain (until none is left), as in the tree, or random for each image.
        seed: of the random order.
    """
    images, groups = len(priors), len(model.sizes)
    with np.errstate(divide="ignore"):
        log = np.log(priors)
    places = np.tile(np.arange(groups), (images, 1))
    if order == "random":
        places = np.random.default_rng(seed).permuted(places, axis=1)
    open_groups, going = np.ones((images, groups), bool), np.ones(images, bool)
    asked = np.zeros(images, np.intp)
    posterior = _normalised(log)
    steps = [model.classes_of(posterior)]
    for step in range(groups):
        chosen = places[:, step]
        if order == "gain":
            gains = np.where(open_groups, model.information_gain(posterior), -1)
            chosen = gains.argmax(axis=1)
            going &= gains.max(axis=1) >= LEAST_GAIN
        for group in np.unique(chosen[going]):
            rows = np.flatnonzero(going & (chosen == group))
            log[rows] += evidence(int(group), rows)
            open_groups[rows, group] = False
        asked += going
        posterior = _normalised(log)
        steps.append(model.classes_of(posterior))
    return Simulation(
        predictions=np.stack([step.argmax(axis=1) for step in steps], axis=1),
        confidence=np.stack([step.max(axis=1) for step in steps], axis=1),
        asked=asked,
    )


def _normalised(log: "NDArray[np.float64]") -> "NDArray[np.float64]":
    shares: NDArray[np.float64] = np.exp(log - log.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def random_answers(model: AnswerModel, labels: "NDArray[np.intp]", seed: int = 0) -> Evidence:
    """Draw one answer to each question about images of known classes (B), as probable as the model says."""
    generator = np.random.default_rng(seed)
    drawn = np.empty((len(labels), len(model.sizes)), np.intp)
    for group, (start, end) in enumerate(spans(model.sizes)):
        limits = model.likelihood[labels, start:end].cumsum(axis=1)
        drawn[:, group] = start + np.minimum((generator.random((len(labels), 1)) > limits).sum(axis=1), end - start - 1)
    log = np.log(model.likelihood)

    def evidence(group: int, rows: "NDArray[np.intp]") -> "NDArray[np.float64]":
        return log[:, drawn[rows, group]].T

    return evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class StopThreshold:
    """Where to stop, and what that gave on the images it was fitted on.

    Attributes:
        threshold: probability of the most probable class, 0 to 1; 1 if no threshold reaches the target.
        stopped: share of the images that reach it.
        error: share of wrong predictions among those; `None` if none reach it.
        questions: mean number of questions, those that do not stop included.
    """

    threshold: float
    stopped: float
    error: float | None
    questions: float


def fit_stop(simulation: Simulation, labels: "NDArray[np.intp]", target: float) -> StopThreshold:
    """Return the lowest threshold at which at most a share `target` of the stopped images is wrong.

    One more wrong prediction than there was is counted, so that a few lucky images do not set the threshold.

    Args:
        simulation: of dev images, never of the images that are reported on.
        labels: (B), class indices.
        target: the accepted share of wrong predictions, 0 to 1.
    """
    for threshold in _THRESHOLDS:
        result = _stopped_at(simulation, labels, float(threshold))
        count = result.stopped * len(labels)
        if result.error is not None and result.error * count + 1 <= target * (count + 1):
            return result
    return _stopped_at(simulation, labels, 1.0)


def _stopped_at(simulation: Simulation, labels: "NDArray[np.intp]", threshold: float) -> StopThreshold:
    stops, asked = (simulation.confidence >= threshold).any(axis=1), simulation.questions_until(threshold)
    wrong = simulation.predictions[np.arange(len(labels)), asked] != labels
    return StopThreshold(
        threshold=threshold,
        stopped=float(stops.mean()),
        error=float(wrong[stops].mean()) if stops.any() else None,
        questions=float(asked.mean()),
    )
