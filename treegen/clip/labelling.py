"""Labels single images, with the answers behind each label."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from treegen.clip import scoring
from treegen.tree.changes import answer_word
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.encoders.interface import Encoder

_SHOWN = 5
_BATCH = 64

Ranking = tuple[tuple[str, float], ...]
#: group, most probable option, its probability, the option that the predicted class has
Answers = tuple[tuple[str, str, float, str | None], ...]


def label_images(tree: Tree, encoder: "Encoder", images: Sequence["Image"]) -> list[tuple[Ranking, Answers]]:
    """For each image the best five classes with their scores (0 to G), and the answer of every group.

    Args:
        tree: without errors.
        encoder: embeds images and prompts.
        images: RGB pictures.
    """
    features = torch.cat([encoder.encode_images(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)])
    logits = scoring.similarity_logits(features, encoder.encode_texts(tree.prompts()), encoder.logit_scale)
    probabilities = scoring.group_probabilities(logits, tuple(len(g.options) for g in tree.groups))
    scores = scoring.class_scores(probabilities, scoring.rule_matrix(tree))
    return [_label(tree, p, s) for p, s in zip(probabilities, scores, strict=True)]


def _label(tree: Tree, probabilities: torch.Tensor, scores: torch.Tensor) -> tuple[Ranking, Answers]:
    best = scores.topk(min(_SHOWN, len(scores)))
    ranking = tuple((tree.classes[k], s) for k, s in zip(best.indices.tolist(), best.values.tolist(), strict=True))
    rule = tree.rules[best.indices[0]]
    answers, start = [], 0
    for group in tree.groups:
        part = probabilities[start : start + len(group.options)]
        index = int(part.argmax())
        answers.append((group.name, group.options[index], float(part[index]), answer_word(tree, rule, group.name)))
        start += len(group.options)
    return ranking, tuple(answers)
