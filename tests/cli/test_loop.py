"""Draft, repair, score and revise as whole commands, with answers in files and the bundled encoder."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, Run
from treegen.store import Store
from treegen.tree.validation import check_file


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    """A reply with prose around a fenced tree."""
    path = tmp_path / "answer.txt"
    path.write_text(f"Here is the tree.\n\n```json\n{TREE}```\nAnything else?\n", encoding="utf-8")
    return path


def test_manual_draft_gives_a_validated_scored_tree(run: Run, sketchbook: Path, answer: Path) -> None:
    """`draft DOMAIN --model manual --answer FILE` writes a canonical tree, keeps the revision and scores it."""
    messages = sketchbook / "messages.txt"
    done = run("draft", sketchbook, "--model", "manual", "--answer", answer, "--messages", messages)
    assert done.code == 0, done.err
    assert check_file(sketchbook / "tree.json").problems == ()
    assert "shuffled rules" in done.out
    assert '"Abrosk G"' in messages.read_text(encoding="utf-8")
    store = Store(sketchbook / "tree.json")
    assert [r.author for r in store.revisions()] == ["llm"]
    assert [c.revision for c in store.calls()] == [1]
    assert store.scores()[1]["test"]["n"] > 0


def test_draft_repairs_with_a_second_answer(run: Run, sketchbook: Path, answer: Path, tmp_path: Path) -> None:
    """Problems of the first answer go back; the second answer is taken; both attempts are kept."""
    first = tmp_path / "first.txt"
    first.write_text(TREE.replace('"form": 6, "scene": 7', '"form": 9, "scene": 7'), encoding="utf-8")
    messages = tmp_path / "messages.txt"
    arguments = ("--model", "manual", "--messages", messages, "--no-score")
    done = run("draft", sketchbook, *arguments, "--answer", first, "--answer", answer)
    assert done.code == 0, done.err
    assert "TG112 /rules/Zandoor/form" in done.err
    assert "TG112 at /rules/Zandoor/form" in messages.read_text(encoding="utf-8")
    calls = Store(sketchbook / "tree.json").calls()
    assert [c.purpose for c in calls] == ["draft", "repair"]
    assert calls[0].problems[0]["code"] == "TG112"


def test_a_draft_that_stays_wrong_writes_nothing_and_keeps_the_attempts(
    run: Run, sketchbook: Path, tmp_path: Path
) -> None:
    """The same problems twice end the loop: exit code 1, no tree file, both replies in the history."""
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(TREE.replace('"blue"]', '"blue", "Blue"]'), encoding="utf-8")
    done = run("draft", sketchbook, "--model", "manual", "--answer", wrong, "--answer", wrong)
    assert done.code == 1
    assert "the same problems came back" in done.err
    assert not (sketchbook / "tree.json").exists()
    shown = run("log", sketchbook / "tree.json", "--calls")
    assert shown.out.count("TG111") == 2


def test_a_draft_never_replaces_a_tree_unasked(run: Run, tree_file: Path, answer: Path) -> None:
    """An existing tree needs --force, and then its content stays in the history."""
    before = TREE.replace('"tiny"', '"small"')
    tree_file.write_text(before, encoding="utf-8")
    draft = ("draft", tree_file.parent, "--model", "manual", "--answer", answer, "--no-score")
    done = run(*draft)
    assert done.code == 2
    assert "--force" in done.err
    assert tree_file.read_text(encoding="utf-8") == before
    assert run(*draft, "--force").code == 0
    kept = Store(tree_file).revisions()
    assert [r.author for r in kept] == ["human", "llm"]
    assert '"small"' in kept[0].tree


def test_revise_shows_changes_and_saves_only_on_apply(run: Run, tree_file: Path, tmp_path: Path) -> None:
    """Without --apply the file keeps its bytes; with it the change is saved, scored and paired with its parent."""
    reply = tmp_path / "reply.txt"
    reply.write_text(TREE.replace('"tiny", "huge"', '"tiny", "very large"'), encoding="utf-8")
    revise = ("revise", tree_file, "-m", "call huge ones very large", "--model", "manual", "--answer", reply)
    before = tree_file.read_bytes()
    done = run(*revise)
    assert done.code == 0, done.err
    assert 'in group "size" the option "huge" became "very large"' in done.out
    assert tree_file.read_bytes() == before
    elsewhere = tmp_path / "proposal.json"
    assert run(*revise, "-o", elsewhere).code == 0
    assert '"very large"' in elsewhere.read_text(encoding="utf-8")
    applied = run(*revise, "--apply")
    assert applied.code == 0, applied.err
    assert "against the parent revision" in applied.out
    revisions = Store(tree_file).revisions()
    assert [(r.author, r.parent) for r in revisions] == [("human", None), ("llm", 1)]
    assert revisions[1].note == "feedback: call huge ones very large"
    request = json.loads(run("log", tree_file, "--json").out)["calls"][-1]["messages"][1]["content"]
    assert "call huge ones very large" in request
    assert "accuracy" in request


def test_an_edit_by_hand_becomes_a_revision_of_its_own(run: Run, tree_file: Path) -> None:
    """What a person changed in an editor is in the line of revisions, with a score paired with its parent."""
    assert run("score", tree_file).code == 0
    tree_file.write_text(TREE.replace('"tiny"', '"small"'), encoding="utf-8")
    assert run("score", tree_file).code == 0
    assert run("score", tree_file).code == 0
    store = Store(tree_file)
    assert [(r.author, r.parent, r.note) for r in store.revisions()] == [
        ("human", None, "found"),
        ("human", 1, "edited by hand"),
    ]
    assert store.scores()[2]["mcnemar"]["parent"] is not None
    shown = run("log", tree_file)
    assert shown.out.count("edited by hand") == 1


def test_a_replay_that_does_not_match_says_where(run: Run, sketchbook: Path) -> None:
    """A changed domain no longer matches the recording: exit code 3, the difference, nothing written."""
    domain = sketchbook / "domain.toml"
    text = domain.read_text(encoding="utf-8")
    domain.write_text(text.replace('noun = "creature"', 'noun = "beast"'), encoding="utf-8")
    done = run("draft", sketchbook)
    assert done.code == 3
    assert "beast" in done.err
    assert not (sketchbook / "tree.json").exists()


def test_feedback_is_needed(run: Run, tree_file: Path) -> None:
    """Neither -m nor -F, or an empty text: wrong usage before anything is asked."""
    assert run("revise", tree_file, "--model", "manual").code == 2
    done = run("revise", tree_file, "-m", "  ", "--model", "manual")
    assert done.code == 2
    assert "feedback is empty" in done.err
