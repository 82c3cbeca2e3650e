"""Run commands in forked processes, where all is imported already, or as the installed program; kill them midway."""

import io
import logging
import mmap
import os
import pkgutil
import select
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import treegen
from tests.conftest import ROOT, TREE
from tests.fuzz.running import Done, faults_of, in_process
from treegen.cli.main import main
from treegen.clip import encoders
from treegen.workflow.demo import lay_out

HANGS: Final = 300.0  # seconds after which a command that has not ended is at fault
KILLED: Final = -signal.SIGKILL
#: what Python reports to audit hooks before files change
_EVENTS: Final = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate")


@dataclass(frozen=True, kw_only=True)
class Ended(Done):
    """How a command ended.

    Attributes:
        seconds: how long it took.
        moments: how many moments it had at which a fuse may burn through.
    """

    seconds: float
    moments: int

    @property
    def faults(self) -> list[str]:
        """What no command may do, killed or not."""
        if self.code == KILLED:
            return []
        return [f"treegen {' '.join(self.arguments)}: {fault}\n{self.err[-1500:]}" for fault in faults_of(self)]


@dataclass(slots=True)
class Outcome:
    """What one event of a harness did.

    Attributes:
        kind: what was done, for the table.
        hit: whether it had the effect that is tested: the process was killed in the middle, the damage was noticed.
        faults: what went wrong.
    """

    kind: str
    hit: bool = False
    faults: list[str] = field(default_factory=list)


class Fuse:
    """Kills its own process before the n-th change of a file or statement of SQL; counts them if n is 0."""

    def __init__(self, moment: int, counter: mmap.mmap) -> None:
        self._moment, self._counter, self._count = moment, counter, 0

    def light(self) -> None:
        """Begin; it burns until the process ends."""
        connect = sqlite3.connect

        def traced(*arguments: Any, **named: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **named)
            connection.set_trace_callback(lambda _: self._tick())
            return connection

        sqlite3.connect = traced  # type: ignore[assignment]
        sys.addaudithook(lambda event, _: self._tick() if event in _EVENTS else None)

    def _tick(self) -> None:
        self._count += 1
        self._counter[:8] = self._count.to_bytes(8, "little")
        if self._count == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


@cache
def warm() -> None:
    """Import what commands import, and open the bundled encoder, before processes are forked."""
    for module in pkgutil.walk_packages(treegen.__path__, "treegen."):
        if not module.name.endswith(("__main__", "ray_engine")):
            with suppress(ImportError):
                import_module(module.name)
    once = cache(partial(encoders.open_encoder, folder=Path()))
    encoders.open_encoder = lambda settings, folder: once(settings)
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder), count=2)
        Path(folder, "tree.json").write_text(TREE, encoding="utf-8")
        for arguments in (("score", f"{folder}/tree.json"), ("embed", folder, "-o", f"{folder}/out")):
            done = in_process(arguments)
            assert done.code == 0, done.err


class Pipe:
    """Where a process writes what it prints: no file, so that no limit on files holds for it."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)
        self._content = b""

    def take(self) -> None:
        """Take what was printed so far."""
        with suppress(BlockingIOError):  # what the process has started may outlive it
            while data := os.read(self.read, 2**16):
                self._content += data

    def text(self) -> str:
        """Return what was printed, and close the pipe."""
        os.close(self.write)
        self.take()
        os.close(self.read)
        return self._content.decode(errors="replace")


def start(run: Callable[[], int], out: int, err: int) -> int:
    """Run a function in a forked process, and return the process's id; its result is the exit code."""
    if pid := os.fork():
        return pid
    code = 70
    try:
        os.setsid()
        for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
            os.dup2(descriptor, number)
        logging.root.handlers.clear()  # of the tests, and of libraries that a command would not import
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8")
        sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w", closefd=False), "utf-8") for n in (1, 2))
        code = run()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)


def command(arguments: Sequence[str]) -> int:
    """Run `treegen ARGUMENTS` through the entry point and its error boundary, and return the exit code."""
    sys.argv = ["treegen", *arguments]
    try:
        main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1


def forked(
    arguments: Sequence[str],
    *,
    before: Callable[[], None] = lambda: None,
    moment: int = 0,
    delay: float | None = None,
    run: Callable[[], int] | None = None,
) -> Ended:
    """Run a command in a forked process.

    Args:
        arguments: of treegen.
        before: called in the process first.
        moment: at which of its moments it is killed; at none if 0.
        delay: seconds after which it is killed.
        run: called instead of the command.
    """
    warm()
    counter = mmap.mmap(-1, 8)

    def child() -> int:
        before()
        Fuse(moment, counter).light()
        return run() if run else command(arguments)

    out, err, began = Pipe(), Pipe(), time.monotonic()
    pid = start(child, out.write, err.write)
    code = ended(pid, HANGS if delay is None else delay, (out, err), hangs=delay is None)
    texts = [pipe.text() for pipe in (out, err)]
    moments = int.from_bytes(counter[:8], "little")
    return Ended(tuple(arguments), code, *texts, seconds=time.monotonic() - began, moments=moments)


def ended(pid: int, seconds: float, pipes: Sequence[Pipe], *, hangs: bool) -> int:
    """Wait for a process, and return its exit code; kill it after so many seconds, with 124 if it hangs then."""
    watched, ends = os.pidfd_open(pid), time.monotonic() + seconds
    late = False
    try:
        while not late:
            left = max(0.0, ends - time.monotonic())
            ready = select.select([watched, *(pipe.read for pipe in pipes)], [], [], left)[0]
            late = not ready
            for pipe in pipes:
                pipe.take()
            if watched in ready:
                break
    finally:
        os.close(watched)
    if late:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 124 if late and hangs else code


def installed(arguments: Sequence[str], *, delay: float | None = None) -> Ended:
    """Run the installed program in a process of its own; kill it after so many seconds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        program = [sys.executable, "-m", "treegen", *arguments]
        process = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
        try:
            code = process.wait(HANGS if delay is None else delay)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait() if delay is not None else 124
        texts = [_text(file) for file in (out, err)]
    return Ended(tuple(arguments), code, *texts, seconds=time.monotonic() - began, moments=0)


def left_over(folder: Path) -> list[str]:
    """Temporary files below a folder."""
    names = (path.name for path in folder.rglob("*"))
    return [name for name in names if name.endswith(".tmp") or name.startswith(".writing")]


def _text(file: Any) -> str:
    file.seek(0)
    return bytes(file.read()).decode(errors="replace")
