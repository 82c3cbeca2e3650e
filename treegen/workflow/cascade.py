"""Accuracy and cost of a cascade: CLIP answers, a vision model where CLIP is not sure, and a person what is left."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from treegen.history.score_document import Paired, Share
from treegen.tree.document import digest_of
from treegen.workflow.second import SecondModel, total_cost
from treegen.workflow.workspace import split_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from treegen.clip.evaluator import SplitData
    from treegen.workflow.second import Opinion

THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeStep:
    """The cascade at one threshold.

    Attributes:
        threshold: the model is asked about images whose most probable class is less probable than that.
        asked: how many these are.
        failed: how many of them the model gave no usable answer about; CLIP's stays.
        cost: USD for the asked images; `None` if unknown.
        share: how many images are right if nobody else answers.
        against_clip: the paired test against CLIP alone.
        left: how many images are below the threshold after the model's answers: those for a person.
        decided: how many of the others are right; `None` if none are left to decide.
    """

    threshold: float
    asked: int
    failed: int
    cost: float | None
    share: Share
    against_clip: Paired
    left: int
    decided: Share | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeScore:
    """A cascade on one split.

    Attributes:
        model: the vision model.
        split: `test`, or `dev` without the images, and their clusters, that the model's confusions were learnt from.
        n: images of it.
        clip: how many CLIP alone gets right, by the rule `bayes`.
        learnt_from: number of dev images.
        learning_cost: USD; `None` if unknown.
        steps: by ascending threshold.
    """

    model: str
    split: str
    n: int
    clip: Share
    learnt_from: int
    learning_cost: float | None
    steps: tuple[CascadeStep, ...]


def score_cascade(second: SecondModel, *, sealed: bool | None = None) -> CascadeScore:
    """Score a cascade at several thresholds up to `second.below`; each image is asked about once.

    The evaluation of the test split is recorded for each threshold.

    Args:
        second: the vision model.
        sealed: use the dev split only; defaults to the domain's [split].

    Raises:
        InputError: there are no images.
        ModelError: encoder or model failed, or a cap is reached; replies so far are cached.
    """
    domain = second.workspace.domain
    dev_only = domain.split.sealed if sealed is None else sealed
    return second.workspace.run(lambda: _score(second, "dev" if dev_only else "test"))


def _score(second: SecondModel, split: str) -> CascadeScore:
    import numpy as np

    from treegen.clip.metrics.accuracy import share_right

    evaluator = second.workspace.evaluator
    data = evaluator.splits[split]
    posterior = evaluator.posterior(second.tree, data.features)
    second.learn()
    kept = _unknown(data, second.learnt_from)
    rows = np.flatnonzero(kept & (posterior.max(axis=1) < second.below))
    opinions = second.ask_images([data.images[row] for row in rows], f"of the {split} split")
    answered = {int(row): opinion for row, opinion in zip(rows, opinions, strict=True)}
    labels, clusters = np.asarray(data.labels), None if data.clusters is None else np.asarray(data.clusters)[kept]
    right = posterior.argmax(axis=1)[kept] == labels[kept]
    thresholds = [*(t for t in THRESHOLDS if t < second.below), second.below]
    steps = [_step(second, threshold, posterior, labels, kept, clusters, answered) for threshold in thresholds]
    if split == "test":
        _record(second, data, thresholds)
    return CascadeScore(
        model=second.chat.name,
        split=split,
        n=int(kept.sum()),
        clip=share_right(right, clusters),
        learnt_from=len(second.learnt_from),
        learning_cost=second.learning_cost,
        steps=tuple(steps),
    )


def _step(
    second: SecondModel,
    threshold: float,
    posterior: "NDArray[np.float64]",
    labels: "NDArray[np.int64]",
    kept: "NDArray[np.bool_]",
    clusters: "NDArray[np.int64] | None",
    answered: "dict[int, Opinion]",
) -> CascadeStep:

    from treegen.clip.metrics.accuracy import paired, share_right

    rows = [row for row in answered if posterior[row].max() < threshold]
    usable = [row for row in rows if not answered[row].failure]
    joined = posterior.copy()
    if usable:
        joined[usable] = second.join(posterior[usable], [answered[row] for row in usable])
    predictions, sure = joined[kept].argmax(axis=1), joined[kept].max(axis=1) >= threshold
    right = predictions == labels[kept]
    return CascadeStep(
        threshold=threshold,
        asked=len(rows),
        failed=len(rows) - len(usable),
        cost=total_cost(answered[row] for row in rows),
        share=share_right(right, clusters),
        against_clip=paired(labels[kept], predictions, posterior[kept].argmax(axis=1), clusters),
        left=int((~sure).sum()),
        decided=share_right(right[sure], None if clusters is None else clusters[sure]) if sure.any() else None,
    )


def _unknown(data: "SplitData", learnt_from: frozenset[str]) -> "NDArray[np.bool_]":
    """Return which images (B) share nothing with those that the confusions were learnt from: content or cluster."""
    import numpy as np

    learnt = np.array([image.digest in learnt_from for image in data.images])
    if data.clusters is None:
        return ~learnt
    clusters = np.asarray(data.clusters)
    return ~np.isin(clusters, clusters[learnt])


def _record(second: SecondModel, data: "SplitData", thresholds: list[float]) -> None:
    evaluator, workspace = second.workspace.evaluator, second.workspace
    key = digest_of(second.tree), evaluator.encoder.fingerprint
    workspace.store.record_evaluations(
        evaluator.images.digest,
        split_settings(workspace.domain.split),
        [(*key, f"bayes, second opinion of {second.chat.name} below {threshold:g}") for threshold in thresholds],
        {image.digest for image in data.images},
    )
