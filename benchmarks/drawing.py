"""Bytes that the review writes to the terminal for one key: on a pseudo terminal, in the review of the bundled domain.

Goal: at most 2 KB for a move of the cursor where no pictures are shown. vim writes some 60 bytes for a row.
"""

import argparse
import fcntl
import os
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import suppress
from pathlib import Path

from treegen import load_tree
from treegen.history.store import Store
from treegen.tree.changes import ABSENT, RuleChanged
from treegen.workflow.demo import lay_out
from treegen.workflow.second_review import SecondSession

COLUMNS, ROWS = 120, 40
GOAL = 2_000
QUIET = 0.5  # seconds without a byte: the key is drawn
DOWN, UP, ESCAPE = "\x1b[B", "\x1b[A", "\x1b"
SIDEWAYS = "jjlllllkhhhhhj"  # until the columns scroll
#: a pane or a dialog: the keys that lead to it, those to measure, and the one that leaves it
PANES = {
    "groups": ("1oa", "jjjkk", ""),
    "options": ("1", "jjjkk", ""),
    "rules": ("2", SIDEWAYS, ""),
    "heat map": ("2H", SIDEWAYS, "H"),
    "problems": ("3", "jjkk", ""),
    "score": ("4", "jjjkk", ""),
    "history": ("5", "jjkk", ""),
    "confusion": ("8", SIDEWAYS, ""),
    "images": ("6", "jjjkk", ""),
    "answers of an image": ("6\t", "jjjkk", ""),
    "agreement": ("2=", "jjjkk", ESCAPE),
    "finder": ("2\x10e", (DOWN, DOWN, DOWN, UP, UP), ESCAPE),
}


class Review:
    """`treegen review` on a pseudo terminal."""

    def __init__(self, tree: Path) -> None:
        self._terminal, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "treegen", "review", str(tree)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(slave)

    def written(self, keys: bytes = b"") -> bytes:
        """What is written for keys, until nothing more is."""
        if keys:
            os.write(self._terminal, keys)
        data, ends = b"", time.monotonic() + (5 if keys else QUIET)
        while (left := ends - time.monotonic()) > 0:
            if not select.select([self._terminal], [], [], left)[0]:
                break
            data += os.read(self._terminal, 65536)
            if b"\x1b[5n" in data[-100:]:
                os.write(self._terminal, b"\x1b[0n")
            ends = time.monotonic() + QUIET
        return data

    def until(self, text: str, seconds: float = 300) -> None:
        data, ends = b"", time.monotonic() + seconds
        while not re.search(text.encode(), data):
            if time.monotonic() > ends or self.process.poll() is not None:
                raise SystemExit(f"the review does not show {text}")
            data += self.written()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._terminal)


def main() -> None:
    parser = argparse.ArgumentParser(description="Bytes on the terminal for one key of the review.")
    parser.add_argument("--count", type=int, default=6, help="images of a class")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder), count=args.count)
        subprocess.run(
            [sys.executable, "-m", "treegen", "draft", folder, "--no-score"], check=True, capture_output=True
        )
        answer(Path(folder) / "tree.json")
        review = Review(Path(folder) / "tree.json")
        try:
            review.until(r"dev\s+\d+\.\d %")
            measure(review)
        finally:
            review.close()


def answer(path: Path) -> None:
    """Answer as a second reviewer who takes the second option of each group for its first."""
    tree = load_tree(path)
    with Store(path, reviewer="Ada") as store:
        session = SecondSession(path, store)
        changes = []
        for rule in tree.rules:
            for group in tree.groups:
                word = tree.word(rule, group.name)
                other = group.options[1] if word == group.options[0] else word
                changes.append(RuleChanged(class_name=rule.name, group=group.name, old=ABSENT, new=other))
        session.do("answers", changes)
        session.close()


def measure(review: Review) -> None:
    """Measure every pane beside the detail panel, which shows pictures of what the cursor is on, and without it."""
    _measured(review, "with the detail panel")
    review.written(b"i")
    worst = _measured(review, "without the detail panel")
    print(f"row: bytes for a move of the cursor in the review, in the worst pane but the pictures | {worst} | {GOAL}")


def _measured(review: Review, title: str) -> int:
    """Print the bytes for moves in each pane; return the most in one without pictures."""
    print(f"{COLUMNS} x {ROWS}, {title}: median and most bytes for a move; opened in")
    review.written()
    worst = 0
    for pane, (way, moves, leave) in PANES.items():
        opened = len(review.written(way.encode()))
        if pane == "finder":
            opened += len(review.written())  # which goes on to search
        counts = [len(review.written(move.encode())) for move in moves]
        print(f"{pane:<20}{statistics.median(counts):>12.0f}{max(counts):>8}{opened:>10}")
        if pane != "images":
            worst = max(worst, max(counts))
        if leave:
            review.written(leave.encode())
    return worst


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
