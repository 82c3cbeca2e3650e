"""Random words in place of options, and rules permuted at random."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from treegen.clip.decisions import MEAN, RULES, FittedRule, RuleInputs
from treegen.clip.metrics.controls import (
    SHUFFLES,
    WORDS,
    _rule_permutation,
    permute_columns,
    sample,
    shuffled_controls,
    with_random_words,
)
from treegen.clip.metrics.statistics import shuffled_accuracies
from treegen.clip.scoring import class_means, group_probabilities, rule_matrix
from treegen.history.score_document import ShuffledControls
from treegen.tree.model import Group, Tree
from treegen.tree.validation.normalise import normalise


def test_the_words_differ_from_each_other_also_after_normalisation() -> None:
    assert len({normalise(word) for word in WORDS}) == len(WORDS) >= 150


def test_only_the_options_are_replaced(tree: Tree) -> None:
    found = with_random_words(tree, 0)
    assert found.rules == tree.rules
    assert found.domain == tree.domain
    for new, old in zip(found.groups, tree.groups, strict=True):
        assert (new.name, new.prompt, len(new.options)) == (old.name, old.prompt, len(old.options))
        assert set(new.options) <= set(WORDS)
        assert not set(new.options) & set(old.options)


@pytest.mark.parametrize("count", [2, 11, len(WORDS), len(WORDS) + 1, 3 * len(WORDS)])
def test_the_options_of_a_group_stay_distinct_however_many_there_are(count: int) -> None:
    group = Group(name="g", prompt="It is {}.", options=tuple(f"option {i}" for i in range(count)))
    drawn = with_random_words(Tree(domain="d", groups=(group,), rules=()), 1).groups[0].options
    assert len(set(drawn)) == len(drawn) == count


def test_equal_seeds_draw_equal_words_and_other_seeds_others(tree: Tree) -> None:
    drawn = [with_random_words(tree, seed).groups for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


def test_groups_of_one_tree_draw_different_words(tree: Tree) -> None:
    first, _, third = with_random_words(tree, 0).groups
    assert first.options[:3] != third.options


def test_an_edit_of_one_group_leaves_the_words_of_the_others(tree: Tree) -> None:
    """So a revision embeds no random word anew that it has not changed."""
    colour, size, place = tree.groups
    longer = replace(colour, prompt="Mostly {}.", options=("pink", *colour.options))
    edited = with_random_words(replace(tree, groups=(place, longer, size)), 4)
    before = with_random_words(tree, 4)
    assert edited.group("size") == before.group("size")
    assert edited.group("place") == before.group("place")
    assert edited.groups[1].options[:4] == before.groups[0].options


def slow_columns(tree: Tree, seed: int) -> Tree:
    """The tree with each group's answers permuted, by hand: class r gets what class `rows[r]` had."""
    rules = [dict(rule.answers) for rule in tree.rules]
    order = np.tile(np.arange(len(rules)), (len(tree.groups), 1))
    drawn = np.random.default_rng(seed).permuted(order, axis=1)
    permuted: list[dict[str, int | None]] = [{} for _ in rules]
    for group, rows in zip(tree.groups, drawn.tolist(), strict=True):
        for row, source in enumerate(rows):
            permuted[row][group.name] = rules[source].get(group.name)
    pairs = zip(tree.rules, permuted, strict=True)
    return replace(tree, rules=tuple(replace(rule, answers=tuple(own.items())) for rule, own in pairs))


def evidence_of(tree: Tree, images: int = 19) -> RuleInputs:
    sizes = tuple(len(group.options) for group in tree.groups)
    logits = 2 * np.random.default_rng(1).standard_normal((images, sum(sizes)), np.float32)
    names = np.random.default_rng(2).standard_normal((images, len(tree.rules)), np.float32)
    return RuleInputs(
        logits=logits,
        probabilities=group_probabilities(logits, sizes),
        matrix=rule_matrix(tree),
        sizes=sizes,
        groups=tuple(group.name for group in tree.groups),
        names=names,
    )


def controls(decision: FittedRule, evidence: RuleInputs, labels: list[int], predictions: list[int]) -> ShuffledControls:
    """Asks for no more images than are sampled, unless the rule looks at names."""
    return shuffled_controls(decision, evidence.matrix, labels, predictions, evidence.take)


def test_permuting_columns_is_scoring_a_tree_whose_answers_are_permuted_group_by_group(tree: Tree) -> None:
    evidence, draw = evidence_of(tree), Random(0)
    labels = [draw.choice((0, 1, 1, 3, 4)) for _ in range(19)]
    predictions = MEAN.scores(evidence).argmax(1).tolist()
    slow = []
    for seed in range(SHUFFLES):
        scores = class_means(evidence.probabilities, rule_matrix(slow_columns(tree, seed)))
        slow.append(sum(t == p for t, p in zip(labels, scores.argmax(1).tolist(), strict=True)) / 19)
    right = sum(t == p for t, p in zip(labels, predictions, strict=True)) / 19
    found = controls(MEAN, evidence, labels, predictions)["shuffled_columns"]
    assert found["n"] == 19
    assert found["seeds"] == SHUFFLES
    assert found["accuracy"] == pytest.approx(sum(slow) / SHUFFLES)
    assert found["p"] == pytest.approx((1 + sum(s >= right - 1e-12 for s in slow)) / (1 + SHUFFLES))
    assert len(set(slow)) > 5


def test_permuted_columns_keep_how_many_classes_have_each_answer_and_make_rules_that_no_class_had(tree: Tree) -> None:
    matrix, sizes = rule_matrix(tree), tuple(len(group.options) for group in tree.groups)
    permuted = permute_columns(matrix, sizes, 3)
    np.testing.assert_allclose(permuted.sum(0), matrix.sum(0), rtol=1e-6)
    assert np.array_equal(permuted, permute_columns(matrix, sizes, 3))
    assert not np.array_equal(permuted, permute_columns(matrix, sizes, 4))
    known = {tuple(row) for row in matrix.tolist()}
    assert any(tuple(row) not in known for row in permuted.tolist())


def test_of_very_many_images_a_sample_is_asked_and_the_rest_is_counted_whole(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence, labels = evidence_of(tree), [b % 5 for b in range(19)]
    monkeypatch.setattr("treegen.clip.metrics.controls._WORK", 11 * evidence.matrix.size)
    found = controls(MEAN, evidence, labels, MEAN.scores(evidence).argmax(1).tolist())
    assert (found["shuffled_columns"]["n"], found["shuffled_rules"]["n"]) == (11, 19)
    assert sample(19, 11) == sample(19, 11) != list(range(11))
    assert sample(5, 5) == list(range(5))


def test_permuted_whole_rules_leave_the_names_of_a_gate_where_they_are(tree: Tree) -> None:
    """Predictions do not move with the rules then: each deal is scored."""
    gate = (("tree_scale", 1.0), ("name_scale", 9.0), ("bias", 60.0), ("tree_margin", 0.0), ("name_margin", 0.0))
    names_only, evidence = FittedRule(rule=RULES["gated"], parameters=gate), evidence_of(tree)
    assert evidence.names is not None
    labels = evidence.names.argmax(1).tolist()
    found = controls(names_only, evidence, labels, labels)
    assert found["shuffled_rules"]["accuracy"] == found["shuffled_columns"]["accuracy"] == 1.0
    assert found["shuffled_rules"]["p"] == 1.0


def test_a_deal_of_whole_rules_is_that_of_moving_predictions(tree: Tree) -> None:
    """The fast way and the scoring of each deal are one thing, for a rule that does not look at names."""
    evidence, labels = evidence_of(tree), [b % 5 for b in range(19)]
    predictions = MEAN.scores(evidence).argmax(1).tolist()
    fast = shuffled_accuracies(labels, predictions, 5, 20)
    slow = []
    for seed in range(20):
        found = MEAN.scores(replace(evidence, matrix=evidence.matrix[_rule_permutation(5, seed)])).argmax(1).tolist()
        slow.append(sum(t == p for t, p in zip(labels, found, strict=True)) / 19)
    assert slow == pytest.approx(fast)
