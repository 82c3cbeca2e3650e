"""A pseudo terminal that the test plays: it hears what the program writes, answers late or never, and types."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Final, Literal

from tests.conftest import ROOT
from tests.waiting import wait_until

_SIZE: Final = b"\x1b[16t"
_LAST: Final = b"\x1b[5n"
#: has the terminal control the session, and the system kill the program when the tests are killed
_START: Final = """
import ctypes, fcntl, os, signal, sys, termios
if sys.argv[2]:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
os.execv(sys.executable, [sys.executable, "-m", "treegen", "review", sys.argv[1], *sys.argv[3:]])
"""
#: what a terminal answers to the questions of `textual_image` and of treegen
ANSWERS: Final[Mapping[bytes, bytes]] = {
    b"\x1b[c": b"\x1b[?62;7c",
    b"\x1b_Gi=": b"",  # it has no such pictures
    _SIZE: b"\x1b[6;20;10t",
    _LAST: b"\x1b[0n",
}


class PseudoTerminal:
    """`treegen review` on a pseudo terminal of 100 x 30."""

    def __init__(
        self,
        tree: Path,
        *,
        answers: Literal["at once", "late", "together", "never"] = "at once",
        controls: bool = True,
        options: Sequence[str] = (),
        **environment: str,
    ) -> None:
        """Start it.

        Args:
            tree: the tree file.
            answers: when the terminal answers: `late` is when it is asked the next question, `together` with that
                about its cells.
            controls: it controls the session of the program, which the system tells when it is closed.
            options: more arguments of the command.
            environment: more variables.
        """
        self._master, slave = os.openpty()
        os.set_blocking(self._master, False)
        self.resize(100, 30)
        size = ("COLUMNS", "LINES")
        inherited = {name: value for name, value in os.environ.items() if name not in size}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, str(tree), "controls" if controls else "", *options],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**inherited, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
        )
        os.close(slave)
        self.output = b""
        self._reading = Lock()
        self._answers, self._due, self._hung_up = answers, b"", False
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        asked = re.compile(b"|".join(map(re.escape, ANSWERS)))
        while not self._hung_up:
            with self._reading:
                pass
            if not select.select([self._master], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the program has ended
                return
            if not data:
                return
            self.output += data
            self.take(data)
            for question in asked.findall(data):
                self._answer(question)

    def take(self, data: bytes) -> None:
        """Take what the program writes."""

    def _answer(self, question: bytes) -> None:
        if self._answers == "never":
            return
        if self._answers == "late" and question != _LAST:
            due, self._due = self._due, ANSWERS[question]
        elif self._answers == "together" and question not in (_SIZE, _LAST):
            due, self._due = b"", self._due + ANSWERS[question]
        else:
            due, self._due = self._due + ANSWERS[question], b""
        if due:
            self.type(due)

    def type(self, keys: bytes) -> None:
        """Write keys in one piece, as a macro or a slow line does; what the system has no room for is lost."""
        if self.process.poll() is None:
            with suppress(BlockingIOError):
                os.write(self._master, keys)

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Let what the program writes wait, as a slow line does."""
        with self._reading:
            yield

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; the system tells the program."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def shows(self, text: str) -> None:
        """Wait until the program writes a text."""
        wait_until(lambda: text.encode() in self.output, lambda: self.output[-3000:])

    def ended(self) -> int:
        """Wait until the program ends, and return its exit code."""
        wait_until(lambda: self.process.poll() is not None, lambda: self.output[-3000:])
        self._reader.join(10)
        return self.process.returncode

    def leave(self) -> int:
        """Type escape, which leaves a dialog, then ctrl+q, until the program ends; return its exit code.

        Once may be too few: the system drops what is typed while an editor starts, and escape takes the key behind it.
        """

        def ended() -> bool:
            self.type(b"\x1b")
            time.sleep(0.3)  # else it would be one key with the next
            self.type(b"\x11")
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
            return self.process.poll() is not None

        wait_until(ended, lambda: self.output[-3000:])
        return self.ended()

    def close(self) -> None:
        """End the program, and what it has started, if they live."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the terminal, as its window is closed."""
        if not self._hung_up:
            self._hung_up = True
            self._reader.join()  # while it reads, the terminal stays open
            os.close(self._master)
