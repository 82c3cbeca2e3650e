"""A tree and its embedded prompts in one safetensors file, for use without treegen."""

import json
from typing import TYPE_CHECKING, Any

from treegen.images import Crop
from treegen.tree.document import digest_of
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder


def tensors_bytes(tree: Tree, encoder: "Encoder", crop: Crop = (0.0, 0.0, 1.0, 1.0)) -> bytes:
    """Return the bytes of a safetensors file.

    Tensors: `text_features` (Q, D) float32, rows of length 1; `rules` (K, Q) float32, 1 / (number of groups that the
    class answers) at its options and 0 elsewhere, so that probabilities times rules are the scores of the mean rule;
    `group_sizes` (G) int64. The metadata's key `treegen` is one JSON object: classes, groups with prompt and options,
    logit scale, encoder, digest, preprocessing and crop.

    Raises:
        ProblemsError: a filled prompt exceeds the encoder's context length, or an index is out of range.
        ModelError: the encoder failed.
    """
    import numpy as np
    from safetensors.numpy import save

    from treegen.clip.embedding.texts import embed_texts
    from treegen.clip.scoring import answer_counts, answered, rule_matrix
    from treegen.clip.text_checks import length_problems, refuse_long

    refuse_long(length_problems(tree, encoder))
    vectors, matrix = embed_texts(tree.prompts(), encoder), rule_matrix(tree)
    tensors: dict[str, np.ndarray[Any, Any]] = {
        "text_features": np.stack([vectors[text] for text in tree.prompts()]),
        "rules": (answered(matrix) / answer_counts(matrix)[:, None]).astype(np.float32),
        "group_sizes": np.array([len(g.options) for g in tree.groups], np.int64),
    }
    metadata = {
        "format": 1,
        "domain": tree.domain,
        "digest": digest_of(tree),
        "classes": tree.classes,
        "groups": [{"name": g.name, "prompt": g.prompt, "options": g.options} for g in tree.groups],
        "logit_scale": encoder.logit_scale,
        "encoder": {"name": encoder.name, "fingerprint": encoder.fingerprint, "precision": encoder.precision},
        "preprocessing": encoder.preprocessing,
        "crop": crop,
    }
    return save(tensors, metadata={"treegen": json.dumps(metadata, ensure_ascii=False)})
