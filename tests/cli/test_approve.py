"""`treegen approve`, and the gates of `treegen check` that ask for it."""

import json
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, TREE, Git, Run
from treegen.workflow.workspace import Workspace


def test_an_approval_without_images_is_one_without_a_score(run: Run, workspace: Workspace) -> None:
    workspace.path.write_text(TREE, encoding="utf-8")
    done = run("approve", workspace.path, "--by", "Ada <ada@example.org>")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith(f"{workspace.path}: approved by Ada <ada@example.org> at 20")
    assert lines[1:] == ["without a score: the domain has no images"]
    assert json.loads(workspace.path.read_text(encoding="utf-8"))["review"]["by"] == "Ada <ada@example.org>"


@pytest.mark.slow
def test_a_tree_with_images_is_scored_and_the_gates_read_that(run: Run, tree_file: Path) -> None:
    """The score is in the tree, so the gates need neither images nor the history."""
    done = run("approve", tree_file, "--by", "Ada")
    assert done.code == 0
    assert "% [" in done.out
    assert "by bundled; name baseline " in done.out
    score = json.loads(tree_file.read_text(encoding="utf-8"))["review"]["score"]
    assert score["n"] == 4 * 13
    alone = tree_file.parent / "alone" / "tree.json"
    alone.parent.mkdir()
    alone.write_bytes(tree_file.read_bytes())
    assert run("check", "--require-approved", "--min-accuracy", score["accuracy"], alone).code == 0
    least = min(1.0, score["accuracy"] + 0.001)
    below = run("check", "--min-accuracy", least, alone)
    assert (below.code, "TG802 /review/score" in below.out) == (int(score["accuracy"] < 1), score["accuracy"] < 1)
    alone.write_text(alone.read_text(encoding="utf-8").replace('"tiny"', '"small"'), encoding="utf-8")
    stale = run("check", "--require-approved", "--min-accuracy", "0", alone)
    assert stale.code == 1
    assert "TG801 /review/digest" in stale.out
    assert "TG802 /review/score" in stale.out


def test_a_tree_with_errors_is_refused_with_all_of_them(run: Run, workspace: Workspace) -> None:
    text = TREE.replace('"size": 0}', '"size": 9}').replace('"domain": "sketchbook"', '"domain": "x"')
    workspace.path.write_text(text, encoding="utf-8")
    done = run("approve", workspace.path, "--by", "Ada")
    assert (done.code, done.out) == (1, "")
    assert "not approved, it has 2 errors" in done.err
    assert "TG112 /rules/Quillip/size" in done.err
    assert workspace.path.read_text(encoding="utf-8") == text


def test_warnings_are_told_on_stderr(run: Run, workspace: Workspace) -> None:
    workspace.path.write_text(TREE.replace('"huge"]', '"huge", "vast"]'), encoding="utf-8")
    done = run("approve", workspace.path, "--by", "Ada")
    assert done.code == 0
    assert "warning TG205" in done.err


def test_git_says_who_signs_and_the_gate_names_what_changed_since(run: Run, git: Git) -> None:
    path = git.write("tree.json", TREE)
    git.write("domain.toml", DOMAIN)
    assert "approved by Ada <ada@example.org> at" in run("approve", path).out
    git.commit("approved")
    assert run("check", "--require-approved", path).code == 0
    path.write_text(path.read_text(encoding="utf-8").replace('"tiny"', '"small"'), encoding="utf-8")
    done = run("check", "--require-approved", path)
    assert done.code == 1
    assert 'changed since: in group "size" the option "tiny" became "small"' in done.out


def test_a_domain_from_elsewhere_is_an_option_and_without_one_nothing_is_signed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    alone = run("approve", tmp_path / "tree.json", "--by", "Ada")
    assert alone.code == 2
    assert "--domain" in alone.err
    assert run("approve", tmp_path / "tree.json", "--by", "Ada", "--domain", tmp_path / "elsewhere").code == 0
