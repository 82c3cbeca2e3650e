"""The demonstration: the claims that the README makes of it."""

from pathlib import Path

import pytest

from tests.conftest import Run, revisions_of
from treegen.history.store import Store
from treegen.llm.chat import open_chat
from treegen.tree.changes import Change
from treegen.tree.changes.difference import difference
from treegen.tree.feedback_target import Feedback
from treegen.tree.validation.checks import check_file
from treegen.tree.validation.problems import errors_of
from treegen.workflow.review_model import ReviewModel
from treegen.workflow.revise import diagnose, propose_revision


@pytest.mark.slow
def test_the_demo_shows_the_loop_and_what_it_is_worth(run: Run, tmp_path: Path) -> None:
    """Draft with real mistakes, repair, score, revision: the tree beats chance five times over and the baseline by 25
    points, the revision beats the draft, shuffled rules stay within chance's interval."""
    folder = tmp_path / "demo"
    done = run("demo", folder)
    assert done.code == 0, done.err
    for step in ("treegen draft", "treegen check", "treegen score", "treegen revise", "treegen log"):
        assert f"$ {step}" in done.out
    store = Store(folder / "tree.json")
    draft, revised = store.revisions()
    first, last = (store.scores()[r.id] for r in (draft, revised))
    k = 13
    assert 0.40 <= first["test"]["accuracy"] <= 0.75
    assert last["test"]["accuracy"] < 0.97
    assert last["test"]["accuracy"] >= 5 / k
    assert last["test"]["accuracy"] >= last["baseline"]["accuracy"] + 0.25
    assert last["mcnemar"]["parent"]["p"] < 0.05
    assert last["mcnemar"]["parent"]["difference"] > 0
    low, high = last["controls"]["chance"]["interval"]
    assert low <= last["controls"]["shuffled_rules"]["accuracy"] <= high
    assert errors_of(check_file(folder / "tree.json").problems) == ()
    codes = {p["code"] for call in store.calls() for p in call.problems if p["severity"] == "error"}
    assert codes >= {"TG111", "TG112", "TG201"}
    assert [c.purpose for c in store.calls()] == ["draft", "repair", "revise"]
    assert "# " in (store.calls()[0].reply or "")
    assert "What the loop achieved" in done.out
    store.close()
    assert len(asked_again(folder)) == 4


def asked_again(folder: Path) -> tuple[Change, ...]:
    """What the recording answers to the second feedback, as the review asks it: about the revised tree."""
    text = (folder / "feedback-2.txt").read_text(encoding="utf-8").strip()
    with ReviewModel(folder / "tree.json") as review, review.workspace() as workspace:
        tree, decisions = review.tree, tuple(review.session.decisions())
        chat = open_chat(workspace.domain.llm, folder)
        feedback = Feedback(text=text, decisions=decisions)
        proposal = propose_revision(workspace, chat, feedback, tries=1, tree=tree, diagnosis=diagnose(workspace, tree))
        return difference(tree, proposal.tree)


@pytest.mark.slow
def test_the_demo_runs_twice_in_one_folder(run: Run, tmp_path: Path) -> None:
    """A second run draws nothing again and loses nothing of the first."""
    folder = tmp_path / "demo"
    assert run("demo", folder).code == 0
    again = run("demo", folder)
    assert again.code == 0, again.err
    assert "images exist already" in again.out
    assert len(revisions_of(folder / "tree.json")) == 4
