"""No key, burst of keys, signal, slow line or failing part ends or hangs the review: the real program on a terminal."""

import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Final, Literal

import pytest

from tests.conftest import ROOT, TREE
from tests.review.pseudo_terminal import PseudoTerminal
from tests.review.terminal import NEEDS_TMUX, Terminal
from tests.waiting import wait_until
from treegen.history.store import Store
from treegen.vcs.versions import tree_of
from treegen.workflow.demo import lay_out
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
        terminal.shows("cannot be read")
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
@pytest.mark.parametrize("answers", ["late", "together"])
def test_answers_of_the_terminal_that_come_late_are_no_keys(unseen: Path, answers: Literal["late", "together"]) -> None:
    """Digits in them changed the pane: 7 is a text field, where a `q` is a letter."""
    with played(unseen, answers=answers) as terminal:
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


@pytest.mark.terminal
def test_a_terminal_that_is_closed_without_a_signal_ends_the_review_too(unseen: Path) -> None:
    """It read the end of the file for ever, with a whole processor, where it did not lead the session."""
    with played(unseen, controls=False) as terminal:
        terminal.type(b"jrX\r")
        terminal.shows("formX")
        terminal.hang_up()
        assert terminal.ended() == 128 + signal.SIGHUP
    assert group_names(unseen)[1] == "formX"


@pytest.mark.terminal
def test_signals_that_stop_and_continue_leave_one_reader_of_keys(unseen: Path) -> None:
    with played(unseen) as terminal:
        for number in (signal.SIGCONT, signal.SIGSTOP, signal.SIGCONT, signal.SIGCONT):
            terminal.process.send_signal(number)
        terminal.type(b"jrX\r")
        terminal.shows("formX")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 128 + signal.SIGINT
        assert b"\x1b[?1049l" in terminal.output
    assert group_names(unseen)[1] == "formX"


@pytest.mark.terminal
def test_bytes_that_are_no_text_are_no_obstacle(unseen: Path) -> None:
    with played(unseen) as terminal:
        terminal.type(b"\xff\xfe")
        time.sleep(0.5)  # the next keys are not of the same read
        terminal.type(b"q")
        assert terminal.ended() == 0
        assert b"Traceback" not in terminal.output


@pytest.mark.terminal
def test_keys_typed_before_an_editor_ends_are_no_commands(unseen: Path) -> None:
    """Behind `E` in one read, while the editor has the terminal, and ctrl+c that it sends to both."""
    editor, going, ended = (unseen.parent / name for name in ("editor.sh", "going", "ended"))
    editor.write_text(f"#!/bin/sh\ntrap '' INT\ntouch {going}\nuntil test -e {ended}; do sleep 0.05; done\nexit 4\n")
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    with played(unseen, EDITOR=str(editor)) as terminal:
        terminal.type(b"Eqq")
        wait_until(going.exists)
        terminal.type(b"qq\x03")
        ended.touch()
        terminal.shows("ended with 4")
        terminal.type(b"jrX\r")
        terminal.shows("formX")
        terminal.type(b"q")
        assert terminal.ended() == 0


@pytest.mark.terminal
@pytest.mark.slow
def test_a_review_that_is_left_while_images_are_embedded_ends_by_its_own_code(tmp_path: Path) -> None:
    """The models' native code came back into an interpreter that was being cleaned up, and aborted the process."""
    lay_out(tmp_path, count=8)
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    with played(tmp_path / "tree.json") as terminal:
        terminal.shows("embedding images")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.ended() == 128 + signal.SIGTERM
        assert b"terminate called" not in terminal.output


@pytest.mark.terminal
def test_a_forged_score_is_a_message_and_does_not_end_the_review(unseen: Path) -> None:
    """The pane of the history reads it; the checksum of a forged row is right."""
    with Store(unseen) as store:
        revision = store.add_revision(tree_of(TREE, "tree"), author="human", note="n", parent=None)
        store.add_score(revision.id, {"encoder": {"fingerprint": "e"}, "images": {"digest": "i"}})
        with store.writing() as db:
            db.execute("UPDATE score SET score='[7]'")
            store.add_checksum("score", "1", ())
    with played(unseen) as terminal:
        terminal.type(b"5")
        terminal.shows("move the file away")
        assert terminal.leave() == 0
        assert b"Traceback" not in terminal.output
