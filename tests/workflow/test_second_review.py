"""A blind second pass: nothing of the rules is seen, everything is kept, and disagreements are decided as steps."""

import json
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, TREE, Run
from treegen.errors import InputError
from treegen.history.store import Store, second_reviewers
from treegen.tree.changes import ABSENT, Change, RuleChanged
from treegen.tree.changes.edits import delete_class, point_rule, rename_option
from treegen.tree.model import Tree
from treegen.vcs.versions import tree_of
from treegen.workflow.second_review import (
    SecondSession,
    adjudicate,
    answered,
    blinded,
    kappa_words,
    refuse_name,
    second_reviews,
)
from treegen.workflow.session import Session

FIRST = tree_of(TREE, "tree")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    path = tmp_path / "tree.json"
    path.write_text(TREE, encoding="utf-8")
    return path


def answer_all(path: Path, name: str, *wrong: tuple[str, str, str | None]) -> None:
    """Answers as the tree does, but for some."""
    other = {(class_name, group): option for class_name, group, option in wrong}
    with Store(path, reviewer=name) as store:
        session = SecondSession(path, store)
        changes: list[Change] = []
        for rule in FIRST.rules:
            for group in FIRST.groups:
                answer = other.get((rule.name, group.name), FIRST.word(rule, group.name))
                changes.append(RuleChanged(class_name=rule.name, group=group.name, old=ABSENT, new=answer))
        session.do("answers", changes)
        session.close()


def review(path: Path, tree: Tree = FIRST) -> str:
    with Store(path) as store:
        return second_reviews(path, store, tree)[0].words


def test_a_second_reviewer_sees_no_answer_and_no_sign_off() -> None:
    blind = blinded(FIRST)
    assert [group.name for group in blind.groups] == [group.name for group in FIRST.groups]
    assert blind.classes == FIRST.classes
    assert all(rule.answers == () for rule in blind.rules)
    assert (blind.review, blind.conflicts) == (None, ())
    assert answered(blind) == (0, 13 * 5)


def test_answers_are_kept_per_reviewer_and_resumed(path: Path) -> None:
    for name, colour in (("Ada", "gray"), ("Bob/x #1", "white")):
        with Store(path, reviewer=name) as store:
            session = SecondSession(path, store)
            session.do("answer", point_rule(session.tree, "Abrosk", "colour", colour))
            session.close()
    with Store(path, reviewer="Ada") as store:
        session = SecondSession(path, store)
        assert session.tree.word(session.tree.rules[0], "colour") == "gray"
        assert answered(session.tree) == (1, 65)
        assert session.undo()
        assert answered(session.tree) == (0, 65)
        session.close()
    with Store(path) as store:
        assert second_reviewers(store) == ("Ada", "Bob/x #1")
        mine = Session(path, store)
        assert mine.tree == FIRST
        assert mine.steps == ()
        mine.close()


def test_a_second_reviewer_changes_nothing_else_and_saves_nothing(path: Path) -> None:
    with Store(path, reviewer="Ada") as store:
        session = SecondSession(path, store)
        with pytest.raises(InputError, match="only answers"):
            session.do("rename", rename_option(session.tree, "colour", "white", "cream"))
        with pytest.raises(InputError, match="only answers"):
            session.do("delete", delete_class(session.tree, "Abrosk"))
        with pytest.raises(InputError, match="kept already"):
            session.save()
        session.close()
    assert path.read_text() == TREE


def test_answers_that_still_fit_are_taken_over_when_the_tree_changes(path: Path) -> None:
    answer_all(path, "Ada")
    path.write_text(TREE.replace('"white"', '"cream"'))
    whites = sum(FIRST.word(rule, "colour") == "white" for rule in FIRST.rules)
    with Store(path) as store:
        changed = tree_of(path.read_text(), "tree")
        assert second_reviews(path, store, changed)[0].left_out == whites
    with Store(path, reviewer="Ada") as store:
        session = SecondSession(path, store)
        assert answered(session.tree) == (65 - whites, 65)
        session.close()


def test_agreement_states_n_and_disagreements_are_adjudicated_as_steps(path: Path) -> None:
    answer_all(path, "Ada", ("Abrosk", "colour", "gray"), ("Quillip", "form", None))
    with Store(path) as store:
        session = Session(path, store)
        (found,) = second_reviews(path, store, session.tree)
        total = found.agreements[-1]
        assert (total.n, total.agreed) == (65, 63)
        assert [each.group for each in found.agreements] == [*(group.name for group in FIRST.groups), ""]
        assert kappa_words(total).endswith("(n=65)")
        one, other = found.open()
        adjudicate(session, "Ada", one, one.second, "second")
        assert session.tree.word(session.tree.rules[0], "colour") == "gray"
        (again,) = second_reviews(path, store, session.tree)
        assert again.agreements == found.agreements, "decisions do not make the reviewers agree"
        assert again.open() == (other,)
        adjudicate(session, "Ada", other, other.first, "first")
        assert session.position == 2
        assert "1 the first's, 1 Ada's" in review(path, session.tree)
        session.undo()
        session.undo()
        assert session.tree == FIRST
        assert second_reviews(path, store, session.tree)[0].open() == (one, other)
        session.redo()
        assert second_reviews(path, store, session.tree)[0].open() == (other,)
        session.close()


def test_the_log_and_the_approval_have_them(path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ann@example.org")
    answer_all(path, "Ada", ("Abrosk", "colour", "gray"))
    with Store(path) as store:
        session = Session(path, store)
        (found,) = second_reviews(path, store, session.tree)
        adjudicate(session, "Ada", found.open()[0], "brown", "other")
        session.save()
        session.close()
    done = run("log", str(path))
    assert "second review by Ada: 65 of 65 answers" in done.out
    assert '"Abrosk" in "colour": "white" or "gray"? "brown" (other)' in " ".join(done.out.split())
    (as_json,) = json.loads(run("log", str(path), "--json").out)["second_reviews"]
    assert as_json["agreement"][-1]["n"] == 65
    assert as_json["adjudicated"][0]["taken"] == "brown"
    assert run("approve", str(path)).code == 0
    (comment,) = json.loads(path.read_text())["review"]["comments"]
    assert comment["on"] == "the tree"
    assert "64 agree, kappa 0.9" in comment["text"]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 61])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not a name"):
        refuse_name(name)
