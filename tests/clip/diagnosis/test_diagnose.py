"""The diagnosis against loops over images."""

from collections import Counter
from random import Random

import pytest
import torch

from treegen.clip.diagnosis.diagnose import diagnose
from treegen.clip.metrics.statistics import wilson_interval
from treegen.history.score_document import Findings
from treegen.tree.model import ClassRule, Tree

CLASSES = ("Abrosk", "Wendle", "Corvane", "Ilmet", "Quill")  # not the order of the tree's rules
B = 31


def case(tree: Tree, seed: int = 0) -> tuple[list[int], list[int], torch.Tensor]:
    """Labels without class 3, predictions, and probabilities (B, Q)."""
    draw = Random(seed)
    labels = [draw.choice((0, 1, 1, 2, 4)) for _ in range(B)]
    predictions = [draw.choice((label, label, draw.randrange(5))) for label in labels]
    width = sum(len(group.options) for group in tree.groups)
    return labels, predictions, torch.rand(B, width, generator=torch.Generator().manual_seed(seed))


def diagnosed(tree: Tree, seed: int = 0) -> Findings:
    labels, predictions, probabilities = case(tree, seed)
    return diagnose(tree, CLASSES, labels, predictions, probabilities)


def test_recall_per_class_is_that_of_loops_in_the_order_of_the_domain(tree: Tree) -> None:
    labels, predictions, _ = case(tree)
    found = diagnosed(tree)["classes"]
    assert [entry["name"] for entry in found] == list(CLASSES)
    for k, entry in enumerate(found):
        own = [p for t, p in zip(labels, predictions, strict=True) if t == k]
        assert entry["n"] == len(own)
        if own:
            assert entry["recall"] == pytest.approx(own.count(k) / len(own))
            assert entry["interval"] == list(wilson_interval(own.count(k), len(own)))
        others = Counter(p for p in own if p != k)
        assert {o["name"]: o["count"] for o in entry["taken_for"]}.items() <= {
            CLASSES[p]: c for p, c in others.items()
        }.items()
        assert len(entry["taken_for"]) == min(3, len(others))


def test_a_class_without_images_has_no_recall_and_no_interval(tree: Tree) -> None:
    entry = diagnosed(tree)["classes"][3]
    assert entry == {"name": "Ilmet", "n": 0, "recall": None, "interval": None, "taken_for": []}


def test_group_and_option_accuracy_are_those_of_loops_over_images_whose_class_has_an_answer(tree: Tree) -> None:
    labels, _, probabilities = case(tree)
    found = {entry["name"]: entry for entry in diagnosed(tree)["groups"]}
    assert list(found) == ["colour", "size", "place"]
    rules, start = {rule.name: rule for rule in tree.rules}, 0
    for group in tree.groups:
        asked, hits = Counter[int](), Counter[int]()
        for b, label in enumerate(labels):
            expected = rules[CLASSES[label]].get(group.name)
            if expected is not None:
                row = [float(probabilities[b, start + i]) for i in range(len(group.options))]
                asked[expected] += 1
                hits[expected] += row.index(max(row)) == expected
        entry, n, correct = found[group.name], asked.total(), hits.total()
        assert 0 < n <= B
        assert (entry["n"], entry["accuracy"]) == (n, pytest.approx(correct / n))
        assert entry["interval"] == list(wilson_interval(correct, n))
        for i, option in enumerate(entry["options"]):
            share = hits[i] / asked[i] if asked[i] else None
            assert option == {"option": group.options[i], "n": asked[i], "accuracy": share}
        start += len(group.options)


def test_images_of_a_class_with_null_are_left_out_of_that_group_only(tree: Tree) -> None:
    labels, _, _ = case(tree)
    sizes = {entry["name"]: entry["n"] for entry in diagnosed(tree)["groups"]}
    assert sizes == {"colour": B, "size": B - labels.count(4), "place": B - labels.count(2)}


def test_a_group_that_says_nothing_about_any_class_has_no_accuracy(tree: Tree) -> None:
    silent = tuple(ClassRule(name=r.name, answers=(("colour", r.get("colour")), ("size", None))) for r in tree.rules)
    labels, predictions, probabilities = case(tree)
    found = diagnose(Tree(domain="d", groups=tree.groups, rules=silent), CLASSES, labels, predictions, probabilities)[
        "groups"
    ]
    for entry in found[1:]:
        assert (entry["n"], entry["accuracy"], entry["interval"], entry["confused"]) == (0, None, None, [])
        assert all(option["accuracy"] is None for option in entry["options"])


def test_confused_pairs_are_counted_and_stand_most_frequent_first(tree: Tree) -> None:
    labels, predictions, _ = case(tree, seed=5)
    found = diagnosed(tree, seed=5)["confused"]
    counts = Counter((CLASSES[t], CLASSES[p]) for t, p in zip(labels, predictions, strict=True) if t != p)
    assert 0 < len(found) == min(8, len(counts))
    assert [pair["count"] for pair in found] == sorted(counts.values(), reverse=True)[: len(found)]
    for pair in found:
        assert pair["count"] == counts[pair["true"], pair["predicted"]]
        assert pair["n"] == labels.count(CLASSES.index(pair["true"]))


def test_confused_options_name_what_is_expected_and_what_is_seen(tree: Tree) -> None:
    probabilities = torch.zeros(3, 9)
    probabilities[:, 2] = 1.0  # blue
    probabilities[:, 5] = 1.0  # large, as Abrosk is
    probabilities[:, 8] = 1.0  # a cave, as Abrosk's
    colour, size, place = diagnose(tree, CLASSES, [0, 0, 0], [0, 4, 4], probabilities)["groups"]
    assert colour["confused"] == [{"option": "red", "taken_for": "blue", "count": 3}]
    assert size["confused"] == place["confused"] == []
    assert size["accuracy"] == place["accuracy"] == 1.0


def test_long_lists_of_confusions_are_cut_to_the_most_frequent(tree: Tree) -> None:
    """3 classes a class is taken for, 8 pairs of classes, 8 pairs of options: what a reader and a prompt can hold."""
    draw = Random(11)
    labels = [draw.randrange(5) for _ in range(400)]
    probabilities = torch.rand(400, 9, generator=torch.Generator().manual_seed(11))
    predictions = [draw.randrange(5) for _ in labels]
    found = diagnose(tree, CLASSES, labels, predictions, probabilities)
    pairs = Counter((t, p) for t, p in zip(labels, predictions, strict=True) if t != p)
    assert [pair["count"] for pair in found["confused"]] == sorted(pairs.values(), reverse=True)[:8]
    assert len(pairs) == 20
    for k, entry in enumerate(found["classes"]):
        own = sorted((count for (t, _), count in pairs.items() if t == k), reverse=True)
        assert [other["count"] for other in entry["taken_for"]] == own[:3]
    colour = found["groups"][0]["confused"]
    assert len(colour) == 8
    assert [pair["count"] for pair in colour] == sorted((pair["count"] for pair in colour), reverse=True)


def test_nothing_is_confused_if_everything_is_right(tree: Tree) -> None:
    labels, _, probabilities = case(tree)
    found = diagnose(tree, CLASSES, labels, labels, probabilities)
    assert found["confused"] == []
    assert [entry["recall"] for entry in found["classes"]] == [1.0, 1.0, 1.0, None, 1.0]


def test_the_order_of_images_does_not_matter(tree: Tree) -> None:
    labels, predictions, probabilities = case(tree)
    order = Random(9).sample(range(B), B)
    shuffled = diagnose(
        tree, CLASSES, [labels[b] for b in order], [predictions[b] for b in order], probabilities[order]
    )
    assert shuffled == diagnosed(tree)
