"""Labels single images, with the answers behind each label."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from treegen.clip import scoring
from treegen.clip.decisions import SUM, FittedRule, RuleInputs
from treegen.clip.text_checks import length_problems, refuse_long
from treegen.config.domain import Domain
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.encoders.interface import Encoder

_SHOWN = 5

Ranking = tuple[tuple[str, float], ...]
#: group, most probable option, its probability, the option that the predicted class has
Answers = tuple[tuple[str, str, float, str | None], ...]


class Labeller:
    """A tree ready to label images: its prompts are embedded once."""

    def __init__(
        self, tree: Tree, encoder: "Encoder", decision: FittedRule = SUM, domain: Domain | None = None
    ) -> None:
        """Embeds the prompts of a tree without errors, and the class names if the decision rule looks at them.

        Args:
            tree: without errors.
            encoder: embeds prompts and images.
            decision: how answers become scores.
            domain: the tree's; needed by a decision rule that looks at the class names.

        Raises:
            ProblemsError: a prompt is longer than the encoder reads.
        """
        refuse_long(length_problems(tree, encoder))
        self._tree, self._encoder, self._decision = tree, encoder, decision
        self._sizes = tuple(len(g.options) for g in tree.groups)
        self._texts = encoder.encode_texts(tree.prompts())
        self._matrix = scoring.rule_matrix(tree)
        self._names: torch.Tensor | None = None
        if decision.rule.uses_names and domain is not None:
            self._names = encoder.encode_texts([domain.name_prompt(name) for name in tree.classes])

    def label(self, images: Sequence["Image"]) -> list[tuple[Ranking, Answers] | None]:
        """For each RGB picture the best five classes with their scores, and every group's answer.

        `None` for a picture of which the model makes no numbers.
        """
        features, scale = self._encoder.encode_images(images), self._encoder.logit_scale
        logits = scoring.similarity_logits(features, self._texts, scale)
        probabilities = scoring.group_probabilities(logits, self._sizes)
        scores = self._decision.scores(
            RuleInputs(
                logits=logits,
                probabilities=probabilities,
                matrix=self._matrix,
                sizes=self._sizes,
                groups=tuple(group.name for group in self._tree.groups),
                names=None if self._names is None else scoring.similarity_logits(features, self._names, scale),
            )
        )
        return [
            _label(self._tree, p, s) if bool(s.isfinite().all()) else None
            for p, s in zip(probabilities, scores, strict=True)
        ]


def _label(tree: Tree, probabilities: torch.Tensor, scores: torch.Tensor) -> tuple[Ranking, Answers]:
    best = scores.topk(min(_SHOWN, len(scores)))
    ranking = tuple((tree.classes[k], s) for k, s in zip(best.indices.tolist(), best.values.tolist(), strict=True))
    rule = tree.rules[best.indices[0]]
    answers, start = [], 0
    for group in tree.groups:
        part = probabilities[start : start + len(group.options)]
        index = int(part.argmax())
        answers.append((group.name, group.options[index], float(part[index]), tree.word(rule, group.name)))
        start += len(group.options)
    return ranking, tuple(answers)
