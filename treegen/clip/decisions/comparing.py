"""Compare decision rules on one tree: choose on the dev split, report on the test split."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from treegen.clip.arrays import to_numpy
from treegen.clip.decisions.abstaining import curve, thresholds
from treegen.clip.decisions.bayes import PRIOR
from treegen.clip.decisions.folds import FOLDS, folds_of
from treegen.clip.decisions.interface import DecisionRule, FittedRule, RuleInputs, fit
from treegen.clip.metrics.accuracy import accuracy_of, paired
from treegen.clip.metrics.statistics import holm
from treegen.history.score_document import Comparison

if TYPE_CHECKING:
    from numpy.typing import NDArray


def compare_rules(
    rules: Sequence[DecisionRule], dev: tuple[RuleInputs, Sequence[int]], test: tuple[RuleInputs, Sequence[int]] | None
) -> tuple[FittedRule, Comparison]:
    """Return the chosen rule, fitted on the whole dev split, and the `rules` section of the score document.

    A rule's dev accuracy is cross-validated: each fifth of the dev split is predicted by what was learnt on the rest,
    so that a rule that learns is not favoured by images it has seen. The highest is chosen, the first of equals. On the
    test split each rule uses what it learnt on the whole dev split, and is paired with the first.

    Args:
        rules: the first is the one the others are compared with.
        dev: inputs and labels.
        test: the same; `None` if the test split is not to be evaluated.
    """
    evidence, labels = dev
    guesses = [cross_validated(rule, evidence, labels) for rule in rules]
    fitted = [fit(rule, evidence, labels) for rule in rules]
    accuracies = [accuracy_of(labels, guess, evidence.clusters) for guess in guesses]
    best = max(range(len(rules)), key=lambda r: (accuracies[r]["correct"], -r))
    on_dev = _against_first(labels, guesses, evidence.clusters)
    entries: list[dict[str, Any]] = [
        {"rule": each.rule.name, "parameters": dict(each.parameters), "dev": accuracy, "dev_against": against}
        for each, accuracy, against in zip(fitted, accuracies, on_dev, strict=True)
    ]
    if test is not None:
        on_test, true = test
        predictions = [_predict(each, on_test) for each in fitted]
        tests = _against_first(true, predictions, on_test.clusters)
        for entry, predicted, against in zip(entries, predictions, tests, strict=True):
            entry |= {"test": accuracy_of(true, predicted, on_test.clusters), "test_against": against}
    chosen = fitted[best]
    section: Comparison = {
        "chosen": chosen.rule.name,
        "first": rules[0].name,
        "folds": FOLDS,
        "entries": entries,
        "abstaining": _abstaining(chosen, dev, test),
    }
    return chosen, section


def _abstaining(
    chosen: FittedRule, dev: tuple[RuleInputs, Sequence[int]], test: tuple[RuleInputs, Sequence[int]] | None
) -> list[dict[str, Any]]:
    """Return coverage and accuracy of the chosen rule when it may abstain.

    Thresholds come from the dev split, shares from the test split, or from the dev split if the test split is sealed.
    """
    limits = thresholds(chosen.scores(dev[0]))
    evidence, labels = test or dev
    return curve(chosen.scores(evidence), labels, limits)


def _against_first(
    labels: Sequence[int], predictions: Sequence[Sequence[int]], clusters: Sequence[int] | None
) -> list[dict[str, Any] | None]:
    """Return the paired test of each against the first, with p corrected for their number; `None` for the first."""
    tests = [paired(labels, each, predictions[0], clusters) for each in predictions[1:]]
    corrected = holm([each["p"] for each in tests])
    return [None, *({**each, "p_holm": p} for each, p in zip(tests, corrected, strict=True))]


def cross_validated(rule: DecisionRule, evidence: RuleInputs, labels: Sequence[int]) -> list[int]:
    """Predict each image (B) with what the rule learnt on the other folds."""
    predictions: list[int] = held_out_scores(FittedRule(rule=rule), evidence, labels).argmax(1).tolist()
    return predictions


def held_out_scores(decision: FittedRule, evidence: RuleInputs, labels: Sequence[int]) -> "NDArray[np.floating]":
    """Score each image (B) with what the rule learns on the other folds: (B, K).

    Args:
        decision: of its parameters only those are used that are not learnt, the priors.
        evidence: of B images.
        labels: (B).
    """
    rule, given = decision.rule, tuple(each for each in decision.parameters if each[0].startswith(PRIOR))
    if not rule.parameters:
        return to_numpy(decision.scores(evidence))
    fold, scores = np.array(folds_of(labels, evidence.clusters)), np.zeros((len(labels), evidence.class_count))
    for number in sorted(set(fold.tolist())):
        held, rest = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        rest = rest if len(rest) else held
        learnt = fit(rule, evidence.take(rest), [labels[b] for b in rest.tolist()])
        learnt = replace(learnt, parameters=(*learnt.parameters, *given))
        scores[held] = to_numpy(learnt.scores(evidence.take(held)))
    return scores


def _predict(fitted: FittedRule, evidence: RuleInputs) -> list[int]:
    predictions: list[int] = to_numpy(fitted.scores(evidence)).argmax(1).tolist()
    return predictions
