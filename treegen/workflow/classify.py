"""Label images and report the answers behind each label."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from treegen.clip.embedding.preprocess import NO_NUMBERS
from treegen.errors import InputError
from treegen.history.store import stored_scores
from treegen.images import Crop, open_image
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.classifier import Labeller
    from treegen.clip.decisions import DecisionRule, FittedRule

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
    tree by this encoder and decision rule has fitted that.
    """

    path: Path
    ranking: tuple[tuple[str, float], ...]
    answers: tuple[Answer, ...]
    failure: str = ""
    rule: str = "mean"
    unsure: bool = False
    fits: bool | None = None


def classify_images(workspace: Workspace, paths: Sequence[Path]) -> list[Classification]:
    """Label images with the answers behind each label. An unreadable image carries the reason instead.

    Raises:
        ProblemsError: the tree has errors.
        ModelError: the encoder cannot be loaded.
    """
    tree, _ = workspace.load()
    return workspace.run(lambda: _classify(workspace, tree, paths))


def _classify(workspace: Workspace, tree: Tree, paths: Sequence[Path]) -> list[Classification]:
    from treegen.clip.classifier import Labeller

    crop = workspace.domain.images.crop if workspace.domain.images else (0.0, 0.0, 1.0, 1.0)
    decision = _decision(workspace, tree)
    labeller = Labeller(tree, workspace.encoder, decision, workspace.domain)
    results: list[Classification] = []
    margin, threshold = workspace.domain.decision.least_margin, _fit_threshold(workspace, tree, decision)
    for start in range(0, len(paths), _BATCH):
        batch = _classify_batch(labeller, paths[start : start + _BATCH], crop)
        results += [
            replace(each, rule=decision.rule.name, unsure=_is_unsure(each, margin), fits=_fits(each, threshold))
            for each in batch
        ]
        workspace.progress("classifying", len(results), len(paths))
    return results


def _is_unsure(result: Classification, margin: float) -> bool:
    return len(result.ranking) > 1 and result.ranking[0][1] - result.ranking[1][1] < margin


def _fits(result: Classification, threshold: float | None) -> bool | None:
    return None if threshold is None or not result.ranking else result.ranking[0][1] >= threshold


def _fit_threshold(workspace: Workspace, tree: Tree, decision: "FittedRule") -> float | None:
    """Return the threshold of the last score of this content by this encoder and decision rule; `None` without."""
    used = (workspace.encoder.fingerprint, decision.rule.name)
    for score in reversed(stored_scores(workspace.path, digest_of(tree))):
        fit = score["dev"].get("fit")
        if (score["encoder"]["fingerprint"], score.get("decision_rule", "sum")) == used and fit:
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


def _classify_batch(labeller: "Labeller", paths: Sequence[Path], crop: Crop) -> list[Classification]:
    """Classify one batch, in the order of the paths."""
    pictures: list[Image] = []
    failures: dict[int, str] = {}
    for number, path in enumerate(paths):
        try:
            pictures.append(open_image(path, crop))
        except ValueError as error:
            failures[number] = str(error)
    labels = iter(labeller.label(pictures) if pictures else ())
    results = []
    for number, path in enumerate(paths):
        if number in failures:
            results.append(Classification(path=path, ranking=(), answers=(), failure=failures[number]))
            continue
        if (label := next(labels)) is None:
            results.append(Classification(path=path, ranking=(), answers=(), failure=NO_NUMBERS))
            continue
        ranking, answers = label
        chain = tuple(Answer(group=g, option=o, probability=p, expected=e) for g, o, p, e in answers)
        results.append(Classification(path=path, ranking=ranking, answers=chain))
    return results
