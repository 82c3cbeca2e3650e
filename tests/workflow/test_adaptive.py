"""Accuracy by number of questions."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Run
from treegen.workflow.adaptive import score_adaptive
from treegen.workflow.workspace import Workspace

pytestmark = pytest.mark.slow


def test_all_questions_give_what_the_rule_bayes_gives_and_none_what_chance_gives(tree_file: Path) -> None:
    with Workspace(tree_file) as workspace:
        result = score_adaptive(workspace)
        tree, _ = workspace.load()
        test = workspace.evaluator.splits["test"]
        right = workspace.evaluator.posterior(tree, test.features).argmax(axis=1) == np.asarray(test.labels)
    assert (result.split, result.n) == ("test", len(test.labels))
    for curve in result.orders.values():
        assert [after.questions for after in curve] == list(range(len(tree.groups) + 1))
        assert curve[0].accuracy == pytest.approx((np.asarray(test.labels) == 0).mean())  # of equal classes the first
        for after in curve:
            assert after.interval[0] <= after.accuracy <= after.interval[1]
    assert result.orders["fixed"][-1].accuracy == pytest.approx(right.mean())
    assert result.orders["random"][-1].accuracy == pytest.approx(right.mean())


def test_a_lower_target_takes_more_questions_and_never_more_than_there_are(tree_file: Path) -> None:
    with Workspace(tree_file) as workspace:
        result = score_adaptive(workspace)
        groups = len(workspace.load()[0].groups)
    assert [stop.target for stop in result.stops] == sorted((stop.target for stop in result.stops), reverse=True)
    questions = [stop.questions for stop in result.stops]
    assert questions == sorted(questions)
    assert questions[0] > 0
    assert questions[-1] <= groups


def test_the_test_split_is_evaluated_once_and_not_at_all_where_it_is_sealed(tree_file: Path) -> None:
    with Workspace(tree_file) as workspace:
        sealed = score_adaptive(workspace, sealed=True)
        assert (sealed.split, sealed.n) == ("dev", len(workspace.evaluator.splits["dev"].labels))

        def recorded() -> int:
            return len(workspace.store.rows("SELECT 1 FROM look", ()))

        assert recorded() == 0
        score_adaptive(workspace)
        score_adaptive(workspace)
        assert recorded() == 1


def test_the_command_prints_the_curves_and_what_stopping_early_costs(run: Run, tree_file: Path) -> None:
    done = run("score", tree_file, "--adaptive")
    assert done.code == 0
    assert "by information gain" in done.out
    assert done.out.count("stop at ") == 3
    document = json.loads(run("score", tree_file, "--adaptive", "--json").out)
    curve = document["adaptive"]["orders"]["gain"]
    assert curve[0]["questions"] == 0
    assert f"{100 * curve[-1]['accuracy']:.1f} %" in done.out
