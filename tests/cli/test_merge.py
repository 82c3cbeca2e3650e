"""`treegen merge`: by hand and as git's driver."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, Git, Run
from treegen.tree.document import dump
from treegen.tree.model import Tree
from treegen.vcs.versions import tree_of

OURS = TREE.replace('["white", "green"', '["white", "black", "green"')
for _index in range(8, 0, -1):
    OURS = OURS.replace(f'"colour": {_index},', f'"colour": {_index + 1},')
_NEW = '"New": {"colour": 2, "form": 6, "scene": 0, "mark": 1, "size": 0}'
THEIRS = TREE.replace('"size": 1}\n  }', f'"size": 1}},\n    {_NEW}\n  }}')
CLASH = TREE.replace('"tiny", "huge"', '"tiny", "huge", "vast"').replace(
    '"mark": null, "size": 1}', '"mark": null, "size": 2}'
)
OTHER = TREE.replace('"mark": null, "size": 1}', '"mark": null, "size": 0}')


def written(folder: Path, *texts: str) -> list[Path]:
    """Base, ours and theirs as files."""
    paths = [folder / name for name in ("base.json", "ours.json", "theirs.json")]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def word(tree: Tree, name: str, group: str) -> str | None:
    return next(tree.word(rule, group) for rule in tree.rules if rule.name == name)


def test_a_clean_merge_is_printed_canonically(run: Run, tmp_path: Path) -> None:
    """Every word of both sides is right, and stdout holds the tree alone."""
    done = run("merge", *written(tmp_path, TREE, OURS, THEIRS))
    assert (done.code, done.err) == (0, "")
    tree, base = tree_of(done.out, "out"), tree_of(TREE, "base")
    assert done.out == dump(tree)
    assert tree.groups[0].options[:3] == ("white", "black", "green")
    assert word(tree, "New", "colour") == "orange"
    for rule in base.rules:
        assert [word(tree, rule.name, g.name) for g in tree.groups] == [base.word(rule, g.name) for g in tree.groups]


def test_the_merged_tree_is_written_where_it_is_wanted(run: Run, tmp_path: Path) -> None:
    sides = written(tmp_path, TREE, OURS, THEIRS)
    out = tmp_path / "out.json"
    assert run("merge", *sides, "-o", out).out == ""
    assert out.read_text(encoding="utf-8") == run("merge", *sides).out
    assert sides[1].read_text(encoding="utf-8") == OURS


def test_conflicts_are_told_kept_in_the_tree_and_exit_1(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = run("merge", *written(tmp_path, TREE, CLASH, OTHER), "-o", out)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        'conflict: "Zandoor" in "size": ours "vast", theirs "tiny", before "huge"',
        f"{out}: 1 conflict; `treegen resolve {out}` lists and resolves them",
    ]
    assert [c["what"] for c in json.loads(out.read_text(encoding="utf-8"))["conflicts"]] == [
        '"Zandoor" in "size": ours "vast", theirs "tiny", before "huge"'
    ]


def test_errors_that_only_the_merge_has_exit_1_and_are_told(run: Run, tmp_path: Path) -> None:
    ours = TREE.replace('"tiny", "huge"', '"tiny", "huge", "vast"')
    theirs = TREE.replace('"tiny", "huge"', '"tiny", "huge", "Vast"')
    done = run("merge", *written(tmp_path, TREE, ours, theirs), "-o", tmp_path / "out.json")
    assert done.code == 1
    assert "error TG111 /classification_groups/size/options/3" in done.err
    assert "merged, but has errors that neither side had" in done.err


def test_what_went_with_a_removed_group_is_noted(run: Run, tmp_path: Path) -> None:
    data = json.loads(TREE)
    del data["classification_groups"]["size"]
    for rule in data["rules"].values():
        del rule["size"]
    done = run("merge", *written(tmp_path, TREE, json.dumps(data), THEIRS), "-o", tmp_path / "out.json")
    assert 'note: "New" lost its answer "tiny" in "size": ours removed the group' in done.err


def test_following_renames_is_an_option(run: Run, tmp_path: Path) -> None:
    ours = TREE.replace('"orange"', '"bright orange"')
    sides = written(tmp_path, TREE, ours, THEIRS)
    assert "ours renamed it to" in run("merge", *sides, "-o", tmp_path / "out.json").err
    done = run("merge", "--follow-renames", *sides)
    assert done.code == 0
    assert word(tree_of(done.out, "out"), "New", "colour") == "bright orange"


def test_revisions_are_merged_by_their_names(run: Run, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("base", TREE), ("ours", OURS), ("theirs", THEIRS)):
        git.write("tree.json", text)
        git.commit(name)
        git("tag", name)
    monkeypatch.chdir(git.folder)
    assert run("merge", "base:tree.json", "ours:tree.json", "theirs:tree.json").code == 0


def test_an_empty_base_is_none(run: Run, tmp_path: Path) -> None:
    done = run("merge", *written(tmp_path, "", TREE, TREE))
    assert (done.code, tree_of(done.out, "out")) == (0, tree_of(TREE, "base"))


@pytest.mark.parametrize("broken", ["{", TREE.replace('"size": 0}', '"size": 9}'), TREE.replace('"huge"', '"Tiny"')])
def test_a_side_that_cannot_be_merged_is_refused_and_nothing_written(run: Run, tmp_path: Path, broken: str) -> None:
    for texts in ((broken, TREE, TREE), (TREE, broken, TREE), (TREE, TREE, broken)):
        done = run("merge", *written(tmp_path, *texts), "-o", tmp_path / "out.json")
        assert (done.code, done.out) == (1, "")
        assert "TG1" in done.err
        assert not (tmp_path / "out.json").exists()


def test_the_driver_writes_to_ours_and_uses_the_name_that_git_gives(run: Run, tmp_path: Path) -> None:
    sides = written(tmp_path, TREE, OURS, THEIRS)
    done = run("merge", "--driver", "--path", "sub/tree.json", *sides)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert word(tree_of(sides[1].read_text(encoding="utf-8"), "out"), "New", "colour") == "orange"
    sides = written(tmp_path, TREE, CLASH, OTHER)
    done = run("merge", "--driver", "--path", "sub/tree.json", *sides)
    assert done.code == 1
    assert "sub/tree.json: 1 conflict; `treegen resolve sub/tree.json`" in done.err


def test_the_driver_leaves_conflict_markers_where_a_side_is_no_tree(run: Run, tmp_path: Path) -> None:
    sides = written(tmp_path, "a\nb\nc\n", "A\nb\nc\n", "X\nb\nc\n")
    done = run("merge", "--driver", "--path", "tree.json", *sides)
    assert done.code == 1
    assert sides[1].read_text(encoding="utf-8").startswith("<<<<<<< ours\nA\n=======\nX\n>>>>>>> theirs\n")
    assert "merged line by line instead" in done.err


def test_the_driver_never_calls_a_merge_of_lines_clean(run: Run, tmp_path: Path) -> None:
    """Lines that do not touch may still give a class another option."""
    sides = written(tmp_path, "a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n")
    assert run("merge", "--driver", *sides).code == 1
    assert sides[1].read_text(encoding="utf-8") == "A\nb\nC\n"


@pytest.mark.parametrize(
    ("side", "content", "told"),
    [
        (0, b"{", "base of sub/tree.json: not read as a tree: TG101"),
        (1, b"{", "ours of sub/tree.json: not read as"),
        (2, b"{", "theirs of sub/tree.json: not read as"),
        (2, b"\xff", "theirs of sub/tree.json: not UTF-8 at byte 0"),
    ],
)
def test_the_driver_names_the_side_and_not_gits_temporary_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, content: bytes, told: str
) -> None:
    sides = written(tmp_path, TREE, TREE, TREE)
    sides[side].write_bytes(content)
    monkeypatch.chdir(tmp_path)
    for paths in (sides, [path.name for path in sides]):
        done = run("merge", "--driver", "--path", "sub/tree.json", *paths)
        assert done.code == 1
        assert done.err.startswith(told)
        assert sides[side].name not in done.err
        sides[1].write_bytes(content if side == 1 else TREE.encode())


def test_an_existing_file_is_replaced_only_if_it_is_ours_or_by_force(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = written(tmp_path, TREE, OURS, THEIRS)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out.json"
    out.write_text("mine", encoding="utf-8")
    for target in (out, sides[0], sides[2]):
        before = target.read_bytes()
        done = run("merge", *sides, "-o", target)
        assert (done.code, done.out, target.read_bytes()) == (2, "", before)
        assert f"{target} exists\n  --force replaces it" in done.err
    assert run("merge", *sides, "-o", tmp_path, "--force").code == 2
    assert run("merge", *sides, "-o", out, "--force").code == 0
    assert run("merge", *sides, "-o", "./ours.json").code == 0
    assert sides[1].read_bytes() == out.read_bytes()


def test_the_driver_leaves_ours_where_lines_cannot_be_merged_either(run: Run, tmp_path: Path) -> None:
    sides = written(tmp_path, TREE, TREE, TREE)
    sides[2].write_bytes(b"\0\xff")
    done = run("merge", "--driver", "--path", "tree.json", *sides)
    assert done.code == 1
    assert "so ours is unchanged" in done.err
    assert "merged line by line" not in done.err
    assert sides[1].read_text(encoding="utf-8") == TREE
