"""Seeded random bursts at a real review on a pseudo terminal: what a long day of many users does to it, in seconds.

`python -m tests.review.bursts --sessions 200` plays as many and prints a table of what was done and what broke.
"""

import argparse
import codecs
import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import stat
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final

import pyte

from tests.conftest import DOMAIN, TREE, is_tree
from tests.review.pseudo_terminal import PseudoTerminal
from treegen.errors import TreegenError
from treegen.history.store import Store
from treegen.workflow.demo import lay_out
from treegen.workflow.session import Session

SMOKE: Final = range(10)  # the seeds that the tests play
BURSTS: Final = 8  # of a session
_PATIENCE: Final = 240.0  # seconds after which a review that does not answer hangs
_COLUMNS, _ROWS = 100, 30
_WITH_IMAGES: Final = 5  # one session of so many, when many are played: it takes longer
_KEYS: Final = [
    *(key.encode() for key in "TCRb&M"),
    *(key.encode() for key in "jkhlgG1234567arpmxdsLuUJKoynNAFeEDftc/? \r\t\x03\x13\x05\x07\x0c\x14\x18\x02\x06\x7f"),
    *(f"\x1b{key}".encode() for key in ("", "[A", "[B", "[C", "[D", "[5~", "[6~", "[H", "[F", "OP", "[Z", "[1;2A")),
    "é漢".encode(),
    b"\xff",  # no UTF-8
]
_PASTES: Final = ["pasted\r\ntext", "{}", "a\x1b[31mred", "漢字 and \u202e right to left", "", "x" * 3000, '{"a": [']
_EDITORS: Final = ("exit 0", "exit 3", "sleep 0.3", 'echo "{" > "$1"', 'sed -i s/tiny/minute/ "$1"', 'rm "$1"')
#: what ends a review, and its exit code
_ENDS: Final = {"quit": 0, "TERM": 143, "INT": 130, "HUP": 129, "close": 129, "KILL": -9}
_PRIVATE: Final = re.compile(r"\x1b\[[<>=][0-9;]*[A-Za-z]|\x1b_.*?\x1b\\", re.DOTALL)  # which pyte would show as text
_OTHER_SCREEN: Final = re.compile(r"\x1b\[\?1049[hl]")  # pyte has one screen: both are empty at first
_CUT_OFF: Final = re.compile(r"\x1b(\[[^@-~]*)?\Z")


class FaultError(AssertionError):
    """A review that crashed, hung or lost something."""


class Screen(PseudoTerminal):
    """A terminal whose screen can be read."""

    def __init__(self, tree: Path, editor: str, *options: str) -> None:
        self._screen = pyte.Screen(_COLUMNS, _ROWS)
        self._stream = pyte.Stream(self._screen)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pending, self._guard = "", Lock()
        super().__init__(tree, options=options, EDITOR=editor)

    def take(self, data: bytes) -> None:
        with self._guard:
            text = self._pending + self._decode(data)
            cut = _CUT_OFF.search(text)
            self._pending = text[cut.start() :] if cut else ""
            text = _PRIVATE.sub("", text[: cut.start()] if cut else text)
            self._stream.feed(_OTHER_SCREEN.sub("\x1b[m\x1b[2J\x1b[H", text))

    def resize(self, columns: int, rows: int) -> None:
        with self._guard:
            self._screen.resize(max(rows, 1), max(columns, 1))
        super().resize(columns, rows)

    @property
    def lines(self) -> list[str]:
        with self._guard:
            return list(self._screen.display)

    @property
    def cells(self) -> list[list[object]]:
        """Every cell with its colours."""
        with self._guard:
            return cells_of(self._screen)


def cells_of(screen: pyte.Screen) -> list[list[object]]:
    """Every cell of an emulator with its colours, but the one of blanks, which nobody sees."""
    cells = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    return [[c._replace(fg="default") if c.data == " " and not c.reverse else c for c in row] for row in cells]


class Play:
    """One session: a seed decides everything that is done.

    Attributes:
        counts: what was done.
    """

    def __init__(self, seed: int, folder: Path, *, images: bool) -> None:
        self.dice, self.folder, self.path = random.Random(seed), folder, folder / "tree.json"
        self.counts: Counter[str] = Counter(sessions=1)
        self.is_full = False
        if images:
            lay_out(folder, count=2)
        else:
            (folder / "domain.toml").write_text(DOMAIN, encoding="utf-8")
        self.path.write_text(TREE, encoding="utf-8")
        editor = folder / "editor.sh"
        cases = "\n".join(f"{number}) {line};;" for number, line in enumerate(_EDITORS))
        # a shell's arithmetic on the time: the editor is the one thing that no seed decides
        editor.write_text(f"#!/bin/sh\ncase $(( $(date +%s%N) / 1000 % {len(_EDITORS)} )) in\n{cases}\nesac\n")
        editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
        self.terminal = Screen(self.path, str(editor))

    @property
    def _history(self) -> Path:
        return self.folder / ".treegen"

    def run(self) -> None:
        """Play.

        Raises:
            FaultError: the review did not hold.
        """
        try:
            self._until(lambda: "quit" in self.terminal.lines[-1], "it starts")
            shutil.copytree(self._history, self.folder / "earlier")
            for number in range(BURSTS):
                self.dice.choice(self._actions())()
                self._keys()
                if number % 3 == 2:
                    self._probe(f"p{number}z")
            self._redraw()
            self._probe("lastz")
            self._end()
        finally:
            self.terminal.close()

    def _actions(self) -> list[Callable[[], None]]:
        return [
            self._paste,
            self._resize,
            self._mouse,
            self._signal,
            self._change_file,
            self._change_history,
            self._fill_disk,
            self._slow_line,
            self._keys,
        ]

    def _keys(self) -> None:
        count = self.dice.randint(1, 15)
        self.counts.update(bursts=1, keys=count)
        self.terminal.type(b"".join(self.dice.choices(_KEYS, k=count)))
        time.sleep(self.dice.choice((0, 0.01, 0.2)))

    def _paste(self) -> None:
        self.counts["pastes"] += 1
        text = self.dice.choice(_PASTES).encode()
        self.terminal.type(text if self.dice.random() < 0.3 else b"\x1b[200~" + text + b"\x1b[201~")

    def _resize(self) -> None:
        self.counts["resizes"] += 1
        for _ in range(self.dice.randint(1, 4)):
            self.terminal.resize(*self.dice.choice(((0, 0), (1, 1), (2, 40), (300, 2), (80, 24), (220, 60), (37, 11))))

    def _mouse(self) -> None:
        self.counts["mouse"] += 1
        for _ in range(self.dice.randint(1, 5)):
            button, x, y = self.dice.choice((0, 1, 2, 35, 64, 65)), self.dice.randint(0, 110), self.dice.randint(0, 33)
            self.terminal.type(f"\x1b[<{button};{x};{y}M\x1b[<{button};{x};{y}m".encode())

    def _signal(self) -> None:
        self.counts["signals"] += 1
        send = self.terminal.process.send_signal
        match self.dice.choice(("suspend", "stop", "continue", "size")):
            case "suspend":
                send(signal.SIGTSTP)
                self._is_true(self._is_stopped, 1)  # not while it waits for the terminal
                self.terminal.type(self.dice.choice((b"", b"jj")))
                send(signal.SIGCONT)
            case "stop":
                send(signal.SIGSTOP)
                self.terminal.type(b"j")
                send(signal.SIGCONT)
            case "continue":
                send(signal.SIGCONT)
            case _:
                send(signal.SIGWINCH)

    def _is_stopped(self) -> bool:
        status = Path(f"/proc/{self.terminal.process.pid}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] == "T"

    def _change_file(self) -> None:
        self.counts["file changes"] += 1
        with suppress(OSError):
            match self.dice.choice(("other", "broken", "gone", "same")):
                case "other":
                    self.path.write_text(TREE.replace("stripes", f"stripes {self.dice.random():.3f}"), encoding="utf-8")
                case "broken":
                    self.path.write_text("<<<<<<< ours\n{", encoding="utf-8")
                case "gone":
                    self.path.unlink(missing_ok=True)
                case _:
                    self.path.write_text(TREE, encoding="utf-8")

    def _change_history(self) -> None:
        self.counts["history changes"] += 1
        shutil.rmtree(self._history, ignore_errors=True)
        match self.dice.choice(("removed", "replaced", "a file")):
            case "replaced":
                with suppress(OSError):  # the review makes it again
                    shutil.copytree(self.folder / "earlier", self._history)
            case "a file":
                with suppress(OSError):
                    self._history.write_text("no folder", encoding="utf-8")
                self._keys()
                with suppress(OSError):
                    self._history.unlink(missing_ok=True)

    def _slow_line(self) -> None:
        """Read nothing for a moment: what the review draws waits."""
        self.counts["slow lines"] += 1
        with self.terminal.unread():
            for _ in range(4):
                self._keys()
            if self.dice.random() < 0.5:
                self._signal()

    def _fill_disk(self) -> None:
        """Fill the disk, or what the review takes for it: by a file if it is a small one made for that."""
        self.counts["disk full"] += 1
        self.is_full = True
        ballast = self.folder / "ballast"
        if shutil.disk_usage(self.folder).total < 2**28:
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
        else:
            self._limit_files(0)
        for _ in range(self.dice.randint(1, 3)):
            self._keys()
        if self.dice.random() < 0.5:
            self._probe("fullz")
        ballast.unlink(missing_ok=True)
        self._limit_files(resource.RLIM_INFINITY)
        self.is_full = False

    def _limit_files(self, size: int) -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(self.terminal.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _leave(self) -> None:
        """Leave every dialog and field."""
        self.terminal.resize(_COLUMNS, _ROWS)
        if (
            self.terminal.process.poll() is None and self._is_stopped()
        ):  # later than the signal that should have continued it: a shell would show that
            self.terminal.process.send_signal(signal.SIGCONT)
        for _ in range(3):
            self.terminal.type(b"\x1b")
            time.sleep(0.15)  # else it would be one key with the next

    def _probe(self, name: str) -> None:
        """Rename the first group, or add one, until the screen shows it: then the store must have it, too."""
        self.counts["probes"] += 1

        def is_shown() -> bool:
            *lines, last = self.terminal.lines
            return "quit" in last and any(name in line[:12] for line in lines)

        patience = 2.0
        for keys in self._tries(name):
            self._leave()
            self.terminal.type(keys)
            if self._is_true(lambda: is_shown() or self.is_full, patience):
                break
            patience *= 1.5
        else:
            raise FaultError(f"it hangs: the step {name} was neither made nor shown")
        if is_shown() and not self._is_true(lambda: self._is_stored(name), 1):
            raise FaultError(f"the step {name} is shown and not in the store")

    def _tries(self, name: str) -> Iterator[bytes]:
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends and self.terminal.process.poll() is None:
            yield f"oagr\x05\x15{name}\r".encode()
            yield f"oaa{name}\r\rone, another\rG".encode()

    def _is_stored(self, name: str) -> bool:
        try:
            with sqlite3.connect(f"file:{self._history / 'store.sqlite'}?mode=ro", uri=True) as db:
                rows = db.execute("SELECT changes FROM step WHERE NOT dropped").fetchall()
        except sqlite3.Error:
            return False
        finally:
            with suppress(NameError):
                db.close()
        return any(name in json.dumps(json.loads(changes)) for (changes,) in rows)

    def _redraw(self) -> None:
        """What is on the screen after many small updates is what a fresh drawing shows."""
        for _ in range(8):  # a message that goes meanwhile is no fault
            self._leave()
            before = self._quiet()
            start = len(self.terminal.output)
            self.terminal.process.send_signal(signal.SIGCONT)
            self._until(lambda start=start: b"\x1b[?1049h" in self.terminal.output[start:], "it draws again")  # type: ignore[misc]
            after = self._quiet()
            if before == after:
                return
        rows = [y for y, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
        shown = "\n".join(f"{before[y]}\n{after[y]}" for y in rows)
        raise FaultError(f"drawn again, the screen differs in the rows {rows}:\n{shown}")

    def _quiet(self) -> list[list[object]]:
        """The screen when nothing is written any more."""
        length = -1
        while length != len(self.terminal.output):
            length = len(self.terminal.output)
            time.sleep(0.4)
        return self.terminal.cells

    def _end(self) -> None:
        name = self.dice.choice([*_ENDS])
        self.counts[f"ended by {name}"] += 1
        self._until(lambda: "tree.json" in self.terminal.lines[0], "the screen is whole")  # a dialog is being closed
        if name == "quit":
            self._quit()
        elif name == "close":
            self.terminal.hang_up()
        else:
            self.terminal.process.send_signal(signal.Signals[f"SIG{name}"])
        if not self._is_true(lambda: self.terminal.process.poll() is not None, _PATIENCE):
            raise FaultError(f"it hangs after {name}")
        code = self.terminal.process.returncode
        if code != _ENDS[name]:
            raise FaultError(f"it ended with {code} after {name}")
        if name not in ("close", "KILL"):
            self._until(lambda: b"\x1b[?1049l" in self.terminal.output[-4000:], "it gives the screen back")
        self._check_what_is_left()

    def _quit(self) -> None:
        """Press ctrl+q; again if a late key of a probe has opened a dialog meanwhile."""
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends:
            self.terminal.type(b"\x11")
            if self._is_true(lambda: self.terminal.process.poll() is not None, 5):
                return
            self._leave()

    def _check_what_is_left(self) -> None:
        if b"Traceback" in self.terminal.output:
            raise FaultError("it shows a traceback")
        log = self._history / "treegen.log"
        if log.exists() and "ERROR" in (text := log.read_text(encoding="utf-8")):
            raise FaultError(f"a part failed:\n{text[-3000:]}")
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        if not text or text.startswith("<<<<") or text == "{\n":
            return  # it was made so, by somebody else or in the editor, and not saved since
        if not is_tree(self.path):
            raise FaultError("the file is not a tree")
        try:
            with Store(self.path) as store:
                session = Session(self.path, store)
                session.close()
        except TreegenError as error:
            raise FaultError(f"it cannot be opened again: {error.message}") from error
        if not any("lastz" in group.name for group in session.tree.groups):  # behind a letter that was typed, too
            raise FaultError("the last step is lost")

    def _is_true(self, true: Callable[[], object], patience: float) -> bool:
        ends = time.monotonic() + patience
        while not true():
            if time.monotonic() > ends:
                return False
            if (code := self.terminal.process.poll()) is not None:
                return bool(true()) or self._ended_too_early(code)
            time.sleep(0.02)
        return True

    def _ended_too_early(self, code: int) -> bool:
        raise FaultError(f"it ended with {code}")

    def _until(self, true: Callable[[], object], what: str) -> None:
        if not self._is_true(true, _PATIENCE):
            raise FaultError(f"it hangs: waited until {what}")


def play(seed: int, folder: Path, *, images: bool = False) -> Counter[str]:
    """Play one session; with images, scores and requests to a language model run beside the keys.

    Raises:
        FaultError: with the screen and the end of the log.
    """
    session = Play(seed, folder, images=images)
    try:
        session.run()
    except FaultError as error:
        log = folder / ".treegen" / "treegen.log"
        told = log.read_text(encoding="utf-8")[-2000:] if log.exists() else ""
        screen = "\n".join(session.terminal.lines)
        raise FaultError(f"seed {seed}: {error}\n{dict(session.counts)}\n{screen}\n{told}") from error
    return session.counts


def play_in(parent: Path | None, seed: int, *, images: bool = False) -> Counter[str]:
    """Play one session in a new folder, which is removed again.

    Raises:
        FaultError: the review did not hold.
    """
    folder = Path(tempfile.mkdtemp(dir=parent, prefix="burst-"))
    try:
        return play(seed, folder, images=images)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _soak(parent: Path | None, total: Counter[str], seed: int) -> None:
    try:
        counts = play_in(parent, seed, images=seed % _WITH_IMAGES == 0)
    except FaultError as error:
        text = str(error)
        kind = "hangs" if "hangs" in text else "crashes" if "ended with" in text else "other faults"
        counts = Counter({"sessions": 1, "lost steps" if "lost" in text or "not in the store" in text else kind: 1})
        print(text, flush=True)
    except Exception:
        traceback.print_exc()
        counts = Counter({"sessions": 1, "faults of the harness": 1})
    total.update(counts)
    print(f"session {seed}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Random bursts at the review; prints a table of counts.")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="sessions at a time")
    parser.add_argument("--folder", type=Path, help="on a disk of less than 256 MB, which is then really filled")
    args = parser.parse_args()
    total: Counter[str] = Counter({"crashes": 0, "hangs": 0, "lost steps": 0, "other faults": 0})
    os.environ.pop("TREEGEN_MODEL", None)
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(partial(_soak, args.folder, total), range(args.first, args.first + args.sessions)))
    for what, count in sorted(total.items()):
        print(f"{what:<22}{count:>8}")
    sys.exit(any(total[what] for what in ("crashes", "hangs", "lost steps", "other faults", "faults of the harness")))


if __name__ == "__main__":
    main()
