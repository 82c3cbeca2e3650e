"""Threads that work ahead of the model: pictures are prepared, and vectors read, while it computes."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar, cast

_MOST_WORKERS: Final = 32

P = TypeVar("P")
T = TypeVar("T")


def prefetch(parts: Iterable[P], work: Callable[[P], T], *, workers: int | None = None) -> Generator[T, None, None]:
    """Yield `work(part)` for every part, in input order; two parts for each thread are worked on ahead.

    Threads suffice where `work` spends its time in code that releases Python's lock, as Pillow and NumPy do; unlike
    processes they cost nothing to start, and the caller's standard streams and main module do not matter to them.
    Close the generator to stop: parts that no thread has begun are then dropped.

    Args:
        parts: iterated in the caller's thread.
        work: called by several threads at once. What it raises is raised to the caller in order.
        workers: number of threads; 0 works in the caller's thread; `None` means one per core.
    """
    if workers == 0:
        yield from map(work, parts)
        return
    count = min(workers or available_cores(), _MOST_WORKERS)
    rest = iter(parts)
    pool = ThreadPoolExecutor(count, thread_name_prefix="prefetch")
    try:
        waiting = deque(pool.submit(work, part) for part in islice(rest, 2 * count))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, part) for part in islice(rest, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def read_ahead(pieces: Iterable[T], count: int = 2) -> Generator[T, None, None]:
    """Yield the same pieces, computed in a thread, up to `count` of them ahead of the caller."""
    rest, ended = iter(pieces), object()
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        waiting = deque(reader.submit(next, rest, ended) for _ in range(count))
        while (piece := waiting.popleft().result()) is not ended:
            waiting.append(reader.submit(next, rest, ended))
            yield cast(T, piece)


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
