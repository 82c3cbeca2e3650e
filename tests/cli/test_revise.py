"""`treegen revise`: what a model proposes, and where it is written."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, Run, calls_of, revisions_of
from treegen.history.sessions import Journal
from treegen.history.store import Store
from treegen.tree.validation.schema import schema_problems

pytestmark = pytest.mark.slow


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
    assert "the parent revision" in applied.out
    revisions = revisions_of(tree_file)
    assert [(r.author, r.parent) for r in revisions] == [("human", None), ("llm", 1)]
    assert revisions[1].note == "feedback: call huge ones very large"
    request = json.loads(run("log", tree_file, "--json").out)["calls"][-1]["messages"][1]["content"]
    assert "call huge ones very large" in request
    assert "accuracy" in request


def test_feedback_is_needed(run: Run, tree_file: Path) -> None:
    """Neither -m nor -F, or an empty text: wrong usage before anything is asked."""
    assert run("revise", tree_file, "--model", "manual").code == 2
    done = run("revise", tree_file, "-m", "  ", "--model", "manual")
    assert done.code == 2
    assert "feedback is empty" in done.err


def reply_with(folder: Path, old: str, new: str) -> Path:
    """A file with the tree as a model would send it back with one wording changed."""
    path = folder / "reply.txt"
    path.write_text(TREE.replace(old, new), encoding="utf-8")
    return path


def test_out_refuses_a_file_that_exists_before_anything_is_asked(run: Run, tree_file: Path, tmp_path: Path) -> None:
    """The tree itself, or any other file: exit code 2, its bytes stay, and no call is made."""
    reply = reply_with(tmp_path, '"huge"', '"very large"')
    other = tmp_path / "other.json"
    other.write_text("mine", encoding="utf-8")
    for path, before in ((tree_file, TREE), (other, "mine")):
        done = run("revise", tree_file, "-m", "larger", "--model", "manual", "--answer", reply, "-o", path)
        assert done.code == 2
        assert f"{path} exists" in done.err
        assert path.read_text(encoding="utf-8") == before
    assert calls_of(tree_file) == []


def test_revise_json_tells_changes_and_what_was_written(run: Run, tree_file: Path, tmp_path: Path) -> None:
    """Proposed, written elsewhere and applied: the same changes; the score only of what became the tree."""
    reply = reply_with(tmp_path, '"huge"', '"very large"')
    revise = ("revise", tree_file, "-m", "larger", "--model", "manual", "--answer", reply, "--json")
    proposed = json.loads(run(*revise).out)
    (change,) = proposed.pop("changes")
    assert (change["kind"], change["group"], change["old"]) == ("option_renamed", "size", "huge")
    assert '"huge" became "very large"' in change["sentence"]
    assert proposed == {"written": None, "revision": None, "score": None}
    elsewhere = tmp_path / "proposal.json"
    written = json.loads(run(*revise, "-o", elsewhere).out)
    assert written == {"changes": [change], "written": str(elsewhere), "revision": None, "score": None}
    assert tree_file.read_text(encoding="utf-8") == TREE
    applied = json.loads(run(*revise, "--apply").out)
    assert (applied["changes"], applied["written"], applied["revision"]) == ([change], str(tree_file), 2)
    assert schema_problems(applied["score"], "score") == []
    assert applied["score"]["mcnemar"]["parent"] is not None


def test_a_reply_that_changes_nothing_writes_nothing(run: Run, tree_file: Path, tmp_path: Path) -> None:
    """Neither a file nor a revision beyond what was found."""
    reply, elsewhere = reply_with(tmp_path, "", ""), tmp_path / "proposal.json"
    revise = ("revise", tree_file, "-m", "as it is", "--model", "manual", "--answer", reply)
    assert "no change proposed" in run(*revise, "-o", elsewhere).out
    nothing: dict[str, object] = {"changes": [], "written": None, "revision": None, "score": None}
    assert json.loads(run(*revise, "--apply", "--json").out) == nothing
    assert not elsewhere.exists()
    assert [r.note for r in revisions_of(tree_file)] == ["found"]


def test_the_feedback_may_come_from_a_file(run: Run, tree_file: Path, tmp_path: Path) -> None:
    """-F FILE; with -m as well it is wrong usage."""
    reply, feedback = reply_with(tmp_path, '"huge"', '"very large"'), tmp_path / "feedback.txt"
    feedback.write_text("Say how large.\n", encoding="utf-8")
    revise = ("revise", tree_file, "-F", feedback, "--model", "manual", "--answer", reply)
    assert run(*revise).code == 0
    assert "Say how large." in calls_of(tree_file)[0].messages[1]["content"]
    assert run(*revise, "-m", "both").code == 2


def test_what_is_locked_is_shown_and_not_saved(run: Run, tree_file: Path, tmp_path: Path) -> None:
    """--lock and --about name parts of the tree; a name that is not in it is wrong usage before anything is asked."""
    path = tmp_path / "reply.txt"
    path.write_text(TREE.replace('"huge"', '"very large"').replace('"stripes"', '"bands"'), encoding="utf-8")
    revise = ("revise", tree_file, "-m", "better words", "--model", "manual", "--answer", path, "--lock", "group size")
    done = run(*revise, "--about", "class Wendle")
    assert '"huge" became "very large" (refused: the group "size" is locked)' in done.out
    assert '"stripes" became "bands" (not asked for)' in done.out
    changes = json.loads(run(*revise, "--json").out)["changes"]
    assert [(c["refused"] is not None, c["outside"]) for c in changes] == [(False, False), (True, False)]
    applied = json.loads(run(*revise, "--apply", "--json").out)
    assert applied["revision"] is not None
    saved = tree_file.read_text(encoding="utf-8")
    assert ('"bands"' in saved, '"very large"' in saved) == (True, False)
    calls = len(calls_of(tree_file))
    wrong = run(*revise, "--about", "group colors")
    assert wrong.code == 2
    assert 'the tree has no "group colors"' in wrong.err
    assert len(calls_of(tree_file)) == calls


def test_a_proposal_of_locked_things_alone_saves_nothing(run: Run, tree_file: Path, tmp_path: Path) -> None:
    reply = reply_with(tmp_path, '"huge"', '"very large"')
    revise = ("revise", tree_file, "-m", "larger", "--model", "manual", "--answer", reply, "--lock", "group size")
    refused = run(*revise, "--apply")
    assert (refused.code, "every proposed change touches something locked" in refused.out) == (1, True)
    assert tree_file.read_text(encoding="utf-8") == TREE


def test_auto_composes_the_feedback_and_remembers_what_was_left(run: Run, tree_file: Path, tmp_path: Path) -> None:
    """Shown, it is turned down; applied, it is taken; the reviewer's own words stand first."""
    answer = tmp_path / "auto.txt"
    answer.write_text(TREE.replace('"tiny"', '"small"'), encoding="utf-8")
    messages = tmp_path / "messages.txt"
    revise = ("revise", tree_file, "--auto", "--model", "manual", "--answer", answer, "--messages", messages)
    done = run(*revise, "-m", "Mind the fish.")
    assert done.code == 0, done.err
    told = messages.read_text(encoding="utf-8")
    assert "<feedback>\nMind the fish.\n\nOn the development images, these classes are confused most often:" in told
    assert "were turned down before" not in told
    applied = run(*revise, "--apply")
    assert applied.code == 0, applied.err
    told = messages.read_text(encoding="utf-8")
    assert 'the option "tiny" became "small" (because: shown and not applied)' in told
    with Store(tree_file) as store:
        decisions = Journal(store).decisions()
    assert [taken for _, taken, _ in decisions] == [True]


def test_auto_needs_images(run: Run, tree_file: Path) -> None:
    domain = tree_file.parent / "domain.toml"
    text = domain.read_text(encoding="utf-8")
    domain.write_text(text[: text.index("[images]")], encoding="utf-8")
    done = run("revise", tree_file, "--auto", "--model", "manual")
    assert done.code == 2
    assert "no images" in done.err
