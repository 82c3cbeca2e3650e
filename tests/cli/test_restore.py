"""`treegen restore`, and revisions by name in the commands that read a tree."""

import json
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, TREE, Git, Run, revisions_of
from treegen.history.store import Store
from treegen.tree.document import dump
from treegen.vcs.versions import tree_of

SECOND = TREE.replace('"tiny"', '"small"')
EDITED = TREE.replace('"tiny"', '"minute"')


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with two revisions, in the current folder; the file is the second."""
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    path = tmp_path / "tree.json"
    with Store(path) as store:
        first = store.add_revision(tree_of(TREE, ""), author="llm", note="draft", parent=None)
        store.add_revision(tree_of(SECOND, ""), author="human", note="smaller", parent=first.id)
    path.write_text(SECOND, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.parametrize("name", ["tree.json@1", "tree.json@-1", ".@1", ".@-1"])
def test_a_revision_comes_back_as_a_new_one(run: Run, tree: Path, name: str) -> None:
    done = run("restore", name)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"tree.json: restored {name} as revision 3; the file as it was is revision 2\n"
    assert tree.read_text() == dump(tree_of(TREE, ""))
    assert [(r.parent, r.author, r.note) for r in revisions_of(tree)][2:] == [(2, "human", "restored revision 1")]
    assert "already has this content" in run("restore", "tree.json@1").out
    assert len(revisions_of(tree)) == 3


def test_an_edit_that_no_revision_holds_is_kept_first(run: Run, tree: Path) -> None:
    """And comes back in turn."""
    tree.write_text(EDITED, encoding="utf-8")
    assert "restored tree.json@latest as revision 4; the file as it was is revision 3" in run(
        "restore", "tree.json@latest"
    ).out.replace("./", "")
    assert tree.read_text() == dump(tree_of(SECOND, ""))
    assert run("restore", "tree.json@3").code == 0
    assert tree.read_text() == dump(tree_of(EDITED, ""))


def test_a_deleted_file_comes_back(run: Run, tree: Path) -> None:
    tree.unlink()
    done = run("restore", "tree.json@latest")
    assert (done.code, done.out) == (0, "tree.json: restored tree.json@latest as revision 2\n")
    assert tree.read_text() == dump(tree_of(SECOND, ""))


@pytest.mark.parametrize("content", ["", "{", '{"rules": 1}', "[]"])
def test_what_cannot_be_kept_is_not_replaced(run: Run, tree: Path, content: str) -> None:
    tree.write_text(content, encoding="utf-8")
    done = run("restore", "tree.json@1")
    assert done.code == 1
    assert "it cannot be kept as a revision, so nothing was restored" in done.err
    assert tree.read_text() == content
    assert len(revisions_of(tree)) == 2


def test_conflicts_are_not_lost(run: Run, tree: Path) -> None:
    merged = json.loads(TREE) | {"conflicts": [{"what": "w", "ours": [], "theirs": []}]}
    tree.write_text(json.dumps(merged), encoding="utf-8")
    done = run("restore", "tree.json@1")
    assert done.code == 1
    assert "has 1 conflict, which a revision does not keep" in done.err
    assert json.loads(tree.read_text()) == merged


def test_a_sign_off_survives_and_names_the_approved_content(run: Run, tree: Path) -> None:
    assert run("approve", tree, "--by", "Ada").code == 0
    assert run("restore", "tree.json@1").code == 0
    assert json.loads(tree.read_text())["review"]["by"] == "Ada"
    assert run("check", tree, "--require-approved").code == 1
    assert '"small"' in run("export", "tree.json@approved", "--to", "article").out
    assert run("restore", "tree.json@approved").code == 0
    assert run("check", tree, "--require-approved").code == 0
    assert "sketchbook" in run("show", "tree.json@approved").out


def test_nobody_approved_is_said(run: Run, tree: Path) -> None:
    done = run("show", "tree.json@approved")
    assert (done.code, "tree.json: nobody has approved this tree" in done.err) == (2, True)


def test_revisions_are_shown_compared_and_exported(run: Run, tree: Path) -> None:
    assert "  - tiny\n" in run("show", "tree.json@1").out
    change = '~ in group "size" the option "tiny" became "small"'
    for arguments in (("tree.json@1", "tree.json@2"), ("tree.json@-1", "."), ("tree.json@1",)):
        lines = run("diff", *arguments).out.splitlines()
        assert lines[0] == change
    assert lines[1] == "1 change from tree.json@1 to tree.json"
    assert "tiny" in run("export", "tree.json@1", "--to", "csv").out
    assert run("merge", "tree.json@1", "tree.json@2", "tree.json@1").out == dump(tree_of(SECOND, ""))


def test_a_file_of_that_name_counts_first(run: Run, tree: Path) -> None:
    (tree.parent / "tree.json@1").write_text(EDITED, encoding="utf-8")
    assert "  - minute\n" in run("show", "tree.json@1").out


def test_git_revisions_are_restored_and_exported_too(run: Run, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    git.write("birds/domain.toml", DOMAIN)
    path = git.write("birds/tree.json", TREE)
    git.commit("one")
    path.write_text(SECOND, encoding="utf-8")
    monkeypatch.chdir(git.folder)
    assert "tiny" in run("export", "HEAD:birds/tree.json", "--to", "csv").out
    assert run("restore", "HEAD:birds/tree.json").code == 0
    assert path.read_text() == dump(tree_of(TREE, ""))
    assert [r.note for r in revisions_of(path)] == ["edited by hand", "restored HEAD:birds/tree.json"]


@pytest.mark.slow
def test_a_revision_is_scored(run: Run, tree_file: Path) -> None:
    """As the file would be with that content: the score belongs to the revision, and the file stays."""
    assert run("score", tree_file, "--dev").code == 0
    tree_file.write_text(SECOND, encoding="utf-8")
    assert run("score", tree_file, "--dev").code == 0
    first = json.loads(run("score", f"{tree_file}@1", "--json").out)
    second = json.loads(run("score", tree_file.parent, "--json").out)
    assert (first["mcnemar"]["parent"], second["mcnemar"]["parent"] is None) == (None, False)
    assert first["tree"] == revisions_of(tree_file)[0].digest
    assert tree_file.read_text() == SECOND
    assert len(revisions_of(tree_file)) == 2
