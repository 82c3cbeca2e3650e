"""The effect of single changes of a tree on its accuracy, many at a time.

A change leaves most questions as they are. So a preview is put together from the probabilities of single questions,
which the evaluator memoises, and only the sums over all questions are computed for each variant.
"""

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
        embed: texts -> (N, D); called once with all texts, so that they are embedded in full batches.
        ask: a question -> the probabilities of its options (O, B), always the same.
        obstacle: why a tree cannot be scored, empty if it can.
        progress: called after each variant; may raise `Cancelled`.
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


def preview(context: PreviewContext, tree: Tree, variants: Sequence[Variant]) -> tuple[Preview, ...]:
    """Return one preview for each variant, in order. One that cannot be scored raises nothing: it has a `failure`.

    Args:
        context: images and texts.
        tree: the current tree; with errors there is no `before`.
        variants: changed trees, or the changes that lead to them.
    """
    changed = [_changed(context, tree, variant) for variant in variants]
    has_before = not context.obstacle(tree)
    scorable = [tree] if has_before else []
    scorable += [each for each in changed if isinstance(each, Tree)]
    # Embed everything first: a batch of texts takes hardly longer than a single one.
    texts = dict.fromkeys(text for each in scorable for text in each.prompts())
    if texts:
        context.embed(tuple(texts))
    labels = np.asarray(context.labels)
    before = _is_right(context, tree, labels) if has_before else None
    results = []
    for number, each in enumerate(changed, 1):
        results.append(_compare(context, each, labels, before))
        context.progress("trying changes", number, len(changed))
    return tuple(results)


def _changed(context: PreviewContext, tree: Tree, variant: Variant) -> Tree | str:
    """Return the changed tree, or why it cannot be scored."""
    try:
        changed = variant if isinstance(variant, Tree) else apply(tree, variant)
    except ChangeError as error:
        return error.message
    return context.obstacle(changed) or changed


def _compare(
    context: PreviewContext, changed: Tree | str, labels: "NDArray[np.int64]", before: "NDArray[np.bool_] | None"
) -> Preview:
    """Return the preview of a tree, or why there is none; `before`: the images that the current tree gets right."""
    n, right_before = len(labels), None if before is None else int(before.sum())
    if isinstance(changed, str):
        return Preview(n=n, before=right_before, failure=changed)
    right = _is_right(context, changed, labels)
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


def _is_right(context: PreviewContext, tree: Tree, labels: "NDArray[np.int64]") -> "NDArray[np.bool_]":
    """Return which images (B) a tree that can be scored gets right.

    One matrix product for every tree: equal trees then have equal scores. Adding only what a change adds was slower, as
    many small products and copies cost more than the large one.
    """
    if context.predict:  # other rules weigh groups, or look at class names: their scores are no sum over questions
        predictions = context.predict(tree)
    else:
        answers = [context.ask(group.fill()) for group in tree.groups]
        columns = namespace(answers[0]).concat(answers)  # (Q, B)
        # The order of the domain's classes, not of the tree's: on a tie the first class wins, as in a full score.
        matrix = like(scoring.rule_matrix(tree, context.classes), columns)
        predictions = to_numpy(scoring.class_means(columns.T, matrix)).argmax(1)
    right: NDArray[np.bool_] = predictions == labels
    return right
