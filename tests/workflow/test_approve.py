"""Sign-off and the gates that ask for it, on a tree of the sketchbook and in real repositories."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TREE, Git
from treegen.errors import InputError, ProblemsError
from treegen.history.store import Store
from treegen.tree.document import digest_of, dump, save
from treegen.tree.model import Review, Tree
from treegen.tree.validation.problems import Problem
from treegen.vcs.versions import tree_of
from treegen.workflow.approve import approve
from treegen.workflow.check import check_tree_file
from treegen.workflow.gates import Gate, accuracy_problems, approval_problems, recorded_score
from treegen.workflow.workspace import Workspace

SCORE: Any = {
    "test": {"n": 50, "accuracy": 0.75, "interval": [0.6, 0.9], "mean_per_class_recall": 0.7, "classes": []},
    "encoder": {"name": "m", "fingerprint": "f", "device": "cpu"},
    "baseline": {"accuracy": 0.25},
    "images": {"digest": "sha256:1", "skipped": []},
}
SUMMARY = {
    "n": 50,
    "accuracy": 0.75,
    "interval": [0.6, 0.9],
    "mean_per_class_recall": 0.7,
    "baseline": 0.25,
    "encoder": {"name": "m", "fingerprint": "f"},
    "images": "sha256:1",
}


@pytest.fixture
def creatures() -> Tree:
    """The tree of the sketchbook."""
    return tree_of(TREE, "tree.json")


@pytest.fixture
def filed(workspace: Workspace) -> Workspace:
    """The tree beside a domain without images."""
    workspace.path.write_text(TREE, encoding="utf-8")
    return workspace


def codes(problems: Iterable[Problem]) -> list[str]:
    """The codes but those of lints, of which this tree has some."""
    return [p.code for p in problems if not p.code.startswith("TG7")]


def signed(tree: Tree, **score: Any) -> Tree:
    review = Review(
        status="approved", by="Ada", at="2026-01-01T00:00:00Z", digest=digest_of(tree), score_json=json.dumps(score)
    )
    return replace(tree, review=review)


def test_an_approval_says_who_when_and_what(filed: Workspace, creatures: Tree) -> None:
    done = approve(filed, by="  Ada <ada@example.org> ")
    written = tree_of(filed.path.read_text(encoding="utf-8"), "tree.json")
    review = written.review
    assert review is not None
    assert (review.status, review.by, review.digest) == ("approved", "Ada <ada@example.org>", digest_of(creatures))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", review.at)
    assert (done.tree, replace(written, review=None)) == (written, creatures)
    assert (done.score, review.score_json, done.notes) == (None, "{}", ())
    assert codes(check_tree_file(filed.path, filed.domain).problems) == []


def test_the_approved_content_is_a_revision(filed: Workspace, creatures: Tree) -> None:
    approve(filed, by="Ada")
    assert filed.store.find_revision(digest_of(creatures)) is not None


def test_a_recorded_score_goes_into_the_sign_off_without_paths_and_lists(filed: Workspace, creatures: Tree) -> None:
    revision = filed.current(creatures)
    filed.store.add_score(revision.id, {**SCORE, "test": {**SCORE["test"], "accuracy": 0.1}})
    filed.store.add_score(revision.id, SCORE)
    done = approve(filed, by="Ada")
    assert done.score == SUMMARY
    assert json.loads(filed.path.read_text(encoding="utf-8"))["review"]["score"] == SUMMARY


def test_the_score_of_another_content_is_not_taken(filed: Workspace, creatures: Tree) -> None:
    other = filed.store.add_revision(replace(creatures, domain="x"), author="human", note="", parent=None)
    filed.store.add_score(other.id, SCORE)
    assert approve(filed, by="Ada").score is None


def test_without_a_name_git_says_who_signs(git: Git, filed: Workspace) -> None:
    for file in filed.path.parent.glob("*.*"):
        file.rename(git.folder / file.name)
    with Workspace(git.folder / "tree.json") as moved:
        done = approve(moved)
    assert done.tree.review is not None
    assert done.tree.review.by == "Ada <ada@example.org>"


@pytest.mark.usefixtures("git")
def test_nobody_cannot_sign(filed: Workspace) -> None:
    for by in (None, "", "  "):
        with pytest.raises(InputError, match="git does not know who you are") as raised:
            approve(filed, by=by)
        assert "--by" in raised.value.tip
    assert filed.path.read_text(encoding="utf-8") == TREE


@pytest.mark.parametrize("by", ["A\x1b[2J", "A\nB", "A\udcff"])
def test_a_name_that_cannot_be_printed_is_refused(filed: Workspace, by: str) -> None:
    with pytest.raises(InputError, match="is not a valid name") as raised:
        approve(filed, by=by)
    assert raised.value.message.isprintable()
    assert filed.path.read_text(encoding="utf-8") == TREE


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"Grelm": {"colour": 2', '"Grelm": {"colour": 99', "it has 1 error\n  TG112 /rules/Grelm/colour: "),
        ('"domain": "sketchbook"', '"domain": "x"', "it has 1 error\n  TG304 /domain: "),
        ("}\n}\n", '},\n"conflicts": [{"what": "w", "ours": [], "theirs": []}]}', "TG305 /conflicts/0: "),
        ("{", "", "it has 1 error\n  TG101 /: "),
        ('"domain"', '"domain": "x", "domain"', "TG102 /domain"),
    ],
)
def test_a_tree_with_errors_is_not_approved(filed: Workspace, old: str, new: str, told: str) -> None:
    text = TREE.replace(old, new, 1)
    assert text != TREE
    filed.path.write_text(text, encoding="utf-8")
    with pytest.raises(ProblemsError, match="not approved") as raised:
        approve(filed, by="Ada")
    assert told in raised.value.message
    assert filed.path.read_text(encoding="utf-8") == text


def test_warnings_are_left_and_handed_back_but_for_those_that_the_approval_mends(filed: Workspace) -> None:
    filed.path.write_text(TREE.replace('"blue"]', '"blue", "black"]'), encoding="utf-8")
    done = approve(filed, by="Ada")
    assert codes(done.warnings) == ["TG205"]


def test_another_approval_replaces_the_one_before(filed: Workspace) -> None:
    approve(filed, by="Ada")
    done = approve(filed, by="Bob")
    assert done.tree.review is not None
    assert done.tree.review.by == "Bob"
    assert filed.path.read_text(encoding="utf-8") == dump(done.tree)


def test_what_was_edited_while_it_was_scored_is_neither_lost_nor_signed(
    filed: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = TREE.replace('"tiny"', '"small"')

    def slow(*_: object) -> None:
        filed.path.write_text(edited, encoding="utf-8")

    monkeypatch.setattr("treegen.workflow.approve.stored_score", slow)
    with pytest.raises(ProblemsError, match="changed while it was being scored"):
        approve(filed, by="Ada")
    assert filed.path.read_text(encoding="utf-8") == edited


def test_a_tree_that_nobody_approved_is_told_to_be_so(tmp_path: Path, creatures: Tree) -> None:
    (problem,) = approval_problems(tmp_path / "tree.json", creatures)
    assert (problem.code, problem.pointer) == ("TG801", "/review")
    assert "this tree is not approved" in problem.message


def test_a_tree_that_is_as_it_was_approved_has_no_problem(tmp_path: Path, creatures: Tree) -> None:
    assert approval_problems(tmp_path / "tree.json", signed(creatures)) == []


def test_changes_since_the_approval_are_named(git: Git, creatures: Tree) -> None:
    path = git.write("tree.json", dump(signed(creatures)))
    git.commit("approved")
    (problem,) = approval_problems(path, replace(signed(creatures), domain="lake"))
    assert problem.message == (
        'approved by "Ada" on 2026-01-01T00:00:00Z, and changed since: the domain "sketchbook" became "lake"'
    )
    assert (problem.code, problem.pointer) == ("TG801", "/review/digest")


def test_of_many_changes_twenty_are_named(git: Git, creatures: Tree) -> None:
    path = git.write("tree.json", dump(signed(creatures)))
    git.commit("approved")
    rules = tuple(replace(r, answers=tuple((g, None) for g, _ in r.answers)) for r in creatures.rules)
    changed = replace(signed(creatures), rules=rules)
    (problem,) = approval_problems(path, changed)
    assert problem.message.count("became no answer") == 20
    assert re.search(r"; and \d+ more$", problem.message)


def test_approved_content_that_is_nowhere_is_told_as_such(tmp_path: Path, creatures: Tree) -> None:
    (problem,) = approval_problems(tmp_path / "tree.json", replace(signed(creatures), domain="lake"))
    assert problem.message.endswith("so the changes cannot be listed")


def test_the_score_of_the_sign_off_counts_before_the_history(tmp_path: Path, creatures: Tree) -> None:
    path = tmp_path / "tree.json"
    assert recorded_score(path, creatures) is None
    assert list(tmp_path.iterdir()) == []
    with Store(path) as store:
        store.add_score(store.add_revision(creatures, author="human", note="", parent=None).id, SCORE)
    assert recorded_score(path, creatures) == SUMMARY
    own = {**SUMMARY, "accuracy": 0.5}
    assert recorded_score(path, signed(creatures, **own)) == own
    assert recorded_score(path, replace(signed(creatures, **own), domain="lake")) is None


@pytest.mark.parametrize(
    "score",
    [
        {},
        {"accuracy": 0.9},
        {"accuracy": "0.9"},
        {"accuracy": None},
        {"accuracy": 0.9, "interval": None, "n": 1},
        {"accuracy": 0.9, "interval": [0, 1, 2], "n": 1},
        {"accuracy": 0.9, "interval": ["0", "1"], "n": 1},
        {"accuracy": True, "interval": [0.1, 0.2], "n": 1},
        {"accuracy": 0.9, "interval": [0.1, 0.2], "n": "1"},
        {"accuracy": [0.9], "interval": {"low": 0}, "n": None},
    ],
)
def test_a_score_that_somebody_wrote_in_another_shape_is_none(
    tmp_path: Path, creatures: Tree, score: dict[str, Any]
) -> None:
    (problem,) = accuracy_problems(tmp_path / "tree.json", signed(creatures, **score), 0.5)
    assert (problem.code, problem.pointer) == ("TG802", "/review/score")
    assert "no accuracy is recorded" in problem.message


def test_an_accuracy_at_the_limit_is_enough_and_one_below_is_told_with_its_interval(
    tmp_path: Path, creatures: Tree
) -> None:
    path = tmp_path / "tree.json"
    tree = signed(creatures, **SUMMARY)
    assert accuracy_problems(path, tree, 0.75) == []
    (problem,) = accuracy_problems(path, tree, 0.76)
    assert problem.message == "the recorded accuracy is 75.0 % [60.0, 90.0] (n = 50), less than 76.0 %"
    (missing,) = accuracy_problems(path, creatures, 0.0)
    assert (missing.code, missing.pointer) == ("TG802", "")


def test_a_score_that_the_history_contradicts_is_told(tmp_path: Path, creatures: Tree) -> None:
    """Only the same content, encoder and images can contradict; without a history the sign-off counts."""
    path = tmp_path / "tree.json"
    forged = signed(creatures, **{**SUMMARY, "accuracy": 0.999})
    assert accuracy_problems(path, forged, 0.9) == []
    store = Store(path)
    revision = store.add_revision(creatures, author="human", note="", parent=None).id
    for other in ({"encoder": {"name": "m", "fingerprint": "g"}}, {"images": {"digest": "sha256:2"}}):
        store.add_score(revision, {**SCORE, **other})
    assert accuracy_problems(path, forged, 0.9) == []
    store.add_score(revision, SCORE)
    store.add_score(revision, {**SCORE, "encoder": {"name": "m", "fingerprint": "g"}})
    (problem,) = accuracy_problems(path, forged, 0.9)
    assert (problem.code, problem.pointer) == ("TG802", "/review/score")
    assert problem.message.startswith("the sign-off says 99.9 %, the history 75.0 % for the same content")
    assert accuracy_problems(path, signed(creatures, **SUMMARY), 0.5) == []
    (close,) = accuracy_problems(path, signed(creatures, **{**SUMMARY, "accuracy": 0.7500001}), 0.5)
    assert "75.000010 %, the history 75.000000 %" in close.message
    assert len(accuracy_problems(path, signed(creatures, **{**SUMMARY, "accuracy": 0.8}), 0.9)) == 2
    assert accuracy_problems(path, signed(creatures, **{**SUMMARY, "encoder": "m"}), 0.5) == []
    store.close()


def test_any_score_measured_under_the_same_conditions_may_stand_in_the_sign_off(
    tmp_path: Path, creatures: Tree
) -> None:
    """Another device may give an image another label."""
    path = tmp_path / "tree.json"
    store = Store(path)
    revision = store.add_revision(creatures, author="human", note="", parent=None).id
    for accuracy in (0.75, 0.74):
        store.add_score(revision, {**SCORE, "test": {**SCORE["test"], "accuracy": accuracy}})
    assert accuracy_problems(path, signed(creatures, **SUMMARY), 0.5) == []
    store.close()


def test_a_gate_adds_its_problems_and_the_changes_and_says_nothing_twice(git: Git, creatures: Tree) -> None:
    path = git.write("tree.json", dump(signed(creatures)))
    git.commit("approved")
    save(path, replace(signed(creatures), domain="lake"))
    findings = check_tree_file(path, None)
    assert codes(findings.problems) == ["TG303"]
    judged = Gate(against="HEAD", approved=True, least=0.5).judge(findings)
    assert codes(judged.problems) == ["TG801", "TG802"]
    assert [c.kind for c in judged.changes or ()] == ["domain_changed"]
    assert judged.since == "HEAD"
    assert Gate().judge(findings) == findings


def test_a_gate_leaves_what_is_no_tree(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_text("no tree", encoding="utf-8")
    findings = check_tree_file(path, None)
    assert Gate(approved=True, least=0.5).judge(findings) == findings
