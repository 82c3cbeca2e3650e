"""No key, burst of keys, signal, slow line or failing part ends or hangs the review: the real program on a terminal."""

import os
import random
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Final

import pytest

from tests.conftest import ROOT
from tests.review.pseudo_terminal import PseudoTerminal
from tests.review.terminal import NEEDS_TMUX, Terminal
from treegen.history.store import Store
from treegen.review.repair_app import is_tree
from treegen.workflow.session import Session

PROGRAM: Final = (sys.executable, "-m", "treegen", "review")
READY: Final = "7 ask"  # in the tabs: messages may cover the lines at the bottom


def group_names(path: Path) -> list[str]:
    """The groups as the next review finds them."""
    with Store(path) as store:
        session = Session(path, store)
        session.close()
        return [group.name for group in session.tree.groups]


def leave(terminal: Terminal) -> None:
    """The review takes keys still, and ends in order."""
    terminal.press("Escape")
    terminal.press("1")
    terminal.press("q")
    terminal.shows("ended with 0")


@contextmanager
def played(path: Path, **settings: object) -> Iterator[PseudoTerminal]:
    terminal = PseudoTerminal(path, **settings)  # type: ignore[arg-type]
    try:
        terminal.shows("keys")
        yield terminal
    finally:
        terminal.close()


class TestInTmux:
    """What a person sees."""

    pytestmark = NEEDS_TMUX

    def test_an_editor_that_fails_or_is_not_there_gives_the_screen_back(self, terminal: Terminal, unseen: Path) -> None:
        script = unseen.parent / "editor.sh"
        script.write_text('#!/bin/sh\necho >> "$0.times"\nexit $(wc -l < "$0.times")\n')  # its number of times
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        # by its name alone: with its folder the message would be broken into lines anywhere
        own = ("env", f"PATH={unseen.parent}{os.pathsep}{os.environ['PATH']}", "EDITOR=editor.sh")
        terminal.start(*own, *PROGRAM, str(unseen))
        terminal.shows(READY)
        for key, reason in (("E", "ended with 1"), ("C-e", "ended with 2")):
            terminal.press(key)
            terminal.shows(reason)
        leave(terminal)
        terminal.stop()
        terminal.start("env", "EDITOR=/no/such/editor", *PROGRAM, str(unseen))
        terminal.shows(READY)
        terminal.press("E")
        terminal.shows("set EDITOR")
        leave(terminal)
        terminal.stop()
        unseen.write_text("{")
        terminal.start(*own, *PROGRAM, str(unseen))
        terminal.shows("is not a tree yet")
        terminal.press("E")
        terminal.shows("ended with 3")
        terminal.press("q")
        terminal.shows("ended with 0")

    def test_keys_typed_behind_an_edit_key_are_text_and_no_commands(self, terminal: Terminal, unseen: Path) -> None:
        before = group_names(unseen)
        terminal.start(*PROGRAM, str(unseen))
        terminal.shows(READY)
        for keys in ("rdyss", "rqq", "add"):
            terminal.press("-l", keys)
            terminal.until(lambda screen, text=keys[1:]: "Name of the" in screen and text in screen)  # type: ignore[misc]
            terminal.press("Escape")
            terminal.until(lambda screen: "Name of the" not in screen)
        leave(terminal)
        assert group_names(unseen) == before

    def test_a_second_enter_or_letter_of_one_burst_closes_nothing_twice(self, terminal: Terminal, unseen: Path) -> None:
        terminal.start(*PROGRAM, str(unseen))
        terminal.shows(READY)
        terminal.press("-l", "jrX\r\r")
        terminal.until(lambda screen: "formX" in screen and "Name of the" not in screen)
        for keys in ("oaa", "m\r\r", "p\r\r", "?qj", "1oh"):
            terminal.press("-l", keys)
        terminal.press("-l", "1o\x1b")
        leave(terminal)
        assert group_names(unseen)[1] == "formX"

    def test_a_removed_history_is_written_again_with_every_step(self, terminal: Terminal, unseen: Path) -> None:
        terminal.start(*PROGRAM, str(unseen))
        terminal.shows(READY)
        terminal.press("-l", "rfirst\r")
        terminal.shows("colourfirst")
        rmtree(unseen.parent / ".treegen")
        terminal.press("-l", "jrsecond\r")
        terminal.shows("was removed while it was in use")
        terminal.shows("formsecond")
        rmtree(unseen.parent / ".treegen")
        leave(terminal)  # also without another step
        assert group_names(unseen)[:2] == ["colourfirst", "formsecond"]

    def test_ctrl_z_suspends_and_a_signal_to_end_restores_the_screen(self, terminal: Terminal, unseen: Path) -> None:
        terminal.start("bash", "--norc", "-i")
        terminal.press("-l", f"{shlex.join((*PROGRAM, str(unseen)))}; echo it ended with $?\r")
        terminal.shows(READY)
        terminal.press("-l", "jrX\r")
        terminal.shows("formX")
        terminal.press("C-z")
        terminal.shows("Stopped")
        terminal.press("-l", "fg; echo then $?\r")
        terminal.until(lambda screen: READY in screen and "formX" in screen)
        found = subprocess.run(["pgrep", "-f", str(unseen)], capture_output=True, text=True, check=True).stdout.split()
        subprocess.run(["kill", "-TERM", found[-1]], check=True)
        terminal.shows("then 143")
        assert group_names(unseen)[1] == "formX"

    def test_errors_into_a_file_are_refused_as_the_screen_is_drawn_there(
        self, terminal: Terminal, unseen: Path
    ) -> None:
        errors = unseen.parent / "errors"
        terminal.start("sh", "-c", f"{shlex.join((*PROGRAM, str(unseen)))} 2> {shlex.quote(str(errors))}")
        terminal.shows("ended with 2")
        assert "needs a terminal" in errors.read_text()


@pytest.mark.parametrize("command", ["{} > out", "{} | cat > out; exit ${{PIPESTATUS[0]}}"])
def test_without_a_terminal_it_says_so(unseen: Path, command: str) -> None:
    done = subprocess.run(
        ["bash", "-c", command.format(shlex.join((*PROGRAM, str(unseen))))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=unseen.parent,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: treegen review needs a terminal")
    assert (unseen.parent / "out").read_text() == ""


@pytest.mark.terminal
def test_answers_of_the_terminal_that_come_late_are_no_keys(unseen: Path) -> None:
    """Digits in them changed the pane: 7 is a text field, where a `q` is a letter."""
    with played(unseen, answers="late") as terminal:
        terminal.type(b"q")
        assert terminal.ended() == 0
        assert b"\x1b[?1049l" in terminal.output


@pytest.mark.terminal
def test_a_terminal_that_never_answers_and_has_no_size_is_no_obstacle(unseen: Path) -> None:
    with played(unseen, answers="never") as terminal:
        for columns, rows in ((0, 0), (1, 1), (2, 1), (100, 30)):
            terminal.resize(columns, rows)
            terminal.type(b"j")
        terminal.type(b"q")
        assert terminal.ended() == 0
        assert b"Traceback" not in terminal.output


@pytest.mark.terminal
def test_a_terminal_that_is_closed_ends_the_review_and_every_step_is_stored(unseen: Path) -> None:
    with played(unseen) as terminal:
        terminal.type(b"jrX\r")
        terminal.shows("formX")
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.ended() == 128 + signal.SIGHUP
    assert group_names(unseen)[1] == "formX"


_KEYS: Final = [
    *(key.encode() for key in "jkhlgG1234567arpmxdsLuUJKoynNAFeD/? \r\t\x13\x05\x07\x0c\x14\x18"),
    b"\x1b",
    b"\x1b[A",
    b"\x1b[B",
    b"\x1b[200~pasted\r\ntext\x1b[201~",
    b"\x1b[<0;5;5M\x1b[<0;5;5m",
    "é漢".encode(),
]


@pytest.mark.terminal
@pytest.mark.parametrize("seed", range(int(os.environ.get("TREEGEN_BURSTS", "3"))))  # 200 by `make soak`
def test_random_bursts_end_nothing_and_lose_nothing(unseen: Path, seed: int) -> None:
    """Keys, pastes, clicks, sizes and a removed history in any order; the file is whole and every step is stored."""
    dice = random.Random(seed)
    with played(unseen, EDITOR="true") as terminal:
        for _burst in range(25):
            terminal.type(b"".join(dice.choices(_KEYS, k=dice.randint(1, 12))))
            match dice.randrange(8):
                case 0:
                    terminal.resize(dice.randint(0, 200), dice.randint(0, 60))
                case 1:
                    rmtree(unseen.parent / ".treegen", ignore_errors=True)
        terminal.resize(100, 30)
        assert terminal.leave() == 0, terminal.output[-3000:]
    log = unseen.parent / ".treegen" / "treegen.log"
    assert not log.exists() or "ERROR" not in log.read_text()
    assert is_tree(unseen)
    assert isinstance(group_names(unseen), list)
