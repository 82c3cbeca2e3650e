"""SIGKILL at a random moment: what was confirmed is stored, the tree is whole, and the command can be run again."""

import shutil
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from tests.review.bursts import Screen
from tests.soak.places import (
    BY,
    check_temporary,
    copied,
    faults_of_folder,
    kept_rows,
    lost_promises,
    manual,
    trees_of,
)
from tests.soak.running import KILLED, Ended, Outcome, forked, installed
from tests.waiting import wait_until
from treegen.history.store import Store
from treegen.workflow.session import Session

_INSTALLED: Final = 0.05  # the share of kills of the installed program; it takes longer to begin
_REVIEWS: Final = 0.03
_BY_TIME: Final = 0.3  # the share of kills after some time; the others are at some change of a file or statement of SQL

Arguments = Callable[[Path], Sequence[str]]
COMMANDS: Final[dict[str, Arguments]] = {
    "draft": lambda f: ("draft", str(f), "--force", "--no-score", *manual(f)),
    "draft, recorded": lambda f: ("draft", str(f), "--force"),
    "score": lambda f: ("score", str(f / "tree.json")),
    "revise": lambda f: ("revise", str(f / "tree.json"), "-m", "thinner", "--apply", *manual(f)),
    "approve": lambda f: ("approve", str(f / "tree.json"), *BY),
    "merge": lambda f: ("merge", str(f / "base.json"), str(f / "tree.json"), str(f / "other.json"), "-o", _tree(f)),
    "import": lambda f: ("import", str(f / "answer.txt"), "-o", _tree(f), "--domain", str(f), "--force"),
    "optimize": lambda f: ("optimize", str(f / "tree.json"), "--apply", "--steps", "1"),
    "embed": lambda f: ("embed", str(f), "-o", str(f / "out"), "--json"),
    "embed, cache": lambda f: ("embed", str(f), "--json"),
    "fix": lambda f: ("check", str(f / "answer.txt"), "--fix"),
    "resolve": lambda f: ("resolve", str(f / "conflict.json"), "--take", "ours"),
    "restore": lambda f: ("restore", f"{f / 'tree.json'}@1"),
}
_WITHOUT_HISTORY: Final = ("merge", "fix", "resolve")


def _tree(folder: Path) -> str:
    return str(folder / "tree.json")


def play(seed: int, parent: Path | None = None) -> Outcome:
    """Kill one command, and run it again."""
    random = Random(f"kill {seed}")
    if random.random() < _REVIEWS:
        return _review(random, parent)
    name = random.choice([*COMMANDS])
    outcome = Outcome(kind=name)
    with copied(parent) as folder:
        if random.random() < 0.3:  # nothing is embedded yet
            (folder / ".treegen" / "embeddings.sqlite").unlink()
        if random.random() < 0.1 and name != "restore":  # there is no history yet
            shutil.rmtree(folder / ".treegen")
        rows, trees, arguments = kept_rows(folder), trees_of(folder), COMMANDS[name](folder)
        killed = _kill(random, name, arguments)
        outcome.hit = killed.code == KILLED
        revised = name not in _WITHOUT_HISTORY
        outcome.faults += killed.faults
        outcome.faults += faults_of_folder(folder, rows, trees, revised=revised)
        outcome.faults += lost_promises(killed, folder)
        rows, trees = kept_rows(folder), trees_of(folder)
        again = forked(arguments)
        outcome.faults += again.faults
        if again.code != 0:
            outcome.faults.append(f"run again, it ended with {again.code}: {again.err[-1500:]}")
        outcome.faults += faults_of_folder(folder, rows, trees, revised=revised)
        outcome.faults += lost_promises(again, folder)
        outcome.faults += check_temporary(folder)
    return outcome


@cache
def _measured(name: str) -> Ended:
    """A whole run, to choose a moment of it."""
    with copied() as folder:
        ended = forked(COMMANDS[name](folder))
        assert ended.code == 0, ended.err
        return ended


def _kill(random: Random, name: str, arguments: Sequence[str]) -> Ended:
    whole = _measured(name)
    if random.random() < _INSTALLED:
        return installed(arguments, delay=random.uniform(0.2, 1.0 + 1.5 * whole.seconds))
    if random.random() < _BY_TIME:
        return forked(arguments, delay=random.uniform(0, whole.seconds))
    return forked(arguments, moment=random.randint(1, whole.moments))


def _review(random: Random, parent: Path | None) -> Outcome:
    """A review in a real terminal: each step that it has shown is there when the next one opens."""
    outcome = Outcome(kind="review")
    with copied(parent) as folder:
        path, rows, trees = folder / "tree.json", kept_rows(folder), trees_of(folder)
        terminal = Screen(path, editor="true")
        shown = []
        try:
            _wait_for("quit", terminal)
            for number in range(random.randint(0, 3)):
                name = f"named{number}"
                terminal.type(f"r\x05\x15{name}\r".encode())
                _wait_for(name, terminal)
                shown.append(name)
            terminal.type(random.choice((b"r\x05\x15late\r", b"s", b"u", b"d", b"rx\rs", b"")))
            time.sleep(random.uniform(0, 0.3))
            terminal.process.kill()
            outcome.hit = terminal.ended() == KILLED
        finally:
            terminal.close()
        if b"Traceback" in terminal.output:
            outcome.faults.append("the review shows a traceback")
        outcome.faults += faults_of_folder(folder, rows, trees)
        with Store(path) as store:
            session = Session(path, store)
            session.close()
            labels = " ".join(step.label for step in session.steps)
        outcome.faults += [f"the step {name} is lost: {labels}" for name in shown if name not in labels]
    return outcome


def _wait_for(text: str, terminal: Screen) -> None:
    """Wait until the screen shows a text, of which only what is new may have been written."""
    wait_until(lambda: any(text in line for line in terminal.lines), lambda: "\n".join(terminal.lines))
