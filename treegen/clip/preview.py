"""What single changes of a tree would do to its accuracy, many at a time: only what they ask anew is computed anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, like, namespace, to_numpy
from treegen.clip.metrics.statistics import mcnemar_exact
from treegen.progress import Progress
from treegen.tree.changes import Change, ChangeError, apply
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

Variant = Tree | Sequence[Change]
Question = tuple[str, ...]  # the filled prompts of a group


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The effect of a changed tree on the dev split, compared with the current tree.

    Attributes:
        n: images of the dev split.
        before: images that the tree gets right; `None` if it cannot be scored.
        after: images that the changed tree gets right; `None` if `failure` says why not.
        to_right: indices in the dev split of images that are right only after the change.
        to_wrong: those that are right only before it.
        p: McNemar's exact p, 0 to 1; `None` if one of the two cannot be scored.
        failure: why the changed tree cannot be scored; empty if it can.
    """

    n: int
    before: int | None
    after: int | None = None
    to_right: tuple[int, ...] = ()
    to_wrong: tuple[int, ...] = ()
    p: float | None = None
    failure: str = ""

    @property
    def difference(self) -> float | None:
        """Accuracy after minus accuracy before, -1 to 1."""
        return None if self.before is None or self.after is None else (self.after - self.before) / self.n


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewContext:
    """What a preview needs of the evaluator.

    Attributes:
        labels: true class of each image (B).
        classes: of the domain (K).
        embed: texts -> (N, D); asked once for all that are new.
        ask: a question -> the probabilities of its options (O, B), always the same.
        obstacle: why a tree cannot be scored, empty if it can.
        progress: is told after each variant; may raise `Cancelled`.
        predict: predictions (B) of a tree that can be scored, for decision rules other than the mean, which
            look at more than the probabilities of the options.
    """

    labels: tuple[int, ...]
    classes: tuple[str, ...]
    embed: Callable[[Sequence[str]], Array]
    ask: Callable[[Question], Array]
    obstacle: Callable[[Tree], str]
    progress: Progress
    predict: "Callable[[Tree], NDArray[np.int64]] | None" = None


def preview(ground: PreviewContext, tree: Tree, variants: Sequence[Variant]) -> tuple[Preview, ...]:
    """Return one preview for each variant, in their order. Nothing raises: what cannot be scored says why.

    Args:
        ground: images and texts.
        tree: as it is; may have errors, then there is no `before`.
        variants: changed trees, or the changes that lead to them.
    """
    changed = [_changed(ground, tree, variant) for variant in variants]
    known = [] if ground.obstacle(tree) else [tree]
    texts = dict.fromkeys(text for each in (*known, *changed) if isinstance(each, Tree) for text in each.prompts())
    if texts:
        ground.embed(tuple(texts))
    labels = np.asarray(ground.labels)
    before = _is_right(ground, tree, labels) if known else None
    results = []
    for number, each in enumerate(changed, 1):
        results.append(_compare(ground, each, labels, before))
        ground.progress("trying changes", number, len(changed))
    return tuple(results)


def _changed(ground: PreviewContext, tree: Tree, variant: Variant) -> Tree | str:
    """Return the changed tree, or why it cannot be scored."""
    try:
        changed = variant if isinstance(variant, Tree) else apply(tree, variant)
    except ChangeError as error:
        return error.message
    return ground.obstacle(changed) or changed


def _compare(
    ground: PreviewContext, changed: Tree | str, labels: "NDArray[np.int64]", before: "NDArray[np.bool_] | None"
) -> Preview:
    """Return the preview of a tree, or why there is none; `before`: the images that the tree as it is gets right."""
    n, right_before = len(labels), None if before is None else int(before.sum())
    if isinstance(changed, str):
        return Preview(n=n, before=right_before, failure=changed)
    right = _is_right(ground, changed, labels)
    if before is None:
        return Preview(n=n, before=None, after=int(right.sum()))
    to_right, to_wrong = np.flatnonzero(right & ~before).tolist(), np.flatnonzero(before & ~right).tolist()
    return Preview(
        n=n,
        before=right_before,
        after=int(right.sum()),
        to_right=tuple(to_right),
        to_wrong=tuple(to_wrong),
        p=mcnemar_exact(len(to_right), len(to_wrong)),
    )


def _is_right(ground: PreviewContext, tree: Tree, labels: "NDArray[np.int64]") -> "NDArray[np.bool_]":
    """Return which images (B) a tree that can be scored gets right.

    All scores are added up anew for every tree: one matrix product, by which equal trees have equal scores. To add only
    what a change adds was slower, as so many small products and copies cost more than the large one.
    """
    if ground.predict:
        found = ground.predict(tree)
    else:
        answers = [ground.ask(group.fill()) for group in tree.groups]
        columns = namespace(answers[0]).concat(answers)  # (Q, B)
        matrix = like(scoring.rule_matrix(tree, ground.classes), columns)
        found = to_numpy(scoring.class_means(columns.T, matrix)).argmax(1)
    right: NDArray[np.bool_] = found == labels
    return right
