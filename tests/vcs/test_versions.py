"""Trees by name, and what was approved, in real repositories and histories."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import TREE, Git
from treegen.errors import InputError, ProblemsError
from treegen.history.store import Store
from treegen.tree.document import digest_of, dump, save
from treegen.tree.merge.three_way import EMPTY
from treegen.tree.model import Review, Tree
from treegen.vcs.git import NotThereError
from treegen.vcs.versions import at_revision, changes_since, changes_since_approval, open_base, open_version, tree_of


@pytest.fixture
def creatures() -> Tree:
    """The tree of the sketchbook."""
    return tree_of(TREE, "tree.json")


def signed(tree: Tree) -> Tree:
    review = Review(status="approved", by="Ada", at="2026-01-01T00:00:00Z", digest=digest_of(tree))
    return replace(tree, review=review)


def test_a_file_is_opened_by_its_path_from_a_folder(tmp_path: Path, creatures: Tree) -> None:
    save(tmp_path / "tree.json", creatures)
    version = open_version("tree.json", tmp_path)
    assert (version.name, version.tree) == ("tree.json", creatures)
    assert open_version(str(tmp_path / "tree.json"), Path("/")).tree == creatures


def test_a_file_at_a_revision_is_opened_as_it_was(git: Git, creatures: Tree) -> None:
    git.write("sub/tree.json", dump(creatures))
    git.commit("one")
    git.write("sub/tree.json", dump(replace(creatures, domain="lake")))
    for name, folder in (("HEAD:sub/tree.json", git.folder), ("HEAD:tree.json", git.folder / "sub")):
        version = open_version(name, folder)
        assert (version.name, version.tree) == (name, creatures)
    assert open_version("tree.json", git.folder / "sub").tree.domain == "lake"


def test_a_file_of_that_name_counts_before_a_revision(git: Git, creatures: Tree) -> None:
    git.write("tree.json", dump(creatures))
    git.commit("one")
    git.write("HEAD:tree.json", dump(replace(creatures, domain="lake")))
    assert open_version("HEAD:tree.json", git.folder).tree.domain == "lake"


@pytest.mark.parametrize("name", ["nowhere.json", "HEAD:", ":tree.json", ":", "x" * 300, "HEAD:" + "x" * 300])
def test_a_name_of_nothing_is_an_input_error(git: Git, name: str) -> None:
    git.commit("one")
    for call in (open_version, open_base):
        with pytest.raises(InputError):
            call(name, git.folder)


def test_what_is_no_tree_is_named_with_its_first_problem(tmp_path: Path, git: Git) -> None:
    git.write("tree.json", '{"domain": "no tree')
    git.commit("one")
    for name in ("tree.json", "HEAD:tree.json"):
        with pytest.raises(ProblemsError, match=f"^{name}: not read as a tree: TG101 /: ") as raised:
            open_version(name, git.folder)
        assert "treegen check" in raised.value.tip


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"Newt\nSwan\n", "text"), (b"path,label\na,b\n", "a table"), (b"\x89PNG", "a PNG image"), (b"{}", "JSON, but")],
)
def test_what_is_of_another_kind_is_wrong_usage_at_a_revision_too(git: Git, content: bytes, kind: str) -> None:
    (git.folder / "tree.json").write_bytes(content)
    git.commit("one")
    for name in ("tree.json", "HEAD:tree.json"):
        with pytest.raises(InputError, match=f"{name}: {kind}.* not a tree"):
            open_version(name, git.folder)


def test_bytes_that_are_no_utf_8_are_named_with_their_place(git: Git) -> None:
    (git.folder / "tree.json").write_bytes(b"{\xff}")
    git.commit("one")
    for name in ("tree.json", "HEAD:tree.json"):
        with pytest.raises(InputError, match=f"{name}: not UTF-8 at byte 1"):
            open_version(name, git.folder)


def test_a_byte_order_mark_is_no_part_of_the_tree(git: Git, creatures: Tree) -> None:
    (git.folder / "tree.json").write_bytes(b"\xef\xbb\xbf" + dump(creatures).encode())
    git.commit("one")
    assert open_version("HEAD:tree.json", git.folder).tree == open_version("tree.json", git.folder).tree == creatures


def test_a_tree_of_which_something_would_be_lost_is_not_read(creatures: Tree) -> None:
    text = dump(creatures)
    twice = text.replace('"domain": "sketchbook"', '"domain": "sketchbook", "domain": "x"')
    unknown = text.replace('"domain"', '"author": "A", "domain"', 1)
    for broken in (twice, unknown, text.replace('"rules"', '"review": {}, "rules"')):
        with pytest.raises(ProblemsError, match="TG10"):
            tree_of(broken, "tree.json")


def test_a_tree_with_problems_is_opened_all_the_same(creatures: Tree) -> None:
    broken = dump(creatures).replace('"Grelm": {"colour": 2', '"Grelm": {"colour": 99')
    assert tree_of(broken, "tree.json").rules[5].get("colour") == 99


def test_the_base_of_two_new_files_is_empty(tmp_path: Path, creatures: Tree) -> None:
    for content in (b"", b" \n"):
        (tmp_path / "base").write_bytes(content)
        assert open_base("base", tmp_path) is EMPTY
    save(tmp_path / "base", creatures)
    assert open_base("base", tmp_path) == creatures


def test_a_file_as_it_was_is_found_from_wherever_it_lies(git: Git, creatures: Tree) -> None:
    path = git.write("a b/tree.json", dump(creatures))
    git.commit("one")
    version = at_revision(path, "HEAD")
    assert (version.name, version.tree) == ("HEAD:a b/tree.json", creatures)
    with pytest.raises(NotThereError):
        at_revision(git.folder / "tree.json", "HEAD")


def test_changes_since_a_revision_are_told_and_of_a_new_file_there_are_none(git: Git, creatures: Tree) -> None:
    path = git.write("tree.json", dump(creatures))
    git.commit("one")
    lake = replace(creatures, domain="lake")
    assert [c.kind for c in changes_since(path, lake, "HEAD") or ()] == ["domain_changed"]
    assert changes_since(git.folder / "new.json", lake, "HEAD") is None
    with pytest.raises(InputError, match="no such revision"):
        changes_since(path, lake, "nowhere")


def test_without_a_sign_off_nothing_was_approved(tmp_path: Path, creatures: Tree) -> None:
    assert changes_since_approval(tmp_path / "tree.json", creatures) is None


def test_approved_content_is_found_in_git_whether_it_was_signed_in_it_or_before(git: Git, creatures: Tree) -> None:
    changed = replace(signed(creatures), domain="lake")
    for approved in (creatures, signed(creatures)):
        path = git.write("tree.json", dump(approved))
        git.commit("approved")
        git.write("tree.json", dump(replace(creatures, domain="sea")))
        git.commit("sea")
        assert [c.sentence for c in changes_since_approval(path, changed) or ()] == [
            'the domain "sketchbook" became "lake"'
        ]


def test_approved_content_is_found_in_the_history_also_without_a_repository(tmp_path: Path, creatures: Tree) -> None:
    path = tmp_path / "tree.json"
    with Store(path) as store:
        store.add_revision(creatures, author="human", note="found", parent=None)
    changed = replace(signed(creatures), domain="lake")
    assert [c.kind for c in changes_since_approval(path, changed) or ()] == ["domain_changed"]


def test_approved_content_that_only_a_merge_held_is_found(git: Git, creatures: Tree) -> None:
    path = git.write("tree.json", dump(creatures))
    git.commit("base")
    git("checkout", "-q", "-b", "other")
    git.write("tree.json", dump(replace(creatures, domain="other")))
    git.commit("other")
    git("checkout", "-q", "main")
    git.write("tree.json", dump(replace(creatures, domain="main")))
    git.commit("main")
    git.run("merge", "other")
    resolved = replace(creatures, domain="both")
    git.write("tree.json", dump(signed(resolved)))
    git.commit("merge")
    changed = replace(signed(resolved), domain="lake")
    assert [c.sentence for c in changes_since_approval(path, changed) or ()] == ['the domain "both" became "lake"']


def test_approved_content_that_is_nowhere_is_told_as_such(git: Git, creatures: Tree) -> None:
    path = git.write("tree.json", dump(replace(signed(creatures), domain="lake")))
    git.commit("changed already")
    assert changes_since_approval(path, replace(signed(creatures), domain="lake")) is None
    assert not (git.folder / ".treegen").exists()


def test_approved_content_that_did_not_change_has_no_changes(git: Git, creatures: Tree) -> None:
    path = git.write("tree.json", dump(signed(creatures)))
    git.commit("approved")
    assert changes_since_approval(path, signed(creatures)) == ()
