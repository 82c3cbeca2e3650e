"""What a single change does to every image's loss, without scoring the changed tree anew.

The score of a class is the mean probability of its answers; the loss of an image is the log loss of
softmax(temperature x score). Shapes: B images, K classes, G groups, O options of one group.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.optimize.candidates import Candidate
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

_TEMPERATURES: Final = np.geomspace(1, 200, 60)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """The images after a change: `loss` (B) in nats, and whether the true class has the highest score (B)."""

    loss: "Floats"
    right: "NDArray[np.bool_]"


class Objective:
    """The scores of one tree on labelled images.

    Args:
        tree: its rules are those of the classes, in their order.
        labels: class index of each image (B).
        logits: for each group its scaled similarities (O, B).
        embed: filled prompts (N) -> scaled similarities (N, B), for new wordings.
        temperature: of the softmax over the classes; fitted on these images if not given.
    """

    def __init__(
        self,
        tree: Tree,
        labels: "Indices",
        logits: "Sequence[Floats]",
        embed: "Callable[[Sequence[str]], Floats]",
        temperature: float | None = None,
    ) -> None:
        self.tree, self.labels, self._logits, self._embed = tree, labels, logits, embed
        self._answers = np.array([[_index(rule.get(g.name)) for g in tree.groups] for rule in tree.rules])
        self._shares = [_softmax(each) for each in logits]
        parts = [_part(share, self._answers[:, n]) for n, share in enumerate(self._shares)]
        self._sums = np.sum(parts, axis=0)
        self._counts = np.maximum((self._answers >= 0).sum(axis=1), 0)
        self.temperature = temperature or self._fitted_temperature()

    @cached_property
    def current(self) -> Outcome:
        """The images as they are now."""
        return self._outcome(self._sums, self._counts)

    @cached_property
    def _exponentials(self) -> tuple["Floats", "Floats"]:
        """exp(temperature x score) of each class (K, B), and its sum (B)."""
        exponentials = np.exp(self.temperature * _scores(self._sums, self._counts))
        return exponentials, exponentials.sum(axis=0)

    @cached_property
    def _rivals(self) -> tuple["Floats", "Indices", "Floats"]:
        """For each image the highest score, whose it is, and the second highest."""
        scores = _scores(self._sums, self._counts)
        best = scores.argmax(axis=0)
        highest = scores[best, np.arange(scores.shape[1])]
        others = scores.copy()
        others[best, np.arange(scores.shape[1])] = -np.inf
        return highest, best, others.max(axis=0)

    def outcome(self, candidate: Candidate) -> Outcome:
        """Return the images after one change."""
        if candidate.kind == "answer":
            return self._after_answer(candidate)
        group = candidate.group
        answers = self._answers[:, group]
        sums = self._sums - _part(self._shares[group], answers)
        if candidate.kind == "drop":
            return self._outcome(sums, self._counts - (answers >= 0))
        logits, answers = self.changed_group(candidate)
        return self._outcome(sums + _part(_softmax(logits), answers), self._counts)

    def changed_group(self, candidate: Candidate) -> tuple["Floats", "Indices"]:
        """Return similarities (O, B) and answers (K) of a group of which one option is merged or reworded."""
        logits, answers = self._logits[candidate.group], self._answers[:, candidate.group]
        option = candidate.option
        assert option is not None
        if candidate.kind == "reword":
            prompt = self.tree.groups[candidate.group].prompt.replace("{}", candidate.words, 1)
            changed = logits.copy()
            changed[option] = self._embed([prompt])[0]
            return changed, answers
        moved = np.where(answers == option, candidate.into, answers)
        return np.delete(logits, option, axis=0), moved - (moved > option)

    def _after_answer(self, candidate: Candidate) -> Outcome:
        """One class has another answer: only its own score changes, of all classes'."""
        row, share = candidate.row, self._shares[candidate.group]
        before, after = self._answers[row, candidate.group], _index(candidate.option)
        total = self._sums[row] - (share[before] if before >= 0 else 0) + (share[after] if after >= 0 else 0)
        count = self._counts[row] - (before >= 0) + (after >= 0)
        score = total / count if count else np.zeros_like(total)
        exponentials, everything = self._exponentials
        changed = np.exp(self.temperature * score)
        own = np.where(self.labels == row, changed, exponentials[self.labels, np.arange(len(self.labels))])
        loss = np.log(everything - exponentials[row] + changed) - np.log(own)
        highest, best, second = self._rivals
        rival, scores = np.where(best == row, second, highest), _scores(self._sums, self._counts)
        true = scores[self.labels, np.arange(len(self.labels))]
        right = np.where(self.labels == row, score >= rival, (true >= rival) & (true > score))
        return Outcome(loss=loss, right=right)

    def _outcome(self, sums: "Floats", counts: "Indices") -> Outcome:
        scores = _scores(sums, counts)
        return Outcome(loss=_losses(self.temperature * scores, self.labels), right=scores.argmax(axis=0) == self.labels)

    def _fitted_temperature(self) -> float:
        scores = _scores(self._sums, self._counts)
        return float(min(_TEMPERATURES, key=lambda t: _losses(t * scores, self.labels).mean()))


def _index(answer: int | None) -> int:
    return -1 if answer is None else answer


def _softmax(logits: "Floats") -> "Floats":
    shares: Floats = np.exp(logits - logits.max(axis=0))
    shares /= shares.sum(axis=0)
    return shares


def _part(share: "Floats", answers: "Indices") -> "Floats":
    """Return what one group adds to each class's sum (K, B): nothing where its answer is null."""
    added: Floats = np.where(answers[:, None] >= 0, share[np.maximum(answers, 0)], 0)
    return added


def _scores(sums: "Floats", counts: "Indices") -> "Floats":
    scores: Floats = sums / np.maximum(counts, 1)[:, None]
    return scores


def _losses(logits: "Floats", labels: "Indices") -> "Floats":
    """Return the log loss (B) of logits (K, B), in nats."""
    highest = logits.max(axis=0)
    losses: Floats = highest + np.log(np.exp(logits - highest).sum(axis=0)) - logits[labels, np.arange(len(labels))]
    return losses
