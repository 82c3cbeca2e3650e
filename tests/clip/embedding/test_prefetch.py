"""Work beside the model: where it is done, what is started for it, and what ends with it."""

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from treegen.clip.embedding import prefetch as module
from treegen.clip.embedding.prefetch import beside, read_ahead


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def marked_square(number: int) -> tuple[int, int]:
    """Leaves a mark that another process can wait for."""
    Path(os.environ["MARK"]).touch()
    return square(number)


class Clock:
    """Every look at it is a tenth of a second after the one before."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 0.1
        return self.now


def parts(count: int) -> Iterator[tuple[int]]:
    return iter([(number,) for number in range(count)])


@pytest.mark.parametrize("workers", [None, 0, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_all_parts_are_done_once_wherever_they_are_done(workers: int | None, count: int) -> None:
    found = list(beside(parts(count), square, workers=workers, start=0.2, count=count))
    assert sorted(result for result, _ in found) == [number * number for number in range(count)]


def test_without_a_count_processes_are_started_when_enough_time_was_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten pieces of a tenth of a second each, and this process goes on until the others are there."""
    monkeypatch.setattr(module, "time", Clock())
    started = list[int]()
    found, elsewhere = list[tuple[int, int]](), 0

    def pool(count: int, **options: Any) -> ProcessPoolExecutor:
        started.append(len(found))
        return ProcessPoolExecutor(count, **options)

    def until_others_work() -> Iterator[tuple[int]]:
        for number in itertools.count():
            if elsewhere == 9:
                return
            yield (number,)

    monkeypatch.setattr(module, "ProcessPoolExecutor", pool)
    for result, pid in beside(until_others_work(), square, workers=None, start=0.95):
        found.append((result, pid))
        elsewhere += pid != os.getpid()
    assert started == [10]
    assert sorted(result for result, _ in found) == [number * number for number in range(len(found))]
    here = [pid == os.getpid() for _, pid in found]
    assert all(here[:10])
    assert not any(here[-9:])


@pytest.mark.parametrize(("workers", "count"), [(3, 0), (None, 1)])
def test_nothing_is_started_for_nothing(workers: int | None, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ProcessPoolExecutor", None)
    assert len(list(beside(parts(count), square, workers=workers, start=0.0))) == count


def test_no_more_processes_are_started_than_there_are_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def pool(count: int, **options: Any) -> ProcessPoolExecutor:
        asked.append(count)
        return ProcessPoolExecutor(count, **options)

    monkeypatch.setattr(module, "ProcessPoolExecutor", pool)
    assert len(list(beside(parts(2), square, workers=9, start=0.2, count=2))) == 2
    assert asked == [2]


def test_what_is_queued_is_not_done_when_nobody_wants_it() -> None:
    lock, begun = threading.Lock(), 0

    def count(number: int) -> int:
        nonlocal begun
        with lock:
            begun += 1
        return number

    stream = beside(parts(1000), count, workers=0, start=0.2)
    next(stream)
    stream.close()
    assert begun <= 2 * module.available_cores() + 1


def test_processes_that_start_late_do_not_run_the_main_module_either(tmp_path: Path) -> None:
    """A pool starts a process only when none is idle: some are started after the first has worked."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "from tests.clip.embedding.test_prefetch import marked_square\n"
        "from tests.waiting import wait_until\n"
        "from treegen.clip.embedding.prefetch import beside\n"
        "print('begun')\n"
        "def late():\n"
        "    for number in range(20):\n"
        "        if number == 1:\n"
        "            wait_until(lambda: os.path.exists(os.environ['MARK']))\n"
        "        yield (number,)\n"
        "print(len(list(beside(late(), marked_square, workers=4, start=0.2))))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "MARK": str(tmp_path / "mark")}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("begun\n20\n", "")


def test_work_that_cannot_reach_a_process_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from treegen.errors import ModelError

    monkeypatch.setattr(module, "_begin_worker", sys.exit)
    with pytest.raises(ModelError, match="could not start or was killed") as caught:
        list(beside(parts(4), square, workers=1, start=0.2))
    assert "workers = 0" in caught.value.tip


def test_what_is_read_ahead_is_the_same_in_the_same_order_and_no_more_than_two_ahead() -> None:
    read = list[int]()

    def pieces() -> Iterator[int | None]:
        for number in range(20):
            read.append(number)
            yield None if number == 7 else number

    for taken, piece in enumerate(read_ahead(pieces()), 1):
        assert piece == (None if taken == 8 else taken - 1)
        assert len(read) <= taken + 2
    assert len(read) == 20


def test_an_error_while_reading_ahead_comes_where_it_happened() -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    found = read_ahead(pieces())
    assert next(found) == 1
    with pytest.raises(ValueError, match="damaged"):
        next(found)
    assert list(read_ahead([])) == []


def test_a_reader_that_nobody_wants_any_more_ends() -> None:
    before = threading.active_count()
    found = read_ahead(iter(range(1000)))
    next(found)
    found.close()
    assert threading.active_count() == before


COVERED = """
import sys
from treegen.clip.embedding.prefetch import beside

class Screen:
    def fileno(self):
        return -1

sys.stderr = Screen()
print(list(beside(iter([(-1,), (-2,)]), abs, workers=1, start=0.2)))
"""


def test_processes_start_while_a_full_screen_stands_in_place_of_standard_error() -> None:
    """Textual puts there what is no file, and multiprocessing's helper, started once in a process, inherits it."""
    done = subprocess.run([sys.executable, "-c", COVERED], capture_output=True, text=True, check=False)
    assert done.stdout == "[1, 2]\n", done.stderr
