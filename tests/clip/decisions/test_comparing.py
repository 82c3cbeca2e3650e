"""The choice is made on dev folds that a rule has not seen, and reported on test with corrected paired tests."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import pytest
import torch

from tests.clip.decisions.test_fixed import SIZES, B, answers_of, evidence_of
from tests.clip.decisions.test_learnt import LABELS, sharpened
from treegen.clip.decisions import RULES, FittedRule, RuleInputs, fit, rules_named
from treegen.clip.decisions.abstaining import COVERAGES, curve, margins, thresholds
from treegen.clip.decisions.comparing import compare_rules, cross_validated
from treegen.clip.decisions.folds import FOLDS, folds_of
from treegen.clip.metrics.statistics import holm, mcnemar_exact, wilson_interval
from treegen.errors import InputError


def evidence(seed: int) -> RuleInputs:
    return sharpened(evidence_of(answers_of(9), seed), answers_of(9), 1.0)


def test_folds_deal_every_class_out_evenly_and_always_alike() -> None:
    draw = Random(0)
    labels = [draw.choice((0, 0, 0, 1, 2, 5)) for _ in range(83)]
    folds = folds_of(labels)
    assert folds == folds_of(labels)
    assert set(folds) == set(range(FOLDS))
    for k in set(labels):
        counts = Counter(fold for fold, label in zip(folds, labels, strict=True) if label == k)
        assert max(counts.values()) - min(counts[f] for f in range(FOLDS)) <= 1
    assert folds_of([3]) == [0]
    assert sorted(folds_of([0, 1])) == [0, 1]


@pytest.mark.parametrize("name", ["sum", "weighted", "temperature"])
def test_every_image_is_predicted_by_what_was_learnt_without_its_fold(name: str) -> None:
    seen, folds = evidence(0), folds_of(LABELS)
    slow = [-1] * B
    for b in range(B):
        rest = [other for other in range(B) if folds[other] != folds[b]]
        learnt = fit(RULES[name], seen.take(torch.tensor(rest)), [LABELS[other] for other in rest])
        slow[b] = int(learnt.scores(seen.take(torch.tensor([b]))).argmax(1))
    assert cross_validated(RULES[name], seen, LABELS) == slow


class Parrot:
    """Learns the labels by heart: perfect on what it has seen, useless on anything else."""

    name, parameters, uses_names, probabilities = "parrot", ("*",), False, False

    def fit(self, evidence: RuleInputs, labels: Sequence[int]) -> dict[str, float]:
        return {str(float(row[0])): float(label) for row, label in zip(evidence.logits, labels, strict=True)}

    def scores(self, evidence: RuleInputs, parameters: Mapping[str, float]) -> torch.Tensor:
        known = [int(parameters.get(str(float(row[0])), 3)) for row in evidence.logits]  # class 3 has no images
        return torch.nn.functional.one_hot(torch.tensor(known), len(evidence.matrix)).double()


def test_a_rule_is_not_favoured_by_images_that_it_has_seen() -> None:
    dev = (evidence(0), LABELS)
    chosen, section = compare_rules([RULES["sum"], Parrot()], dev, None)
    assert section["entries"][1]["dev"]["correct"] == 0
    assert chosen.rule.name == section["chosen"] == "sum"
    by_heart = fit(Parrot(), *dev).scores(dev[0]).argmax(1).tolist()
    assert by_heart == LABELS


def test_the_section_holds_dev_and_test_accuracies_with_corrected_tests_against_the_first() -> None:
    dev, test = (evidence(0), LABELS), (evidence(1), LABELS[::-1])
    rules = list(RULES.values())
    chosen, section = compare_rules(rules, dev, test)
    plain = compare_rules(rules, dev, None)[1]
    assert [entry["rule"] for entry in section["entries"]] == list(RULES)
    on_test = [fit(rule, *dev).scores(test[0]).argmax(1).tolist() for rule in rules]
    pairs = []
    for entry, predicted in zip(section["entries"], on_test, strict=True):
        right = sum(t == p for t, p in zip(test[1], predicted, strict=True))
        assert (entry["test"]["n"], entry["test"]["correct"]) == (B, right)
        assert entry["dev"]["correct"] == sum(
            t == p for t, p in zip(LABELS, cross_validated(RULES[entry["rule"]], *dev), strict=True)
        )
        wins = sum(n == t != o for t, n, o in zip(test[1], predicted, on_test[0], strict=True))
        losses = sum(o == t != n for t, n, o in zip(test[1], predicted, on_test[0], strict=True))
        pairs.append((wins, losses, mcnemar_exact(wins, losses)))
    assert section["entries"][0]["test_against"] is section["entries"][0]["dev_against"] is None
    corrected = holm([p for _, _, p in pairs[1:]])
    for entry, (wins, losses, p), p_holm in zip(section["entries"][1:], pairs[1:], corrected, strict=True):
        found = entry["test_against"]
        assert (found["wins"], found["losses"], found["p"], found["p_holm"]) == (wins, losses, p, p_holm)
    best = max(entry["dev"]["correct"] for entry in section["entries"])
    first = next(entry for entry in section["entries"] if entry["dev"]["correct"] == best)
    assert section["chosen"] == chosen.rule.name == first["rule"]
    assert dict(chosen.parameters) == first["parameters"]
    assert plain["chosen"] == section["chosen"]
    assert all("test" not in entry and "test_against" not in entry for entry in plain["entries"])


def test_the_test_part_has_no_say_in_the_choice() -> None:
    dev, rules = (evidence(0), LABELS), list(RULES.values())
    wrong = (evidence(0), [5 - label for label in LABELS])
    assert compare_rules(rules, dev, wrong)[1]["chosen"] == compare_rules(rules, dev, dev)[1]["chosen"]


def test_thresholds_leave_the_share_that_is_wanted_and_the_curve_counts_it() -> None:
    draw = torch.Generator().manual_seed(0)
    dev, test = (torch.rand(n, 4, generator=draw) for n in (40, 23))
    labels, limits = [b % 4 for b in range(23)], thresholds(dev)
    assert [wanted for wanted, _ in limits] == list(COVERAGES)
    for wanted, least in limits:
        assert sum(float(m) >= least for m in margins(dev)) == pytest.approx(wanted * 40)
    for (wanted, least), entry in zip(limits, curve(test, labels, limits), strict=True):
        answered = [b for b in range(23) if sorted(test[b])[-1] - sorted(test[b])[-2] >= least]
        right = sum(int(test[b].argmax()) == labels[b] for b in answered)
        assert (entry["wanted"], entry["n"], entry["correct"]) == (wanted, len(answered), right)
        assert entry["coverage"] == len(answered) / 23
        assert entry["interval"] == list(wilson_interval(right, len(answered)))


def test_equal_margins_are_answered_together_and_full_coverage_asks_for_none() -> None:
    tied = torch.tensor([[1.0, 0.0]] * 6 + [[0.5, 0.5]] * 4)
    assert thresholds(tied)[0] == (1.0, 0.0)
    assert [entry["n"] for entry in curve(tied, [0] * 10, thresholds(tied))] == [10, 10, 10, 10, 10, 6, 6]
    assert curve(tied[6:], [0] * 4, [(0.5, 0.9)]) == []


def test_rules_are_named_in_a_list_or_all_with_the_mean_always_first() -> None:
    assert [rule.name for rule in rules_named("all")] == list(RULES)
    assert [rule.name for rule in rules_named("gated, vote")] == ["mean", "vote", "gated"]
    with pytest.raises(InputError, match="no decision rule median, mode") as caught:
        rules_named("median,sum,mode")
    assert "log-product" in caught.value.tip
    with pytest.raises(InputError, match="no decision rule is named"):
        rules_named(" , ")


def test_evidence_of_other_images_needs_no_fit() -> None:
    """What was learnt is plain numbers: another part is scored with them, as from a file."""
    learnt = fit(RULES["weighted"], evidence(0), LABELS)
    again = FittedRule(rule=RULES["weighted"], parameters=tuple((k, float(repr(v))) for k, v in learnt.parameters))
    other = replace(evidence(1), sizes=SIZES)
    torch.testing.assert_close(again.scores(other), learnt.scores(other))


def test_pictures_of_one_object_share_a_fold() -> None:
    labels, clusters = [0, 0, 0, 0, 1, 1, 1, 1] * 5, [n // 2 for n in range(40)]
    folds = folds_of(labels, clusters)
    assert len({*zip(clusters, folds, strict=True)}) == 20
    assert set(folds) == set(range(FOLDS))
    assert folds_of(labels, range(40)) == folds_of(labels)
