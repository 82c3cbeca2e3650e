"""The entry point: help, wrong usage, and a reader that closes the pipe."""

import errno
import logging
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Run
from treegen.history.store import Call, Store

PROBLEMS = tuple({"code": "TG111", "pointer": "/x", "message": "m" * 900} for _ in range(20))


def test_help_lists_every_command(run: Run) -> None:
    """`treegen --help` names all commands and exits 0."""
    done = run("--help")
    assert done.code == 0
    for name in ("demo", "init", "draft", "check", "score", "revise", "log", "classify", "import", "export", "schema"):
        assert f"\n  {name} " in done.out


@pytest.mark.parametrize(
    "name", ["demo", "init", "draft", "check", "score", "revise", "log", "classify", "import", "export", "schema"]
)
def test_each_command_has_help(run: Run, name: str) -> None:
    """Every command explains itself."""
    done = run(name, "--help")
    assert done.code == 0
    assert done.out.startswith("Usage: treegen")


def test_unknown_command_is_wrong_usage(run: Run) -> None:
    """Exit code 2, and the word that was not understood."""
    done = run("frobnicate")
    assert (done.code, done.out) == (2, "")
    assert "frobnicate" in done.err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(("scor", "x"), "score"), (("chekc",), "check"), (("git_setup",), "git-setup"), (("log", "--cal"), "--call")],
)
def test_a_command_or_option_that_is_nearly_one_is_suggested(run: Run, arguments: tuple[str, ...], meant: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert re.search(rf"(did you mean|possible options).*{meant}", done.err, re.IGNORECASE)


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 2), (errno.EACCES, 2), (errno.EBADF, 70)])
def test_a_full_disk_is_not_a_bug(run: Run, monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> None:
    """Nor is a missing permission: exit code 2, with the file."""

    def fail() -> list[str]:
        raise OSError(number, os.strerror(number), "some/file")

    monkeypatch.delenv("TREEGEN_DEBUG", raising=False)
    monkeypatch.setattr("treegen.resources.schema_names", fail)
    done = run("schema")
    assert (done.code, "some/file" in done.err, "bug" in done.err) == (code, True, code == 70)


@pytest.mark.slow
def test_a_name_that_no_file_may_have_is_shortened(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "x" * 5000)

    monkeypatch.delenv("TREEGEN_DEBUG", raising=False)
    monkeypatch.setattr("treegen.resources.schema_names", fail)
    done = run("schema")
    assert (done.code, len(done.err) < 500, "xxx...xxx" in done.err) == (2, True, True)


@pytest.mark.parametrize("arguments", ["log --json", "log --calls", "check --format json", "schema tree"])
def test_a_reader_that_closes_the_pipe_is_no_failure(tree_file: Path, arguments: str) -> None:
    """More than a pipe holds goes to a reader that reads nothing: exit code 0 and not a word on stderr."""
    store = Store(tree_file)
    for _ in range(10):
        store.add_call(Call(purpose="draft", model="m", messages=(), reply="x" * 100_000, problems=PROBLEMS))
    store.close()
    words = arguments if arguments.startswith("schema") else f"{arguments} tree.json"
    shell = ["bash", "-o", "pipefail", "-c", f'"$0" -m treegen {words} | true', sys.executable]
    done = subprocess.run(shell, cwd=tree_file.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unforeseen_fault_is_told_in_a_line_without_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 70, what it was and how to see where; TREEGEN_DEBUG=1 lets the traceback through."""

    def fail() -> list[str]:
        raise ZeroDivisionError("by nought")

    monkeypatch.delenv("TREEGEN_DEBUG", raising=False)
    monkeypatch.setattr("treegen.resources.schema_names", fail)
    done = run("schema")
    assert (done.code, done.out) == (70, "")
    assert "unexpected ZeroDivisionError: by nought" in done.err
    assert "TREEGEN_DEBUG=1" in done.err
    assert "Traceback" not in done.err
    monkeypatch.setenv("TREEGEN_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("schema")


def test_an_interrupt_is_exit_130_without_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a command."""

    def interrupt() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("treegen.resources.schema_names", interrupt)
    done = run("schema")
    assert done.code == 130
    assert "interrupted" in done.err
    assert "Traceback" not in done.err


def test_verbose_shows_the_log_on_stderr_and_only_then(run: Run, tree_file: Path) -> None:
    """An old history is migrated: a line names it, with control characters shown; results stay alone on stdout."""
    told = []
    for arguments in (("--verbose",), ()):
        with Store(tree_file) as store:
            folder = store.folder
        with closing(sqlite3.connect(folder / "store.sqlite")) as database:
            database.execute("PRAGMA user_version=7")
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")]
            for table in tables:
                database.execute(f"ALTER TABLE {table} DROP COLUMN sum")
            database.execute("ALTER TABLE step DROP COLUMN notes")
        done = run(*arguments, "log", tree_file)
        assert "migrated" not in done.out
        told.append(done.err)
    assert "treegen.history.store: " in told[0]
    assert "store.sqlite: migrated from version 7 to 12" in told[0]
    assert "migrated" not in told[1]
    assert logging.getLogger("treegen").handlers == []
