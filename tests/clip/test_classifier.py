"""Labels of single pictures against loops, and what they must not depend on."""

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from PIL import Image

from tests.conftest import present
from treegen.clip.classifier import Labeller
from treegen.errors import ProblemsError
from treegen.tree.model import ClassRule, Group, Tree

COUNT = 11  # B; the tree has K = 5, G = 3, Q = 9


@pytest.fixture
def pictures() -> list[Image.Image]:
    return [Image.frombytes("RGB", (6, 5), Random(number).randbytes(90)) for number in range(COUNT)]


def slow_probabilities(encoder: Any, picture: Image.Image, group: Group) -> list[float]:
    """The softmax of the scaled cosines over the options of one group."""
    image = encoder.encode_images([picture])[0].tolist()
    texts = [encoder.encode_texts([text])[0].tolist() for text in group.fill()]
    raised = [math.exp(encoder.logit_scale * sum(x * t for x, t in zip(image, text, strict=True))) for text in texts]
    return [r / sum(raised) for r in raised]


def slow_scores(encoder: Any, picture: Image.Image, tree: Tree) -> dict[str, float]:
    """The mean of each class's probabilities over the groups that it answers."""
    given: dict[str, list[float]] = {name: [] for name in tree.classes}
    for group in tree.groups:
        probabilities = slow_probabilities(encoder, picture, group)
        for rule in tree.rules:
            index = rule.get(group.name)
            given[rule.name] += [] if index is None else [probabilities[index]]
    return {name: sum(some) / len(some) for name, some in given.items()}


def test_ranking_and_answers_equal_a_slow_recomputation(
    tree: Tree, encoder: Any, make_encoder: Callable[[int], Any], pictures: list[Image.Image]
) -> None:
    for picture, label in zip(pictures, present(Labeller(tree, encoder).label(pictures)), strict=True):
        scores = slow_scores(make_encoder(0), picture, tree)
        assert [name for name, _ in label.ranking] == sorted(scores, key=lambda name: -scores[name])
        assert dict(label.ranking) == pytest.approx(scores, abs=1e-5)
        for group, (name, option, probability, _) in zip(tree.groups, label.answers, strict=True):
            probabilities = slow_probabilities(make_encoder(0), picture, group)
            assert (name, option) == (group.name, group.options[probabilities.index(max(probabilities))])
            assert probability == pytest.approx(max(probabilities), abs=1e-5)


def test_beside_each_answer_stands_the_one_that_the_label_demands(
    tree: Tree, encoder: Any, pictures: list[Image.Image]
) -> None:
    """The option of the best class in that group, and nothing where its rule says null."""
    rules = {rule.name: rule for rule in tree.rules}
    demanded = []
    for label in present(Labeller(tree, encoder).label(pictures)):
        for group, (_, _, _, expected) in zip(tree.groups, label.answers, strict=True):
            index = rules[label.ranking[0][0]].get(group.name)
            assert expected == (None if index is None else group.options[index])
            demanded.append(expected)
    assert None in demanded


def test_a_tree_of_many_classes_shows_the_best_five(encoder: Any, pictures: list[Image.Image]) -> None:
    """Best first, and a score is at most the number of groups."""
    group = Group(name="colour", prompt="It is {}.", options=tuple(f"colour {number}" for number in range(8)))
    rules = tuple(ClassRule(name=f"class {number}", answers=(("colour", number),)) for number in range(8))
    many = Tree(domain="d", groups=(group,), rules=rules)
    for label in present(Labeller(many, encoder).label(pictures)):
        scores = [score for _, score in label.ranking]
        assert len(label.ranking) == 5
        assert scores == sorted(scores, reverse=True)
        assert 0 < scores[0] <= 1


def test_the_prompts_are_embedded_once_however_many_pictures_come(
    tree: Tree, encoder: Any, pictures: list[Image.Image]
) -> None:
    labeller = Labeller(tree, encoder)
    for picture in pictures:
        labeller.label([picture])
    assert encoder.texts == list(tree.prompts())
    assert len(encoder.images) == COUNT


def test_a_label_depends_neither_on_the_batch_nor_on_the_order_of_the_classes(
    tree: Tree, encoder: Any, pictures: list[Image.Image]
) -> None:
    turned = replace(tree, rules=tree.rules[::-1])
    together = Labeller(tree, encoder).label(pictures)
    alone = [Labeller(turned, encoder).label([picture])[0] for picture in pictures[::-1]][::-1]
    for label, other in zip(present(together), present(alone), strict=True):
        assert dict(label.ranking) == pytest.approx(dict(other.ranking), abs=1e-5)
        assert [a[:2] + a[3:] for a in label.answers] == [a[:2] + a[3:] for a in other.answers]


def test_a_picture_without_numbers_gets_no_label_and_the_others_theirs(
    tree: Tree, encoder: Any, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    labeller = Labeller(tree, encoder)
    whole, encode = labeller.label(pictures), encoder.encode_images

    def first_broken(images: list[Image.Image]) -> Any:
        rows = encode(images)
        rows[0] = math.nan
        return rows

    monkeypatch.setattr(encoder, "encode_images", first_broken)
    assert labeller.label(pictures) == [None, *whole[1:]]


def test_a_prompt_that_would_be_cut_is_an_error_before_anything_is_embedded(tree: Tree, encoder: Any) -> None:
    long = replace(tree.groups[0], options=("red", "green", "blue", " ".join(["very"] * 20)))
    with pytest.raises(ProblemsError, match="1 prompt exceeds"):
        Labeller(replace(tree, groups=(long, *tree.groups[1:])), encoder)
    assert encoder.texts == []
