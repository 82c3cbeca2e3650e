"""Other decision rules than the sum, in scores, previews and labels; and scores that leave the test split alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from tests.clip.test_evaluator import other_tree
from tests.clip.test_preview import SINGLE, slow_preview
from tests.conftest import present
from treegen.clip.classifier import Labeller
from treegen.clip.decisions import RULES, FittedRule, decision_of, fit
from treegen.clip.evaluator import Evaluator
from treegen.config.domain import Domain
from treegen.config.settings import DecisionSettings
from treegen.errors import InputError
from treegen.resources import read_schema
from treegen.tree.changes import apply
from treegen.tree.model import Tree
from treegen.tree.validation.schema import schema_problems

Evaluate = Callable[..., Evaluator]


def with_rule(domain: Domain, rule: str, **more: Any) -> Domain:
    return replace(domain, decision=DecisionSettings(rule=rule, **more))


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [
        ("temperature", "temperature", 0.0),
        ("temperature", "temperature", -1.0),
        ("gated", "name_scale", 0.0),
        ("weighted", "colour", -1.0),
    ],
)
def test_numbers_that_no_rule_learns_are_refused(rule: str, name: str, value: float) -> None:
    """A temperature of 0 makes no numbers, and one below 0 or a negative weight turns every answer round."""
    given = dict.fromkeys(RULES[rule].parameters if rule != "weighted" else ("colour",), 1.0) | {name: value}
    settings = DecisionSettings(rule=rule, parameters=tuple(given.items()))
    with pytest.raises(InputError, match=rf"{name} of the rule {rule} must be .* 0, found {value:g}"):
        decision_of(settings, "", lambda rule: FittedRule(rule=rule))


def test_a_weight_of_0_and_a_gate_below_0_are_learnt_at_times() -> None:
    gate = {"tree_scale": 1.0, "name_scale": 2.0, "bias": -1.0, "tree_margin": 0.0, "name_margin": -2.0}
    for rule, given in (("weighted", {"colour": 0.0}), ("gated", gate)):
        settings = DecisionSettings(rule=rule, parameters=tuple(given.items()))
        assert dict(decision_of(settings, "", lambda rule: FittedRule(rule=rule)).parameters) == given


def test_the_schemas_know_the_rules_that_there_are() -> None:
    listed = ", ".join(f'"{name}"' for name in RULES)
    assert f'"enum": [{listed}]' in read_schema("domain")
    assert f'"rule": {{"enum": [{listed}]}}' in read_schema("score")


@pytest.mark.parametrize("rule", RULES)
def test_a_score_names_its_rule_and_its_predictions_are_the_rules(
    domain: Domain, tree: Tree, evaluate: Evaluate, rule: str
) -> None:
    evaluator = evaluate(with_rule(domain, rule))
    found = evaluator.score(tree, parent=other_tree(tree))
    assert schema_problems(found, "score") == []
    assert found["decision_rule"] == rule
    dev, test = evaluator.splits["dev"], evaluator.splits["test"]
    learnt = fit(RULES[rule], evaluator.evidence(tree, dev.features, names=True), dev.labels)
    assert found.get("decision_parameters", {}) == dict(learnt.parameters)
    for part, own in (("dev", dev), ("test", test)):
        predicted = learnt.scores(evaluator.evidence(tree, own.features, names=True)).argmax(1).tolist()
        assert found[part]["correct"] == sum(t == p for t, p in zip(own.labels, predicted, strict=True))
    assert found["test"]["correct"] - found["baseline"]["correct"] == round(
        13 * found["mcnemar"]["baseline"]["difference"]
    )


def test_frozen_parameters_are_used_as_they_are_and_learnt_anew_for_another_encoder(
    domain: Domain, tree: Tree, evaluate: Evaluate, encoder: Any
) -> None:
    frozen = with_rule(domain, "temperature", parameters=(("temperature", 0.31),), encoder=encoder.fingerprint)
    assert evaluate(frozen).score(tree)["decision_parameters"] == {"temperature": 0.31}
    other = replace(frozen, decision=replace(frozen.decision, encoder="sha256:" + "0" * 64))
    assert evaluate(other).score(tree)["decision_parameters"] != {"temperature": 0.31}
    anyones = replace(frozen, decision=replace(frozen.decision, encoder=""))
    assert evaluate(anyones).score(tree)["decision_parameters"] == {"temperature": 0.31}


def test_parameters_of_another_rule_are_refused_with_what_the_rule_takes(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    wrong = with_rule(domain, "gated", parameters=(("temperature", 1.0),))
    with pytest.raises(InputError, match=r"gated takes tree_scale, name_scale, .* found temperature"):
        evaluate(wrong).score(tree)
    weights = DecisionSettings(rule="weighted", parameters=(("colour", 2.0),))

    def learn(rule: object) -> FittedRule:
        raise AssertionError("nothing is to be learnt")

    assert dict(decision_of(weights, "", learn).parameters) == {"colour": 2.0}


@pytest.mark.parametrize("rule", [name for name in RULES if name != "sum"])
def test_previews_under_any_rule_are_those_of_scoring_from_scratch(
    domain: Domain, tree: Tree, evaluate: Evaluate, rule: str
) -> None:
    evaluator = evaluate(with_rule(domain, rule))
    found = evaluator.preview(tree, [[change] for change in SINGLE.values()])
    for change, preview in zip(SINGLE.values(), found, strict=True):
        assert preview == slow_preview(evaluator, tree, apply(tree, [change]))


def test_a_preview_of_a_tree_that_cannot_be_scored_says_so_under_any_rule(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    evaluator = evaluate(with_rule(domain, "vote"))
    broken = replace(tree, rules=tree.rules[1:])
    (failed,) = evaluator.preview(tree, [broken])
    (repaired,) = evaluator.preview(broken, [tree])
    assert failed.failure
    assert (repaired.before, repaired.failure) == (None, "")


@pytest.mark.parametrize("rule", RULES)
def test_a_label_is_the_prediction_of_the_score(
    domain: Domain, tree: Tree, evaluate: Evaluate, rule: str, encoder: Any
) -> None:
    """The labeller embeds anew and keeps no 16 bits: the same winner, in the tree's own order of classes."""
    own = with_rule(domain, rule)
    evaluator = evaluate(own)
    labeller = Labeller(tree, encoder, evaluator.decide(tree), own)
    dev = evaluator.splits["dev"]
    pictures = [Image.open(path).convert("RGB") for path in (i.path for i in dev.images)]
    labels = [domain.classes.index(label.ranking[0][0]) for label in present(labeller.label(pictures))]
    wanted = evaluator.answer(tree, dev.features).predictions
    assert sum(a == b for a, b in zip(labels, wanted, strict=True)) >= len(wanted) - 1


def test_a_sealed_score_has_the_dev_part_alone_and_needs_no_test_picture(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    evaluator = evaluate(domain)
    whole = evaluator.score(tree, parent=other_tree(tree))
    sealed = evaluator.score(tree, sealed=True)
    assert schema_problems(sealed, "score") == []
    gone = {"test", "baseline", "controls", "sets", "mcnemar", "recall_difference", "minimum_detectable_effect"}
    assert set(whole) - set(sealed) == gone
    assert all(sealed[key] == whole[key] for key in sealed)
    test = evaluator.splits.pop("test")
    with pytest.raises(KeyError):
        evaluator.score(tree)
    evaluator.splits["test"] = replace(test, features=test.features[:0])
    assert evaluator.score(tree, sealed=True) == sealed


def test_half_of_the_test_part_is_no_score(domain: Domain, tree: Tree, evaluate: Evaluate) -> None:
    found = evaluate(domain).score(tree)
    del found["baseline"], found["controls"]
    assert {(p.code, p.message) for p in schema_problems(found, "score")} >= {
        ("TG104", 'the key "baseline" is missing; "test" requires it'),
        ("TG104", 'the key "controls" is missing; "test" requires it'),
    }


def test_a_score_of_the_first_version_is_still_a_score(domain: Domain, tree: Tree, evaluate: Evaluate) -> None:
    """It has nothing of what came later."""
    found = evaluate(domain).score(tree)
    del found["recall_difference"], found["controls"]["shuffled_columns"], found["dev"]["cost"], found["dev"]["advice"]
    for group in found["dev"]["groups"]:
        for key in set(group) - {"name", "n", "accuracy", "interval", "options", "confused"}:
            del group[key]
    for pair in found["dev"]["confused"]:
        del pair["separated_by"]
    assert schema_problems(found, "score") == []


def test_the_comparison_is_part_of_the_document(domain: Domain, tree: Tree, evaluate: Evaluate) -> None:
    evaluator, rules = evaluate(domain), list(RULES.values())
    for sealed in (False, True):
        chosen, section = evaluator.compare(tree, rules, sealed=sealed)
        document: Any = {**evaluator.score(tree, sealed=sealed), "rules": section}
        assert schema_problems(document, "score") == []
        assert section["entries"][0]["dev"]["correct"] == document["dev"]["correct"]
        assert ("test" in section["entries"][0]) is not sealed
        if not sealed:
            assert section["entries"][0]["test"] == document["test"]
        assert chosen.rule.name in RULES


def test_a_rule_changes_the_tree_without_a_group_as_well(domain: Domain, tree: Tree, evaluate: Evaluate) -> None:
    evaluator = evaluate(with_rule(domain, "vote"))
    dev = evaluator.splits["dev"]
    smaller = replace(
        tree,
        groups=tree.groups[1:],
        rules=tuple(replace(r, answers=tuple(a for a in r.answers if a[0] != "colour")) for r in tree.rules),
    )
    before, after = (evaluator.answer(t, dev.features).predictions for t in (tree, smaller))
    found = evaluator.diagnose(tree)["groups"][0]["without"]
    assert found["wins"] == sum(a == t != b for t, a, b in zip(dev.labels, after, before, strict=True))
    assert found["losses"] == sum(b == t != a for t, a, b in zip(dev.labels, after, before, strict=True))
