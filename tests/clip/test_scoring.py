"""The decision rule against loops, on sizes that all differ, and what it must not depend on."""

import math
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from treegen.clip.scoring import class_scores, group_probabilities, rule_matrix, similarity_logits
from treegen.errors import ProblemsError
from treegen.tree.model import ClassRule, Group, Tree

B, K, D = 11, 6, 5
SIZES = (2, 4, 1, 3)  # G = 4, Q = 10
G, Q = len(SIZES), sum(SIZES)
STARTS = tuple(sum(SIZES[:g]) for g in range(G))


def random_logits(seed: int, scale: float = 4.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).standard_normal((B, Q))


def random_tree(seed: int, classes: int = K, *, nulls: float = 0.2) -> Tree:
    draw = Random(seed)
    groups = tuple(
        Group(name=f"g{g}", prompt="It is {}.", options=tuple(f"option {g} {i}" for i in range(size)))
        for g, size in enumerate(SIZES)
    )
    rules = tuple(
        ClassRule(
            name=f"class {k}",
            answers=tuple((f"g{g}", None if draw.random() < nulls else draw.randrange(SIZES[g])) for g in range(G)),
        )
        for k in range(classes)
    )
    return Tree(domain="d", groups=groups, rules=rules)


def slow_probabilities(logits: np.ndarray) -> list[list[float]]:
    rows = []
    for b in range(len(logits)):
        row = []
        for start, size in zip(STARTS, SIZES, strict=True):
            raised = [math.exp(float(logits[b, q])) for q in range(start, start + size)]
            row += [value / sum(raised) for value in raised]
        rows.append(row)
    return rows


def slow_scores(probabilities: list[list[float]], tree: Tree) -> list[list[float]]:
    """S[b, k] = sum over g of p[b, index(g, rule(k, g))], a null adding 1/len(options)."""
    rows = []
    for row in probabilities:
        scores = []
        for rule in tree.rules:
            total, start = 0.0, 0
            for group in tree.groups:
                index = rule.get(group.name)
                total += 1 / len(group.options) if index is None else row[start + index]
                start += len(group.options)
            scores.append(total)
        rows.append(scores)
    return rows


def scored(logits: np.ndarray, tree: Tree, sizes: tuple[int, ...] = SIZES) -> np.ndarray:
    found: np.ndarray = class_scores(group_probabilities(logits, sizes), rule_matrix(tree).astype(logits.dtype))
    return found


def assert_close(found: np.ndarray, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


def test_logits_are_the_scaled_dot_products_of_loops() -> None:
    draw = np.random.default_rng(0)
    images, texts = draw.standard_normal((B, D)), draw.standard_normal((Q, D))
    slow = [[2.5 * sum(float(x) * float(t) for x, t in zip(a, b, strict=True)) for b in texts] for a in images]
    assert_close(similarity_logits(images, texts, 2.5), slow)


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_the_softmax_of_loops_and_sum_to_one_in_each_group(seed: int) -> None:
    logits = random_logits(seed)
    found = group_probabilities(logits, SIZES)
    assert found.shape == (B, Q)
    assert_close(found, slow_probabilities(logits))
    for start, size in zip(STARTS, SIZES, strict=True):
        assert_close(found[:, start : start + size].sum(1), np.ones(B))


@pytest.mark.parametrize("images", [1, B])
def test_the_logits_that_were_given_stay_as_they_are(images: int) -> None:
    logits = random_logits(0)[:images]
    before = logits.copy()
    probabilities = group_probabilities(logits, SIZES)
    assert np.array_equal(logits, before)
    assert probabilities.shape == (images, Q)


def test_a_shift_of_all_logits_of_a_group_changes_no_probability() -> None:
    logits = random_logits(0)
    shifts = 50 * np.random.default_rng(1).standard_normal((B, G))
    moved = logits + np.repeat(shifts, SIZES, axis=1)
    assert_close(group_probabilities(moved, SIZES), group_probabilities(logits, SIZES))


@pytest.mark.parametrize("size", [-1e4, 1e4])
def test_huge_logits_give_probabilities_and_never_nan(size: float) -> None:
    found = group_probabilities(random_logits(1).astype(np.float32) + np.float32(size), SIZES)
    assert np.isfinite(found).all()
    assert_close(found.sum(1), np.full(B, float(G)))


@pytest.mark.parametrize("seed", range(3))
def test_class_scores_are_those_of_loops(seed: int) -> None:
    logits, tree = random_logits(seed), random_tree(seed)
    found = scored(logits, tree)
    assert found.shape == (B, K)
    assert_close(found, slow_scores(slow_probabilities(logits), tree))


def test_the_rule_matrix_has_one_at_the_option_and_a_share_under_null() -> None:
    tree = random_tree(4, nulls=0.4)
    slow = [[0.0] * Q for _ in range(K)]
    for k, rule in enumerate(tree.rules):
        for g, (start, size) in enumerate(zip(STARTS, SIZES, strict=True)):
            index = rule.get(f"g{g}")
            for i in range(size):
                slow[k][start + i] = 1 / size if index is None else float(i == index)
    assert_close(rule_matrix(tree), slow)


def test_a_group_that_the_rule_does_not_name_counts_as_null() -> None:
    tree = random_tree(5, nulls=0.0)
    first = tree.rules[0]
    silent = replace(tree, rules=(replace(first, answers=first.answers[1:]), *tree.rules[1:]))
    null = replace(tree, rules=(replace(first, answers=(("g0", None), *first.answers[1:])), *tree.rules[1:]))
    assert np.array_equal(rule_matrix(silent), rule_matrix(null))
    assert not np.array_equal(rule_matrix(silent), rule_matrix(tree))


def test_a_null_adds_one_over_the_number_of_options_whatever_the_image() -> None:
    tree = Tree(
        domain="d",
        groups=random_tree(0).groups,
        rules=(ClassRule(name="a", answers=tuple((f"g{g}", None) for g in range(G))),),
    )
    assert_close(scored(random_logits(2), tree), [[sum(1 / size for size in SIZES)]] * B)


@pytest.mark.parametrize("index", [-1, 4, 99])
def test_an_index_out_of_range_is_a_problem_that_names_class_and_group(index: int) -> None:
    tree = random_tree(0)
    wrong = replace(tree, rules=(*tree.rules[1:], ClassRule(name="Odd", answers=(("g1", index),))))
    with pytest.raises(ProblemsError, match=rf"'Odd' has option {index} in 'g1', which has 4 options"):
        rule_matrix(wrong)


def test_permuting_images_permutes_rows_only() -> None:
    logits, tree, order = random_logits(3), random_tree(3), np.random.default_rng(2).permutation(B)
    assert_close(scored(logits[order], tree), scored(logits, tree)[order])


def test_permuting_classes_permutes_columns_only() -> None:
    logits, tree = random_logits(3), random_tree(3)
    order = Random(1).sample(range(K), K)
    permuted = replace(tree, rules=tuple(tree.rules[k] for k in order))
    assert_close(scored(logits, permuted), scored(logits, tree)[:, order])


def test_permuting_groups_changes_no_score() -> None:
    logits, tree, order = random_logits(3), random_tree(3), (2, 0, 3, 1)
    columns = [q for g in order for q in range(STARTS[g], STARTS[g] + SIZES[g])]
    permuted = replace(tree, groups=tuple(tree.groups[g] for g in order))
    found = scored(logits[:, columns], permuted, tuple(SIZES[g] for g in order))
    assert_close(found, scored(logits, tree))


def test_permuting_options_with_their_rules_changes_no_score() -> None:
    logits, tree, order = random_logits(3), random_tree(3), (3, 1, 0, 2)  # new place -> old place, in g1
    columns = list(range(Q))
    columns[STARTS[1] : STARTS[1] + 4] = [STARTS[1] + i for i in order]
    group = tree.groups[1]
    groups = (tree.groups[0], replace(group, options=tuple(group.options[i] for i in order)), *tree.groups[2:])
    rules = tuple(
        replace(r, answers=tuple((g, order.index(i) if g == "g1" and i is not None else i) for g, i in r.answers))
        for r in tree.rules
    )
    assert_close(scored(logits[:, columns], replace(tree, groups=groups, rules=rules)), scored(logits, tree))


def test_classes_with_equal_rules_tie_and_the_first_is_predicted() -> None:
    tree = random_tree(6, classes=2, nulls=0.0)
    twin = replace(tree, rules=(tree.rules[0], replace(tree.rules[0], name="twin")))
    scores = scored(random_logits(6), twin)
    assert np.array_equal(scores[:, 0], scores[:, 1])
    assert scores.argmax(1).tolist() == [0] * B


@pytest.mark.parametrize("classes", [2, 3, 5, 13, 29, 101])
@pytest.mark.parametrize("images", [1, 5, 78])
def test_equal_texts_and_equal_rules_are_exactly_tied_whatever_their_number(classes: int, images: int) -> None:
    """No rounding of a matrix product decides between them, but their order."""
    draw = np.random.default_rng(9)
    features = draw.standard_normal((images, 96), np.float32)
    texts = np.repeat(draw.standard_normal((1, 96), np.float32), classes, axis=0)
    logits = similarity_logits(features, texts, 20.0)
    scores = class_scores(
        draw.random((images, 40), np.float32), np.repeat(draw.random((1, 40), np.float32), classes, 0)
    )
    for values in (logits, scores):
        assert values.shape == (images, classes)
        assert (values == values[:, :1]).all()


def test_equal_logits_give_each_option_of_a_group_the_same_probability() -> None:
    found = group_probabilities(np.full((B, Q), 2.0), SIZES)
    assert_close(found, [[1 / size for size in SIZES for _ in range(size)]] * B)


def test_a_large_scale_makes_every_group_a_vote_of_its_best_option() -> None:
    logits, tree = random_logits(7), random_tree(7, nulls=0.0)
    votes = [[0.0] * K for _ in range(B)]
    for b in range(B):
        for g, (start, size) in enumerate(zip(STARTS, SIZES, strict=True)):
            best = max(range(size), key=lambda i: float(logits[b, start + i]))
            for k, rule in enumerate(tree.rules):
                votes[b][k] += rule.get(f"g{g}") == best
    assert_close(scored(1e6 * logits, tree), votes)


def test_the_scale_changes_which_class_wins_so_it_is_never_left_out() -> None:
    logits = np.array([[2.0, 0.0, 0.0, 0.6, 0.0, 0.6]])
    groups = tuple(Group(name=n, prompt="{}", options=("x", "y")) for n in "abc")
    first = ClassRule(name="one strong answer", answers=(("a", 0), ("b", 0), ("c", 0)))
    second = ClassRule(name="two weak answers", answers=(("a", 1), ("b", 1), ("c", 1)))
    tree = Tree(domain="d", groups=groups, rules=(first, second))
    winners = [scored(scale * logits, tree, (2, 2, 2)).argmax(1).item() for scale in (1.0, 20.0)]
    assert winners == [0, 1]


def test_a_class_that_no_image_has_is_scored_like_any_other() -> None:
    logits, tree = random_logits(8), random_tree(8)
    fewer = replace(tree, rules=tree.rules[:-1])
    assert_close(scored(logits, tree)[:, :-1], scored(logits, fewer))


def test_no_image_gives_no_row() -> None:
    assert scored(random_logits(0)[:0], random_tree(0)).shape == (0, K)
