"""Full disks and folders that cannot be written: what reads still reads, and what writes changes all or nothing."""

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Final

from tests.soak.damage import READING, open_review
from tests.soak.kills import COMMANDS
from tests.soak.places import check_temporary, copied, faults_of_folder, kept_rows, lost_promises, template, trees_of
from tests.soak.running import Ended, Outcome, forked

_READING: Final = ("log", "calls", "show", "diff", "check", "review")
_WITHOUT_HISTORY: Final = ("merge", "fix", "resolve")


def play(seed: int, parent: Path | None = None) -> Outcome:
    """Run commands where little or nothing can be written."""
    random = Random(f"disk {seed}")
    kind = random.choice(["a limit on files", *(["full", "read-only"] if can_mount() else ["a limit on files"])])
    outcome = Outcome(kind=kind, hit=True)
    with _disk(kind, random, parent) as (folder, limit):
        rows, trees = kept_rows(folder), trees_of(folder)
        for _ in range(2):
            if random.random() < 0.4 or kind == "read-only":
                _read(random.choice(_READING), folder, limit, outcome)
            else:
                name = random.choice([*COMMANDS])
                done = forked(COMMANDS[name](folder), before=limit)
                _judge(done, outcome)
                if kind == "full" or done.code in (0, 1):
                    outcome.faults += lost_promises(done, folder)
                revised = name not in _WITHOUT_HISTORY
                outcome.faults += faults_of_folder(folder, rows, trees, revised=revised)
                trees = trees_of(folder)
        outcome.faults += check_temporary(folder)
    return outcome


def _read(name: str, folder: Path, limit: Callable[[], None], outcome: Outcome) -> None:
    review = partial(open_review, folder / "tree.json", read_only=True) if name == "review" else None
    done = forked(READING[name](folder), before=limit, run=review)
    _judge(done, outcome)
    if done.code != 0:
        outcome.faults.append(f"{name} cannot be read: {done.err[-1000:]}")


def _judge(done: Ended, outcome: Outcome) -> None:
    outcome.faults += done.faults
    if "not touched" in done.err or "unchanged" in done.err:
        outcome.faults.append(f"treegen {' '.join(done.arguments)} says that nothing was changed: {done.err}")


@contextmanager
def _disk(kind: str, random: Random, parent: Path | None) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A copy of the template with little room, and what a process has to do first to have no more."""
    with copied(parent) as folder:
        if kind == "a limit on files":
            limit = random.choice((0, 1, 100, 4096, 30000, 100_000, 200_000, 400_000))
            yield folder, partial(_limit_files, limit)
            return
        disk = folder / "disk"
        disk.mkdir()
        size = sum(path.stat().st_size // 4096 + 1 for path in template().rglob("*")) * 4096
        _mount("-t", "tmpfs", "-o", f"size={size + 2**20}", "tmpfs", str(disk))
        try:
            inner = disk / "domain"
            shutil.copytree(template(), inner)
            if kind == "full":
                _fill(disk / "ballast", random.choice((0, 4096, 16384, 65536, 150_000)))
            else:
                _mount("-o", "remount,ro", str(disk))
            yield inner, lambda: None
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def _limit_files(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # what is printed is no file of the user's; the pictures of libraries neither
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _fill(ballast: Path, left: int) -> None:
    """Fill a disk but for some bytes."""
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
    except OSError:
        os.truncate(ballast, max(0, ballast.stat().st_size - left))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@cache
def can_mount() -> bool:
    """Whether this user may mount small disks."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    folder = template() / "mounted"
    folder.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", "size=65536", "tmpfs", str(folder))
    except subprocess.CalledProcessError:
        return False
    else:
        subprocess.run(["umount", str(folder)], check=True)
        return True
    finally:
        folder.rmdir()
