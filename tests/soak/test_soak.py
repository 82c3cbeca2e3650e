"""A slice of the long run (`make soak`): the same events each time, and that the harness sees what is wrong."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from tests.soak import damage, disks, folders, kills, races
from tests.soak.__main__ import Table
from tests.soak.places import copied, faults_of_folder, kept_rows, trees_of
from tests.soak.running import KILLED, Outcome, forked, left_over, warm
from treegen.clip import encoders

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="kills and limits as Linux has them"),
]


@pytest.fixture(scope="module", autouse=True)
def _own_encoder() -> Iterator[None]:
    """The encoder that the processes share is for these tests alone: others change a model between two commands."""
    before = encoders.open_encoder
    yield
    encoders.open_encoder = before
    warm.cache_clear()


@pytest.mark.parametrize(
    ("play", "seeds"),
    [
        pytest.param(kills.play, range(8), id="kills"),
        pytest.param(damage.play, range(6), id="damaged"),
        pytest.param(folders.play, range(6), id="folders"),
        pytest.param(disks.play, range(6), id="disks"),
        pytest.param(races.play, range(1), id="races"),
    ],
)
def test_nothing_is_lost_or_half_written_and_damage_is_reported(
    play: Callable[[int, Path | None], Outcome], seeds: range, tmp_path: Path
) -> None:
    outcomes = [play(seed, tmp_path) for seed in seeds]
    assert [fault for outcome in outcomes for fault in outcome.faults] == []
    assert any(outcome.hit for outcome in outcomes)


def test_the_harness_sees_what_is_wrong(tmp_path: Path) -> None:
    """A tree that is half written, a lost revision, a changed one, a file left behind, a command that fails."""
    with copied(tmp_path) as folder:
        rows, trees = kept_rows(folder), trees_of(folder)
        assert [*faults_of_folder(folder, rows, trees)] == []
        text = (folder / "tree.json").read_text(encoding="utf-8")
        (folder / "tree.json").write_text(text[: len(text) // 2], encoding="utf-8")
        assert "not whole" in "".join(faults_of_folder(folder, rows, trees))
        (folder / "tree.json").write_text(text.replace("tiny", "minute"), encoding="utf-8")
        assert "without its digest" in "".join(faults_of_folder(folder, rows, trees))
        with closing(sqlite3.connect(folder / ".treegen" / "store.sqlite")) as db, db:
            db.execute("DELETE FROM step")
        assert "rows of step are lost" in "".join(faults_of_folder(folder, rows, trees))
        (folder / ".tree.json.x.tmp").touch()
        assert left_over(folder) == [".tree.json.x.tmp"]
        (folder / "tree.json").write_text(text, encoding="utf-8")
        assert forked(("check", str(folder / "tree.json")), moment=1).code == KILLED
    failed = forked(("check",), run=lambda: json.loads("{"))
    assert (failed.code, "Traceback" in failed.err) == (70, True)
    assert failed.faults


def test_the_table_counts_events_and_names_the_seeds_that_failed(tmp_path: Path) -> None:
    table = Table(tmp_path / "soak.md")
    table.add("kills", 0, Outcome(kind="score", hit=True))
    table.add("kills", 7, Outcome(kind="revise", faults=["lost"]))
    written = table.write()
    assert written == (tmp_path / "soak.md").read_text(encoding="utf-8")
    assert "| kills   | 2    | 1 killed in the middle | 1        |" in written
    assert "to play again: kills 7" in written
