"""Ask a person the questions of a tree, the most telling one first."""

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final

from treegen.errors import InputError
from treegen.images import LabelledImage, hash_image, open_image
from treegen.text import did_you_mean, show
from treegen.tree.model import Group, Tree
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from treegen.clip.questions import Interview, StopThreshold

_SIMULATED: Final = 300  # interviews, at least, that the threshold is fitted on
_MOST: Final = 500
_PICTURES: Final = 3  # of the class, as examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The next question: `gain` is what its answer is expected to tell about the class, in bits."""

    number: int
    group: Group
    gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How it ended: the most probable class, why no further question was asked, and the rule of the class in words.

    `look` is the most probable look of the class, whose rule it is; empty if the class has none.
    """

    class_name: str
    look: str
    probability: float
    reason: str
    questions: int
    rule: tuple[tuple[str, str | None], ...]
    pictures: tuple[Path, ...]


class GuidedQuestions:
    """The questions of one tree about one object.

    Attributes:
        tree: the tree that is asked.
        stop: the threshold, and how many questions it took on the simulated interviews it was fitted on.
    """

    def __init__(self, tree: Tree, interview: "Interview", stop: "StopThreshold", pictures: dict[str, list[Path]]):
        from treegen.clip.looks import rules_of

        self.tree, self.stop, self._rules = tree, stop, rules_of(tree)
        self._interview, self._pictures = interview, pictures

    @property
    def stopped(self) -> str:
        """Why no further question is asked: `threshold`, `no question helps`, `all asked`; empty while there is one."""
        return self._interview.stopped

    @property
    def candidates(self) -> list[tuple[str, float]]:
        """Return all classes with their probability, the most probable first."""
        pairs = zip(self.tree.classes, self._interview.classes.tolist(), strict=True)
        return sorted(pairs, key=lambda pair: -pair[1])

    @property
    def plausible(self) -> int:
        """The number of classes that the uncertainty left is worth: 2 to the power of the entropy, rounded."""
        return max(1, round(2**self._interview.entropy))

    def question(self) -> Question | None:
        """Return the next question; `None` once it has stopped."""
        place = self._interview.next()
        if place is None:
            return None
        return Question(
            number=len(self._interview.replies) + 1,
            group=self.tree.groups[place],
            gain=float(self._interview.gains[place]),
        )

    def answer(self, question: Question, answer: str | int | None, *, guess: bool = False) -> None:
        """Take an answer: an option, its index, or `None` for one that cannot be given.

        Raises:
            InputError: the group has no such option.
        """
        from treegen.clip.questions import Reply

        options = question.group.options
        option = options.index(answer) if isinstance(answer, str) and answer in options else answer
        if isinstance(option, str) or (option is not None and not 0 <= option < len(options)):
            meant = did_you_mean(option, options) if isinstance(option, str) else ""
            choices = ", ".join(map(show, options))
            raise InputError(f"{question.group.name!r} has no option {option!r}", meant or f"its options: {choices}")
        self._interview.answer(Reply(group=self.tree.groups.index(question.group), option=option, guess=guess))

    def back(self) -> bool:
        """Take the last answer back; false if there is none."""
        return self._interview.back() is not None

    def result(self) -> Result:
        """Return the most probable class as it stands."""
        (name, probability), *_ = self.candidates
        shares = zip(self._rules, self._interview.posterior.tolist(), strict=True)
        rule, _ = max((pair for pair in shares if pair[0].class_name == name), key=lambda pair: pair[1])
        return Result(
            class_name=name,
            look=rule.name if rule.look_of else "",
            probability=probability,
            reason=self.stopped or "ended early",
            questions=len(self._interview.replies),
            rule=tuple((group.name, self.tree.word(rule, group.name)) for group in self.tree.groups),
            pictures=tuple(self._pictures.get(name, [])[:_PICTURES]),
        )


def open_questions(workspace: Workspace, image: Path | None, *, error: float, target: float) -> GuidedQuestions:
    """Prepare the questions of a tree.

    Args:
        workspace: the tree's.
        image: a picture of the object, whose CLIP posterior is the prior; without one all classes are equally probable.
        error: rate of wrong answers to expect of the person, above 0 and below 1.
        target: accepted rate of wrong classes at the end, above 0 and below 1.

    Raises:
        ProblemsError: the tree has errors.
        InputError: the image cannot be read; the domain has no dev images to learn CLIP's errors on; a rate is out of
            range.
        ModelError: the encoder cannot be loaded.
    """
    import numpy as np

    from treegen.clip.looks import Looks
    from treegen.clip.questions import AnswerModel, Interview, fit_stop, random_answers, simulate
    from treegen.clip.questions.interview import GUESS_ERROR
    from treegen.clip.scoring import rule_matrix

    if not 0 < target < 1:
        raise InputError(f"the accepted rate of wrong classes is {target:g}", "give a number above 0 and below 1")
    tree, _ = workspace.load()
    matrix, sizes = rule_matrix(tree), tuple(len(group.options) for group in tree.groups)
    looks = Looks.of(tree)
    sure = AnswerModel.of_person(matrix, sizes, error, looks)
    guesses = AnswerModel.of_person(matrix, sizes, max(error, GUESS_ERROR), looks)
    if image is None:
        count = len(tree.rules)
        prior = np.full(count, 1 / count) if looks is None else looks.weights / len(tree.classes)
        labels = np.tile(np.arange(count), -(-_SIMULATED // count))
        labels = labels[_spread(len(labels))]
        priors = np.tile(prior, (len(labels), 1))
    else:
        prior, priors, labels = _image_priors(workspace, tree, image)
        if looks:  # each look is as probable as the others of its class
            prior, priors = (each[..., looks.classes] * looks.weights for each in (prior, priors))
            labels = np.array([*accumulate(looks.counts[:-1], initial=0)])[labels]
        rows = _spread(len(labels))
        priors, labels = priors[rows], labels[rows]
    simulation = simulate(sure, priors, random_answers(sure, labels))
    stop = fit_stop(simulation, looks.classes[labels] if looks else labels, target)
    after_guess = max(stop.threshold, 1 - target)  # nobody guesses in the simulated interviews
    interview = Interview(sure, guesses, prior, stop.threshold, after_guess=after_guess)
    return GuidedQuestions(tree, interview, stop, _pictures(workspace))


def _spread(count: int) -> "NDArray[np.intp]":
    """Return at most `_MOST` places of a list, in even steps: interviews about all of a large tree take seconds."""
    import numpy as np

    return np.unique(np.linspace(0, count - 1, min(count, _MOST)).round().astype(np.intp))


def _image_priors(
    workspace: Workspace, tree: Tree, image: Path
) -> "tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]":
    """Return what CLIP makes of a picture (K), of each dev image (B, K), and their true classes (B), as in the tree."""
    import numpy as np

    if workspace.domain.images is None:
        message = f"the domain {workspace.domain.name!r} has no images to learn CLIP's errors from"
        raise InputError(message, "leave the image out, or add [images] to domain.toml")
    try:
        picture = open_image(image, workspace.domain.images.crop)
    except ValueError as error:
        raise InputError(f"{image}: {error}", "leave the image out to start without one") from error

    def priors() -> "tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]":
        evaluator = workspace.evaluator
        dev, place = evaluator.splits["dev"], {name: n for n, name in enumerate(tree.classes)}
        order = [evaluator.domain.classes.index(name) for name in tree.classes]
        features = evaluator.embed_pictures(tree, [picture], [hash_image(LabelledImage(path=image, label=0))])
        labels = np.array([place[evaluator.domain.classes[label]] for label in dev.labels], np.intp)
        return (
            evaluator.posterior(tree, features)[0][order],
            evaluator.posterior(tree, evaluator.features(tree, "dev"))[:, order],
            labels,
        )

    return workspace.run(priors)


def _pictures(workspace: Workspace) -> dict[str, list[Path]]:
    """Return files of dev images by class; none without images."""
    by_class: dict[str, list[Path]] = {}
    if workspace.domain.images:
        for image in workspace.dev_images():
            if not image.member and image.size is None:
                by_class.setdefault(workspace.domain.classes[image.label], []).append(image.path)
    return by_class
