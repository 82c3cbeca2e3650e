"""Misclassified images, and which group is at fault: every image with the answers behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treegen.clip import scoring
from treegen.clip.arrays import Array, to_numpy
from treegen.clip.diagnosis.label_errors import LEAST
from treegen.clip.looks import Looks, rules_of
from treegen.images import LabelledImage
from treegen.tree.model import ClassRule, Tree

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupVote:
    """One group's answer on a misclassified image.

    Attributes:
        group: its name.
        option: the most probable option.
        probability: of that option, 0 to 1.
        true_option: what the rule of the true class expects; `None` if it says nothing.
        predicted_option: what the rule of the predicted class expects.
        margin: the group's probability for the predicted class minus that for the true one, each scaled by the number
            of groups divided by those that the class answers. Under the mean rule their mean over the groups is the
            difference of the two scores; under others they only show the direction.
    """

    group: str
    option: str
    probability: float
    true_option: str | None
    predicted_option: str | None
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A misclassified image of the dev split.

    Attributes:
        index: its index in the dev split, as in a `Preview`.
        image: the picture.
        true: its class.
        predicted: the class that the tree predicts.
        true_score: score of its class under the decision rule; 0 to 1 for the mean.
        predicted_score: score of the predicted class.
        votes: one per group, in order.
    """

    index: int
    image: LabelledImage
    true: str
    predicted: str
    true_score: float
    predicted_score: float
    votes: tuple[GroupVote, ...]

    @property
    def at_fault(self) -> GroupVote:
        """The vote with the largest margin; the first of equals."""
        return max(self.votes, key=lambda vote: vote.margin)

    @property
    def label_doubtful(self) -> bool:
        """Whether the label may be wrong: the answers contradict it in every group, as in `find_label_errors`."""
        voting = [vote for vote in self.votes if vote.true_option is not None]
        return len(voting) >= LEAST and all(vote.option != vote.true_option for vote in voting)


def find_mistakes(
    tree: Tree,
    classes: Sequence[str],
    images: Sequence[LabelledImage],
    labels: Sequence[int],
    predictions: Sequence[int],
    probabilities: Array,
    scores: Array,
    matrix: Array,
) -> tuple[Mistake, ...]:
    """Return all mistakes, in the order of the images.

    Args:
        tree: without errors.
        classes: of the domain (K).
        images: the pictures (B).
        labels: true class index of each (B).
        predictions: predicted class index of each (B).
        probabilities: (B, Q).
        scores: (B, K).
        matrix: (K, Q), the rows in the order of `classes`, see `scoring.rule_matrix`.
    """
    wrong = [i for i, (t, p) in enumerate(zip(labels, predictions, strict=True)) if t != p]
    true, predicted = [labels[i] for i in wrong], [predictions[i] for i in wrong]
    answers, rows = to_numpy(probabilities)[wrong], (true, predicted)
    if looks := Looks.of(tree, classes):
        means = scoring.class_means(answers, to_numpy(matrix))
        rows = (looks.rows_of(means, true).tolist(), looks.rows_of(means, predicted).tolist())
    votes = _votes(tree, rules_of(tree, classes), *rows, answers, to_numpy(matrix))
    scores = to_numpy(scores)
    true_scores, predicted_scores = scores[wrong, true].tolist(), scores[wrong, predicted].tolist()
    return tuple(
        Mistake(
            index=i,
            image=images[i],
            true=classes[true[n]],
            predicted=classes[predicted[n]],
            true_score=true_scores[n],
            predicted_score=predicted_scores[n],
            votes=votes[n],
        )
        for n, i in enumerate(wrong)
    )


def _votes(
    tree: Tree,
    rules: Sequence[ClassRule],
    true: Sequence[int],
    predicted: Sequence[int],
    probabilities: "NDArray[np.float32]",
    matrix: "NDArray[np.float32]",
) -> list[tuple[GroupVote, ...]]:
    """Return the votes of all groups for each misclassified image; W images.

    Args:
        tree: as above.
        rules: of the rows of the matrix (K).
        true: row of the true class of each (W).
        predicted: row of the predicted class of each (W).
        probabilities: (W, Q).
        matrix: (K, Q).
    """
    sizes = tuple(len(group.options) for group in tree.groups)
    shown = scoring.answered(matrix) * (len(sizes) / scoring.answer_counts(matrix))[:, None]
    shares = scoring.split_groups(probabilities * (shown[predicted] - shown[true]), sizes)
    columns: list[list[GroupVote]] = []
    for group, part, share in zip(tree.groups, scoring.split_groups(probabilities, sizes), shares, strict=True):
        expected = [tree.word(rule, group.name) for rule in rules]
        best, options, margins = part.max(1).tolist(), part.argmax(1).tolist(), share.sum(1).tolist()
        columns.append(
            [
                GroupVote(
                    group=group.name,
                    option=group.options[o],
                    probability=p,
                    true_option=expected[t],
                    predicted_option=expected[k],
                    margin=m,
                )
                for p, o, m, t, k in zip(best, options, margins, true, predicted, strict=True)
            ]
        )
    return list(zip(*columns, strict=True))
