"""Label images and report the answers behind each label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from treegen.clip.embedding.preprocess import NO_NUMBERS
from treegen.errors import InputError
from treegen.files import hash_of
from treegen.history.store import shaped_history, stored_scores
from treegen.images import Crop, LabelledImage, hash_image, open_image
from treegen.images.data_urls import data_url
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.workflow.second import Opinion, SecondModel
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.classifier import Label
    from treegen.clip.decisions import DecisionRule, FittedRule
    from treegen.clip.questions.prediction_sets import SetLimits

_BATCH: Final = 64  # images that are decoded and labelled together


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one group says about an image: its most probable option, and the option's probability (0 to 1)."""

    group: str
    option: str
    probability: float
    expected: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """One image: the best classes with their scores, and the answers behind them.

    Scores range from 0 to 1 under the decision rule `mean`; other rules have their own scale.
    `unsure` if the two best scores differ by less than the domain's `least_margin`. `fits` is whether the best score is
    as high as on dev images that are correctly predicted, all but the lowest 2 % of them; `None` if no score of this
    tree by this encoder and decision rule has fitted that. `possible` are the classes that cannot be excluded, best
    best, if prediction sets were asked for; none of them: it fits no class. `look` is the look of the best class that
    the answers fit best; empty if the class has none. `second` is what a vision model says of an
    image that CLIP is not sure of: the ranking then joins both answers, and `unsure` means that it is left to a person.
    """

    path: Path
    ranking: tuple[tuple[str, float], ...]
    answers: tuple[Answer, ...]
    failure: str = ""
    rule: str = "mean"
    unsure: bool = False
    fits: bool | None = None
    possible: tuple[str, ...] | None = None
    look: str = ""
    second: Opinion | None = None


def classify_images(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    top: int | None = None,
    level: float | None = None,
    second: SecondModel | None = None,
) -> list[Classification]:
    """Label images with the answers behind each label. An unreadable image carries the reason instead.

    Args:
        workspace: names tree, domain and encoder.
        paths: pictures.
        top: most classes in each ranking; 5 by default.
        level: with prediction sets, which have the true class this often, 0 to 1.
        second: a vision model to ask about images that CLIP is not sure of; scores are then probabilities.

    Raises:
        InputError: prediction sets and second opinions need a domain with images.
        ProblemsError: the tree has errors.
        ModelError: the encoder cannot be loaded, the vision model failed, or a cap is reached.
    """
    tree, _ = workspace.load()
    if second is None:
        return workspace.run(lambda: _classify(workspace, tree, paths, top, level))
    classified = workspace.run(lambda: _classify(workspace, tree, paths, len(tree.classes), level, joins=True))
    from treegen.clip.classifier import TOP

    shown = top or TOP
    return [replace(each, ranking=each.ranking[:shown]) for each in _with_second(second, classified)]


def _with_second(second: SecondModel, classified: list[Classification]) -> list[Classification]:
    """Ask about the images whose most probable class is not probable enough, and join the answers."""
    import numpy as np

    domain = second.workspace.domain
    crop = domain.images.crop if domain.images else (0.0, 0.0, 1.0, 1.0)
    places = [n for n, each in enumerate(classified) if each.ranking and each.ranking[0][1] < second.below]
    results = [replace(each, unsure=False) for each in classified]
    if not places:
        return results
    second.learn()
    opinions = second.ask([data_url(open_image(classified[n].path, crop)) for n in places], "that CLIP is not sure of")
    second.store({hash_of(classified[n].path): each for n, each in zip(places, opinions, strict=True)})
    for place, opinion in zip(places, opinions, strict=True):
        scores = dict(classified[place].ranking)
        posterior = np.array([[scores.get(name, 0.0) for name in domain.classes]])
        if not opinion.failure:
            posterior = second.join(posterior, [opinion])
        order = (-posterior[0]).argsort(kind="stable")
        ranking = tuple((domain.classes[k], float(posterior[0, k])) for k in order)
        unsure = ranking[0][1] < second.below
        look = classified[place].look if ranking[0][0] == classified[place].ranking[0][0] else ""
        results[place] = replace(results[place], ranking=ranking, look=look, second=opinion, unsure=unsure)
    return results


def _classify(
    workspace: Workspace,
    tree: Tree,
    paths: Sequence[Path],
    top: int | None,
    level: float | None,
    *,
    joins: bool = False,
) -> list[Classification]:
    from treegen.clip.classifier import TOP, Labeller

    crop = workspace.domain.images.crop if workspace.domain.images else (0.0, 0.0, 1.0, 1.0)
    decision = workspace.evaluator.bayes(tree) if joins else _decision(workspace, tree)
    limits = None if level is None else _set_limits(workspace, tree, level)
    labeller = Labeller(tree, workspace.encoder, decision, workspace.domain)
    results: list[Classification] = []
    margin, threshold = workspace.domain.decision.least_margin, _fit_threshold(workspace, tree, decision)
    for start in range(0, len(paths), _BATCH):

        def label(pictures: "Sequence[Image]", digests: Sequence[str]) -> "list[Label | None]":
            return labeller.label(pictures, top or TOP, limits, digests)

        batch = _classify_batch(label, paths[start : start + _BATCH], crop)
        results += [
            replace(each, rule=decision.rule.name, unsure=_is_unsure(each, margin), fits=_fits(each, threshold))
            for each in batch
        ]
        workspace.progress("classifying", len(results), len(paths))
    return results


def _set_limits(workspace: Workspace, tree: Tree, level: float) -> "SetLimits":
    """Fit the thresholds of prediction sets on the dev split, by the tree's order of the classes.

    Raises:
        InputError: the domain has no images.
    """
    if not workspace.domain.images:
        message = "prediction sets are fitted on the dev split, and the domain has no images"
        raise InputError(message, "classify without --sets, or name the images below [images]")
    return workspace.evaluator.set_limits(tree, level).in_order(workspace.domain.classes, tree.classes)


def _is_unsure(result: Classification, margin: float) -> bool:
    return len(result.ranking) > 1 and result.ranking[0][1] - result.ranking[1][1] < margin


def _fits(result: Classification, threshold: float | None) -> bool | None:
    return None if threshold is None or not result.ranking else result.ranking[0][1] >= threshold


def _fit_threshold(workspace: Workspace, tree: Tree, decision: "FittedRule") -> float | None:
    """Return the threshold of the last score of this content by this encoder and decision rule; `None` without."""
    from treegen.clip.compute.joining import compute_json

    compute = workspace.domain.compute
    used = (workspace.encoder.fingerprint, decision.rule.name, None if compute.plain else compute_json(compute))
    scores = stored_scores(workspace.path, digest_of(tree))
    with shaped_history(workspace.path):
        for score in reversed(scores):
            fit = score["dev"].get("fit")
            by = (score["encoder"]["fingerprint"], score.get("decision_rule", "sum"), score.get("compute"))
            if by == used and fit:
                return float(fit["least"])
    return None


def _decision(workspace: Workspace, tree: Tree) -> "FittedRule":
    """Return the domain's decision rule; fit it on the dev split if it learns and is not frozen.

    Raises:
        InputError: the rule learns, and the domain has no images.
    """
    from treegen.clip.decisions import decision_of

    def learn(rule: "DecisionRule") -> "FittedRule":
        if not workspace.domain.images:
            message = f"the decision rule {rule.name} learns from the dev split, and the domain has no images"
            raise InputError(message, "freeze it where the images are: `treegen score TREE --rules all --freeze`")
        return workspace.evaluator.decide(tree)

    return decision_of(workspace.domain.decision, workspace.encoder.fingerprint, learn)


def _classify_batch(
    label_images: "Callable[[Sequence[Image], Sequence[str]], list[Label | None]]", paths: Sequence[Path], crop: Crop
) -> list[Classification]:
    """Classify one batch, in the order of the paths."""
    pictures: list[Image] = []
    digests: list[str] = []
    failures: dict[int, str] = {}
    for number, path in enumerate(paths):
        try:
            pictures.append(open_image(path, crop))
            digests.append(hash_image(LabelledImage(path=path, label=0)))
        except ValueError as error:
            failures[number] = str(error)
    labels = iter(label_images(pictures, digests) if pictures else ())
    results = []
    for number, path in enumerate(paths):
        if number in failures:
            results.append(Classification(path=path, ranking=(), answers=(), failure=failures[number]))
            continue
        if (label := next(labels)) is None:
            results.append(Classification(path=path, ranking=(), answers=(), failure=NO_NUMBERS))
            continue
        chain = tuple(Answer(group=g, option=o, probability=p, expected=e) for g, o, p, e in label.answers)
        results.append(
            Classification(path=path, ranking=label.ranking, answers=chain, look=label.look, possible=label.possible)
        )
    return results
