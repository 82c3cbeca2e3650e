"""Decodes and prepares pictures beside the model, in threads or processes, a few batches ahead of it."""

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

from treegen.errors import ModelError
from treegen.images import Crop, LabelledImage, open_picture

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Batch, Preprocessor

_START: Final = 8.0  # seconds that a process takes to import what it needs, all processes starting at once
_MOST_WORKERS: Final = 32


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
    """Prepares images in their order; two batches for each worker are kept ahead.

    Args:
        images: read when their turn comes.
        crop: of images that have none of their own.
        preprocessor: makes of a picture what the model reads.
        workers: processes. 0 decodes in threads of this process, which cost nothing to start and wait for each other
            where Python itself works. `None` begins with threads, and starts as many processes as there are cores if
            the first batch shows that the rest takes long enough to pay for starting them.
        batch: most images at a time.

    Raises:
        ModelError: a process was killed.
    """
    cores = min(available_cores(), _MOST_WORKERS)
    parts = ((start, images[start : start + batch]) for start in range(0, len(images), batch))
    if workers is None:
        with ThreadPoolExecutor(min(cores, 4)) as pool:
            for trial in _run(pool, islice(parts, 1), crop, preprocessor, 1):
                left = trial.seconds / batch * max(0, len(images) - batch)
                workers = cores if cores > 2 and left / cores > _START else 0
                yield trial
    if workers:
        context = get_context("spawn")  # a fork copies locks that the model's threads may hold
        chosen: Executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)
    else:
        chosen = ThreadPoolExecutor(cores)
    try:
        yield from _run(chosen, parts, crop, preprocessor, 2 * (workers or cores))
    except BrokenProcessPool:
        told = "a process that decodes images was killed: memory, or the shared memory in /dev/shm, may have run out"
        raise ModelError(
            told, "run it again, it goes on where it was; workers = 0 below [images] needs no processes"
        ) from None
    finally:
        chosen.shutdown(cancel_futures=True)  # nobody waits for what was decoded ahead


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin_worker() -> None:
    """One core for each; an interrupt is the parent's affair. torch is loaded only if the preprocessor needs it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _run(
    pool: Executor,
    parts: Iterator[tuple[int, Sequence[LabelledImage]]],
    crop: Crop,
    preprocessor: "Preprocessor",
    ahead: int,
) -> Iterator[PreparedBatch]:
    waiting: deque[Future[PreparedBatch]] = deque()
    for start, part in parts:
        waiting.append(pool.submit(_prepare, start, part, crop, preprocessor))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _prepare(start: int, images: Sequence[LabelledImage], crop: Crop, preprocessor: "Preprocessor") -> PreparedBatch:
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
