"""kill -9 in the middle of ten requests: what was answered is kept, and only the rest is asked for again."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, calls_of
from tests.llm.tasks.parts_server import Honest, serving
from tests.waiting import PATIENCE, wait_until
from treegen.tree.validation.checks import check_file

#: 9 batches of 40, whose answers repeat only after 280 classes, and the groups
THINGS = [f"Thing {number}" for number in range(1, 361)]
ANSWERED = 5


def kept(folder: Path) -> list[str]:
    """The steps that are in the history; empty as long as there is none."""
    file = folder / ".treegen" / "store.sqlite"
    if not file.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return [name for (name,) in db.execute("SELECT name FROM part ORDER BY rowid")]
    except sqlite3.OperationalError:  # its tables are being made
        return []


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_draft_that_is_killed_in_the_middle_of_ten_requests_pays_for_none_twice(
    tmp_path: Path, concurrency: int
) -> None:
    """Five are answered, the sixth never is. The history has five replies with their tokens; five are asked again."""
    (tmp_path / "classes.txt").write_text("\n".join(THINGS), encoding="utf-8")
    text = f'name = "things"\nnoun = "thing"\nclasses_file = "classes.txt"\n[llm]\nconcurrency = {concurrency}\n'
    (tmp_path / "domain.toml").write_text(text, encoding="utf-8")
    honest, killed = Honest(), threading.Event()

    def answer(messages: list[dict[str, Any]]) -> tuple[str, str]:
        if len(honest.log) >= ANSWERED and not killed.is_set():
            killed.wait(PATIENCE)
        return honest(messages)

    environment = {k: v for k, v in os.environ.items() if not k.endswith(("_API_KEY", "_PROXY", "_proxy"))}
    environment |= {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    with serving(answer) as url:
        command = [sys.executable, "-m", "treegen", "draft", str(tmp_path), "--model", "openai/m", "--api-base", url]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
            wait_until(lambda: len(kept(tmp_path)) == ANSWERED or running.poll() is not None)
            running.send_signal(signal.SIGKILL)
        assert running.returncode == -signal.SIGKILL, running.stderr
        steps, calls = kept(tmp_path), calls_of(tmp_path / "tree.json")
        killed.set()
        assert steps == ["groups", "rules 1", "rules 2", "rules 3", "rules 4"] or concurrency > 1
        assert len(steps) == ANSWERED
        assert [(call.purpose, call.prompt_tokens) for call in calls] == [
            ("draft-groups" if number == 0 else "draft-rules", 10) for number in range(ANSWERED)
        ]
        assert sorted(p.name for p in tmp_path.iterdir()) == [".treegen", "classes.txt", "domain.toml"]
        answered = {tuple(entry["classes"]) for entry in honest.log[1:ANSWERED]}
        before = len(honest.log)
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert f"this draft takes about 5 requests ({ANSWERED} more were made by an earlier run)" in finished.stderr
    assert "request 6 of about 10: asking" in finished.stderr
    rules = [entry for entry in honest.log[before:] if entry["asked"] == "rules"]
    left = [entry for entry in rules if entry["classes"]]
    assert not answered & {tuple(entry["classes"]) for entry in left}
    assert len({tuple(entry["classes"]) for entry in left}) == 5
    assert f"reused {ANSWERED} steps of an earlier run" in finished.stderr
    assert check_file(tmp_path / "tree.json", classes=THINGS, domain="things").document is not None
