"""The whole command against a server: killed at random moments and resumed, and caps that hold to the request."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Run
from tests.llm.tasks.parts_server import Answer, serving
from tests.optimize.stand_in import stand_in
from tests.waiting import PATIENCE, wait_until

pytest.importorskip("gepa")
pytest.importorskip("dspy")
pytestmark = [pytest.mark.slow, pytest.mark.litellm]
KILLS = 5
SEED = 3
Finish = Callable[[list[str]], dict[str, Any]]


class Counting:
    """Counts requests; while `held` is set to a number, that request is not answered until it is killed."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[str] = []
        self.held = 0
        self.killed = threading.Event()
        self._answer = answer

    def __call__(self, messages: list[dict[str, Any]]) -> tuple[str, str]:
        self.requests.append(messages[-1]["content"])
        if len(self.requests) == self.held:
            self.killed.wait(PATIENCE)
        return self._answer(messages)


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.endswith(("_API_KEY", "_PROXY", "_proxy"))}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1"}


def arguments(tree: Path, url: str, *options: object) -> list[str]:
    return ["optimize", str(tree), "--model", "openai/m", "--api-base", url, "--json", *map(str, options)]


@pytest.fixture
def finish(run: Run, monkeypatch: pytest.MonkeyPatch) -> Finish:
    """Runs the command to its end in this process: only what is killed needs one of its own."""
    kept = environment()
    for name in set(os.environ) - set(kept):
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def call(words: list[str]) -> dict[str, Any]:
        done = run(*words)
        assert done.code == 0, done.err
        return dict(json.loads(done.out))

    return call


def the_same(result: dict[str, Any]) -> dict[str, Any]:
    """All but what tells how it was reached."""
    kept = ("stop", "rounds", "best", "curve", "steps", "luck", "propose", "confirm", "replies")
    return {key: result[key] for key in kept}


def test_killed_five_times_it_comes_to_the_same_end_and_asks_for_no_answer_twice(
    finish: Finish, tree_file: Path, tmp_path: Path
) -> None:
    server, rng = Counting(stand_in(SEED)), random.Random(7)
    with serving(server) as url:
        words = arguments(tree_file, url, "--patience", 5)
        whole = finish(words)
        asked, server.requests = server.requests, []
        for file in (tree_file.parent / ".treegen").glob("store.sqlite*"):
            file.unlink()
        server.requests = []
        moments = sorted(rng.sample(range(1, len(asked) + 1), min(KILLS, len(asked))))
        for kills, moment in enumerate(moments):
            server.held, server.killed = moment + kills, threading.Event()  # each kill makes one request come again
            # standard error in a file: nobody reads a pipe
            with (
                (tmp_path / "err").open("wb") as err,
                subprocess.Popen(
                    [sys.executable, "-m", "treegen", *words],
                    env=environment(),
                    stdout=subprocess.DEVNULL,
                    stderr=err,
                ) as run,
            ):
                wait_until(lambda: len(server.requests) >= server.held or run.poll() is not None)
                run.send_signal(signal.SIGKILL)
            assert run.returncode == -signal.SIGKILL
            server.killed.set()
        server.held = 0
        resumed = finish(words)
    assert the_same(resumed) == the_same(whole)
    assert resumed["reused"] == moments[-1] - 1
    times = Counter(server.requests)
    assert set(times) == set(asked)
    assert sum(times.values()) == len(asked) + len(moments)  # only what was not answered is asked again
    assert resumed["bill"]["calls"] == len(asked) + len(moments)  # and it was paid for


def test_each_cap_is_obeyed_exactly_and_raising_it_goes_on(finish: Finish, tree_file: Path) -> None:
    """Calls, then tokens, then money: what was asked under one cap is asked by no later run."""
    domain = tree_file.parent / "domain.toml"
    domain.write_text(domain.read_text().replace("[llm]\n", "[llm]\nprice_in = 1.0\nprice_out = 2.0\n"))
    server = Counting(stand_in(SEED))
    caps = (("--max-calls", 3), ("--max-tokens", 4000), ("--max-cost", 0.0046))
    with serving(server) as url:
        for option, most in caps:
            before = len(server.requests)
            capped = finish(arguments(tree_file, url, option, most, "--patience", 20))
            bill = capped["bill"]
            spent = {
                "--max-calls": bill["calls"],
                "--max-tokens": bill["prompt_tokens"] + bill["completion_tokens"] + bill["guessed_tokens"],
                "--max-cost": bill["cost"] + bill["guessed_cost"],
            }
            assert (capped["stop"], capped["reused"]) == ("cap", before)
            assert bill["calls"] == len(server.requests) > before
            assert spent[option] <= most
            assert capped["error"]
        asked = len(server.requests)
        more = finish(arguments(tree_file, url, "--max-calls", asked + 1, "--patience", 20))
    assert len(server.requests) == asked + 1
    assert more["reused"] == asked
