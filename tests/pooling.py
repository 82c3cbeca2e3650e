"""Many events at once, each in one of a few processes; for the long runs."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

E = TypeVar("E")
R = TypeVar("R")


def in_processes(
    play: Callable[[E], R], events: Sequence[E], processes: int, *, chunk: int = 1
) -> Iterator[tuple[E, R]]:
    """Yield every event with its result, in order. Whoever stops reading waits for the events that are being played.

    Args:
        play: a function of a module other than `__main__`.
        events: what it is called with.
        processes: how many events are played at once, each in a process with an encoder of its own.
        chunk: how many events a process is given at a time.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that play: those that they fork lack their threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_leave_interrupts) as pool:
        try:
            yield from zip(events, pool.map(play, events, chunksize=chunk), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Leave ctrl+c, which reaches all processes of a terminal, to the one that counts."""
    signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN: the programs that are started would inherit it
