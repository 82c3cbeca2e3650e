"""What a tree answers on each image of its domain: what reports, comparisons and exports are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from treegen.errors import ProblemsError
from treegen.images import LabelledImage, clusters_of
from treegen.tree.document import content_of, digest_of
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.problems import errors_of
from treegen.vcs.versions import Version
from treegen.workflow.workspace import Workspace, split_settings

if TYPE_CHECKING:
    from treegen.clip.diagnosis.group_report import GroupPredictions


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPredictions:
    """The predictions on one split, as class indices; all of length B.

    Attributes:
        images: the pictures.
        labels: true class of each.
        predictions: class that the tree predicts for each.
        baseline: class that the class name alone predicts for each.
    """

    images: tuple[LabelledImage, ...]
    labels: tuple[int, ...]
    predictions: tuple[int, ...]
    baseline: tuple[int, ...]

    @property
    def clusters(self) -> tuple[int, ...] | None:
        """The cluster of each image; `None` if the set names none."""
        return clusters_of(self.images)

    def only(self, rows: Sequence[int]) -> "SplitPredictions":
        """Return the predictions of some images, by their indices."""
        return SplitPredictions(
            images=tuple(self.images[i] for i in rows),
            labels=tuple(self.labels[i] for i in rows),
            predictions=tuple(self.predictions[i] for i in rows),
            baseline=tuple(self.baseline[i] for i in rows),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """One tree by one encoder on the images of a domain.

    Attributes:
        name: of the tree.
        tree: what was evaluated.
        encoder: name of the encoder.
        fingerprint: of the encoder.
        rule: name of the decision rule, and of the compute setting if there are several views.
        dev: the dev split.
        test: the test split; `None` if it was not evaluated.
        groups: the answers of every group on the dev split.
        evaluations: how often this test split was evaluated so far; 0 if it was not.
    """

    name: str
    tree: Tree
    encoder: str
    fingerprint: str
    rule: str
    dev: SplitPredictions
    test: SplitPredictions | None
    groups: "tuple[GroupPredictions, ...]"
    evaluations: int = 0


def evaluate(workspace: Workspace, named: Version, *, sealed: bool | None = None) -> Evaluation:
    """Evaluate a tree on the images of a workspace's domain; an evaluation of the test split is recorded.

    Args:
        workspace: names domain, images and encoder.
        named: the tree; it need not be the workspace's own.
        sealed: use the dev split only; defaults to the domain's [split].

    Raises:
        InputError: there are no images.
        ProblemsError: the tree has errors or is not one of the domain, or a prompt is too long for the encoder.
        ModelError: the encoder cannot be loaded.
    """
    domain = workspace.domain
    if errors := errors_of(check_data(content_of(named.tree), classes=domain.classes, domain=domain.name).problems):
        first = errors[0]
        message = f"{named.name}: {first.code} {first.pointer or '/'}: {first.message}"
        raise ProblemsError(message, f"only a sound tree of the domain {domain.name!r} can be evaluated")
    dev_only = domain.split.sealed if sealed is None else sealed
    return workspace.run(lambda: _evaluate(workspace, named, dev_only))


def _evaluate(workspace: Workspace, named: Version, dev_only: bool) -> Evaluation:
    from treegen.clip.diagnosis.group_report import group_predictions
    from treegen.clip.text_checks import check_lengths

    tree, domain = named.tree, workspace.domain
    check_lengths(tree, domain.name_prompts(), workspace.encoder)
    evaluator, evaluations, test = workspace.evaluator, 0, None
    dev = evaluator.splits["dev"]
    answers = evaluator.answer(tree, evaluator.features(tree, "dev"))
    if not dev_only:
        data = evaluator.splits["test"]
        test = SplitPredictions(
            images=data.images,
            labels=data.labels,
            predictions=evaluator.predict_test(tree),
            baseline=evaluator.baseline(data),
        )
        evaluations = workspace.store.record_evaluations(
            evaluator.images.digest,
            split_settings(domain.split),
            [(digest_of(tree), evaluator.encoder.fingerprint, evaluator.words(answers.decision))],
            {image.digest for image in data.images},
        )
    return Evaluation(
        name=named.name,
        tree=tree,
        encoder=evaluator.encoder.name,
        fingerprint=evaluator.encoder.fingerprint,
        rule=answers.decision.rule.name + ("" if domain.compute.plain else f", {domain.compute.words}"),
        dev=SplitPredictions(
            images=dev.images,
            labels=dev.labels,
            predictions=answers.predictions,
            baseline=evaluator.baseline(dev),
        ),
        test=test,
        groups=tuple(group_predictions(tree, domain.classes, dev.labels, answers.probabilities)),
        evaluations=evaluations,
    )


def aligned(evaluations: Sequence[Evaluation]) -> tuple[tuple[Evaluation, ...], int]:
    """Restrict evaluations to the images that all of them have; encoders may fail on different pictures.

    Returns:
        The evaluations, and the number of images that one or another lacked.
    """
    dev, lacking = _common([each.dev for each in evaluations])
    tested = [each.test for each in evaluations if each.test]
    test, lacking_test = _common(tested) if len(tested) == len(evaluations) else ((None,) * len(evaluations), 0)
    sides = zip(evaluations, dev, test, strict=True)
    return tuple(replace(each, dev=own, test=other) for each, own, other in sides), lacking + lacking_test


def _common(sides: Sequence[SplitPredictions]) -> tuple[tuple[SplitPredictions, ...], int]:
    names = [[(image.path, image.member) for image in side.images] for side in sides]
    shared = set(names[0]).intersection(*names)
    rows = [[i for i, name in enumerate(some) if name in shared] for some in names]
    return tuple(side.only(kept) for side, kept in zip(sides, rows, strict=True)), len(set().union(*names) - shared)
