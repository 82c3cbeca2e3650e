"""A label is doubted if no answer fits it, and only then."""

import numpy as np

from treegen.clip.decisions import RULES, RuleInputs
from treegen.clip.diagnosis.label_errors import Doubt, find_label_errors

OPTIONS = np.eye(3)


def inputs(answers: list[list[int]], rules: list[list[int]]) -> RuleInputs:
    """Sure answers (B, G) of two groups of three options, and rules (K, G), of which -1 is null."""
    probabilities = np.concatenate([0.1 + 0.7 * OPTIONS[list(column)] for column in zip(*answers, strict=True)], axis=1)
    rows = [np.concatenate([np.full(3, 1 / 3) if o < 0 else OPTIONS[o] for o in rule]) for rule in rules]
    return RuleInputs(
        logits=np.log(probabilities),
        probabilities=probabilities,
        matrix=np.stack(rows),
        groups=("g", "h"),
        sizes=(3, 3),
    )


def test_an_image_that_contradicts_its_label_in_every_group_is_found_with_what_it_looks_like() -> None:
    evidence = inputs([[0, 0], [1, 1], [0, 2], [2, 1], [1, 1]], [[0, 0], [1, 1], [2, -1]])
    labels = [0, 0, 1, 0, 1]
    predictions = RULES["mean"].scores(evidence, {}).argmax(1).tolist()
    assert predictions == [0, 1, 0, 2, 1]
    # image 2 is nowhere like class 1, and half like 0; image 3 is like class 2, which answers one group
    assert find_label_errors(evidence, labels, predictions) == (
        Doubt(index=1, groups=2, agreeing=2),
        Doubt(index=2, groups=2, agreeing=1),
        Doubt(index=3, groups=2, agreeing=1),
    )


def test_one_group_alone_doubts_no_label() -> None:
    evidence = inputs([[0, 0]], [[0, 0], [1, 1], [2, -1]])
    assert find_label_errors(evidence, [2], [0]) == ()
