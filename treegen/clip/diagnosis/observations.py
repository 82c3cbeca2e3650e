"""What CLIP sees on each image of the dev split: pictures to show for an option, a class or a confusion."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from treegen.clip.diagnosis.group_report import GroupPredictions
from treegen.clip.diagnosis.mistakes import GroupVote
from treegen.clip.metrics.mutual_information import contingency
from treegen.images import LabelledImage

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observations:
    """The answers of a tree on the dev split, image by image.

    Attributes:
        images: the pictures (B).
        classes: of the domain (K).
        predictions: predicted class index of each picture (B).
        groups: the answers of each group, in the order of the tree.
    """

    images: tuple[LabelledImage, ...]
    classes: tuple[str, ...]
    predictions: tuple[int, ...]
    groups: tuple[GroupPredictions, ...]

    def group(self, name: str) -> GroupPredictions | None:
        """Return the answers of a group, if it was group."""
        return next((group for group in self.groups if group.name == name), None)

    def class_of(self, index: int) -> str:
        """Return the true class of a picture."""
        return self.classes[self.images[index].label]

    def predicted(self, index: int) -> str:
        """Return the class that the tree predicts for a picture."""
        return self.classes[self.predictions[index]]

    def of_class(self, name: str) -> list[int]:
        """Return the pictures of a class, those that are wrongly classified first."""
        label = self.classes.index(name) if name in self.classes else -1
        mine = [index for index, image in enumerate(self.images) if image.label == label]
        return sorted(mine, key=lambda index: self.predictions[index] == label)

    def of_pair(self, true: str, predicted: str) -> list[int]:
        """Return the pictures of a class that are taken for another, or for itself."""
        return [i for i in range(len(self.images)) if (self.class_of(i), self.predicted(i)) == (true, predicted)]

    def taken_for(self, group: str, option: str) -> tuple[list[int], list[int]]:
        """Return the pictures for which the group answers the option: rightly, and wrongly; the most certain first.

        A picture of a class without an answer in the group is neither.
        """
        predictions = self.group(group)
        if predictions is None or option not in predictions.options:
            return [], []
        number = predictions.options.index(option)
        found = sorted((predictions.answers == number).nonzero()[0].tolist(), key=lambda i: -predictions.confidence[i])
        expected = predictions.expected
        return [i for i in found if expected[i] == number], [i for i in found if expected[i] not in (number, -1)]

    def confused(self, group: str) -> Iterator[int]:
        """Yield the pictures that a group answers wrongly, the most certain first."""
        if predictions := self.group(group):
            wrong = ((predictions.answers != predictions.expected) & (predictions.expected >= 0)).nonzero()[0].tolist()
            yield from sorted(wrong, key=lambda index: -predictions.confidence[index])

    def answers_of(self, group: GroupPredictions) -> "NDArray[np.int64]":
        """Return how many images of each class (rows) get each option of a group (columns): (K, O)."""
        labels = np.array([image.label for image in self.images], dtype=np.int64)
        return contingency(labels, group.answers, (len(self.classes), len(group.options)))

    def votes_of(self, index: int) -> tuple[GroupVote, ...]:
        """Return what each group answers for a picture that is rightly classified: none speaks for another class."""
        votes = []
        for group in self.groups:
            answer, wanted = int(group.answers[index]), int(group.expected[index])
            option = group.options[wanted] if wanted >= 0 else None
            votes.append(
                GroupVote(
                    group=group.name,
                    option=group.options[answer],
                    probability=float(group.confidence[index]),
                    true_option=option,
                    predicted_option=option,
                    margin=0.0,
                )
            )
        return tuple(votes)
