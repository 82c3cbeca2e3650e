"""What single changes of a tree would do to its accuracy, many at a time: only what differs is computed again.

The sum rule is linear: S = Σ p_t M_tᵀ over the questions t (a prompt with its options), with p_t (B, O) their
probabilities and M_t (K, O) their part of the rule matrix. A changed tree differs in a few M_t, and of those only in
the rows of some classes. Shapes as in `scoring`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from treegen.clip import scoring
from treegen.clip.metrics.statistics import mcnemar_exact
from treegen.progress import Progress
from treegen.tree.changes import Change, ChangeError, apply
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from torch import Tensor

Variant = Tree | Sequence[Change]
Question = tuple[str, ...]  # the filled prompts of a group
#: Scores closer than this are added up again as `Evaluator.answer` does it: float32 sums differ by about 1e-6.
_NEAR: Final = 1e-5
_BLOCK: Final = 2**19  # scores that are added up together: 2 MiB, which a core's cache holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a changed tree does on the dev part, compared with the tree as it is.

    Attributes:
        n: images of the dev part.
        before: images that the tree gets right; `None` if it cannot be scored.
        after: images that the changed tree gets right; `None` if `failure` says why not.
        to_right: images that are only right after the change, as places in the dev part.
        to_wrong: images that are only right before it.
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
        """Accuracy after less accuracy before, -1 to 1."""
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
        predict: predictions (B) of a tree that can be scored, for decision rules other than the sum: these are not
            linear, and every variant is scored from scratch.
    """

    labels: tuple[int, ...]
    classes: tuple[str, ...]
    embed: Callable[[Sequence[str]], "Tensor"]
    ask: Callable[[Question], "Tensor"]
    obstacle: Callable[[Tree], str]
    progress: Progress
    predict: Callable[[Tree], "Tensor"] | None = None


def preview(ground: PreviewContext, tree: Tree, variants: Sequence[Variant]) -> tuple[Preview, ...]:
    """One preview for each variant, in their order. Nothing raises: what cannot be scored says why.

    Args:
        ground: images and texts.
        tree: as it is; may have errors, then there is no `before`.
        variants: changed trees, or the changes that lead to them.
    """
    changed = [_changed(ground, tree, variant) for variant in variants]
    neighbours = _Neighbours(ground, tree, [c for c in changed if isinstance(c, Tree)])
    results = []
    for number, each in enumerate(changed, 1):
        if isinstance(each, Tree):
            results.append(neighbours.compare(each))
        else:
            results.append(Preview(n=len(ground.labels), before=neighbours.right_before, failure=each))
        ground.progress("trying changes", number, len(changed))
    return tuple(results)


def _changed(ground: PreviewContext, tree: Tree, variant: Variant) -> Tree | str:
    """The changed tree, or why it cannot be scored."""
    try:
        changed = variant if isinstance(variant, Tree) else apply(tree, variant)
    except ChangeError as error:
        return error.message
    return ground.obstacle(changed) or changed


class _Neighbours:
    """The scores of a tree, from which those of trees near it follow."""

    def __init__(self, ground: PreviewContext, tree: Tree, changed: Sequence[Tree]) -> None:
        """Embeds every text once and scores the tree itself, if it can be scored."""
        import torch

        self._ground, self._labels = ground, torch.tensor(ground.labels)
        self._terms: dict[Question, Tensor] = {}
        self.right_before: int | None = None
        scored = not ground.obstacle(tree)
        texts = dict.fromkeys(text for each in (*([tree] if scored else []), *changed) for text in each.prompts())
        if texts:
            ground.embed(tuple(texts))
        self._scores = torch.zeros(len(ground.labels), len(ground.classes))
        if scored:
            found = ground.predict(tree) if ground.predict else self._score(tree)
            self._right = found == self._labels
            self.right_before = int(self._right.sum())

    def _score(self, tree: Tree) -> "Tensor":
        """Predictions (B), as `Evaluator.answer` finds them."""
        import torch

        probabilities = torch.cat([self._ground.ask(group.fill()) for group in tree.groups]).T
        matrix = _matrix(tree, self._ground.classes)
        self._scores, self._terms = scoring.class_scores(probabilities, matrix), _terms(tree, matrix)
        return self._scores.argmax(1)

    def compare(self, changed: Tree) -> Preview:
        """The preview of a tree that can be scored."""
        predict = self._ground.predict or self._predictions
        right = predict(changed) == self._labels
        n, after = len(self._labels), int(right.sum())
        if self.right_before is None:
            return Preview(n=n, before=None, after=after)
        to_right = (right & ~self._right).nonzero()[:, 0].tolist()
        to_wrong = (self._right & ~right).nonzero()[:, 0].tolist()
        return Preview(
            n=n,
            before=self.right_before,
            after=after,
            to_right=tuple(to_right),
            to_wrong=tuple(to_wrong),
            p=mcnemar_exact(len(to_right), len(to_wrong)),
        )

    def _predictions(self, changed: Tree) -> "Tensor":
        """(B): argmax of the old scores and what the changed questions and rules add to them."""
        import torch

        matrix = _matrix(changed, self._ground.classes)
        added = self._added(_terms(changed, matrix))
        predictions, near = [], []
        count, width = self._scores.shape
        step = max(1, _BLOCK // width)
        for start in range(0, count, step):
            scores = self._scores[start : start + step].clone()
            for probabilities, difference, rows in added:
                own = probabilities[start : start + step] @ difference.T
                if rows is None:
                    scores += own
                else:
                    scores[:, rows] += own
            best, place = scores.max(1)
            second = scores.scatter_(1, place[:, None], float("-inf")).max(1).values
            predictions.append(place)
            near.append(best - second < _NEAR)
        found, unsure = torch.cat(predictions), torch.cat(near).nonzero()[:, 0]
        if len(unsure):
            ordered = [self._ground.ask(group.fill())[:, unsure] for group in changed.groups]
            found[unsure] = scoring.class_scores(torch.cat(ordered).T, matrix).argmax(1)
        return found

    def _added(self, terms: dict[Question, "Tensor"]) -> list[tuple["Tensor", "Tensor", "Tensor | None"]]:
        """Per question that differs: probabilities (B, O), its new less its old matrix (R, O), the classes (R).

        `None` stands for all classes.
        """
        found: list[tuple[Tensor, Tensor, Tensor | None]] = []
        for question in {**self._terms, **terms}:
            old, new = self._terms.get(question), terms.get(question)
            added = new - old if old is not None and new is not None else new if old is None else -old
            assert added is not None
            rows = added.any(1).nonzero()[:, 0]
            if len(rows):
                every = 2 * len(rows) > len(added)  # writing to most columns costs more than to all
                part = (added, None) if every else (added[rows], rows)
                found.append((self._ground.ask(question).T, *part))
        return found


def _matrix(tree: Tree, classes: Sequence[str]) -> "Tensor":
    """The rule matrix (K, Q) with its rows in the order of the domain's classes."""
    rows = {name: number for number, name in enumerate(tree.classes)}
    return scoring.rule_matrix(tree)[[rows[name] for name in classes]]


def _terms(tree: Tree, matrix: "Tensor") -> dict[Question, "Tensor"]:
    """Question -> its part of the rule matrix (K, O); equal questions in two groups add up."""
    terms: dict[Question, Tensor] = {}
    parts = scoring.split_groups(matrix, tuple(len(group.options) for group in tree.groups))
    for group, part in zip(tree.groups, parts, strict=True):
        question = group.fill()
        terms[question] = terms[question] + part if question in terms else part
    return terms
