"""`treegen resolve`: lists conflicts and takes a side."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import TREE, Git, Run
from treegen.tree.changes import MutableTree
from treegen.tree.document import dump, save
from treegen.tree.merge.disputes import DomainDispute, RuleDispute
from treegen.tree.model import Conflict, Tree
from treegen.vcs.versions import tree_of


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """A tree with two conflicts."""
    tree = tree_of(TREE, "tree.json")
    disputes = (
        DomainDispute(ours="sketchbook", theirs="lake"),
        RuleDispute(class_name="Grelm", group="size", base=None, ours="huge", theirs="tiny"),
    )
    save(tmp_path / "tree.json", replace(tree, conflicts=tuple(d.conflict(MutableTree(tree)) for d in disputes)))
    return tmp_path / "tree.json"


def read(path: Path) -> Tree:
    return tree_of(path.read_text(encoding="utf-8"), str(path))


def test_conflicts_are_listed_with_what_each_side_would_change(run: Run, held: Path) -> None:
    """Nothing is written."""
    before = held.read_bytes()
    done = run("resolve", held)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        '1. the domain: ours "sketchbook", theirs "lake"',
        "   --take ours: keeps the file as is",
        "   --take theirs:",
        '     ~ the domain "sketchbook" became "lake"',
        '2. "Grelm" in "size": ours "huge", theirs "tiny", before no answer',
        "   --take ours: keeps the file as is",
        "   --take theirs:",
        '     ~ "Grelm" in "size": "huge" became "tiny"',
        f"{held}: 2 conflicts",
    ]
    assert held.read_bytes() == before


def test_one_side_is_taken_throughout(run: Run, held: Path) -> None:
    done = run("resolve", held, "--take", "theirs")
    assert (done.code, done.out) == (0, f"{held}: 2 resolved, 0 left\n")
    tree = read(held)
    assert (tree.domain, tree.conflicts, tree.rules[5].get("size")) == ("lake", (), 0)
    assert held.read_text(encoding="utf-8") == dump(tree)


def test_only_the_numbered_conflicts_are_resolved(run: Run, held: Path) -> None:
    assert run("resolve", held, 2, "--take", "theirs").out == f"{held}: 1 resolved, 1 left\n"
    assert (read(held).domain, read(held).rules[5].get("size")) == ("sketchbook", 0)
    assert run("resolve", held, 1, "--take", "ours").out == f"{held}: 1 resolved, 0 left\n"
    assert read(held).conflicts == ()


def test_the_file_as_it_stands_can_be_taken(run: Run, held: Path) -> None:
    assert run("resolve", held, "--take", "file").code == 0
    assert read(held) == tree_of(TREE, "tree.json")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((3, "--take", "ours"), "there is no conflict 3"),
        ((0, "--take", "ours"), "0 is not in the range"),
        (("x", "--take", "ours"), "not a valid integer"),
        (("--take", "both"), "'both' is not one of"),
    ],
)
def test_what_is_no_conflict_or_no_side_is_refused(
    run: Run, held: Path, arguments: tuple[object, ...], told: str
) -> None:
    before = held.read_bytes()
    done = run("resolve", held, *arguments)
    assert done.code == 2
    assert told in done.err
    assert held.read_bytes() == before


def test_a_conflict_that_does_not_fit_any_more_is_named_and_nothing_written(run: Run, held: Path) -> None:
    text = held.read_text(encoding="utf-8").replace('"mark": 2, "size": 1}', '"mark": 2, "size": null}')
    held.write_text(text, encoding="utf-8")
    done = run("resolve", held, "--take", "theirs")
    assert done.code == 1
    assert '"Grelm" in "size" now has no answer, not "huge"' in done.err
    assert held.read_text(encoding="utf-8") == text


def test_a_conflict_that_was_edited_is_named(run: Run, held: Path) -> None:
    save(held, replace(read(held), conflicts=(Conflict(what="w", theirs_json='[{"kind":"x\\u001b"}]'),)))
    for arguments in ((), ("--take", "theirs")):
        done = run("resolve", held, *arguments)
        assert done.code == 1
        assert "unknown kind of change" in done.err
        assert "\x1b" not in done.err
    assert run("resolve", held, "--take", "file").code == 0


def test_a_tree_without_conflicts_has_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    assert run("resolve", tmp_path / "tree.json").out == f"{tmp_path / 'tree.json'}: 0 conflicts\n"
    assert run("resolve", tmp_path / "tree.json", 1, "--take", "ours").code == 2


def test_a_revision_cannot_be_resolved(run: Run, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no file to write to."""
    git.write("tree.json", TREE)
    git.commit("one")
    monkeypatch.chdir(git.folder)
    done = run("resolve", "HEAD:tree.json", "--take", "ours")
    assert done.code == 2
    assert "HEAD:tree.json: this command works on the file, not on a revision" in done.err
    assert sorted(p.name for p in git.folder.iterdir()) == [".git", "tree.json"]
