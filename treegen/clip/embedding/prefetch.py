"""Work beside the model: in threads or processes, a few batches ahead of it."""

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr
from itertools import chain, islice
from multiprocessing import parent_process, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Final, TypeVar, cast

from treegen.errors import ModelError

_MOST_WORKERS: Final = 32

T = TypeVar("T")
Part = tuple[Any, ...]  # the arguments of one piece of work


def beside(
    parts: Iterator[Part], work: Callable[..., T], *, workers: int | None, start: float, count: int | None = None
) -> Generator[T, None, None]:
    """What `work` makes of all parts, about in their order; two parts for each worker are kept ahead.

    Args:
        parts: its arguments. Taken in this process, when their turn comes.
        work: pure; for processes it and the parts can be pickled. It is sent once to each process.
        workers: processes. 0 works in threads of this process. `None` works here until it pays to start as many
            processes as there are cores, and goes on here until they are there.
        start: seconds that a process takes to start.
        count: number of parts, if known: what is left is then expected to take as long as what is done. Otherwise
            processes are started when as much time was spent here as starting one takes.

    Raises:
        ModelError: a process was killed.
    """
    if workers is None:
        ended = yield from _here(parts, work, start, count)
        if ended:
            return
    first = next(parts, None)
    if first is None:  # nothing is left, and nothing need be started
        return
    parts = chain((first,), parts)
    cores = min(available_cores(), _MOST_WORKERS)
    many = min(workers or cores, count or workers or cores)
    pool: Executor
    if workers == 0:
        pool = ThreadPoolExecutor(cores)
    else:
        _start_tracker()
        pool = ProcessPoolExecutor(many, mp_context=_Spawn(), initializer=_begin_worker, initargs=(work,))
    try:
        if workers == 0:
            yield from _run(pool, parts, work, 2 * cores)
        else:
            yield from _run(pool, parts, _given, 2 * many, meanwhile=work)
    except BrokenProcessPool:
        told = (
            "a process that decodes images could not start or was killed: memory, or the shared memory in /dev/shm, "
            "may have run out"
        )
        raise ModelError(
            told, "run it again, it goes on where it was; workers = 0 below [images] needs no processes"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)  # nobody waits for what was done ahead


def read_ahead(pieces: Iterable[T], count: int = 2) -> Generator[T, None, None]:
    """The same pieces, made by a thread of its own while the caller works; `count` of them are kept ahead."""
    rest, ended = iter(pieces), object()
    with ThreadPoolExecutor(1) as reader:
        waiting = deque(reader.submit(next, rest, ended) for _ in range(count))
        while (piece := waiting.popleft().result()) is not ended:
            waiting.append(reader.submit(next, rest, ended))
            yield cast(T, piece)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(parts: Iterator[Part], work: Callable[..., T], start: float, count: int | None) -> Generator[T, None, bool]:
    """Works in this process until others would pay; gives whether nothing is left."""
    spent = 0.0
    for done, part in enumerate(parts, 1):
        began = time.perf_counter()
        result = work(*part)
        spent += time.perf_counter() - began
        yield result
        if (spent if count is None else spent / done * (count - done)) >= start:
            return False
    return True


class _Process(SpawnProcess):
    """A process that is not told of the program's main module.

    Spawned processes import it anew: one that is a script without a guard would run again, and none is needed here.
    """

    def start(self) -> None:
        """As any process starts."""
        main = vars(sys.modules["__main__"])
        kept: dict[str, Any] = {name: main.pop(name) for name in ("__file__", "__spec__") if name in main}
        main["__spec__"] = None
        try:
            super().start()
        finally:
            main.update(kept)


class _Spawn(SpawnContext):
    """Starts processes anew: a fork would copy locks that the model's threads may hold."""

    Process = _Process


def _start_tracker() -> None:
    """Starts multiprocessing's own helper, which inherits standard error.

    A full screen has put something in its place that is no file, and starting the helper fails with that.
    """
    with redirect_stderr(sys.__stderr__):
        resource_tracker.ensure_running()


class _Given:
    """What a worker process was given to do."""

    work: Callable[..., Any] = staticmethod(available_cores)


def _begin_worker(work: Callable[..., Any]) -> None:
    """One core for each; an interrupt is the parent's affair. torch is loaded only if the work needs it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    _Given.work = staticmethod(work)


def _end_with_parent() -> None:
    """A parent that is killed tells nobody, and each process would wait for work for ever."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _given(*part: Any) -> Any:
    return _Given.work(*part)


def _run(
    pool: Executor,
    parts: Iterator[Part],
    work: Callable[..., T],
    ahead: int,
    meanwhile: Callable[..., T] | None = None,
) -> Iterator[T]:
    """Results from a pool that has `ahead` parts waiting; with `meanwhile` made here until its first is there."""
    waiting = deque(pool.submit(work, *part) for part in islice(parts, ahead))
    while waiting:
        if meanwhile and not waiting[0].done() and (own := next(parts, None)):
            yield meanwhile(*own)
            continue
        meanwhile = None
        done = waiting.popleft()
        waiting.extend(pool.submit(work, *part) for part in islice(parts, 1))
        yield done.result()
