"""The effect of single changes of a tree on its accuracy, many at a time.

A change leaves most questions as they are. So a preview is put together from the probabilities of single questions,
which the evaluator memoises, and to the scores of the current tree only what the change adds and takes away is added.
Rounding then differs from that of a full score. Where it could decide, the full score is computed, for these images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, like, namespace, to_numpy
from treegen.clip.metrics.accuracy import beyond_error, paired_change
from treegen.history.score_document import Paired
from treegen.progress import Progress
from treegen.tree.changes import Change, ChangeError, apply
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

Variant = Tree | Sequence[Change]
Question = tuple[str, ...]  # the filled prompts of a group

_ROUNDOFF: Final = 2.0**-24  # relative error of one operation in float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The effect of a changed tree on the dev split, compared with the current tree.

    Attributes:
        n: images of the dev split.
        before: images that the tree gets right; `None` if it cannot be scored.
        after: images that the changed tree gets right; `None` if `failure` says why not.
        to_right: indices in the dev split of images that are right only after the change.
        to_wrong: those that are right only before it.
        test: the paired test; `None` if one of the two cannot be scored.
        failure: why the changed tree cannot be scored; empty if it can.
    """

    n: int
    before: int | None
    after: int | None = None
    to_right: tuple[int, ...] = ()
    to_wrong: tuple[int, ...] = ()
    test: Paired | None = None
    failure: str = ""

    @property
    def p(self) -> float | None:
        """The exact p-value of the paired test, 0 to 1."""
        return self.test["p"] if self.test else None

    @property
    def difference(self) -> float | None:
        """Accuracy after minus accuracy before, -1 to 1."""
        return None if self.before is None or self.after is None else (self.after - self.before) / self.n

    @property
    def shows_difference(self) -> bool:
        """Whether the difference is larger than one standard error of it."""
        return bool(self.test and beyond_error(self.test))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewContext:
    """What a preview needs of the evaluator.

    Attributes:
        labels: true class of each image (B).
        classes: of the domain (K).
        embed: texts -> (N, D); called once with all texts, so that they are embedded in full batches.
        ask: a question -> the probabilities of its options (O, B), always the same.
        obstacle: why a tree cannot be scored, empty if it can; given a tree before the change that can, it is faster.
        progress: called after each variant; may raise `Cancelled`.
        predict: predictions (B) of a tree that can be scored, for decision rules other than the mean, which
            look at more than the probabilities of the options.
        clusters: the cluster of each image (B), which the tests then count; `None`: there are none.
        predict_looks: the same for trees in which classes have looks, whose scores are no sum either.
    """

    labels: tuple[int, ...]
    classes: tuple[str, ...]
    embed: Callable[[Sequence[str]], Array]
    ask: Callable[[Question], Array]
    obstacle: Callable[[Tree, Tree | None], str]
    progress: Progress
    predict: "Callable[[Tree], NDArray[np.int64]] | None" = None
    clusters: tuple[int, ...] | None = None
    predict_looks: "Callable[[Tree], NDArray[np.int64]] | None" = None


def preview(context: PreviewContext, tree: Tree, variants: Sequence[Variant]) -> tuple[Preview, ...]:
    """Return one preview for each variant, in order. One that cannot be scored raises nothing: it has a `failure`.

    Args:
        context: images and texts.
        tree: the current tree; with errors there is no `before`.
        variants: changed trees, or the changes that lead to them.
    """
    has_before = not context.obstacle(tree, None)
    changed = [_changed(context, tree, variant, has_before) for variant in variants]
    scorable = [tree] if has_before else []
    scorable += [each for each in changed if isinstance(each, Tree)]
    # Embed everything first: a batch of texts takes hardly longer than a single one.
    texts = dict.fromkeys(text for each in scorable for text in each.prompts())
    if texts:
        context.embed(tuple(texts))
    if any(each.looks for each in scorable):
        context = replace(context, predict=context.predict_looks)
    # If the current tree cannot be scored, the first that can is as good a start for the scores of the others.
    judge = _Judge(context, scorable[0]) if scorable else None
    before = judge.right(tree) if judge and has_before else None
    results = []
    for number, each in enumerate(changed, 1):
        results.append(_compare(context, each, judge, before))
        context.progress("trying changes", number, len(changed))
    return tuple(results)


def _changed(context: PreviewContext, tree: Tree, variant: Variant, has_before: bool) -> Tree | str:
    """Return the changed tree, or why it cannot be scored."""
    try:
        changed = variant if isinstance(variant, Tree) else apply(tree, variant)
    except ChangeError as error:
        return error.message
    return context.obstacle(changed, tree if has_before else None) or changed


def _compare(
    context: PreviewContext, changed: Tree | str, judge: "_Judge | None", before: "NDArray[np.bool_] | None"
) -> Preview:
    """Return the preview of a tree, or why there is none; `before`: the images that the current tree gets right."""
    n = len(context.labels)
    right_before = None if before is None else int(before.sum())
    if isinstance(changed, str) or judge is None:
        return Preview(n=n, before=right_before, failure=str(changed))
    right = judge.right(changed)
    if before is None:
        return Preview(n=n, before=None, after=int(right.sum()))
    to_right, to_wrong = np.flatnonzero(right & ~before).tolist(), np.flatnonzero(before & ~right).tolist()
    return Preview(
        n=n,
        before=right_before,
        after=int(right.sum()),
        to_right=tuple(to_right),
        to_wrong=tuple(to_wrong),
        test=paired_change(np.subtract(right, before, dtype=np.int64), context.clusters),
    )


class _Rules:
    """The rules of a tree, question by question: a group that was only moved or renamed asks the same question.

    Attributes:
        tree: whose rules.
        matrix: (K, Q) of `scoring.rule_matrix`.
        counts: groups that each class answers (K).
        answers: question -> (K, O), 1 at the class's option; two groups that ask the same are added up.
    """

    def __init__(self, tree: Tree, classes: Sequence[str]) -> None:
        # The order of the domain's classes, not of the tree's: on a tie the first class wins, as in a full score.
        self.tree, self.matrix = tree, scoring.rule_matrix(tree, classes)
        self.counts = scoring.answer_counts(self.matrix)
        parts = scoring.split_groups(scoring.answered(self.matrix), tuple(len(g.options) for g in tree.groups))
        self.answers: dict[Question, NDArray[np.float32]] = {}
        for group, part in zip(tree.groups, parts, strict=True):
            question = group.fill()
            self.answers[question] = self.answers[question] + part if question in self.answers else part

    def changes(self, old: "_Rules") -> "dict[Question, NDArray[np.float32]]":
        """Return question -> (K, O) to add to the old answers, of the questions whose answers differ."""
        zero = np.zeros((), np.float32)
        both = {q: self.answers.get(q, zero) - old.answers.get(q, zero) for q in {**old.answers, **self.answers}}
        return {question: change for question, change in both.items() if change.any()}


class _Judge:
    """Finds which images a tree gets right, from the scores of another that is much like it.

    The mean's score of a class is S = sum / count. With the count c and the sum's change d = Σ (new - old answers) p,
    the new score is S c/c' + d/c'. That saves most of the matrix product, but rounds in another order than a full
    score, which alone decides between classes that are as good as tied.
    """

    def __init__(self, context: PreviewContext, start: Tree) -> None:
        """Score the tree to start from; it can be scored."""
        self._context, self._labels = context, np.asarray(context.labels)
        if context.predict:  # other rules weigh groups, or look at class names: their scores are no sum over questions
            return
        self._start = _Rules(start, context.classes)
        scores = self._scores(self._start, slice(None))
        xp = namespace(scores)
        self._means = xp.empty(scores.T.shape, dtype=xp.float32, device=scores.device)
        self._means[...] = scores.T
        self._highest = xp.max(self._means, axis=0)
        self._true = like(self._labels, scores)

    def right(self, tree: Tree) -> "NDArray[np.bool_]":
        """Return which images (B) a tree that can be scored gets right."""
        if self._context.predict:
            right: NDArray[np.bool_] = to_numpy(self._context.predict(tree)) == self._labels
            return right
        rules = _Rules(tree, self._context.classes)
        right, unsure = self._approximate(rules)
        for start in np.unique(np.flatnonzero(unsure) // scoring.BLOCK) * scoring.BLOCK:
            images = slice(start, start + scoring.BLOCK)  # a block as in a full score, so that it is rounded as there
            right[images] = to_numpy(self._scores(rules, images)).argmax(1) == self._labels[images]
        return right

    def _approximate(self, rules: _Rules) -> "tuple[NDArray[np.bool_], NDArray[np.bool_]]":
        """Return which images (B) are right by the changed scores, and for which of them rounding could decide."""
        changes, share = rules.changes(self._start), self._start.counts / rules.counts
        xp = namespace(self._means)
        # (K, N) and (N, B): the changed answers, and the probabilities of their options
        added = [
            self._means[:, :0],
            *(like(change / rules.counts[:, None], self._means) for change in changes.values()),
        ]
        change = xp.concat(added, axis=1)
        probabilities = xp.concat([self._means[:0], *map(self._context.ask, changes)])
        factor = None if (share == 1).all() else like(share[:, None], self._means)
        # A sum of n terms of one sign is exact but for n roundings; a change has up to two terms for each question.
        groups = max(len(rules.tree.groups), len(self._start.tree.groups))
        error = 2 * (groups + 2 * len(changes) + 8) * _ROUNDOFF
        margins, errors = [], []
        for start in range(0, len(self._labels), scoring.BLOCK):  # few enough for the processor's cache
            images = slice(start, start + scoring.BLOCK)
            means, old = change @ probabilities[:, images], self._means[:, images]
            means += old if factor is None else old * factor
            true, other = _true_and_best_other(means, self._true[images])
            margins.append(true - other)
            errors.append(error * (xp.maximum(true, other) + self._highest[images] * float(share.max())))
        margin = to_numpy(xp.concat(margins))
        return margin > 0, np.abs(margin) <= to_numpy(xp.concat(errors))

    def _scores(self, rules: _Rules, images: slice) -> Array:
        """Return the scores of some images (B, K), exactly those of a full score."""
        answers = [self._context.ask(group.fill())[:, images] for group in rules.tree.groups]
        columns = namespace(answers[0]).concat(answers)  # (Q, B)
        return scoring.class_means(columns.T, like(rules.matrix, columns))


def _true_and_best_other(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Return the score of the true class, and the highest of all others, of scores (K, B), which are overwritten."""
    xp = namespace(scores)
    every = xp.arange(scores.shape[1], device=scores.device)
    true = scores[labels, every]
    scores[labels, every] = float("-inf")
    return true, xp.max(scores, axis=0)
