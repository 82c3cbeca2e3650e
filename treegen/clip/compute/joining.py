"""How the questions of a tree are answered about images with several views: the seam to decision rules.

Shapes: B images, V views, Q options, G groups, O options of one of them, K classes, D embedding width.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from treegen.clip import scoring
from treegen.clip.arrays import Array, namespace, softmax
from treegen.clip.compute.adapting import Questions, adapted_texts
from treegen.clip.compute.views import excluded_kinds, kind_of, views_without
from treegen.clip.compute.voting import mean_embedding, two_stage_vote
from treegen.config.domain import Domain
from treegen.config.settings import ComputeSettings
from treegen.tree.model import Group

_LEAST: Final = 1e-12  # a probability whose logarithm is finite


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewJoin:
    """How several views of an image become one answer to each question.

    Attributes:
        settings: of the domain.
        language: of its questions.
    """

    settings: ComputeSettings
    language: str = "en"

    @classmethod
    def of(cls, domain: Domain) -> "ViewJoin":
        """Return that of a domain."""
        return cls(settings=domain.compute, language=domain.language)

    def views_of(self, group: Group) -> tuple[int, ...]:
        """Return the numbers of the views that a group is asked about."""
        own = dict(self.settings.exclude).get(group.name)
        return self.views_for(group.fill()) if own is None else views_without(self.settings.views, own)

    def views_for(self, texts: Sequence[str]) -> tuple[int, ...]:
        """Return the same for a question without a name, by its filled prompts."""
        return views_without(self.settings.views, excluded_kinds(texts, self.language))

    def questions(
        self, texts: Array, sizes: tuple[int, ...], matrix: Array, shown: Sequence[Sequence[int]], scale: float
    ) -> Questions:
        """Return what the views are asked while something is trained on them; see `Questions.of`."""
        return Questions.of(texts, sizes, matrix, shown=shown, scale=scale, views=self.settings.views)

    def answers(
        self,
        features: Array,
        texts: Array,
        sizes: tuple[int, ...],
        matrix: Array,
        shown: Sequence[Sequence[int]],
        scale: float,
    ) -> tuple[Array, Array]:
        """Answer all questions of a tree.

        Args:
            features: (B, V, D), rows of length 1.
            texts: (Q, D), rows of length 1.
            sizes: options of each group (G).
            matrix: (K, Q) of `scoring.rule_matrix`.
            shown: for each group the numbers of the views that it is asked about.
            scale: the model's logit scale.

        Returns:
            Logits and probabilities (B, Q); the second are the softmax of the first within each group.
        """
        xp, fitted = namespace(features), iter([(slice(None), texts)])
        if self.settings.adapt == "prompt":
            fitted = adapted_texts(self.questions(texts, sizes, matrix, shown, scale), features)
        columns: list[list[Array]] = []
        for rows, own in fitted:
            groups = zip(scoring.spans(sizes), shown, strict=True)
            each = [self.answer(features[rows], own[..., start:end, :], scale, views) for (start, end), views in groups]
            columns.append([xp.concat(column) for column in zip(*each, strict=True)])
        logits, probabilities = (xp.concat(column, axis=1).T for column in zip(*columns, strict=True))
        return logits, probabilities

    def name_answers(self, features: Array, names: Array, scale: float, prompts: Sequence[str]) -> Array:
        """Answer one question, which class it is: joined similarities (B, K), whose softmax are the probabilities.

        Args:
            features: (B, V, D), rows of length 1.
            names: (K, D) of the class names.
            scale: the model's logit scale.
            prompts: the texts of the names (K).
        """
        shown, xp = [self.views_for(prompts)], namespace(names)
        rules = xp.eye(len(names), dtype=names.dtype, device=names.device)
        return self.answers(features, names, (len(names),), rules, shown, scale)[0]

    def answer(self, features: Array, texts: Array, scale: float, views: Sequence[int]) -> tuple[Array, Array]:
        """Answer one question.

        Args:
            features: (B, V, D), rows of length 1.
            texts: (O, D), or (B, O, D) if each image has its own; rows of length 1.
            scale: the model's logit scale.
            views: the numbers of the views to look at.

        Returns:
            Logits and probabilities (O, B).
        """
        if self.settings.join == "embeddings":
            logits = _logits(mean_embedding(features[:, list(views)]), texts, scale)
            return logits, softmax(logits, 0)
        xp = namespace(features)
        each = xp.stack([softmax(_logits(features[:, view], texts, scale), 0).T for view in views])  # (V, B, O)
        if self.settings.join == "vote":
            joined = two_stage_vote(each, [kind_of(view) for view in views]).T
        else:
            joined = xp.mean(each, axis=0).T
        return xp.log(xp.clip(joined, _LEAST, None)), joined


def _logits(features: Array, texts: Array, scale: float) -> Array:
    """Return scaled similarities (O, B) of features (B, D)."""
    if texts.ndim == 2:
        return scoring.similarity_logits(features, texts, scale).T
    return scale * (texts @ features[:, :, None])[:, :, 0].T


def compute_json(settings: ComputeSettings) -> dict[str, Any]:
    """Return settings as a score document has them, and domain.toml."""
    exclude = {group: list(kinds) for group, kinds in settings.exclude}
    adapt = {} if settings.adapt == "none" else {"adapt": settings.adapt}
    return {"views": settings.views, "join": settings.join, **adapt, **({"exclude": exclude} if exclude else {})}


def compute_words(settings: Mapping[str, Any]) -> str:
    """Return what names the settings that `compute_json` returned."""
    return json.dumps(settings, sort_keys=True)


ONE_VIEW: Final = ViewJoin(settings=ComputeSettings())
