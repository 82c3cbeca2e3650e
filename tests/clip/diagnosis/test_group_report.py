"""What each group sees, against loops over images, and what dropping a group does."""

import math
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from treegen.clip.decisions import MEAN, RULES, FittedRule, RuleInputs
from treegen.clip.diagnosis.ablation import without_each
from treegen.clip.diagnosis.diagnose import diagnose
from treegen.clip.diagnosis.group_report import group_predictions, group_reports, rows_without
from treegen.clip.metrics.statistics import fisher_exact, holm, mcnemar_exact
from treegen.clip.scoring import class_means, group_probabilities, rule_matrix
from treegen.tree.model import ClassRule, Group, Tree

CLASSES = ("Abrosk", "Wendle", "Corvane", "Ilmet", "Quill")  # not the order of the tree's rules
B, STARTS = 67, (0, 4, 6)


def case(tree: Tree, seed: int = 0) -> tuple[list[int], np.ndarray]:
    """Labels without class 3, and probabilities (B, Q) that lean to the true options."""
    draw = Random(seed)
    labels = [draw.choice((0, 1, 1, 2, 4)) for _ in range(B)]
    rules = {rule.name: rule for rule in tree.rules}
    logits = np.random.default_rng(seed).standard_normal((B, sum(len(g.options) for g in tree.groups)), np.float32)
    start = 0
    for group in tree.groups:
        for b, label in enumerate(labels):
            if (index := rules[CLASSES[label]].get(group.name)) is not None:
                logits[b, start + index] += 1.0
        start += len(group.options)
    return labels, group_probabilities(2 * logits, tuple(len(g.options) for g in tree.groups))


def truth(tree: Tree, seed: int = 0) -> dict[str, dict[str, Any]]:
    labels, probabilities = case(tree, seed)
    found = group_reports(group_predictions(tree, CLASSES, labels, probabilities))
    return {group.name: entry for group, entry in zip(tree.groups, found, strict=True)}


def slow_rows(tree: Tree, seed: int = 0) -> dict[str, list[tuple[int | None, list[float]]]]:
    """For each group the true option and the probabilities of every image."""
    labels, probabilities = case(tree, seed)
    rules, rows, start = {rule.name: rule for rule in tree.rules}, {}, 0
    for group in tree.groups:
        rows[group.name] = [
            (rules[CLASSES[label]].get(group.name), probabilities[b, start : start + len(group.options)].tolist())
            for b, label in enumerate(labels)
        ]
        start += len(group.options)
    return rows


def test_confusion_and_balanced_accuracy_are_those_of_loops(tree: Tree) -> None:
    found = truth(tree)
    for group in tree.groups:
        asked = [(e, p.index(max(p))) for e, p in slow_rows(tree)[group.name] if e is not None]
        counts = Counter(asked)
        assert found[group.name]["confusion"] == [[e, a, counts[e, a]] for e, a in sorted(counts)]
        recalls = [
            sum(a == e for e, a in asked if e == i) / sum(e == i for e, _ in asked)
            for i in sorted({e for e, _ in asked})
        ]
        assert found[group.name]["balanced_accuracy"] == pytest.approx(sum(recalls) / len(recalls))


def test_calibration_is_that_of_bins_filled_one_by_one(tree: Tree) -> None:
    found = truth(tree)
    for group in tree.groups:
        bins: dict[int, list[tuple[float, bool]]] = {}
        for expected, p in slow_rows(tree)[group.name]:
            if expected is not None:
                bins.setdefault(min(9, int(max(p) * 10)), []).append((max(p), p.index(max(p)) == expected))
        n = sum(map(len, bins.values()))
        error = sum(
            len(own) / n * abs(sum(c for c, _ in own) / len(own) - sum(r for _, r in own) / len(own))
            for own in bins.values()
        )
        entry = found[group.name]["calibration"]
        assert entry["error"] == pytest.approx(error)
        assert [(b["low"], b["n"]) for b in entry["bins"]] == [(k / 10, len(bins[k])) for k in sorted(bins)]
        assert entry["confidence"] == pytest.approx(sum(c for own in bins.values() for c, _ in own) / n)


def slow_bits(pairs: list[tuple[int, int]]) -> float:
    n, both = len(pairs), Counter(pairs)
    left, right = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    return sum(k / n * math.log2(k * n / (left[a] * right[b])) for (a, b), k in both.items())


def test_information_about_the_class_and_with_other_groups_is_that_of_loops(tree: Tree) -> None:
    found, rows, labels = truth(tree), slow_rows(tree), case(tree)[0]
    answers = {name: [p.index(max(p)) for _, p in own] for name, own in rows.items()}
    for group in tree.groups:
        entry = found[group.name]
        assert entry["information"]["bits"] == pytest.approx(
            slow_bits(list(zip(labels, answers[group.name], strict=True)))
        )
        assert entry["information"]["corrected"] <= entry["information"]["bits"]
        others = {other["group"]: other["bits"] for other in entry["shared"]}
        assert set(others) == {g.name for g in tree.groups} - {group.name}
        for name, bits in others.items():
            assert bits == pytest.approx(slow_bits(list(zip(answers[group.name], answers[name], strict=True))))
        assert [o["corrected"] for o in entry["shared"]] == sorted(
            (o["corrected"] for o in entry["shared"]), reverse=True
        )


def test_pairs_taken_for_each_other_are_those_of_loops_with_fishers_p(tree: Tree) -> None:
    found = truth(tree)
    for group in tree.groups:
        asked = Counter((e, p.index(max(p))) for e, p in slow_rows(tree)[group.name] if e is not None)
        slow = []
        for a in range(len(group.options)):
            for b in range(a + 1, len(group.options)):
                if crossed := asked[a, b] + asked[b, a]:
                    n = sum(k for (e, _), k in asked.items() if e in (a, b))
                    p = fisher_exact(((asked[a, a], asked[a, b]), (asked[b, a], asked[b, b])))
                    slow.append(([group.options[a], group.options[b]], crossed, n, p))
        slow.sort(key=lambda pair: -pair[1])
        entry = [(e["options"], e["crossed"], e["n"], e["p"]) for e in found[group.name]["pairs"]]
        assert entry == slow[:8]


def test_options_fire_together_if_the_second_is_at_least_half_as_probable_as_the_first(tree: Tree) -> None:
    found = truth(tree)
    for group in tree.groups:
        counts: Counter[tuple[int, ...]] = Counter()
        for _, p in slow_rows(tree)[group.name]:
            first, second = sorted(range(len(p)), key=lambda i: -p[i])[:2]
            if p[first] < 2 * p[second]:
                counts[tuple(sorted((first, second)))] += 1
        told = {tuple(e["options"]): e["count"] for e in found[group.name]["together"]}
        assert told == {(group.options[a], group.options[b]): k for (a, b), k in counts.items()}
        assert all(e["n"] == B for e in found[group.name]["together"])


def test_the_costs_are_the_prompts_and_their_shares(tree: Tree) -> None:
    found = truth(tree)
    assert [found[g.name]["cost"]["prompts"] for g in tree.groups] == [4, 2, 3]
    assert sum(found[g.name]["cost"]["share"] for g in tree.groups) == pytest.approx(1)


def test_a_group_of_nulls_has_no_accuracy_no_calibration_and_could_tell_nothing(tree: Tree) -> None:
    rules = tuple(ClassRule(name=r.name, answers=tuple((g, None) for g, _ in r.answers)) for r in tree.rules)
    found = truth(replace(tree, rules=rules))["colour"]
    assert (found["balanced_accuracy"], found["calibration"], found["confusion"], found["pairs"]) == (
        None,
        None,
        [],
        [],
    )
    assert found["information"]["possible"] == pytest.approx(0, abs=1e-12)


def test_two_options_are_needed_if_nothing_else_tells_two_classes_apart(tree: Tree) -> None:
    """Abrosk and Corvane, made the same but for their size."""
    alike = {"Abrosk": (0, 1, 2), "Corvane": (0, 0, 2)}
    rules = tuple(
        ClassRule(name=r.name, answers=tuple(zip(("colour", "size", "place"), alike[r.name], strict=True)))
        if r.name in alike
        else r
        for r in tree.rules
    )
    found = truth(replace(tree, rules=rules))
    assert [pair["needed"] for pair in found["size"]["pairs"]] == [["Abrosk", "Corvane"]]
    assert all(pair["needed"] == [] for pair in found["place"]["pairs"])


def test_the_order_of_images_changes_nothing(tree: Tree) -> None:
    labels, probabilities = case(tree)
    order = Random(4).sample(range(B), B)
    turned = group_reports(group_predictions(tree, CLASSES, [labels[b] for b in order], probabilities[order]))
    for one, other in zip(turned, truth(tree).values(), strict=True):
        assert one.pop("calibration")["error"] == pytest.approx(other.pop("calibration")["error"])
        assert one == other


def evidence_of(tree: Tree, probabilities: np.ndarray) -> RuleInputs:
    rows = {name: number for number, name in enumerate(tree.classes)}
    return RuleInputs(
        logits=np.log(probabilities),
        probabilities=probabilities,
        matrix=rule_matrix(tree)[[rows[c] for c in CLASSES]],
        groups=tuple(g.name for g in tree.groups),
        sizes=tuple(len(g.options) for g in tree.groups),
    )


def slow_without(tree: Tree, name: str, probabilities: np.ndarray) -> list[int]:
    """Predictions of a real tree without the group; of equal scores the first class."""
    less = replace(
        tree,
        groups=tuple(g for g in tree.groups if g.name != name),
        rules=tuple(replace(r, answers=tuple(a for a in r.answers if a[0] != name)) for r in tree.rules),
    )
    start = STARTS[[g.name for g in tree.groups].index(name)]
    end = start + len(next(g for g in tree.groups if g.name == name).options)
    kept = np.delete(probabilities, slice(start, end), 1).astype(np.float64)
    rows = {rule.name: number for number, rule in enumerate(less.rules)}
    scores = class_means(kept, rule_matrix(less)[[rows[c] for c in CLASSES]].astype(np.float64))
    return [next(k for k, s in enumerate(row) if s >= max(row) - 1e-9) for row in scores.tolist()]


@pytest.mark.parametrize("rule", ["mean", "weighted"])
def test_the_tree_without_a_group_is_a_real_tree_without_it(tree: Tree, rule: str) -> None:
    labels, probabilities = case(tree)
    decision = MEAN if rule == "mean" else FittedRule(rule=RULES["weighted"])  # without weights each group weighs 1
    predictions = MEAN.scores(evidence_of(tree, probabilities)).argmax(1).tolist()
    found = without_each(decision, evidence_of(tree, probabilities), labels, predictions, CLASSES)
    slow = []
    for group in tree.groups:
        guess = slow_without(tree, group.name, probabilities)
        wins = sum(g == t != p for t, g, p in zip(labels, guess, predictions, strict=True))
        losses = sum(p == t != g for t, g, p in zip(labels, guess, predictions, strict=True))
        slow.append((wins, losses, mcnemar_exact(wins, losses)))
    assert [(e["wins"], e["losses"], e["p"]) for e in found if e] == slow
    assert [e["p_holm"] for e in found if e] == list(holm([p for _, _, p in slow]))
    assert sum(wins + losses for wins, losses, _ in slow) > 10


def test_classes_that_only_the_dropped_group_tells_apart_are_named_and_tie_to_the_first(tree: Tree) -> None:
    """Twins: no rounding error may decide between them."""
    twin = ClassRule(name="Quill", answers=(("colour", 0), ("size", 0), ("place", 2)))
    other = ClassRule(name="Abrosk", answers=(("colour", 3), ("size", 0), ("place", 2)))
    twins = replace(tree, rules=(twin, other, *tree.rules[2:]))
    labels, probabilities = case(twins)
    predictions = MEAN.scores(evidence_of(twins, probabilities)).argmax(1).tolist()
    found = without_each(MEAN, evidence_of(twins, probabilities), labels, predictions, CLASSES)
    assert found[0] is not None
    assert found[0]["identical"] == ["Abrosk", "Quill"]
    guess = slow_without(twins, "colour", probabilities)
    assert 4 not in guess
    assert found[0]["losses"] == sum(p == t != g for t, g, p in zip(labels, guess, predictions, strict=True))


def test_a_tree_of_one_group_is_nothing_without_it(tree: Tree) -> None:
    one = replace(tree, groups=tree.groups[:1])
    labels, probabilities = case(tree)
    assert without_each(MEAN, evidence_of(one, probabilities[:, :4]), labels, [0] * B, CLASSES) == [None]


def test_the_diagnosis_names_the_groups_that_should_tell_confused_classes_apart(tree: Tree) -> None:
    labels, probabilities = case(tree)
    predictions = [1 if label == 0 else label for label in labels]  # Abrosk taken for Wendle
    found = diagnose(tree, CLASSES, labels, predictions, probabilities)
    rows = slow_rows(tree)
    own = [b for b, label in enumerate(labels) if label in (0, 1)]
    slow = [
        {
            "group": g.name,
            "n": len(own),
            "right": sum(rows[g.name][b][1].index(max(rows[g.name][b][1])) == rows[g.name][b][0] for b in own),
        }
        for g in tree.groups
    ]
    assert found["confused"][0]["separated_by"] == slow
    assert found["cost"] == {"groups": 3, "prompts": 9}


def test_groups_are_looked_at_in_the_order_of_the_domains_classes() -> None:
    """The tree's rules stand in another order; the matrix of a group has the domain's."""
    group = Group(name="g", prompt="{}", options=("a", "b"))
    rules = (ClassRule(name="Y", answers=(("g", 1),)), ClassRule(name="X", answers=(("g", 0),)))
    seen = group_predictions(
        Tree(domain="d", groups=(group,), rules=rules), ("X", "Y"), [0, 1], np.array([[0.9, 0.1]] * 2)
    )
    assert seen[0].matrix.tolist() == [[1, 0], [0, 1]]
    assert seen[0].expected.tolist() == [0, 1]


def test_classes_have_a_number_in_common_for_a_group_if_all_other_groups_treat_them_alike() -> None:
    draw = np.random.default_rng(0)
    parts = [np.eye(3)[draw.integers(0, 3, 12)] for _ in range(3)]
    parts[1][4] = 1 / 3
    for group, numbers in enumerate(rows_without(parts)):
        rest = np.concatenate([part for number, part in enumerate(parts) if number != group], 1)
        same = (rest[:, None] == rest[None]).all(2)
        assert ((numbers[:, None] == numbers[None]) == same).all()
        assert 12 < same.sum() < 144
