"""A real terminal for tests: a tmux server of its own."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.waiting import wait_until

NEEDS_TMUX = [
    pytest.mark.terminal,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


class Terminal:
    """A tmux server of its own with one window of 100 x 30; each start has a new one, as the last may be ending yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts = 0

    @property
    def _socket(self) -> Path:
        return self._folder / f"tmux.{self._starts}"

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        size = ("COLUMNS", "LINES")  # a size that is told overrides that of the terminal
        env = {name: value for name, value in os.environ.items() if name not in size}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout

    def start(self, *command: str) -> None:
        self._starts += 1
        line = f"{shlex.join(command)}; echo ended with $?; exec cat"
        self.tmux("new-session", "-d", "-s", "review", "-x", "100", "-y", "30", "sh", "-c", line)

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "review", *keys)

    def until(self, true: Callable[[str], bool]) -> str:
        """The screen as soon as something is true of it."""
        screen = ""

        def is_true() -> bool:
            nonlocal screen
            screen = self.tmux("capture-pane", "-p", "-t", "review")
            return true(screen)

        wait_until(is_true, lambda: screen)
        return screen

    def shows(self, text: str) -> str:
        return self.until(lambda screen: text in screen)

    def stop(self) -> None:
        command = ["tmux", "-S", str(self._socket), "kill-server"]
        subprocess.run(command, capture_output=True, check=False)  # there may be none
