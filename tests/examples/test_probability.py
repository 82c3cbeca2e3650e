"""On the bundled domain, divided twenty times: probabilities can be trusted, and sets have the class they promise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TREE
from treegen.clip.arrays import to_numpy
from treegen.clip.decisions import MEAN, RULES, FittedRule, fit
from treegen.clip.decisions.comparing import held_out_scores
from treegen.clip.metrics.calibration import calibration_of
from treegen.clip.questions.prediction_sets import set_limits
from treegen.workflow.demo import lay_out
from treegen.workflow.workspace import Workspace

CLASSES, EACH, DEV = 13, 34, 20


@pytest.mark.slow
def test_coverage_and_calibration_on_the_bundled_domain(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Coverage 90 +- 3 %, ECE at most .05, more images right than by the mean, and chosen on dev where it is better."""
    lay_out(tmp_path, count=EACH)
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    with Workspace(tmp_path / "tree.json") as workspace:
        tree, evaluator = workspace.load()[0], workspace.evaluator
        parts = [evaluator.splits[name] for name in ("dev", "test")]
        features = np.concatenate([to_numpy(part.features) for part in parts])
        labels = np.concatenate([part.labels for part in parts])
        evidence = evaluator.evidence(tree, features, names=False)
    found = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        dev = np.concatenate([draw.choice(np.flatnonzero(labels == k), DEV, replace=False) for k in range(CLASSES)])
        test = np.setdiff1d(np.arange(len(labels)), dev)
        known, new, true = evidence.take(dev), evidence.take(test), labels[dev].tolist()
        posterior, rule = fit(RULES["bayes"], known, true).scores(new), FittedRule(rule=RULES["bayes"])
        covered, on_dev = [], []
        for decision, scores in ((rule, posterior), (MEAN, MEAN.scores(new))):
            held_out = held_out_scores(decision, known, true)
            members = set_limits(held_out, true, 0.9).members(scores)
            covered.append(members[np.arange(len(test)), labels[test]].mean())
            on_dev.append((held_out.argmax(1) == labels[dev]).mean())
        right, before = posterior.argmax(1) == labels[test], MEAN.scores(new).argmax(1) == labels[test]
        error = calibration_of(posterior.max(1), right)["error"]
        found.append([*covered, error, right.mean() - before.mean(), on_dev[0] > on_dev[1]])
    by_bayes, by_mean, error, gain, chosen = np.mean(found, axis=0)
    figures = f"sets by bayes {by_bayes:.3f}, by mean {by_mean:.3f}; ECE {error:.3f}; bayes {100 * gain:+.1f} points"
    record_property("figure", f"20 divisions, mean: {figures}, chosen on dev in {20 * chosen:.0f} of 20")
    assert by_bayes == pytest.approx(0.9, abs=0.03)
    assert by_mean == pytest.approx(0.9, abs=0.03)
    assert error <= 0.05
    assert gain > 0
    assert chosen > 0.5
