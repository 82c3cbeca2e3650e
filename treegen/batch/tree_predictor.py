"""What a tree says about embedded images, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from treegen.config.domain import Domain
from treegen.errors import InputError, ProblemsError
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from treegen.clip.decisions import DecisionRule
    from treegen.clip.embedding.cache import EmbeddingCache
    from treegen.clip.encoders.interface import Encoder

_TEXTS: Final = 64  # prompts that are embedded together


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A tree's answers about N images.

    Attributes:
        classes: names of the classes (K).
        groups: name and options of each group (G).
        predicted: index of the class with the highest score (N).
        scores: that score, 0 to G under the decision rule `sum` (N).
        options: index of each group's most probable option (G, N).
        probabilities: of these, 0 to 1 (G, N).
    """

    classes: tuple[str, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    predicted: "NDArray[np.int64]"
    scores: "NDArray[np.float32]"
    options: "NDArray[np.int64]"
    probabilities: "NDArray[np.float32]"

    def columns(self) -> dict[str, Any]:
        """Arrow columns `predicted`, `score`, and `answers`: a struct of option and probability for each group."""
        import pyarrow as pa

        answers = [
            pa.StructArray.from_arrays(
                [pa.array(options, pa.string()).take(pa.array(chosen)), pa.array(sure, pa.float32())],
                names=["option", "probability"],
            )
            for (_, options), chosen, sure in zip(self.groups, self.options, self.probabilities, strict=True)
        ]
        return {
            "predicted": pa.array(self.classes, pa.string()).take(pa.array(self.predicted)),
            "score": pa.array(self.scores, pa.float32()),
            "answers": pa.StructArray.from_arrays(answers, names=[name for name, _ in self.groups]),
        }


class Scorer:
    """A tree ready to answer about any number of embedded images: its prompts are embedded once."""

    def __init__(
        self, tree: Tree, encoder: "Encoder", cache: "EmbeddingCache | None" = None, domain: Domain | None = None
    ) -> None:
        """Embeds the prompts of a tree without errors, those that are not in the cache.

        Args:
            tree: without errors.
            encoder: whose vectors will be given.
            cache: of texts.
            domain: names the decision rule, which is the sum without it.

        Raises:
            InputError: the decision rule has still to learn.
            ProblemsError: a prompt is longer than the encoder's context.
            ModelError: the encoder fails.
        """
        import torch

        from treegen.clip import scoring
        from treegen.clip.decisions import SUM, decision_of
        from treegen.clip.text_checks import length_problems

        too_long = length_problems(tree, encoder)
        if too_long:
            told = f"the encoder would cut {len(too_long)} prompts, first {too_long[0].message}"
            raise ProblemsError(told, "shorten prompt or option")
        self.decision = decision_of(domain.decision, encoder.fingerprint, _refuse_to_learn) if domain else SUM
        self._texts = torch.stack(_text_features(tree.prompts(), encoder, cache))
        self._tree, self._scale = tree, encoder.logit_scale
        self._matrix = scoring.rule_matrix(tree)
        self._names: Tensor | None = None
        if self.decision.rule.uses_names and domain:
            names = [domain.name_prompt(name) for name in tree.classes]
            self._names = torch.stack(_text_features(names, encoder, cache))

    def answer(self, features: "Tensor") -> Answered:
        """The answers about images (N, D)."""
        from treegen.clip import scoring
        from treegen.clip.decisions import RuleInputs

        sizes = tuple(len(group.options) for group in self._tree.groups)
        logits = scoring.similarity_logits(features, self._texts, self._scale)
        probabilities = scoring.group_probabilities(logits, sizes)
        names = None if self._names is None else scoring.similarity_logits(features, self._names, self._scale)
        best = self.decision.scores(
            RuleInputs(
                logits=logits,
                probabilities=probabilities,
                matrix=self._matrix,
                sizes=sizes,
                names=names,
                groups=tuple(group.name for group in self._tree.groups),
            )
        ).max(1)
        chosen = [part.max(1) for part in scoring.split_groups(probabilities, sizes)]
        return Answered(
            classes=self._tree.classes,
            groups=tuple((g.name, g.options) for g in self._tree.groups),
            predicted=best.indices.numpy(),
            scores=best.values.numpy(),
            options=np.stack([c.indices.numpy() for c in chosen]),
            probabilities=np.stack([c.values.numpy() for c in chosen]),
        )


def _refuse_to_learn(rule: "DecisionRule") -> NoReturn:
    told = f"the decision rule {rule.name} has still to learn on the dev part"
    raise InputError(told, "`treegen score TREE --rules all --freeze` keeps what it learns in domain.toml")


def _text_features(texts: Sequence[str], encoder: "Encoder", cache: "EmbeddingCache | None") -> "list[Tensor]":
    found = cache.get_texts(encoder.fingerprint, texts) if cache else {}
    missing = [text for text in dict.fromkeys(texts) if text not in found]
    for start in range(0, len(missing), _TEXTS):
        part = missing[start : start + _TEXTS]
        vectors = encoder.encode_texts(part)
        if cache:
            cache.put_texts(encoder.fingerprint, part, vectors)
        found.update(zip(part, vectors, strict=True))
    return [found[text] for text in texts]
