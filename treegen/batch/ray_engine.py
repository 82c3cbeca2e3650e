"""The engine of many processes: Ray Data, on this machine or on a cluster (RAY_ADDRESS).

Actors, one per GPU or per core, hold the encoder. For GPU actors, tasks read and prepare the pictures wherever there
are cores; an actor on a core does that itself, as a second process would only take the core from it. Results stream
back. A batch is one row, and every row is a block of its own, so that a batch is delivered as soon as it is done,
whatever its size in bytes, and a kill loses only batches in flight.
"""

import logging
import os
import pickle
import socket
import sys
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen.batch.interface import Outcome, Source, Work
from treegen.batch.preprocess import Prepared, encode, prepare_batch
from treegen.config.settings import EncoderSettings
from treegen.errors import InputError, ModelError, TreegenError
from treegen.extras import require
from treegen.text import counted, first_line

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder, Preprocessor

_ADDRESS: Final = "RAY_ADDRESS"
_TRIES: Final = 3  # restarts of a dead actor, and tries of the batch that killed it; Ray's default is unlimited
_PATIENCE: Final = 10.0  # seconds for the cluster to answer
_PORTION: Final = 4  # batches per task or actor call
#: turn off Ray's telemetry, progress bars and logging, unless the user sets these
_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class ClusterEngine:
    """Embeds with Ray Data. A Ray already running in this process is used, and left running."""

    def __init__(self, workers: int | None = None, *, apart: bool | None = None) -> None:
        """Configure the engine; nothing is started yet.

        Args:
            workers: number of embedding actors; by default one per GPU, or per core if there is none.
            apart: read the pictures in separate tasks; by default only for actors on GPUs.
        """
        self._workers, self._apart = workers, apart
        self._started = False

    def __enter__(self) -> "ClusterEngine":
        """See `Engine.__enter__`: connects to the cluster at RAY_ADDRESS, or starts Ray on this machine."""
        ray = _import_ray()
        if not ray.is_initialized():
            address = os.environ.get(_ADDRESS)
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
            if not address or address == "local":
                cores = max(os.cpu_count() or 1, self._workers or 1)
                quiet |= {"address": "local", "num_cpus": cores, "include_dashboard": False}
            # as of a client's job: Ray would have the workers import what the current folder holds, a stranger's numpy
            job = ray.job_config.JobConfig(_client_job=True)
            try:
                _check_address(address or "")
                with _silenced_stderr():
                    ray.init(job_config=job, **quiet)
            except (ConnectionError, ValueError, RuntimeError, OSError, TimeoutError) as error:
                tip = f"is there a cluster at {_ADDRESS}={address}? Without {_ADDRESS}, Ray is started on this machine"
                message = f"Ray cannot be reached: {type(error).__name__}: {first_line(error)}"
                raise InputError(message, tip if address else "") from None
            self._started = True
        return self

    def __exit__(self, *raised: object) -> None:
        """Shut down Ray on this machine, or close the connection."""
        if self._started:
            with _silenced_stderr():
                _import_ray().shutdown()
            self._started = False

    def settle(self, settings: EncoderSettings) -> EncoderSettings:
        """See `Engine.settle`: where the cluster has GPUs, the encoder runs there."""
        if settings.device == "auto" and self._available("GPU"):
            settings = replace(settings, device="cuda")
        if settings.device == "cuda" and settings.precision == "auto":
            settings = replace(settings, precision="fp16")
        return settings

    def _available(self, kind: str) -> int:
        return int(_import_ray().cluster_resources().get(kind, 0))

    def embed(
        self, sources: Iterator[Source], work: Work, encoder: "Encoder"
    ) -> Generator[Sequence[Outcome], None, None]:
        """See `Engine.embed`."""
        ray = _import_ray()
        kind = "GPU" if work.settings.device == "cuda" else "CPU"
        workers = self._workers or max(1, self._available(kind))
        if workers > self._available(kind):
            need = f"{counted(workers, 'worker needs', 'workers need')} {counted(workers, kind)}"
            message = f"{need}; Ray has {self._available(kind)}"
            raise InputError(message, f"use fewer --workers, or add machines to the cluster at {_ADDRESS}")
        refs = [ray.put(table) for table in _tables(sources, work.batch)]
        if not refs:
            return
        apart = kind == "GPU" if self._apart is None else self._apart
        results = _pipeline(refs, work, encoder, workers, apart=apart)
        batches = iter(results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
        try:
            for table in batches:
                for row in table.column("row"):
                    yield _outcomes(row.as_buffer())
        except TreegenError:
            raise
        except ray.exceptions.RayError as error:
            tip = "if memory ran out, use fewer --workers or a smaller --batch; finished embeddings are stored"
            raise ModelError(f"Ray failed: {type(error).__name__}: {first_line(error)}", tip) from error
        finally:
            with _silenced_stderr():
                batches.close()


def _check_address(address: str) -> None:
    """Fail fast if nothing answers at the address: Ray would wait minutes.

    Raises:
        OSError: nothing answers at the address.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE):
            pass


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Silence file descriptor 2: Ray's core writes to it directly, at the start and the end."""
    sys.stderr.flush()
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)


def _import_ray() -> Any:
    """Import Ray with its data library.

    Raises:
        MissingExtraError: it is not installed.
    """
    require("ray")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray
    import ray.data

    return ray


def _tables(sources: Iterator[Source], batch: int) -> Iterator[Any]:
    """Yield the pictures as tables, the first ones smaller, so that few pictures are shared by all workers too."""
    import pyarrow as pa

    portion = 1
    while part := [pickle.dumps(source) for source in islice(sources, portion * batch)]:
        yield pa.table({"row": pa.array(part, pa.large_binary())})
        portion = min(2 * portion, _PORTION)


def _pipeline(refs: list[Any], work: Work, encoder: "Encoder", workers: int, *, apart: bool) -> Any:
    """Return the dataset whose rows are pickled batches of outcomes, or a failure; nothing runs yet."""
    import ray
    from ray.data import ActorPoolStrategy, TaskPoolStrategy

    pictures: Any = ray.data.from_arrow_refs(refs)
    pictures.context.target_max_block_size = 1  # bytes: makes each batch a block
    pictures.context.enable_progress_bars = False
    shared = ray.put((work, encoder.preprocessor))
    on_gpu = work.settings.device == "cuda"
    if apart:
        # next to actors that take all cores, tasks that request one would never start
        cores: dict[str, Any] = {"num_cpus": 1} if on_gpu else {"num_cpus": 0, "compute": TaskPoolStrategy(workers)}
        pictures = pictures.map_batches(
            partial(_prepare_table, shared=shared), batch_size=work.batch, batch_format="pyarrow", **cores
        )
    with warnings.catch_warnings():  # Ray deprecates these two, but has no replacement yet
        warnings.filterwarnings("ignore", message=".*ray_remote_args", category=DeprecationWarning)
        return pictures.map_batches(
            _Worker,
            batch_size=None if apart else work.batch,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=workers),
            fn_constructor_args=(None if apart else shared, work.settings, str(work.folder), work.fingerprint),
            num_cpus=0 if on_gpu else 1,
            num_gpus=1 if on_gpu else 0,
            max_restarts=_TRIES,
            max_task_retries=_TRIES,
        )


def _prepare_table(table: Any, shared: Any) -> Any:
    """Prepare a batch of pictures as one row."""
    import ray

    return _one_row(_prepared(table, *ray.get(shared)))


def _prepared(table: Any, work: Work, preprocessor: "Preprocessor") -> Prepared:
    sources: list[Source] = [pickle.loads(row.as_buffer()) for row in table.column("row")]
    return prepare_batch(sources, work, preprocessor)


class _Worker:
    """An actor that holds the encoder and embeds one batch after the other."""

    def __init__(self, shared: Any, settings: EncoderSettings, folder: str, fingerprint: str) -> None:
        """Load the encoder. A failure is reported with the first batch, else Ray would restart the actor endlessly.

        Args:
            shared: work and preprocessor, if the actor reads pictures itself.
            settings: the encoder's.
            folder: what a path in the encoder's name is relative to.
            fingerprint: the expected fingerprint of the encoder.
        """
        import ray

        from treegen.clip.encoders import open_encoder

        self._failure = ("", "")
        self._shared = ray.get(shared) if shared is not None else None
        try:
            self._encoder = open_encoder(settings, Path(folder))
        except TreegenError as error:
            self._failure = (f"a worker: {error.message}", error.tip)
            return
        if self._encoder.fingerprint != fingerprint:
            self._failure = (
                f"{settings.name} is a different model on a worker than on this machine",
                "the weights, or the versions of treegen, torch and open_clip, differ between the machines",
            )

    def __call__(self, table: Any) -> Any:
        """Embed a batch, prepared or not, and return its outcomes."""
        if any(self._failure):
            return _one_row(self._failure)
        try:
            if self._shared:
                return _one_row(encode(self._encoder, _prepared(table, *self._shared)))
            return _one_row(encode(self._encoder, pickle.loads(table.column("row")[0].as_buffer())))
        except TreegenError as error:
            return _one_row((error.message, error.tip))


def _one_row(value: Any) -> Any:
    import pyarrow as pa

    return pa.table({"row": pa.array([pickle.dumps(value, protocol=5)], pa.large_binary())})


def _outcomes(row: bytes) -> tuple[Outcome, ...]:
    """Unpickle the outcomes of a batch.

    Raises:
        ModelError: the worker failed.
    """
    value: tuple[Any, ...] = pickle.loads(row)
    if value and isinstance(value[0], str):
        raise ModelError(*value)
    return value
