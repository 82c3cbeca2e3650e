"""The real program in a real terminal."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from treegen.tree.document import dump, read_text
from treegen.versions import tree_of

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
PATIENCE = 60  # seconds; the program is there within a few


class Terminal:
    """A tmux server of its own with one window of 100 x 30."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        size = ("COLUMNS", "LINES")  # a size that is told overrides that of the terminal
        env = {name: value for name, value in os.environ.items() if name not in size}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout

    def start(self, *command: str) -> None:
        line = f"{shlex.join(command)}; echo ended with $?; exec cat"
        self.tmux("new-session", "-d", "-s", "review", "-x", "100", "-y", "30", "sh", "-c", line)

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "review", *keys)

    def until(self, true: Callable[[str], bool]) -> str:
        """The screen as soon as something is true of it."""
        end = time.monotonic() + PATIENCE
        while True:
            screen = self.tmux("capture-pane", "-p", "-t", "review")
            if true(screen):
                return screen
            assert time.monotonic() < end, screen

    def shows(self, text: str) -> str:
        return self.until(lambda screen: text in screen)

    def stop(self) -> None:
        self.tmux("kill-session", "-t", "review")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path / "tmux.socket")
    yield terminal
    subprocess.run(["tmux", "-S", str(tmp_path / "tmux.socket"), "kill-server"], capture_output=True, check=False)


def test_an_option_is_fixed_and_saved_and_can_be_taken_back_after_a_restart(
    terminal: Terminal, tree_file: Path
) -> None:
    """The file holds exactly the edit, and the next start still knows the step."""
    before = tree_of(read_text(tree_file), "tree")
    program = (sys.executable, "-m", "treegen", "review", str(tree_file))
    terminal.start(*program)
    terminal.shows("? keys")
    terminal.press("Enter")
    terminal.shows("m merge")
    terminal.press("j", "r")
    terminal.shows("The option")
    terminal.press("C-u")
    terminal.press("-l", "leaf green")
    terminal.press("Enter")
    terminal.until(lambda screen: "leaf green" in screen and "unsaved" in screen)
    terminal.press("C-s")
    terminal.until(lambda screen: screen.splitlines()[0].rstrip().endswith(" saved"))
    saved = tree_of(read_text(tree_file), "tree")
    assert dump(saved) == read_text(tree_file)
    assert (
        dump(saved).replace("leaf green", "green").split("classification")[1] == dump(before).split("classification")[1]
    )
    terminal.press("q")
    terminal.shows("ended with 0")
    terminal.stop()
    terminal.start(*program)
    terminal.shows("? keys")
    terminal.press("u")
    terminal.shows("unsaved")
    terminal.press("C-s")
    terminal.until(lambda screen: screen.splitlines()[0].rstrip().endswith(" saved"))
    assert read_text(tree_file) == dump(before)
    terminal.press("q")
    terminal.shows("ended with 0")
