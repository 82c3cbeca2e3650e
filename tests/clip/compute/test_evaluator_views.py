"""An evaluator of images with several views: nothing is embedded twice, and every way to an answer gives the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from treegen.clip.classifier import Labeller
from treegen.clip.evaluator import Evaluator
from treegen.config.domain import Domain
from treegen.config.settings import ComputeSettings
from treegen.history.score_document import as_tested
from treegen.images import open_picture
from treegen.tree.model import Tree

Evaluate = Callable[..., Evaluator]
SETTINGS = [
    ComputeSettings(views=4),
    ComputeSettings(views=4, join="probabilities"),
    ComputeSettings(views=4, join="vote"),
    ComputeSettings(views=4, adapt="prompt"),
    ComputeSettings(views=4, join="probabilities", exclude=(("colour", ("crop",)),)),
]


def with_views(domain: Domain, settings: ComputeSettings) -> Domain:
    return replace(domain, compute=settings)


def test_each_view_is_embedded_once_and_the_image_itself_is_the_one_that_was(
    domain: Domain, evaluate: Evaluate, encoder: Any
) -> None:
    plain = evaluate(domain)
    assert len(encoder.images) == 26
    four = evaluate(with_views(domain, ComputeSettings(views=4)))
    assert len(encoder.images) == 4 * 26
    sixteen = evaluate(with_views(domain, ComputeSettings(views=16)))
    assert len(encoder.images) == 16 * 26
    evaluate(with_views(domain, ComputeSettings(views=4, join="vote")))
    assert len(encoder.images) == 16 * 26
    for split, part in plain.splits.items():
        np.testing.assert_array_equal(part.features, four.splits[split].features[:, 0])
        np.testing.assert_array_equal(four.splits[split].features, sixteen.splits[split].features[:, :4])


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s.words + "-" * bool(s.exclude))
def test_scores_previews_and_labels_agree(
    settings: ComputeSettings, domain: Domain, tree: Tree, evaluate: Evaluate, encoder: Any
) -> None:
    own = with_views(domain, settings)
    evaluator = evaluate(own)
    edited = replace(tree, groups=tree.groups[::-1])
    score = as_tested(evaluator.score(tree))
    assert score is not None
    assert score["compute"]["views"] == 4
    assert score["test"]["correct"] == sum(
        a == b for a, b in zip(evaluator.predict_test(tree), evaluator.splits["test"].labels, strict=True)
    )
    (preview,) = evaluator.preview(tree, [edited])
    for shown, version in ((preview.before, tree), (preview.after, edited)):
        answers = evaluator.answer(version, evaluator.features(version, "dev"))
        assert shown == sum(a == b for a, b in zip(answers.predictions, evaluator.splits["dev"].labels, strict=True))
    images = evaluator.splits["test"].images
    labeller = Labeller(tree, encoder, evaluator.decide(tree), own)
    labels = labeller.label([open_picture(image) for image in images], digests=[image.digest for image in images])
    found = [own.classes.index(label.ranking[0][0]) if label else -1 for label in labels]
    assert found == list(evaluator.predict_test(tree))


def test_an_encoder_without_layers_to_train_says_so_and_the_views_are_used_as_they_are(
    domain: Domain, tree: Tree, evaluate: Evaluate, encoder: Any
) -> None:
    encoder.add_note = lambda sentence: setattr(encoder, "notes", (*encoder.notes, sentence))
    views = evaluate(with_views(domain, ComputeSettings(views=4))).score(tree)
    adapted = evaluate(with_views(domain, ComputeSettings(views=4, adapt="lora"))).score(tree)
    assert as_tested(adapted)["test"] == as_tested(views)["test"]  # type: ignore[index]
    (note,) = encoder.notes
    assert note == (
        "[compute] adapt: fake-0 does not give access to its layers, so lora cannot train them: "
        "views are used as they are"
    )


def test_without_the_table_the_score_is_what_it_was(domain: Domain, tree: Tree, evaluate: Evaluate) -> None:
    evaluator = evaluate(domain)
    assert "compute" not in evaluator.score(tree)
    assert evaluator.splits["dev"].features.ndim == 2
    assert evaluator.words(evaluator.decide(tree)) == "mean"
