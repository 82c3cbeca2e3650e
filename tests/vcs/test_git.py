"""What treegen asks of git, asked of real repositories."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import Git
from treegen.errors import InputError
from treegen.vcs.git import (
    NotThereError,
    ask_git,
    content_at,
    identity,
    merge_texts,
    path_in_repository,
    repository_of,
    run_git,
    versions_of,
)


def test_output_code_and_complaint_of_git_come_back(git: Git) -> None:
    assert run_git(["rev-parse", "--is-inside-work-tree"], git.folder).out == b"true\n"
    done = run_git(["no-such-command"], git.folder)
    assert done.code != 0
    assert "no-such-command" in done.err
    assert ask_git(["no-such-command"], git.folder) is None


def test_a_folder_that_is_not_there_or_is_a_file_is_named(git: Git) -> None:
    file = git.write("tree.json", "{}")
    for folder in (git.folder / "nowhere", file):
        with pytest.raises(InputError, match=f"{folder.name}: no such folder"):
            run_git(["status"], folder)


def test_without_git_it_says_so(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(git.folder))
    with pytest.raises(InputError, match="git is not installed") as raised:
        run_git(["status"], git.folder)
    assert raised.value.tip == "install git"


def test_the_top_is_found_from_a_folder_below_whatever_its_name(git: Git) -> None:
    below = git.folder / "with space" / "ünïcode 木"
    below.mkdir(parents=True)
    assert repository_of(below).resolve() == git.folder.resolve()
    assert path_in_repository(below / "tree.json") == "with space/ünïcode 木/tree.json"


def test_a_link_is_the_file_that_it_leads_to(git: Git) -> None:
    target = git.write("trees/a.json", "{}")
    (git.folder / "tree.json").symlink_to(target)
    assert path_in_repository(git.folder / "tree.json") == "trees/a.json"


def test_outside_a_repository_it_says_how_to_make_one(tmp_path: Path) -> None:
    for ask in (
        lambda: repository_of(tmp_path),
        lambda: path_in_repository(tmp_path / "tree.json"),
        lambda: content_at("HEAD", "tree.json", tmp_path),
    ):
        with pytest.raises(InputError, match="not in a git repository") as raised:
            ask()
        assert "git init" in raised.value.tip
    assert list(versions_of(tmp_path / "tree.json")) == []


def test_who_commits_is_name_and_mail_or_nobody(git: Git) -> None:
    assert identity(git.folder) == "Ada <ada@example.org>"
    git("config", "--unset", "user.email")
    assert identity(git.folder) is None


@pytest.mark.parametrize("role", ["AUTHOR", "COMMITTER"])
def test_who_commits_may_stand_in_the_environment(git: Git, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    """As in CI; half of it is filled from the configuration, as git does, and never from the host."""
    git("config", "--remove-section", "user")
    assert identity(git.folder) is None
    monkeypatch.setenv(f"GIT_{role}_NAME", "Bob")
    assert identity(git.folder) is None
    monkeypatch.setenv(f"GIT_{role}_EMAIL", "bob@example.org")
    assert identity(git.folder) == "Bob <bob@example.org>"
    monkeypatch.delenv(f"GIT_{role}_EMAIL")
    git("config", "user.email", "team@example.org")
    assert identity(git.folder) == "Bob <team@example.org>"


def test_the_author_of_the_environment_counts_before_the_configuration(
    git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Bob")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "bob@example.org")
    assert identity(git.folder) == "Bob <bob@example.org>"


def test_a_file_at_a_revision_counts_from_the_top_and_then_from_the_folder(git: Git) -> None:
    git.write("tree.json", "top")
    git.write("sub/tree.json", "below")
    git.write("sub/only.json", "only")
    git.commit("one")
    below = git.folder / "sub"
    assert content_at("HEAD", "tree.json", below) == b"top"
    assert content_at("HEAD", "./tree.json", below) == b"below"
    assert content_at("HEAD", "sub/tree.json", below) == b"below"
    assert content_at("HEAD", "only.json", below) == b"only"


def test_a_revision_is_whatever_git_takes_for_one(git: Git) -> None:
    git.write("tree.json", "one")
    first = git.commit("one")
    git("tag", "-a", "v1", "-m", "first")
    git("branch", "a/b")
    git.write("tree.json", "two")
    git.commit("two")
    for revision in (first, first[:8], "v1", "a/b", "HEAD~1", "HEAD^", "main~1"):
        assert content_at(revision, "tree.json", git.folder) == b"one"
    git("checkout", "-q", "--detach", first)
    assert content_at("HEAD", "tree.json", git.folder) == b"one"
    assert content_at("main", "tree.json", git.folder) == b"two"


def test_names_with_spaces_colons_and_other_letters_are_found(git: Git) -> None:
    names = ("a tree.json", "bäume/木.json", "a:b.json", "-tree.json", "tr[ee].json", "*.json", "quo'te\".json")
    for name in names:
        git.write(name, name)
    commit = git.commit("one")
    for name in names:
        assert content_at("HEAD", name, git.folder) == name.encode()
        assert list(versions_of(git.folder / name)) == [(commit, name.encode())]
        assert path_in_repository(git.folder / name) == name


@pytest.mark.parametrize("revision", ["nowhere", "-h", "--all", "--output=x", "HEAD~9", "", "HEAD..main", "@{9}"])
def test_a_revision_that_git_does_not_know_is_named(git: Git, revision: str) -> None:
    git.write("tree.json", "one")
    git.commit("one")
    with pytest.raises(InputError, match="no such revision") as raised:
        content_at(revision, "tree.json", git.folder)
    assert not isinstance(raised.value, NotThereError)
    assert [p.name for p in git.folder.iterdir() if p.name != ".git"] == ["tree.json"]


def test_a_file_that_was_not_in_a_revision_is_named(git: Git) -> None:
    git.write("trees/a.json", "one")
    git.commit("one")
    for name in ("tree.json", "trees", "../tree.json", "/tree.json"):
        with pytest.raises(NotThereError, match="not in the revision HEAD") as raised:
            content_at("HEAD", name, git.folder)
        assert "git ls-tree -r --name-only HEAD" in raised.value.tip


def test_a_repository_without_a_commit_has_no_revision_and_no_version(git: Git) -> None:
    path = git.write("tree.json", "one")
    with pytest.raises(InputError, match="no such revision"):
        content_at("HEAD", "tree.json", git.folder)
    assert list(versions_of(path)) == []


def test_versions_come_newest_first_and_through_renames(git: Git) -> None:
    text = "".join(f"line {n}\n" for n in range(30))
    path = git.write("old.json", text)
    first = git.commit("one")
    git("mv", "old.json", "new.json")
    second = git.commit("two")
    path = git.write("new.json", text + "more\n")
    third = git.commit("three")
    git.write("other.json", "other")
    git.commit("four")
    assert list(versions_of(path)) == [
        (third, (text + "more\n").encode()),
        (second, text.encode()),
        (first, text.encode()),
    ]


def test_versions_of_a_file_below_are_found_with_relative_paths_and_signatures_configured(git: Git) -> None:
    path = git.write("sub/tree.json", "one")
    first = git.commit("one")
    for key, value in (
        ("diff.relative", "true"),
        ("log.showSignature", "true"),
        ("color.ui", "always"),
        ("core.quotePath", "true"),
        ("log.decorate", "full"),
    ):
        git("config", key, value)
    assert list(versions_of(path)) == [(first, b"one")]


def test_what_a_merge_itself_wrote_is_a_version(git: Git) -> None:
    path = git.write("tree.json", "base")
    git.commit("base")
    git("checkout", "-q", "-b", "other")
    git.write("tree.json", "other")
    other = git.commit("other")
    git("checkout", "-q", "main")
    git.write("tree.json", "main")
    git.commit("main")
    assert git.run("merge", "other").returncode == 1
    git.write("tree.json", "resolved")
    merge = git.commit("merge")
    found = list(versions_of(path))
    assert found[0] == (merge, b"resolved")
    assert [commit for commit, _ in found].count(merge) == 1
    assert (other, b"other") in found


def test_a_file_that_went_and_came_back_has_both_versions(git: Git) -> None:
    path = git.write("tree.json", "one")
    git.commit("one")
    path.unlink()
    git.commit("gone")
    git.write("tree.json", "two")
    git.commit("back")
    assert [content for _, content in versions_of(path)] == [b"two", b"one"]


def test_a_repository_with_long_names_of_commits(tmp_path: Path, git: Git) -> None:
    """SHA-256, where this git can."""
    git.folder = tmp_path / "long"
    git.folder.mkdir()
    if git.run("init", "-q", "-b", "main", "--object-format=sha256").returncode:
        pytest.skip("this git knows no SHA-256")
    git("config", "user.name", "Ada")
    git("config", "user.email", "ada@example.org")
    path = git.write("tree.json", "one")
    commit = git.commit("one")
    assert len(commit) == 64
    assert content_at(commit, "tree.json", git.folder) == b"one"
    assert list(versions_of(path)) == [(commit, b"one")]


def test_a_linked_working_tree_is_a_repository_of_its_own(tmp_path: Path, git: Git) -> None:
    git.write("tree.json", "one")
    git.commit("one")
    linked = tmp_path / "linked tree"
    git("worktree", "add", "-q", "--detach", str(linked))
    assert repository_of(linked).resolve() == linked.resolve()
    assert content_at("HEAD", "tree.json", linked) == b"one"
    assert len(list(versions_of(linked / "tree.json"))) == 1


def test_texts_are_merged_with_markers_where_both_changed(tmp_path: Path) -> None:
    texts = {"base": "a\nb\nc\n", "ours": "A\nb\nc\n", "theirs": "a\nb\nC\n", "other": "1\nb\nc\n"}
    paths = {name: tmp_path / f"{name} file" for name in texts}
    for name, text in texts.items():
        paths[name].write_text(text, encoding="utf-8")
    clean = merge_texts(paths["base"], paths["ours"], paths["theirs"])
    assert (clean.code, clean.out) == (0, b"A\nb\nC\n")
    both = merge_texts(paths["base"], paths["ours"], paths["other"], ("mine", "was", "yours"))
    assert both.code == 1
    assert both.out == b"<<<<<<< mine\nA\n=======\n1\n>>>>>>> yours\nb\nc\n"
    assert paths["ours"].read_text(encoding="utf-8") == texts["ours"]


def test_bytes_that_are_no_text_cannot_be_merged(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\0\1")
    assert merge_texts(path, path, path).code >= 128


def test_the_repository_of_the_fixture_is_not_that_of_the_tests(git: Git) -> None:
    shown = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=git.folder, capture_output=True, text=True)
    assert Path(shown.stdout.strip()).resolve() == git.folder.resolve()
