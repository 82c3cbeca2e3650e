"""Rules that learn nothing against loops over images, classes and groups, and what they must not depend on."""

import math
from dataclasses import replace
from random import Random

import pytest
import torch

from treegen.clip.decisions import RULES, FittedRule, RuleInputs
from treegen.clip.scoring import group_probabilities

B, K = 11, 6
SIZES = (2, 4, 3)  # G = 3, Q = 9
STARTS = (0, 2, 6)
NULL = -1


def answers_of(seed: int) -> list[list[int]]:
    """(K, G), some null; classes 4 and 5 are twins but for the last group."""
    draw = Random(seed)
    rows = [[draw.randrange(size) if draw.random() < 0.8 else NULL for size in SIZES] for _ in range(K)]
    rows[5] = [*rows[4][:2], (rows[4][2] + 1) % 3]
    return rows


def evidence_of(answers: list[list[int]], seed: int = 0, scale: float = 2.0) -> RuleInputs:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(B, sum(SIZES), generator=generator, dtype=torch.float64)
    matrix = torch.zeros(K, sum(SIZES), dtype=torch.float64)
    for k, row in enumerate(answers):
        for start, size, answer in zip(STARTS, SIZES, row, strict=True):
            matrix[k, start : start + size] = 1 / size
            if answer != NULL:
                matrix[k, start : start + size] = 0
                matrix[k, start + answer] = 1
    return RuleInputs(
        logits=logits,
        probabilities=group_probabilities(logits, SIZES),
        matrix=matrix,
        groups=("a", "b", "c"),
        sizes=SIZES,
        names=torch.randn(B, K, generator=generator, dtype=torch.float64),
    )


def slow(name: str, evidence: RuleInputs, answers: list[list[int]]) -> list[list[float]]:
    """Scores (B, K) by the definition of the rule."""
    rows = []
    for b in range(B):
        groups = []
        for start, size in zip(STARTS, SIZES, strict=True):
            raised = [math.exp(float(evidence.logits[b, q])) for q in range(start, start + size)]
            groups.append([value / sum(raised) for value in raised])
        rows.append([_slow_class(name, groups, answers[k]) for k in range(K)])
    return rows


def _slow_class(name: str, groups: list[list[float]], answers: list[int]) -> float:
    if name == "sum":
        return sum(1 / len(p) if a == NULL else p[a] for p, a in zip(groups, answers, strict=True))
    answered = [(p, a) for p, a in zip(groups, answers, strict=True) if a != NULL]
    given = [p[a] for p, a in answered]
    mean = sum(given) / len(given) if given else 0.0
    whole = len(groups) / max(1, len(given))
    if name == "mean":
        return mean
    if name == "log-product":
        return whole * sum(math.log(p) for p in given) if given else -1e9
    if name == "max":
        return max(given, default=0.0) + 1e-6 * mean
    return whole * sum((p[a] == max(p)) / p.count(max(p)) for p, a in answered) + 1e-6 * mean


FIXED = ("mean", "sum", "log-product", "vote", "max")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FIXED)
def test_scores_are_those_of_loops(name: str, seed: int) -> None:
    answers = answers_of(seed)
    evidence = evidence_of(answers, seed)
    found = FittedRule(rule=RULES[name]).scores(evidence)
    assert found.shape == (B, K)
    torch.testing.assert_close(found, torch.tensor(slow(name, evidence, answers), dtype=torch.float64))


@pytest.mark.parametrize("name", FIXED)
def test_nothing_is_learnt(name: str) -> None:
    assert RULES[name].fit(evidence_of(answers_of(0)), [0] * B) == {}
    assert RULES[name].parameters == ()


def test_the_table_names_every_rule_with_the_plainer_ones_first() -> None:
    assert list(RULES) == ["mean", "sum", "log-product", "vote", "max", "weighted", "temperature", "gated", "bayes"]
    assert all(name == rule.name for name, rule in RULES.items())


PARAMETERS = {
    "weighted": {"a": 0.3, "b": 1.7, "c": 1.0},
    "temperature": {"temperature": 1.9},
    "gated": {"tree_scale": 2.0, "name_scale": 0.7, "bias": -0.4, "tree_margin": -1.0, "name_margin": 2.0},
    "bayes": {
        "exponent": 0.8,
        "strength": 2.0,
        **{f"{group}: {o} > {o}": 8.0 for group, size in zip("abc", SIZES, strict=True) for o in range(size)},
    },
}


def fitted(name: str) -> FittedRule:
    return FittedRule(rule=RULES[name], parameters=tuple(PARAMETERS.get(name, {}).items()))


@pytest.mark.parametrize("name", RULES)
def test_classes_in_another_order_have_their_scores_in_that_order(name: str) -> None:
    evidence, order = evidence_of(answers_of(1)), [3, 0, 5, 1, 4, 2]
    assert evidence.names is not None
    turned = replace(evidence, matrix=evidence.matrix[order], names=evidence.names[:, order])
    torch.testing.assert_close(fitted(name).scores(turned), fitted(name).scores(evidence)[:, order])


@pytest.mark.parametrize("name", RULES)
def test_groups_and_options_in_another_order_change_nothing(name: str) -> None:
    evidence = evidence_of(answers_of(2))
    columns = [8, 7, 6, 1, 0, 3, 2, 5, 4]  # the last group first, options turned within each
    turned = replace(
        evidence,
        logits=evidence.logits[:, columns],
        probabilities=evidence.probabilities[:, columns],
        matrix=evidence.matrix[:, columns],
        groups=("c", "a", "b"),
        sizes=(3, 2, 4),
    )
    torch.testing.assert_close(fitted(name).scores(turned), fitted(name).scores(evidence))


@pytest.mark.parametrize("name", RULES)
def test_a_shift_of_all_logits_of_a_group_changes_nothing(name: str) -> None:
    evidence = evidence_of(answers_of(0))
    shifts = torch.repeat_interleave(40 * torch.randn(B, 3, dtype=torch.float64), torch.tensor(SIZES), dim=1)
    logits = evidence.logits + shifts
    moved = replace(evidence, logits=logits, probabilities=group_probabilities(logits, SIZES))
    torch.testing.assert_close(fitted(name).scores(moved), fitted(name).scores(evidence))


@pytest.mark.parametrize("name", RULES)
def test_a_class_of_nulls_has_the_same_score_for_every_image_and_images_do_not_touch_each_other(name: str) -> None:
    answers = answers_of(0)
    answers[2] = [NULL] * 3
    evidence = evidence_of(answers)
    found = fitted(name).scores(evidence)
    if name not in ("gated", "bayes"):  # probabilities of all classes, which depend on the others
        torch.testing.assert_close(found[:, 2], found[:1, 2].expand(B))
    some = torch.tensor([7, 0, 3])
    torch.testing.assert_close(fitted(name).scores(evidence.take(some)), found[some])


@pytest.mark.parametrize("name", RULES)
def test_huge_logits_give_scores_and_never_nan(name: str) -> None:
    evidence = evidence_of(answers_of(1), scale=1e5)
    assert bool(torch.isfinite(fitted(name).scores(evidence)).all())


@pytest.mark.parametrize("name", ["vote", "max"])
def test_ties_are_decided_by_the_mean(name: str) -> None:
    """Classes that share the surest option have the same votes and the same maximum."""
    answers = [[0, 0, 0], [0, 1, 0], [0, 2, 0], [0, 3, 0], [1, 0, 1], [1, 0, 2]]
    evidence = evidence_of(answers)
    logits = evidence.logits.clone()
    logits[:, 0] = 30.0  # everybody's first answer is sure
    logits[:, 2:6] = torch.tensor([0.1, 0.3, 0.2, 0.0])  # the second group hardly prefers its option 1
    logits[:, 6:] = torch.tensor([0.0, 9.0, 0.0])
    certain = replace(evidence, logits=logits, probabilities=group_probabilities(logits, SIZES))
    assert FittedRule(rule=RULES[name]).scores(certain).argmax(1).tolist() == [1] * B


def test_evidence_without_a_group_is_that_of_a_tree_without_it() -> None:
    answers = answers_of(1)
    evidence = evidence_of(answers)
    less = evidence.without(1)
    assert (less.groups, less.sizes) == (("a", "c"), (2, 3))
    columns = [0, 1, 6, 7, 8]
    torch.testing.assert_close(less.matrix, evidence.matrix[:, columns])
    torch.testing.assert_close(less.logits, evidence.logits[:, columns])
    assert evidence.expected().tolist() == answers


@pytest.mark.parametrize("name", RULES)
def test_a_null_neither_helps_nor_hurts(name: str) -> None:
    """Most answers of a class that fits best are nulls: it is predicted all the same, but not by the article's sum.

    Nor by the posterior, for which an answer that is seen says more than none.
    """
    answers = [[0, 0, 0], [0, NULL, NULL], [1, 1, 1], [1, 2, 2], [1, 3, 1], [0, 1, 1]]
    evidence = evidence_of(answers)
    logits = torch.zeros_like(evidence.logits)
    logits[:, 0] = 3.0  # 0.95: all that class 1 says is right
    logits[:, [2, 6]] = 2.0  # less than that: class 0 fits, but less surely
    names = torch.zeros_like(evidence.names) if evidence.names is not None else None
    shown = replace(evidence, logits=logits, probabilities=group_probabilities(logits, SIZES), names=names)
    assert fitted(name).scores(shown).argmax(1).tolist() == [0 if name in ("sum", "bayes") else 1] * B


@pytest.mark.parametrize("seed", range(3))
def test_without_nulls_the_mean_is_the_sum_divided_by_the_groups_and_predicts_the_same(seed: int) -> None:
    draw = Random(seed)
    evidence = evidence_of([[draw.randrange(size) for size in SIZES] for _ in range(K)], seed)
    mean, total = (FittedRule(rule=RULES[name]).scores(evidence) for name in ("mean", "sum"))
    torch.testing.assert_close(mean, total / len(SIZES))
    assert mean.argmax(1).tolist() == total.argmax(1).tolist()


@pytest.mark.parametrize("name", RULES)
def test_a_class_that_answers_no_group_is_not_predicted(name: str) -> None:
    answers = answers_of(0)
    answers[2] = [NULL] * 3
    scores = fitted(name).scores(replace(evidence_of(answers, scale=1e3), names=torch.zeros(B, K).double()))
    assert name == "sum" or 2 not in scores.argmax(1).tolist()
    assert bool(torch.isfinite(scores).all())
