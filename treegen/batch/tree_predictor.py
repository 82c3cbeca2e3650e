"""A tree's answers about embedded images, as columns."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from treegen.config.domain import Domain
from treegen.config.settings import ComputeSettings
from treegen.errors import InputError
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from treegen.clip.arrays import Array
    from treegen.clip.decisions import DecisionRule, RuleInputs
    from treegen.clip.embedding.cache import EmbeddingCache
    from treegen.clip.encoders.interface import Encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A tree's answers about N images.

    Attributes:
        classes: names of the classes (K).
        groups: name and options of each group (G).
        predicted: index of the class with the highest score (N).
        looks: the look of that class that the answers fit best, empty for a class without (N); `None` if none has any.
        scores: that score, 0 to 1 under the decision rule `mean` (N).
        options: index of each group's most probable option (G, N).
        probabilities: of these, 0 to 1 (G, N).
        best: indices of the best classes (N, T), best first; T is 0 if none were asked for.
        best_scores: their scores (N, T).
    """

    classes: tuple[str, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    predicted: "NDArray[np.int64]"
    looks: tuple[str, ...] | None
    scores: "NDArray[np.float32]"
    options: "NDArray[np.int64]"
    probabilities: "NDArray[np.float32]"
    best: "NDArray[np.int64]"
    best_scores: "NDArray[np.float32]"

    def columns(self) -> dict[str, Any]:
        """Return Arrow columns `predicted`, `score`, and `answers`: a struct of option and probability per group.

        If a class has looks also `predicted_look`; if the best classes were asked for also `top`, a list of structs of
        class and score.
        """
        import pyarrow as pa

        answers = [
            pa.StructArray.from_arrays(
                [pa.array(options, pa.string()).take(pa.array(chosen)), pa.array(sure, pa.float32())],
                names=["option", "probability"],
            )
            for (_, options), chosen, sure in zip(self.groups, self.options, self.probabilities, strict=True)
        ]
        classes = pa.array(self.classes, pa.string())
        columns = {
            "predicted": classes.take(pa.array(self.predicted)),
            **({"predicted_look": pa.array(self.looks, pa.string())} if self.looks is not None else {}),
            "score": pa.array(self.scores, pa.float32()),
            "answers": pa.StructArray.from_arrays(answers, names=[name for name, _ in self.groups]),
        }
        if self.best.shape[1]:
            n, top = self.best.shape
            ranked = pa.StructArray.from_arrays(
                [classes.take(pa.array(self.best.reshape(-1))), pa.array(self.best_scores.reshape(-1), pa.float32())],
                names=["class", "score"],
            )
            columns["top"] = pa.ListArray.from_arrays(np.arange(n + 1, dtype=np.int32) * top, ranked)
        return columns


class Scorer:
    """A tree ready to answer about any number of embedded images: its prompts are embedded once."""

    def __init__(
        self,
        tree: Tree,
        encoder: "Encoder",
        cache: "EmbeddingCache | None" = None,
        domain: Domain | None = None,
        top: int = 0,
    ) -> None:
        """Embed the tree's prompts that are not in the cache.

        Args:
            tree: without errors.
            encoder: the encoder of the image vectors.
            cache: of texts.
            domain: supplies the decision rule; the mean without it.
            top: best classes to name for each image.

        Raises:
            InputError: the decision rule has not learnt its parameters yet.
            ProblemsError: a prompt is longer than the encoder's context.
            ModelError: the encoder fails.
        """
        from treegen.clip.classifier import TreeClassifier
        from treegen.clip.decisions import MEAN, decision_of
        from treegen.clip.text_checks import length_problems, refuse_long

        refuse_long(length_problems(tree, encoder))
        self.decision = decision_of(domain.decision, encoder.fingerprint, _refuse_to_learn) if domain else MEAN
        self._top = top
        self._classifier = TreeClassifier.embedded(tree, encoder, self.decision, domain, cache)
        compute = domain.compute if domain else ComputeSettings()
        self.words = self.decision.words if compute.plain else f"{self.decision.words} compute {compute.words}"

    def answer(self, features: "Array") -> Answered:
        """Answer about images (N, D), or (N, V, D) with several views."""
        from treegen.clip.arrays import to_numpy
        from treegen.clip.scoring import split_groups

        tree, evidence = self._classifier.tree, self._classifier.evidence(to_numpy(features))
        scores, parts = self.decision.scores(evidence), split_groups(evidence.probabilities, evidence.sizes)
        best = (-scores).argsort(axis=1, kind="stable")[:, : self._top]
        return Answered(
            classes=tree.classes,
            groups=tuple((g.name, g.options) for g in tree.groups),
            predicted=scores.argmax(1),
            looks=self._looks(evidence, scores.argmax(1)),
            scores=scores.max(1),
            options=np.stack([part.argmax(1) for part in parts]),
            probabilities=np.stack([part.max(1) for part in parts]),
            best=best,
            best_scores=np.take_along_axis(scores, best, axis=1),
        )

    def _looks(self, evidence: "RuleInputs", predicted: "NDArray[np.int64]") -> tuple[str, ...] | None:
        if evidence.looks is None:
            return None
        from treegen.clip.looks import rules_of

        names = [rule.name if rule.look_of else "" for rule in rules_of(self._classifier.tree)]
        return tuple(names[row] for row in evidence.rows_of(predicted.tolist()))


def _refuse_to_learn(rule: "DecisionRule") -> NoReturn:
    message = f"the decision rule {rule.name} has not learned its parameters on the dev split yet"
    raise InputError(message, "`treegen score TREE --rules all --freeze` stores them in domain.toml")
