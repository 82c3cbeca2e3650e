"""`treegen show`: a tree in words, from a file or a revision, and for git."""

from pathlib import Path

import pytest

from tests.conftest import TREE, Git, Run


def test_a_tree_is_printed_in_words(run: Run, tmp_path: Path) -> None:
    """One answer a line, nothing on stderr."""
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    done = run("show", tmp_path / "tree.json")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:4] == ["domain: sketchbook", "", "group colour: This creature's body is mainly {}.", "  - white"]
    assert lines[-6:] == [
        "class Zandoor",
        "  colour: blue",
        "  form: a fish",
        "  scene: the sea",
        "  mark: (no answer)",
        "  size: huge",
    ]


def test_a_tree_of_a_revision_is_printed(run: Run, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may be another meanwhile."""
    git.write("tree.json", TREE)
    git.commit("one")
    git.write("tree.json", TREE.replace("sketchbook", "lake"))
    monkeypatch.chdir(git.folder)
    assert run("show", "HEAD:tree.json").out.startswith("domain: sketchbook\n")
    assert run("show", "tree.json").out.startswith("domain: lake\n")


@pytest.mark.parametrize("content", ["no tree\n", "", "{}", '{"domain": 1}\r\n', "no line feed \x1b ä"])
def test_for_git_what_is_no_tree_is_printed_as_it_stands(run: Run, tmp_path: Path, content: str) -> None:
    """Nothing added and nothing escaped, so that a diff of a broken file shows it."""
    (tmp_path / "tree.json").write_bytes(content.encode())
    done = run("show", "--textconv", tmp_path / "tree.json")
    assert (done.code, done.err) == (0, "")
    assert done.out.encode() == content.encode()


def test_what_is_no_tree_is_an_error_without_that_option(run: Run, tmp_path: Path) -> None:
    """And with it, a file that is not there."""
    for text, code, told in (("no tree", 2, "text, not a tree"), ('{"rules', 1, "not read as a tree: TG101")):
        (tmp_path / "tree.json").write_text(text, encoding="utf-8")
        done = run("show", tmp_path / "tree.json")
        assert (done.code, done.out, told in done.err) == (code, "", True)
    assert run("show", "--textconv", tmp_path / "nowhere.json").code == 2
