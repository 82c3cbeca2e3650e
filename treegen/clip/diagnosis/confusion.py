"""The confusion matrix: how many images of each class are taken for each, sparse, as classes may be thousands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionMatrix:
    """Counts of images by true and predicted class, as class indices.

    Attributes:
        counts: images by (true, predicted), where there are any.
        totals: images by true class, where there are any.
    """

    counts: Mapping[tuple[int, int], int]
    totals: Mapping[int, int]

    def count(self, true: int, predicted: int) -> int:
        """Return how many images of a class are taken for another, or for itself."""
        return self.counts.get((true, predicted), 0)

    def share(self, true: int, predicted: int) -> float | None:
        """Return their share of the images of the true class, 0 to 1; `None` if it has no images."""
        total = self.totals.get(true, 0)
        return self.count(true, predicted) / total if total else None

    @property
    def errors(self) -> Counter[int]:
        """How many wrong predictions each class has a part in, as the true or as the predicted class."""
        errors: Counter[int] = Counter()
        for (true, predicted), count in self.counts.items():
            if true != predicted:
                errors.update({true: count, predicted: count})
        return errors

    @property
    def confused(self) -> list[tuple[int, int]]:
        """The pairs (true, predicted) of different classes that have images, most frequent first, then in order."""
        pairs = [(true, predicted) for true, predicted in self.counts if true != predicted]
        return sorted(pairs, key=lambda pair: (-self.counts[pair], pair))


def confusion_matrix(labels: Sequence[int], predictions: Sequence[int]) -> ConfusionMatrix:
    """Count true against predicted classes.

    Args:
        labels: true class index of each image (B).
        predictions: predicted class index of each (B).
    """
    return ConfusionMatrix(counts=Counter(zip(labels, predictions, strict=True)), totals=Counter(labels))
