"""`treegen git-setup`: what it says, and the command that git is told to run."""

import shlex
import sys
from pathlib import Path

import pytest

from tests.conftest import Git, Run
from treegen.cli.git_setup import _shell_command
from treegen.vcs.setup import ATTRIBUTES, PRE_COMMIT


@pytest.fixture(autouse=True)
def inside(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here runs in the repository."""
    monkeypatch.chdir(git.folder)


def test_everything_that_was_done_is_told_and_how_to_take_it_back(run: Run, git: Git) -> None:
    done = run("git-setup")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"wrote to {ATTRIBUTES}: tree.json diff=treegen merge=treegen"
    assert lines[-1] == "`treegen git-setup --undo` removes it all again"
    assert len(lines) == 6
    assert run("git-setup", "--undo").code == 0
    assert [p.name for p in git.folder.iterdir()] == [".git"]
    assert run("git-setup", "--undo").out == "nothing to undo\n"


def test_patterns_and_the_hook_are_options(run: Run, git: Git) -> None:
    assert run("git-setup", "--pre-commit", "trees/*.json", "tree.json").code == 0
    assert "trees/*.json diff=treegen" in (git.folder / ATTRIBUTES).read_text(encoding="utf-8")
    assert r"'^trees/[^/]*\.json$|(^|/)tree\.json$'" in (git.folder / PRE_COMMIT).read_text(encoding="utf-8")


def test_a_pattern_that_cannot_be_written_is_refused(run: Run, git: Git) -> None:
    done = run("git-setup", "my tree.json")
    assert done.code == 2
    assert "is not a valid pattern" in done.err
    assert [p.name for p in git.folder.iterdir()] == [".git"]


def test_outside_a_repository_it_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("git-setup")
    assert done.code == 2
    assert "not in a git repository" in done.err


def test_git_is_told_to_run_the_very_command_that_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it lies, and whatever its folder is called."""
    program = tmp_path / "a folder's" / "treegen"
    program.parent.mkdir()
    program.write_text("", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert shlex.split(_shell_command()) == [str(program)]
    monkeypatch.setattr(sys, "argv", ["/nowhere/treegen"])
    assert shlex.split(_shell_command()) == [sys.executable, "-m", "treegen"]
    monkeypatch.setattr(sys, "argv", [str(Path(__file__))])
    assert shlex.split(_shell_command()) == [sys.executable, "-m", "treegen"]
