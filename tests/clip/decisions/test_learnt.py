"""What rules learn, against searches that go through everything, and what they decide with it against loops."""

import math
from dataclasses import replace
from random import Random

import pytest
import torch

from tests.clip.decisions.test_fixed import NULL, SIZES, STARTS, B, K, answers_of, evidence_of
from treegen.clip.decisions import RULES, RuleInputs, fit
from treegen.clip.scoring import class_means, group_probabilities

LABELS = [0, 0, 1, 1, 1, 2, 2, 4, 4, 5, 5]  # class 3 is empty


def softmax(values: list[float]) -> list[float]:
    raised = [math.exp(v - max(values)) for v in values]
    return [r / sum(raised) for r in raised]


def slow_groups(evidence: RuleInputs, b: int, temperature: float = 1.0) -> list[list[float]]:
    logits = [float(x) / temperature for x in evidence.logits[b]]
    return [softmax(logits[start : start + size]) for start, size in zip(STARTS, SIZES, strict=True)]


def test_weights_are_the_recalls_beyond_luck_of_loops() -> None:
    answers = answers_of(9)
    evidence = evidence_of(answers)
    raw = []
    for g in range(3):
        asked: dict[int, list[bool]] = {}
        for b, label in enumerate(LABELS):
            option, p = answers[label][g], slow_groups(evidence, b)[g]
            if option != NULL:
                asked.setdefault(option, []).append(p.index(max(p)) == option)
        luck = 1 / len(asked)
        recalls = [(sum(hits) + luck) / (len(hits) + 1) for hits in asked.values()]
        raw.append(max(0.0, (sum(recalls) / len(asked) - luck) / (1 - luck)))
    assert sum(raw) > 0
    wanted = [value / (sum(raw) / 3) for value in raw]
    learnt = RULES["weighted"].fit(evidence, LABELS)
    assert list(learnt) == ["a", "b", "c"]
    assert list(learnt.values()) == pytest.approx(wanted)
    scores = RULES["weighted"].scores(evidence, learnt)
    for b in range(B):
        groups = slow_groups(evidence, b)
        for k in range(K):
            given = [(w, p[a]) for w, p, a in zip(wanted, groups, answers[k], strict=True) if a != NULL]
            share = sum(w for w, _ in given) / sum(wanted)
            weighted = sum(w * p for w, p in given) / share if share else 0.0
            assert float(scores[b, k]) == pytest.approx(weighted, rel=1e-5, abs=2e-6)


def test_a_group_that_nothing_is_known_of_weighs_as_the_others_do_on_average() -> None:
    answers = [[row[0], NULL, row[2]] for row in answers_of(9)]
    learnt = RULES["weighted"].fit(evidence_of(answers), LABELS)
    assert learnt["b"] == 1.0
    assert learnt["a"] + learnt["c"] == pytest.approx(2)
    useless = RULES["weighted"].fit(evidence_of([[NULL] * 3] * K), LABELS)
    assert useless == {"a": 1.0, "b": 1.0, "c": 1.0}


def test_classes_that_only_worthless_groups_tell_apart_are_decided_by_the_mean() -> None:
    answers = [[0, k % 4, 0] for k in range(4)] + [[1, 0, 1], [1, 1, 1]]
    evidence = evidence_of(answers)
    scores = RULES["weighted"].scores(evidence, {"a": 1.5, "b": 0.0, "c": 1.5})
    best = scores[:, :4].argmax(1)
    assert best.tolist() == evidence.probabilities[:, 2:6].argmax(1).tolist()


def test_a_group_added_since_weighs_1() -> None:
    evidence = evidence_of(answers_of(0))
    known = RULES["weighted"].scores(evidence, {"a": 0.5, "b": 1.0, "c": 2.0})
    torch.testing.assert_close(RULES["weighted"].scores(evidence, {"a": 0.5, "c": 2.0}), known)


def unlikely(evidence: RuleInputs, answers: list[list[int]], temperature: float) -> float:
    """Negative log-likelihood of the true options."""
    total = 0.0
    for b, label in enumerate(LABELS):
        for p, answer in zip(slow_groups(evidence, b, temperature), answers[label], strict=True):
            total -= math.log(max(p[answer], 1e-300)) if answer != NULL else 0.0
    return total


@pytest.mark.parametrize("scale", [0.5, 6.0])
def test_the_temperature_is_the_one_that_a_fine_search_finds_likeliest(scale: float) -> None:
    answers = answers_of(9)
    evidence = sharpened(evidence_of(answers, 3), answers, scale)
    learnt = RULES["temperature"].fit(evidence, LABELS)["temperature"]
    grid = [1.02**step for step in range(-200, 200)]
    best = min(grid, key=lambda t: unlikely(evidence, answers, t))
    assert grid[0] < best < grid[-1]
    assert learnt == pytest.approx(best, rel=0.021)
    assert unlikely(evidence, answers, learnt) <= unlikely(evidence, answers, best) + 1e-9


def sharpened(evidence: RuleInputs, answers: list[list[int]], scale: float) -> RuleInputs:
    """Logits that favour the true options, all times a scale."""
    logits = evidence.logits.clone()
    for b, label in enumerate(LABELS):
        for start, answer in zip(STARTS, answers[label], strict=True):
            if answer != NULL:
                logits[b, start + answer] += 2.0
    return replace(evidence, logits=scale * logits, probabilities=group_probabilities(scale * logits, SIZES))


def test_the_temperature_takes_off_what_a_scale_put_on() -> None:
    answers = answers_of(9)
    one, five = (sharpened(evidence_of(answers, 3), answers, scale) for scale in (1.0, 5.0))
    learnt = [RULES["temperature"].fit(each, LABELS)["temperature"] for each in (one, five)]
    assert learnt[1] == pytest.approx(5 * learnt[0], rel=1e-3)
    scores = [fit(RULES["temperature"], each, LABELS).scores(each) for each in (one, five)]
    torch.testing.assert_close(scores[0], scores[1], rtol=1e-3, atol=1e-4)


def test_of_equal_logits_every_temperature_is_as_likely_and_it_is_1() -> None:
    evidence = evidence_of(answers_of(9), 3)
    equal = torch.full_like(evidence.logits, 3.25)
    same = replace(evidence, logits=equal, probabilities=group_probabilities(equal, SIZES))
    assert RULES["temperature"].fit(same, LABELS) == {"temperature": 1.0}


def test_without_a_true_option_the_temperature_is_1() -> None:
    assert RULES["temperature"].fit(evidence_of([[NULL] * 3] * K), LABELS) == {"temperature": 1.0}


def gate_scores(evidence: RuleInputs, learnt: dict[str, float]) -> list[list[float]]:
    """(B, K) by the definition of the gate."""
    assert evidence.names is not None
    sums, rows = 3 * class_means(evidence.probabilities, evidence.matrix), []
    for b in range(B):
        tree = softmax([learnt["tree_scale"] * float(x) for x in sums[b]])
        names = softmax([learnt["name_scale"] * float(x) for x in evidence.names[b]])
        margins = [sorted(p)[-1] - sorted(p)[-2] for p in (tree, names)]
        z = learnt["bias"] + learnt["tree_margin"] * margins[0] + learnt["name_margin"] * margins[1]
        gate = 1 / (1 + math.exp(-z))
        rows.append([(1 - gate) * t + gate * n for t, n in zip(tree, names, strict=True)])
    return rows


def gate_loss(evidence: RuleInputs, learnt: dict[str, float]) -> float:
    weights = [learnt[key] for key in ("bias", "tree_margin", "name_margin")]
    rows = gate_scores(evidence, learnt)
    return sum(w * w for w in weights) / 2 - sum(math.log(row[t]) for row, t in zip(rows, LABELS, strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_the_gate_is_no_worse_than_any_that_a_random_search_finds(seed: int) -> None:
    evidence = evidence_of(answers_of(seed), seed)
    learnt = RULES["gated"].fit(evidence, LABELS)
    torch.testing.assert_close(
        RULES["gated"].scores(evidence, learnt), torch.tensor(gate_scores(evidence, learnt), dtype=torch.float64)
    )
    own, draw = gate_loss(evidence, learnt), Random(seed)
    for width in (0.05, 0.3, 1.0, 3.0):
        for _ in range(40):
            moved = {key: learnt[key] + draw.gauss(0, width) for key in ("bias", "tree_margin", "name_margin")}
            assert gate_loss(evidence, {**learnt, **moved}) >= own - 1e-6


@pytest.mark.parametrize("knows", ["tree", "names"])
def test_the_gate_goes_to_the_side_that_knows(knows: str) -> None:
    answers = answers_of(9)
    evidence = evidence_of(answers)
    assert evidence.names is not None
    names = evidence.names.clone()
    if knows == "names":
        names[range(B), LABELS] += 8
    else:
        evidence = sharpened(evidence, answers, 3.0)
    evidence = replace(evidence, names=names)
    found = fit(RULES["gated"], evidence, LABELS)
    alone = names if knows == "names" else class_means(evidence.probabilities, evidence.matrix)
    agree = (found.scores(evidence).argmax(1) == alone.argmax(1)).double().mean()
    assert float(agree) > 0.8


@pytest.mark.parametrize("name", ["weighted", "temperature", "gated"])
def test_the_same_images_teach_the_same_in_any_order_as_plain_numbers(name: str) -> None:
    evidence, order = evidence_of(answers_of(2)), Random(0).sample(range(B), B)
    learnt = RULES[name].fit(evidence, LABELS)
    turned = RULES[name].fit(evidence.take(torch.tensor(order)), [LABELS[b] for b in order])
    assert all(type(value) is float and math.isfinite(value) for value in learnt.values())
    assert turned == pytest.approx(learnt, rel=1e-4, abs=1e-5)
    assert learnt == RULES[name].fit(evidence, LABELS)
