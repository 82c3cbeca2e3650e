"""A tree and its embedded prompts in one safetensors file, for use without treegen."""

import json
from typing import TYPE_CHECKING, Any

from treegen.images import Crop
from treegen.tree.document import digest_of
from treegen.tree.model import Tree

if TYPE_CHECKING:
    import numpy as np

    from treegen.clip.decisions import FittedRule
    from treegen.clip.encoders.interface import Encoder


def tensors_bytes(
    tree: Tree,
    encoder: "Encoder",
    crop: Crop = (0.0, 0.0, 1.0, 1.0),
    posterior: "FittedRule | None" = None,
) -> bytes:
    """Return the bytes of a safetensors file.

    Tensors: `text_features` (Q, D) float32, rows of length 1; `rules` (K, Q) float32, 1 / (number of groups that the
    class answers) at its options and 0 elsewhere, so that probabilities times rules are the scores of the mean rule;
    `group_sizes` (G) int64. The metadata's key `treegen` is one JSON object: classes, groups with prompt and options,
    logit scale, encoder, digest, preprocessing and crop.

    With a `posterior`, the fitted rule `bayes`, also: `likelihoods` (Q + G, Q) float32, the probability of each answer
    given an option, and below that given null; `likelihood_rows` (K, Q + G) float32, 1 at the rows of the class;
    `log_priors` (K) float32; and in the metadata `exponent`.

    If a class has looks, these have a row for each look, and the metadata a list `rows` of its class and look: the
    score of a class is the best of its rows, its probability the sum of theirs.

    Raises:
        ProblemsError: a filled prompt exceeds the encoder's context length, or an index is out of range.
        ModelError: the encoder failed.
    """
    import numpy as np
    from safetensors.numpy import save

    from treegen.clip.embedding.texts import embed_texts
    from treegen.clip.looks import rules_of
    from treegen.clip.scoring import answer_counts, answered, rule_matrix
    from treegen.clip.text_checks import length_problems, refuse_long

    refuse_long(length_problems(tree, encoder))
    vectors, matrix = embed_texts(tree.prompts(), encoder), rule_matrix(tree)
    tensors: dict[str, np.ndarray[Any, Any]] = {
        "text_features": np.stack([vectors[text] for text in tree.prompts()]),
        "rules": (answered(matrix) / answer_counts(matrix)[:, None]).astype(np.float32),
        "group_sizes": np.array([len(g.options) for g in tree.groups], np.int64),
    }
    if posterior is not None:
        tensors |= _posterior_tensors(tree, matrix, dict(posterior.parameters))
    metadata = {
        "format": 2 if tree.looks else 1,
        "domain": tree.domain,
        "digest": digest_of(tree),
        "classes": tree.classes,
        **({"rows": [{"class": rule.class_name, "look": rule.name} for rule in rules_of(tree)]} if tree.looks else {}),
        "groups": [{"name": g.name, "prompt": g.prompt, "options": g.options} for g in tree.groups],
        "logit_scale": encoder.logit_scale,
        "encoder": {"name": encoder.name, "fingerprint": encoder.fingerprint, "precision": encoder.precision},
        "preprocessing": encoder.preprocessing,
        "crop": crop,
        **({"exponent": dict(posterior.parameters)["exponent"]} if posterior else {}),
    }
    return save(tensors, metadata={"treegen": json.dumps(metadata, ensure_ascii=False)})


def _posterior_tensors(
    tree: Tree, matrix: "np.ndarray[Any, Any]", parameters: dict[str, float]
) -> "dict[str, np.ndarray[Any, Any]]":
    """Return what the probabilities of the classes need besides those of the options."""
    import numpy as np

    from treegen.clip.decisions import RuleInputs
    from treegen.clip.decisions.bayes import answer_rows, likelihoods, log_priors
    from treegen.clip.looks import Looks

    nothing = np.zeros((0, matrix.shape[1]))
    inputs = RuleInputs(
        logits=nothing,
        probabilities=nothing,
        matrix=matrix,
        groups=tuple(group.name for group in tree.groups),
        sizes=tuple(len(group.options) for group in tree.groups),
        options=tuple(group.options for group in tree.groups),
        classes=tree.classes,
        looks=Looks.of(tree),
    )
    return {
        "likelihoods": likelihoods(inputs, parameters).astype(np.float32),
        "likelihood_rows": answer_rows(inputs).astype(np.float32),
        "log_priors": log_priors(inputs, parameters).astype(np.float32),
    }
