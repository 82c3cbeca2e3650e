"""What `treegen git-setup` writes into a repository, and that taking it out leaves every byte as it was."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Git
from treegen.errors import InputError
from treegen.vcs.git import ask_git
from treegen.vcs.setup import ATTRIBUTES, BEGIN, END, PRE_COMMIT, set_up, undo

pytestmark = pytest.mark.slow

KEYS = ("diff.treegen.textconv", "diff.treegen.xfuncname", "merge.treegen.name", "merge.treegen.driver")
BLOCK = f"{BEGIN}\ntree.json diff=treegen merge=treegen\n{END}\n"


@pytest.fixture
def repository(git: Git) -> Path:
    """An empty repository."""
    return git.folder


def expression(repository: Path) -> str:
    """The regular expression of the hook."""
    (line,) = re.findall(r"files: '(.*)'", (repository / PRE_COMMIT).read_text(encoding="utf-8"))
    return str(line).replace("''", "'")


def test_it_writes_attributes_and_configuration_and_tells_so(git: Git, repository: Path) -> None:
    done = set_up(repository, "treegen")
    assert (repository / ATTRIBUTES).read_text(encoding="utf-8") == BLOCK
    assert [git("config", "--local", key) for key in KEYS] == [
        "treegen show --textconv",
        "^((group|class) .*)$",
        "treegen: trees by names",
        "treegen merge --driver --path %P %O %A %B",
    ]
    assert [sentence.split()[0] for sentence in done] == ["wrote", "set", "set", "set", "set"]
    assert not (repository / PRE_COMMIT).exists()


def is_set_up(folder: Path) -> bool:
    """Whether the repository has the merge driver."""
    return bool(ask_git(["config", "--get", "merge.treegen.driver"], folder))


def test_a_repository_is_set_up_until_it_is_undone(repository: Path) -> None:
    assert not is_set_up(repository)
    set_up(repository, "treegen")
    assert is_set_up(repository)
    undo(repository)
    assert not is_set_up(repository)


def test_it_works_from_a_folder_below_and_writes_at_the_top(repository: Path) -> None:
    below = repository / "a folder" / "ünder"
    below.mkdir(parents=True)
    set_up(below, "treegen", pre_commit=True)
    assert {p.name for p in repository.iterdir()} == {".git", "a folder", ATTRIBUTES, PRE_COMMIT}
    undo(below)
    assert {p.name for p in repository.iterdir()} == {".git", "a folder"}


def test_outside_a_repository_nothing_is_written(tmp_path: Path) -> None:
    calls: list[Callable[[], object]] = [lambda: set_up(tmp_path, "treegen"), lambda: undo(tmp_path)]
    for call in calls:
        with pytest.raises(InputError, match="not in a git repository"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_git_takes_the_attributes_for_the_trees_and_nothing_else(git: Git, repository: Path) -> None:
    set_up(repository, "treegen", patterns=("tree.json", "trees/*.json", "/top.json", "all/**", "**/x/[ab]?.json"))
    names = (
        "tree.json",
        "deep/er/tree.json",
        "my-tree.json",
        "trees/a.json",
        "trees/a/b.json",
        "deep/trees/a.json",
        "top.json",
        "deep/top.json",
        "all/a/b.json",
        "x/a1.json",
        "y/x/b2.json",
        "y/x/c2.json",
    )
    found = git("check-attr", "merge", "--", *names).splitlines()
    taken = {line.split(":")[0] for line in found if line.endswith(": treegen")}
    assert taken == {
        "tree.json",
        "deep/er/tree.json",
        "trees/a.json",
        "top.json",
        "all/a/b.json",
        "x/a1.json",
        "y/x/b2.json",
    }


@pytest.mark.parametrize(
    "pattern",
    [
        "tree.json",
        "*.json",
        "trees/*.json",
        "/tree.json",
        "**/tree.json",
        "a/**/tree.json",
        "trees/**",
        "t?ee.json",
        "tre[a-e].json",
        "tre[!a-d].json",
        "a/b/tree.json",
        "tree+(1).json",
        "it's.json",
        "tree.jso\\n",
        "[]",
        "**",
        "tree[0-9]*.json",
        "trees*/**/*.json",
        "a**b.json",
        "**.json",
        "[",
    ],
)
def test_the_hook_takes_the_same_files_as_git(git: Git, repository: Path, pattern: str) -> None:
    """Compared with git itself on paths that match some of the patterns."""
    set_up(repository, "treegen", patterns=(pattern,), pre_commit=True)
    names = [
        "tree.json",
        "a/tree.json",
        "a/b/tree.json",
        "a/b/c/tree.json",
        "tree.jsonx",
        "xtree.json",
        "treeXjson",
        "trees/x.json",
        "trees/y/x.json",
        "b/trees/x.json",
        "trees/readme.md",
        "trea.json",
        "trez.json",
        "tr/e.json",
        "tree+(1).json",
        "it's.json",
        "tree7b.json",
        "atree.json",
        "axb.json",
        "a/b.json",
        "[]",
    ]
    shown = git("check-attr", "-z", "merge", "--", *names).split("\0")
    by_git = {name for name, value in zip(shown[::3], shown[2::3], strict=False) if value == "treegen"}
    assert {name for name in names if re.search(expression(repository), name)} == by_git


@pytest.mark.parametrize(
    "pattern", ["", " ", "a b", "a\tb", "a\nb", '"a"', "#a", "a#b", "!a.json", "trees/", "[z-a]", "a\\"]
)
def test_a_pattern_that_git_would_not_take_is_refused_before_anything_is_written(
    git: Git, repository: Path, pattern: str
) -> None:
    config = (repository / ".git" / "config").read_bytes()
    with pytest.raises(InputError, match="is not a valid pattern"):
        set_up(repository, "treegen", patterns=("tree.json", pattern))
    assert [p.name for p in repository.iterdir()] == [".git"]
    assert (repository / ".git" / "config").read_bytes() == config


@pytest.mark.parametrize("pre_commit", [False, True])
def test_a_second_run_writes_the_same_again(repository: Path, pre_commit: bool) -> None:
    (repository / ATTRIBUTES).write_text("*.png binary", encoding="utf-8")
    set_up(repository, "treegen", pre_commit=pre_commit)
    before = {p: p.read_bytes() for p in (*repository.iterdir(), repository / ".git" / "config") if p.is_file()}
    done = set_up(repository, "treegen", pre_commit=pre_commit)
    assert {p: p.read_bytes() for p in before} == before
    assert [d for d in done if d.endswith("is already up to date")] == [
        f"{name} is already up to date" for name in (ATTRIBUTES, *([PRE_COMMIT] if pre_commit else []))
    ]


def test_another_run_replaces_the_patterns_and_the_command(git: Git, repository: Path) -> None:
    set_up(repository, "old", patterns=("old.json",), pre_commit=True)
    set_up(repository, "new", patterns=("a.json", "b.json"), pre_commit=True)
    lines = (repository / ATTRIBUTES).read_text(encoding="utf-8").splitlines()
    assert lines == [BEGIN, "a.json diff=treegen merge=treegen", "b.json diff=treegen merge=treegen", END]
    assert git("config", "diff.treegen.textconv") == "new show --textconv"
    assert expression(repository) == r"(^|/)a\.json$|(^|/)b\.json$"
    assert (repository / PRE_COMMIT).read_text(encoding="utf-8").count("treegen-check") == 1


BEFORE = {
    "nothing": b"",
    "lines": b"*.png binary\n# a comment\n\n",
    "no line feed at the end": b"*.png binary\n*.json text",
    "line ends of Windows": b"*.png binary\r\n*.json text\r\n",
    "line ends of Windows, none at the end": b"*.png binary\r\n*.json text",
    "a byte order mark": b"\xef\xbb\xbf*.png binary\n",
    "other characters": "*.bild binary # ä\u2028\x0b\n".encode(),
}


@pytest.mark.parametrize("before", [v for k, v in BEFORE.items() if v], ids=[k for k, v in BEFORE.items() if v])
def test_undo_leaves_every_byte_of_the_attributes_as_it_was(git: Git, repository: Path, before: bytes) -> None:
    path = repository / ATTRIBUTES
    path.write_bytes(before)
    for _ in range(2):
        set_up(repository, "treegen")
    assert path.read_bytes().startswith(before)
    assert git("check-attr", "merge", "--", "tree.json").endswith(": treegen")
    assert undo(repository)[0] == f"removed treegen's lines from {ATTRIBUTES}"
    assert path.read_bytes() == before


HOOKS = {
    "indented": "repos:\n  - repo: https://example.org/a\n    rev: v1\n    hooks:\n      - id: a\n",
    "not indented": "# first\nrepos:\n- repo: https://example.org/a\n  rev: v1\n  hooks:\n  - id: a\nfail_fast: true\n",
    "with comments": "exclude: x\nrepos:  # ours\n    # a comment\n\n    - repo: meta\n      hooks: [{id: identity}]\n",
    "no line feed at the end": "repos:\n- repo: meta\n  hooks:\n  - id: identity",
    "nothing below": "fail_fast: true\nrepos:",
    "line ends of Windows": "repos:\r\n  - repo: meta\r\n    hooks:\r\n      - id: identity\r\n",
    "a quoted key behind": "repos:\n- repo: meta\n  hooks: [{id: identity}]\n'default_stages': [pre-commit]\n",
}


@pytest.mark.parametrize("text", HOOKS.values(), ids=HOOKS.keys())
def test_the_hook_fits_into_a_configuration_and_goes_without_a_trace(repository: Path, text: str) -> None:
    import yaml

    path = repository / PRE_COMMIT
    path.write_bytes(text.encode())
    for _ in range(2):
        set_up(repository, "treegen", pre_commit=True)
    found, was = yaml.safe_load(path.read_bytes()), yaml.safe_load(text)
    (hook,) = found["repos"][0]["hooks"]
    assert (hook["id"], hook["entry"], hook["language"]) == ("treegen-check", "treegen check", "system")
    assert hook["files"] == r"(^|/)tree\.json$"
    assert {**found, "repos": found["repos"][1:]} == {**was, "repos": was["repos"] or []}
    assert path.read_bytes().count(b"\r\n") in (0, path.read_bytes().count(b"\n"))
    undo(repository)
    assert path.read_bytes() == text.encode()


@pytest.mark.parametrize("text", ["fail_fast: true\n", "repos: []\n", "", "  repos:\n"])
def test_a_configuration_without_a_place_for_the_hook_is_left_and_the_hook_is_shown(
    repository: Path, text: str
) -> None:
    path = repository / PRE_COMMIT
    path.write_text(text, encoding="utf-8")
    if not text:  # an empty file is as good as none
        set_up(repository, "treegen", pre_commit=True)
        assert "treegen-check" in path.read_text(encoding="utf-8")
        return
    with pytest.raises(InputError, match="everything else is done") as raised:
        set_up(repository, "treegen", pre_commit=True)
    assert "- id: treegen-check" in raised.value.tip
    assert path.read_text(encoding="utf-8") == text
    assert is_set_up(repository)


def test_files_that_were_not_there_are_gone_again(repository: Path) -> None:
    config = (repository / ".git" / "config").read_bytes()
    set_up(repository, "treegen", pre_commit=True)
    assert undo(repository)[:2] == [
        f"removed {name}, which contained nothing else" for name in (ATTRIBUTES, PRE_COMMIT)
    ]
    assert [p.name for p in repository.iterdir()] == [".git"]
    assert (repository / ".git" / "config").read_bytes() == config


def test_a_repository_that_was_never_set_up_has_nothing_to_undo(repository: Path) -> None:
    (repository / ATTRIBUTES).write_bytes(b"*.png binary")
    assert undo(repository) == []
    assert (repository / ATTRIBUTES).read_bytes() == b"*.png binary"


def test_other_settings_of_the_same_sections_stay(git: Git, repository: Path) -> None:
    git("config", "diff.treegen.cachetextconv", "true")
    git("config", "merge.treegen.recursive", "binary")
    before = (repository / ".git" / "config").read_bytes()
    set_up(repository, "treegen")
    undo(repository)
    assert (repository / ".git" / "config").read_bytes() == before


def test_a_setting_that_stands_twice_is_replaced(git: Git, repository: Path) -> None:
    for value in ("one", "two"):
        git("config", "--add", "merge.treegen.driver", value)
    set_up(repository, "treegen")
    assert git("config", "--get-all", "merge.treegen.driver") == "treegen merge --driver --path %P %O %A %B"


def test_lines_that_stand_between_and_behind_blocks_stay(repository: Path) -> None:
    """Two branches that both ran it leave two blocks; one that lost its end is nobody's."""
    path = repository / ATTRIBUTES
    other = BLOCK.replace("tree.json", "other.json")
    path.write_text(f"a\n{BLOCK}b\n{other}c\n", encoding="utf-8")
    set_up(repository, "treegen")
    assert path.read_text(encoding="utf-8") == f"a\nb\nc\n{BLOCK}"
    broken = f"a\n{BEGIN}\nb\n"
    path.write_text(broken, encoding="utf-8")
    for _ in range(3):
        set_up(repository, "treegen")
    assert path.read_text(encoding="utf-8") == broken + BLOCK
    undo(repository)
    assert path.read_text(encoding="utf-8") == broken


def test_a_command_with_a_percent_sign_is_started_as_it_is(
    git: Git, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git puts names in for %O and its like."""
    monkeypatch.chdir(repository)
    started = repository / "100%Of"
    started.write_text('#!/bin/sh\necho started "$@" > started\nexit 1\n', encoding="utf-8")
    started.chmod(0o755)
    set_up(repository, str(started))
    for branch in ("other", "main"):
        if branch == "other":
            git.write("tree.json", "base\n")
            git.commit("base")
        git("checkout", "-q", *(["-b"] if branch == "other" else []), branch)
        git.write("tree.json", branch)
        git.commit(branch)
    assert git.run("merge", "other").returncode == 1
    assert (repository / "started").read_text(encoding="utf-8").startswith("started merge --driver --path tree.json ")


def test_a_file_that_cannot_be_read_is_named(repository: Path) -> None:
    (repository / ATTRIBUTES).write_bytes(b"\xff\n")
    with pytest.raises(InputError, match=r"\.gitattributes: not UTF-8 at byte 0"):
        set_up(repository, "treegen")


def test_a_configuration_that_git_cannot_write_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / ".git" / "config.lock").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"git config diff\.treegen\.textconv: .*lock"):
        set_up(repository, "treegen")
