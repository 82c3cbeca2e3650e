"""`treegen diff`: what changed, in words or as JSON, between files and revisions."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, Git, Run
from treegen.tree.changes import apply, from_json
from treegen.tree.document import digest_of
from treegen.vcs.versions import tree_of

LATER = TREE.replace('["white", ', '["black", "white", ').replace('"Abrosk": {"colour": 0', '"Abrosk": {"colour": 1')


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A tree, and one with an option inserted and one index moved with it."""
    paths = tmp_path / "a.json", tmp_path / "b.json"
    for path, text in zip(paths, (TREE, LATER), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def test_changes_are_told_in_words_with_their_signs(run: Run, files: tuple[Path, Path]) -> None:
    """The class whose index moved with its option did not change; those whose index stayed did."""
    done = run("diff", *files)
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0] == '+ in group "colour" the option "black" added at the front'
    assert '~ "Abrosk G" in "colour": "white" became "black"' in lines
    assert not any('"Abrosk" in' in line for line in lines)
    assert lines[-1] == f"{len(lines) - 1} changes from {files[0]} to {files[1]}"


def test_no_change_is_told_too(run: Run, files: tuple[Path, Path]) -> None:
    done = run("diff", files[0], files[0], "--exit-code")
    assert (done.code, done.out) == (0, f"no change from {files[0]} to {files[0]}\n")


def test_changes_are_an_exit_code_where_that_is_asked_for(run: Run, files: tuple[Path, Path]) -> None:
    assert run("diff", "--exit-code", *files).code == 1
    assert run("diff", "--exit-code", "--json", *files).code == 1


def test_json_holds_both_digests_and_changes_that_can_be_made(run: Run, files: tuple[Path, Path]) -> None:
    told = json.loads(run("diff", "--json", *files).out)
    old, new = tree_of(TREE, "a"), tree_of(LATER, "b")
    assert told["old"] == {"name": str(files[0]), "digest": digest_of(old)}
    assert told["new"] == {"name": str(files[1]), "digest": digest_of(new)}
    assert apply(old, [from_json(change) for change in told["changes"]]) == new


def test_one_file_is_compared_with_the_last_commit(run: Run, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from a folder below, by the name that counts there."""
    git.write("sub/tree.json", TREE)
    git.commit("one")
    git.write("sub/tree.json", TREE.replace("sketchbook", "lake"))
    for folder, name in ((git.folder, "sub/tree.json"), (git.folder / "sub", "tree.json")):
        monkeypatch.chdir(folder)
        assert run("diff", name).out.splitlines() == [
            '~ the domain "sketchbook" became "lake"',
            f"1 change from HEAD:sub/tree.json to {name}",
        ]


def test_revisions_are_compared_with_each_other(run: Run, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (TREE, TREE.replace("sketchbook", "lake"), TREE.replace("sketchbook", "sea")):
        git.write("tree.json", text)
        git.commit("more")
    monkeypatch.chdir(git.folder)
    assert 'the domain "sketchbook" became "lake"' in run("diff", "HEAD~2:tree.json", "HEAD~1:tree.json").out
    assert 'the domain "lake" became "sea"' in run("diff", "main~1:tree.json", "tree.json").out


@pytest.mark.parametrize(
    ("names", "code", "told"),
    [
        (("nowhere.json", "tree.json"), 2, "nowhere.json: no such file"),
        (("tree.json", "1"), 2, "1: no such file\n  a revision is named after its tree: tree.json@1"),
        (("nowhere:tree.json", "tree.json"), 2, "no such revision"),
        (("HEAD:nowhere.json", "tree.json"), 2, "not in the revision HEAD"),
        (("tree.json/below",), 2, "tree.json/below: no such file"),
        (("broken.json", "tree.json"), 1, "not read as a tree"),
        ((), 2, "Missing argument"),
    ],
)
def test_what_cannot_be_compared_is_named(
    run: Run, git: Git, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], code: int, told: str
) -> None:
    git.write("tree.json", TREE)
    git.write("broken.json", "{")
    git.commit("one")
    monkeypatch.chdir(git.folder)
    done = run("diff", *names)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_colour_comes_when_it_is_asked_for_and_nothing_else_that_a_terminal_obeys(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(TREE, encoding="utf-8")
    (tmp_path / "b.json").write_text(TREE.replace("sketchbook", "\\u001b[2J"), encoding="utf-8")
    names = (tmp_path / "a.json", tmp_path / "b.json")
    assert "\x1b" not in run("diff", *names).out
    assert "\x1b" not in run("diff", "--no-color", *names).out
    coloured = run("diff", "--color", *names).out
    assert "\x1b[33m~\x1b[0m" in coloured
    assert "\x1b[2J" not in coloured
