"""Every comparison on the dev split that somebody chose by is counted, once."""

from pathlib import Path

import pytest

from tests.conftest import Run, store_version
from treegen import load_tree
from treegen.history.score_document import Luck
from treegen.history.store import Store
from treegen.tree.changes import apply
from treegen.tree.changes.edits import rename_option
from treegen.tree.document import save
from treegen.tree.model import Tree
from treegen.workflow.luck import luck_of, luck_words, preview, record_choice
from treegen.workflow.workspace import Workspace

pytestmark = pytest.mark.slow

WORDS = ("snow white", "milk", "chalk white", "very pale")


def _variants(tree: Tree) -> list[Tree]:
    return [apply(tree, rename_option(tree, "colour", "white", words)) for words in WORDS]


def test_each_tree_counts_once_and_the_first_one_never(tree_file: Path) -> None:
    with Workspace(tree_file) as workspace:
        tree, _ = workspace.load()
        one, other, *_ = _variants(tree)
        assert luck_of(workspace, tree, 0.5) is None
        for _ in range(2):
            record_choice(workspace, one, tree, "review")
        record_choice(workspace, other, one, "review")
        record_choice(workspace, tree, other, "review")  # undone: nothing new was seen
        record_choice(workspace, one, one, "review")
        luck = luck_of(workspace, one, 0.5)
        assert luck is not None
        assert luck["evaluations"] == 2
        assert luck["corrected"] == pytest.approx(luck["gain"] - luck["expected"])
        assert luck_of(workspace, tree, 0.5) is None


def test_previews_are_counted_with_the_images_that_flip(tree_file: Path) -> None:
    with Workspace(tree_file) as workspace:
        tree, _ = workspace.load()
        previews = preview(workspace, tree, _variants(tree))
        rows = workspace.store.rows("SELECT source, n, flips FROM choice ORDER BY id", ())
    assert rows == [("preview", p.n, len(p.to_right) + len(p.to_wrong)) for p in previews]


def test_score_and_log_show_the_luck_of_an_edited_tree_and_not_of_the_first(run: Run, tree_file: Path) -> None:
    first = run("score", tree_file, "--dev")
    tree = load_tree(tree_file)
    save(tree_file, _variants(tree)[0])
    edited = run("score", tree_file, "--dev")
    assert (first.code, edited.code) == (0, 0)
    assert "luck would give" not in first.out
    assert "luck would give" in edited.out
    assert "after 1 evaluation" in edited.out
    assert "luck would give" in " ".join(run("log", tree_file).out.split())


def test_a_history_of_the_last_version_gets_the_table(tree_file: Path) -> None:
    with store_version(10):
        Store(tree_file).close()
    with Store(tree_file) as store:
        assert store.choices("", "") == []


def test_the_words_name_the_gain_and_what_of_it_luck_would_give() -> None:
    gain: Luck = {"evaluations": 1, "tried": 7, "first": 0.7, "gain": 0.05, "expected": 0.01, "corrected": 0.04}
    assert luck_words({**gain, "standard_error": 0.03}) == (
        "+4.0 points since the first, corrected: luck would give +1.0 after 1 evaluation, and 7 changes ranked by an "
        "optimizer"
    )
    assert luck_words({**gain, "standard_error": 0.04}).startswith("no difference shown since the first: luck")
    assert luck_words({**gain, "corrected": -0.05, "standard_error": 0.04}).startswith("-5.0 points")


def test_a_gain_that_is_within_one_paired_standard_error_is_none(tree_file: Path) -> None:
    with Workspace(tree_file) as workspace:
        tree, _ = workspace.load()
        workspace.store.add_revision(tree, author="test", note="", parent=None)
        for edited in _variants(tree):
            test = record_choice(workspace, edited, tree, "review")
            luck = luck_of(workspace, edited, workspace.evaluator.diagnose(edited)["accuracy"])
            assert luck is not None
            n = len(workspace.evaluator.splits["dev"].labels)
            right, before = (workspace.evaluator._dev_right(t).astype(int) for t in (edited, tree))
            assert luck["gain"] == pytest.approx(test["difference"])
            assert luck["standard_error"] == pytest.approx((right - before).std() / n**0.5)


def test_compared_decision_rules_and_trees_are_counted_once_each(run: Run, tree_file: Path) -> None:
    tree = load_tree(tree_file)
    save(tree_file.with_name("other.json"), _variants(tree)[0])
    for _ in range(2):
        assert run("score", tree_file, "--dev", "--rules", "sum,vote,bayes").code == 0
        assert run("compare", tree_file, tree_file.with_name("other.json"), "--dev").code == 0
    with Store(tree_file) as store:
        rows = store.rows("SELECT source, rule, tree=base FROM choice ORDER BY id", ())
    assert rows == [*(("rules", rule, 1) for rule in ("sum", "vote", "bayes")), ("compare", "mean", 0)]


def test_compared_settings_of_more_computation_are_counted(run: Run, tree_file: Path) -> None:
    for _ in range(2):
        assert run("score", tree_file, "--dev", "--compute", "4/embeddings,4/vote").code == 0
    with Store(tree_file) as store:
        rows = store.rows("SELECT source, rule FROM choice ORDER BY id", ())
    assert rows == [("compute", "mean, 4/embeddings"), ("compute", "mean, 4/vote")]


def test_the_luck_of_a_decision_rule_that_was_chosen_is_shown_after_edits(run: Run, tree_file: Path) -> None:
    assert run("score", tree_file, "--dev", "--rules", "mean,vote,bayes").code == 0
    domain = tree_file.with_name("domain.toml")
    domain.write_text(domain.read_text(encoding="utf-8") + '\n[decision]\nrule = "vote"\n', encoding="utf-8")
    save(tree_file, _variants(load_tree(tree_file))[0])
    assert "after 3 evaluations" in run("score", tree_file, "--dev").out
