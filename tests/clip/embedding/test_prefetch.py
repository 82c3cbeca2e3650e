"""Work ahead of the model: its order, how much of it is under way, and how it ends."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from treegen.clip.embedding.prefetch import available_cores, prefetch, read_ahead


@pytest.mark.parametrize("workers", [None, 0, 1, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_every_part_is_done_once_and_in_order(workers: int | None, count: int) -> None:
    def square(number: int) -> int:
        time.sleep(0.002 * (number % 3 == 0))  # later parts are ready sooner
        return number * number

    assert list(prefetch(range(count), square, workers=workers)) == [number * number for number in range(count)]


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (3, 3), (None, available_cores())])
def test_so_many_threads_work_and_none_of_them_is_the_callers(workers: int | None, most: int) -> None:
    names = set(prefetch(range(50), lambda _: threading.current_thread().name, workers=workers))
    assert threading.current_thread().name not in names
    assert 1 <= len(names) <= most


def test_without_workers_the_caller_works_itself_and_nothing_ahead() -> None:
    done = list[int]()
    stream = prefetch(range(9), done.append, workers=0)
    next(stream)
    assert done == [0]
    assert set(prefetch(range(5), lambda _: threading.get_ident(), workers=0)) == {threading.get_ident()}


def test_parts_are_taken_by_the_caller_and_no_more_than_two_ahead_for_each_thread() -> None:
    """Or memory would grow with the number of images; and a reader of SQLite stays in its thread."""
    taken, threads = list[int](), set[int]()

    def parts() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            threads.add(threading.get_ident())
            yield number

    for given, _ in enumerate(prefetch(parts(), str, workers=3), 1):
        assert len(taken) <= given + 6
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_a_part_comes_at_its_turn_and_ends_the_rest(workers: int) -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("damaged")
        return number

    before, found = threading.active_count(), list[int]()
    with pytest.raises(ValueError, match="damaged"):  # noqa: PT012 - what came before it counts too
        for number in prefetch(range(1000), work, workers=workers):
            found.append(number)
    assert found == [0, 1, 2]
    assert threading.active_count() == before


def test_closing_drops_what_is_not_begun_and_ends_the_threads() -> None:
    before, begun = threading.active_count(), list[int]()
    stream = prefetch(range(1000), begun.append, workers=2)
    next(stream)
    stream.close()
    assert len(begun) <= 5
    assert threading.active_count() == before


LEFT = """
import sys, time
from treegen.clip.embedding.prefetch import prefetch, read_ahead
ahead, read = prefetch(range(10**9), lambda n: time.sleep(0.01), workers=4), read_ahead(iter(range(10**9)))
next(ahead), next(read)
print("left", flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise KeyboardInterrupt"])
def test_a_program_ends_although_a_stream_was_left_open(end: str) -> None:
    done = subprocess.run([sys.executable, "-c", LEFT.format(end=end)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "left\n"


COVERED = """
import sys
from treegen.clip.embedding.prefetch import prefetch

class Screen:
    def fileno(self):
        return -1

sys.stderr = sys.stdout = Screen()
found = list(prefetch(range(-2, 3), abs))
import multiprocessing
assert not multiprocessing.active_children()
assert "multiprocessing.resource_tracker" not in sys.modules
sys.__stdout__.write(f"{found}\\n")
"""


def test_it_works_while_a_full_screen_stands_in_place_of_the_standard_streams() -> None:
    """Textual puts there what is not a file: starting a process then failed with "bad value(s) in fds_to_keep"."""
    done = subprocess.run([sys.executable, "-c", COVERED], capture_output=True, text=True, check=False)
    assert done.stdout == "[2, 1, 0, 1, 2]\n", done.stderr


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
