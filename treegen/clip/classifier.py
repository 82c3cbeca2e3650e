"""A tree whose texts are embedded: one image or a million are classified by the same code."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, like, to_numpy
from treegen.clip.compute.adapting import Questions
from treegen.clip.compute.joining import ONE_VIEW, ViewJoin
from treegen.clip.compute.pictures import embed_pictures
from treegen.clip.decisions import MEAN, FittedRule, RuleInputs
from treegen.clip.embedding.texts import embed_texts
from treegen.clip.looks import Looks, rules_of
from treegen.clip.questions.prediction_sets import SetLimits
from treegen.clip.streaming import SLICE, in_chunks, predict
from treegen.clip.text_checks import length_problems, refuse_long
from treegen.config.domain import Domain
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from treegen.clip.embedding.cache import EmbeddingCache
    from treegen.clip.encoders.interface import Encoder

TOP: Final = 5  # classes in a ranking, if no other number is asked for

Ranking = tuple[tuple[str, float], ...]
#: group, most probable option, its probability, the predicted class's option
Answers = tuple[tuple[str, str, float, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a tree says of a picture.

    Attributes:
        ranking: the best classes with their scores, best first.
        answers: of each group.
        look: the look of the best class that the answers fit best; empty if it has no looks.
        possible: the classes of its prediction set, best first; `None` if none was asked for.
    """

    ranking: Ranking
    answers: Answers
    look: str
    possible: tuple[str, ...] | None


class TreeClassifier:
    """A tree ready to classify features of images. Shapes: B images, Q prompts, K classes, D embedding width.

    Attributes:
        tree: its groups are asked.
        decision: how their answers become scores.
        matrix: the rules (K, Q), as `scoring.rule_matrix` gives them, in the library and on the device of the texts.
        looks: which rows are looks of which class; `None` if each is a class.
        sizes: number of options of each group (G).
        classes: their order in scores and predictions (K).
        join: how several views of an image are joined.
    """

    def __init__(
        self,
        tree: Tree,
        texts: Array,
        logit_scale: float,
        *,
        decision: FittedRule = MEAN,
        names: Array | None = None,
        classes: Sequence[str] | None = None,
        join: ViewJoin = ONE_VIEW,
        name_prompts: Sequence[str] = (),
    ) -> None:
        """Prepare the rules.

        Args:
            tree: without errors.
            texts: (Q, D) features of its prompts, rows of length 1.
            logit_scale: the model's own.
            decision: how answers become scores.
            names: (K, D) features of the class names; needed by a decision rule that looks at them.
            classes: their order in scores and predictions (K); as in the tree if not given.
            join: how several views of an image are joined; only used for images that have them.
            name_prompts: the texts of `names` (K), by which `join` finds the views to look at.

        Raises:
            ProblemsError: a class has no rule, or an index is out of range.
        """
        self.join, self._name_prompts = join, name_prompts
        self.tree, self.decision, self._texts, self._names, self._scale = tree, decision, texts, names, logit_scale
        self.sizes = tuple(len(group.options) for group in tree.groups)
        self.matrix, self.looks = like(scoring.rule_matrix(tree, classes), texts), Looks.of(tree, classes)
        self.classes = tree.classes if classes is None else tuple(classes)

    @classmethod
    def embedded(
        cls,
        tree: Tree,
        encoder: "Encoder",
        decision: FittedRule = MEAN,
        domain: Domain | None = None,
        cache: "EmbeddingCache | None" = None,
    ) -> Self:
        """Embed the prompts of a tree, and the class names if the decision rule looks at them.

        Args:
            tree: without errors.
            encoder: embeds them.
            decision: how answers become scores.
            domain: the tree's; needed by a decision rule that looks at the class names.
            cache: of texts.

        Raises:
            ModelError: the encoder fails.
        """
        prompts, names = tree.prompts(), list[str]()
        if domain and decision.rule.uses_names:
            names = [domain.name_prompt(name) for name in tree.classes]
        vectors = embed_texts([*prompts, *names], encoder, cache)
        return cls(
            tree,
            np.stack([vectors[text] for text in prompts]),
            encoder.logit_scale,
            decision=decision,
            names=np.stack([vectors[text] for text in names]) if names else None,
            join=ViewJoin.of(domain) if domain else ONE_VIEW,
            name_prompts=names,
        )

    def evidence(self, features: Array) -> RuleInputs:
        """Return what the decision rule decides on, of images (B, D), or (B, V, D) with several views."""
        logits, probabilities = self._answers(features)
        return RuleInputs(
            logits=logits,
            probabilities=probabilities,
            matrix=self.matrix,
            groups=tuple(group.name for group in self.tree.groups),
            sizes=self.sizes,
            names=self._name_logits(features),
            options=tuple(group.options for group in self.tree.groups),
            classes=self.classes,
            looks=self.looks,
        )

    def _answers(self, features: Array) -> tuple[Array, Array]:
        """Return logits and probabilities (B, Q)."""
        if features.ndim == 2:
            logits = scoring.similarity_logits(features, self._texts, self._scale)
            return logits, scoring.group_probabilities(logits, self.sizes)
        shown = [self.join.views_of(group) for group in self.tree.groups]
        return self.join.answers(features, self._texts, self.sizes, self.matrix, shown, self._scale)

    def _name_logits(self, features: Array) -> Array | None:
        """Return the similarities to the class names (B, K), if the decision rule looks at them."""
        if self._names is None:
            return None
        if features.ndim == 2:
            return scoring.similarity_logits(features, self._names, self._scale)
        return self.join.name_answers(features, self._names, self._scale, self._name_prompts)

    @property
    def questions(self) -> Questions:
        """What views of an image are asked while something is trained on them."""
        shown = [self.join.views_of(group) for group in self.tree.groups]
        return self.join.questions(self._texts, self.sizes, self.matrix, shown, self._scale)

    def predict(self, features: Array) -> "NDArray[np.int64]":
        """Return the class of each image (B), of features (B, D); the mean rule keeps only a few images' logits."""
        if features.ndim > 2 or self.looks:
            return np.concatenate([scores.argmax(1) for scores in self.score_slices(features)])
        if self.decision.rule.name != "mean":
            predictions: NDArray[np.int64] = to_numpy(self.decision.scores(self.evidence(features))).argmax(1)
            return predictions
        return predict(in_chunks(features), len(features), self._texts, self.sizes, self.matrix, self._scale)

    def score_slices(self, features: Array) -> "Iterator[NDArray[np.floating]]":
        """Yield the scores of images (b, K), in order, of features (B, D): a few at a time for the mean, else all."""
        step = SLICE if self.decision.rule.name == "mean" else max(1, len(features))
        for start in range(0, len(features), step):
            yield to_numpy(self.decision.scores(self.evidence(features[start : start + step])))


class Labeller:
    """A tree ready to label pictures, with the answers behind each label."""

    def __init__(
        self, tree: Tree, encoder: "Encoder", decision: FittedRule = MEAN, domain: Domain | None = None
    ) -> None:
        """Embed the texts, see `TreeClassifier.embedded`.

        Raises:
            ProblemsError: a prompt is longer than the encoder reads.
        """
        refuse_long(length_problems(tree, encoder))
        self._encoder, self._classifier = encoder, TreeClassifier.embedded(tree, encoder, decision, domain)

    def label(
        self,
        images: Sequence["Image"],
        top: int = TOP,
        limits: SetLimits | None = None,
        digests: Sequence[str] | None = None,
    ) -> list[Label | None]:
        """Label RGB pictures; `None` for one of which the encoder returned NaN.

        Args:
            images: the pictures.
            top: most classes in a ranking.
            limits: of prediction sets, for the tree's classes in the order of the domain's; no sets without.
            digests: SHA-256 of each picture's file in hex, from which its views are drawn; one view of each without.
        """
        evidence = self._classifier.evidence(self._features(images, digests))
        scores = self._classifier.decision.scores(evidence)
        rows = evidence.rows_of(scores.argmax(1))
        return [
            _label(self._classifier.tree, row, p, s, top, limits) if np.isfinite(s).all() else None
            for row, p, s in zip(rows, evidence.probabilities, scores, strict=True)
        ]

    def _features(self, images: Sequence["Image"], digests: Sequence[str] | None) -> "NDArray[np.float32]":
        join = self._classifier.join
        if join.settings.plain or digests is None:
            return to_numpy(self._encoder.encode_images(images))
        questions = self._classifier.questions if join.settings.adapt == "lora" else None
        return embed_pictures(self._encoder, images, digests, join.settings.views, questions)


def _label(
    tree: Tree,
    row: int,
    probabilities: "NDArray[np.float32]",
    scores: "NDArray[np.float64]",
    top: int,
    limits: SetLimits | None,
) -> Label:
    """Label one image; `row` is that of the best class in the rule matrix."""
    classes = tree.classes
    order = (-scores).argsort(kind="stable")
    best = order[:top]
    ranking = tuple(zip([classes[k] for k in best], scores[best].tolist(), strict=True))
    answers, sizes, rule = [], tuple(len(group.options) for group in tree.groups), rules_of(tree)[row]
    for group, part in zip(tree.groups, scoring.split_groups(probabilities, sizes), strict=True):
        index = int(part.argmax())
        answers.append((group.name, group.options[index], float(part[index]), tree.word(rule, group.name)))
    members = None if limits is None else limits.members(scores[None])[0]
    possible = None if members is None else tuple(classes[k] for k in order if members[k])
    look = rule.name if rule.look_of else ""
    return Label(ranking=ranking, answers=tuple(answers), look=look, possible=possible)
