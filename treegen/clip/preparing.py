"""Decodes and prepares pictures beside the model, in threads or processes, a few batches ahead of it."""

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice, starmap
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

from treegen.errors import ModelError
from treegen.images import Crop, LabelledImage, open_picture

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Batch, Preprocessor

_MOST_WORKERS: Final = 32

Part = tuple[int, Sequence[LabelledImage]]  # the index of the first, and a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBatch:
    """Some images, decoded and prepared. Images are named by their index in the stream.

    Attributes:
        good: those that could be prepared.
        prepared: what the encoder's preprocessor made of them, in that order; `None` if there are none.
        broken: the others, each with its reason.
        seconds: what it took.
    """

    good: tuple[int, ...]
    prepared: "Batch | None"
    broken: tuple[tuple[int, str], ...]
    seconds: float


def prepare_stream(
    images: Sequence[LabelledImage],
    crop: Crop,
    preprocessor: "Preprocessor",
    *,
    workers: int | None = None,
    batch: int = 64,
) -> Generator[PreparedBatch, None, None]:
    """Prepares images, about in their order; two batches for each worker are kept ahead.

    Args:
        images: read when their turn comes.
        crop: of images that have none of their own.
        preprocessor: makes of a picture what the model reads.
        workers: processes. 0 decodes in threads of this process, which cost nothing to start and wait for each other
            where Python itself works. `None` takes as many processes as there are cores if the first batch shows that
            the rest takes longer than starting them; until they are there this process prepares batches itself.
        batch: most images at a time.

    Raises:
        ModelError: a process was killed.
    """
    parts = ((start, images[start : start + batch]) for start in range(0, len(images), batch))
    prepare = partial(_prepare, crop=crop, preprocessor=preprocessor)
    cores = min(available_cores(), _MOST_WORKERS)
    if workers is None:
        for part in islice(parts, 1):
            trial = prepare(*part)
            yield trial
            if trial.seconds / batch * (len(images) - batch) < preprocessor.start:
                yield from starmap(prepare, parts)
                return
    if workers == 0:
        with ThreadPoolExecutor(cores) as threads:
            yield from _run(threads, parts, prepare, 2 * cores)
        return
    pool = _processes(workers or cores)
    try:
        yield from _run(pool, parts, prepare, 2 * (workers or cores), meanwhile=True)
    except BrokenProcessPool:
        told = "a process that decodes images was killed: memory may have run out"
        raise ModelError(
            told, "run it again, it goes on where it was; workers = 0 below [images] needs no processes"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)  # nobody waits for what was decoded ahead


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processes(count: int) -> ProcessPoolExecutor:
    """A pool whose processes are starting. A fork would copy locks that the model's threads may hold.

    Spawned processes import the program's main module anew: one that is a script without a guard would run again, and
    none is needed here. So they are not told of it.
    """
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {name: main.__dict__.pop(name) for name in ("__file__", "__spec__") if name in main.__dict__}
    main.__spec__ = None
    try:
        pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin_worker)
        for _ in range(count):
            pool.submit(available_cores)  # each starts a process while none is idle
    finally:
        main.__dict__.update(kept)
    return pool


def _begin_worker() -> None:
    """One core for each; an interrupt is the parent's affair. torch is loaded only if the preprocessor needs it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _run(
    pool: Executor, parts: Iterator[Part], prepare: Callable[..., PreparedBatch], ahead: int, *, meanwhile: bool = False
) -> Iterator[PreparedBatch]:
    """Batches from a pool that has `ahead` of them waiting; with `meanwhile` made here until its first is there."""
    waiting = deque(pool.submit(prepare, *part) for part in islice(parts, ahead))
    while waiting:
        if meanwhile and not waiting[0].done() and (own := next(parts, None)):
            yield prepare(*own)
            continue
        meanwhile = False
        done = waiting.popleft()
        waiting.extend(pool.submit(prepare, *part) for part in islice(parts, 1))
        yield done.result()


def _prepare(start: int, images: Sequence[LabelledImage], *, crop: Crop, preprocessor: "Preprocessor") -> PreparedBatch:
    """One batch; `start` is the index of its first image."""
    began = time.perf_counter()
    good, prepared, broken = list[int](), list[Any](), list[tuple[int, str]]()
    for index, image in enumerate(images, start):
        try:
            picture = open_picture(image, crop)
            try:
                prepared.append(preprocessor(picture))
            except Exception as error:  # a picture one pixel high, made as large as the model wants it
                raise ValueError(f"cannot be prepared for the model: {error}") from None
            good.append(index)
        except ValueError as error:
            broken.append((index, str(error)))
    return PreparedBatch(
        good=tuple(good), prepared=preprocessor.collate(prepared) if prepared else None, broken=tuple(broken),
        seconds=time.perf_counter() - began,
    )  # fmt: skip
