"""The two halves of the dev split, and how good a tree is on each."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from treegen.clip.arrays import Array, to_numpy
from treegen.clip.diagnosis.diagnose import diagnose
from treegen.clip.diagnosis.group_report import GroupPredictions, group_predictions
from treegen.clip.diagnosis.mistakes import Mistake, find_mistakes
from treegen.clip.scoring import similarity_logits
from treegen.errors import InputError
from treegen.history.score_document import Findings
from treegen.optimize.objective import Objective, Outcome
from treegen.text import counted, show
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from treegen.clip.evaluator import Evaluator
    from treegen.images import LabelledImage

HalfName = Literal["propose", "confirm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A paired difference between two trees on one half.

    Attributes:
        mean: in the probability of the true class, -1 to 1.
        standard_error: of `mean`.
        accuracy: in the share of images that are right, -1 to 1.
        flips: images that are right with one of the trees only.
    """

    mean: float
    standard_error: float
    accuracy: float
    flips: int

    @property
    def beyond_error(self) -> bool:
        """Whether the probability rises by more than one paired standard error."""
        return self.mean > self.standard_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """An answer of a class that most of its images contradict: `count` of `n` show `seen`."""

    class_name: str
    group: str
    expected: str | None
    seen: str
    count: int
    n: int


class Judge:
    """Scores trees on the propose half and the confirm half; the test split is not touched.

    Attributes:
        images: of the dev split, in its order.
        rows: for each half the indices of its images in the dev split.
    """

    def __init__(self, evaluator: "Evaluator", seed: Tree) -> None:
        """Divide the dev split.

        Args:
            evaluator: has the embedded images.
            seed: the temperature is fitted to it on the propose half, once.

        Raises:
            InputError: a class has a single image.
        """
        dev = evaluator.splits["dev"]
        first, second = halves_of(dev.images, evaluator.domain.classes)
        self.images = dev.images
        self.rows: dict[HalfName, NDArray[np.intp]] = {"propose": first, "confirm": second}
        self._evaluator = evaluator
        self._features: dict[HalfName, Array] = {name: dev.features[rows] for name, rows in self.rows.items()}
        self._labels = {name: np.asarray(dev.labels)[rows] for name, rows in self.rows.items()}
        self._outcome = lru_cache(maxsize=128)(self._compute)
        self.temperature = self.objective(seed, "propose", None).temperature

    def objective(self, tree: Tree, half: HalfName, temperature: float | None) -> Objective:
        """Return the objective of a tree on a half; the temperature is fitted if it is `None`."""
        features = self._features[half]

        def embed(texts: Sequence[str]) -> "NDArray[np.float64]":
            texts_features = self._evaluator.text_features(texts)
            return to_numpy(similarity_logits(features, texts_features, self._evaluator.encoder.logit_scale)).T.astype(
                np.float64
            )

        return Objective(tree, self._labels[half], [embed(group.fill()) for group in tree.groups], embed, temperature)

    def pair(self, tree: Tree, temperature: float | None) -> tuple[Objective, Objective]:
        """Return the objectives of a tree on both halves, with one temperature."""
        propose = self.objective(tree, "propose", temperature)
        return propose, self.objective(tree, "confirm", propose.temperature)

    def outcome(self, tree: Tree, half: HalfName) -> Outcome:
        """Return loss and correctness of every image of a half."""
        return self._outcome(tree, half)

    def _compute(self, tree: Tree, half: HalfName) -> Outcome:
        return self.objective(tree, half, self.temperature).current

    def probabilities(self, tree: Tree, half: HalfName) -> "NDArray[np.float64]":
        """Return the probability of the true class of every image of a half."""
        probabilities: NDArray[np.float64] = np.exp(-self.outcome(tree, half).loss)
        return probabilities

    def right(self, tree: Tree, half: HalfName) -> int:
        """Return how many images of a half are right."""
        return int(self.outcome(tree, half).right.sum())

    def difference(self, before: Tree, after: Tree, half: HalfName) -> Difference:
        """Return what a change brings on a half."""
        one, other = self.outcome(before, half), self.outcome(after, half)
        change = np.exp(-other.loss) - np.exp(-one.loss)
        return Difference(
            mean=float(change.mean()),
            standard_error=float(change.std(ddof=1) / np.sqrt(len(change))),
            accuracy=float(other.right.mean() - one.right.mean()),
            flips=int((other.right != one.right).sum()),
        )

    def findings(self, tree: Tree) -> "tuple[Findings, tuple[Mistake, ...], list[Contradiction]]":
        """Return diagnosis, mistakes and contradicted answers on the propose half: all that a model may see."""
        rows, classes = self.rows["propose"], self._evaluator.domain.classes
        answers = self._evaluator.answer(tree, self._features["propose"])
        images, labels = [self.images[row] for row in rows], self._labels["propose"].tolist()
        found = diagnose(
            tree,
            classes,
            labels,
            answers.predictions,
            answers.probabilities,
            evidence=answers.evidence,
            decision=answers.decision,
        )
        mistakes = find_mistakes(
            tree,
            classes,
            images,
            labels,
            answers.predictions,
            answers.probabilities,
            answers.scores,
            answers.evidence.matrix,
        )
        groups = group_predictions(tree, classes, labels, answers.probabilities)
        return found, mistakes, list(_contradictions(groups, np.asarray(labels), classes))


def _contradictions(
    groups: "Sequence[GroupPredictions]", labels: "NDArray[np.int64]", classes: Sequence[str]
) -> "Iterator[Contradiction]":
    for row, name in enumerate(classes):
        of_class = labels == row
        for group in groups if of_class.any() else ():
            counts = np.bincount(group.answers[of_class], minlength=len(group.options))
            seen, expected = int(counts.argmax()), int(group.expected[of_class][0])
            if seen != expected and 2 * counts[seen] > of_class.sum():
                yield Contradiction(
                    class_name=name,
                    group=group.name,
                    expected=group.options[expected] if expected >= 0 else None,
                    seen=group.options[seen],
                    count=int(counts[seen]),
                    n=int(of_class.sum()),
                )


def halves_of(images: "Sequence[LabelledImage]", classes: Sequence[str]) -> "tuple[NDArray[np.intp], NDArray[np.intp]]":
    """Divide dev images into two halves by class and content, clusters as a whole, the same on every machine.

    Raises:
        InputError: a class has a single image.
    """
    places: dict[tuple[int, str], list[int]] = {}  # by class, and by content or cluster
    for place, image in enumerate(images):
        digest = hashlib.sha256(f"propose {image.cluster or image.digest}".encode()).hexdigest()
        places.setdefault((image.label, digest), []).append(place)
    counts = Counter(label for label, _ in places)
    single = [classes[label] for label, count in counts.items() if count < 2]
    if single:
        names = ", ".join(map(show, single[:5]))
        message = f"{counted(len(single), 'class has', 'classes have')} a single dev image: {names}"
        raise InputError(message, "the search needs two, of two objects: add images, or raise `dev` below [split]")
    ordered = [places[key] for key in sorted(places)]
    first, second = (np.array([place for some in ordered[half::2] for place in some], np.intp) for half in (0, 1))
    return first, second
