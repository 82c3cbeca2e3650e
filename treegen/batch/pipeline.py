"""Embed pictures with an engine, and hand each batch of results to the writer."""

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import IO, Final

from treegen.batch.interface import Engine, KeySet, Source, Work
from treegen.batch.parquet import ROWS
from treegen.batch.plan import Plan
from treegen.batch.writer import ResultWriter, Summary
from treegen.config.settings import EncoderSettings
from treegen.errors import InputError
from treegen.progress import Progress, no_progress

_BATCH: Final = 64
_GPU_BATCH: Final = 256


def open_engine(name: str, plan: Plan, workers: int | None = None) -> Engine:
    """Open the engine `local` or `ray`; without `workers` the local one uses the domain's setting.

    Raises:
        InputError: no workers with ray.
    """
    from treegen.batch.local_engine import LocalEngine
    from treegen.batch.ray_engine import ClusterEngine

    if name == "ray" and workers == 0:
        raise InputError("--workers 0: ray needs at least one", "omit it for one on each GPU, or else each core")
    images = plan.domain.images if plan.domain else None
    threads = images.workers if images and workers is None else workers
    return ClusterEngine(workers) if name == "ray" else LocalEngine(threads)


def embed_images(
    plan: Plan,
    engine: Engine,
    settings: EncoderSettings,
    *,
    batch: int | None = None,
    rows: int = ROWS,
    progress: Progress = no_progress,
) -> Summary:
    """Embed what is not yet in the cache or the output, storing each batch: a kill loses only the last ones.

    Args:
        plan: what to do.
        engine: does the embedding.
        settings: the encoder's.
        batch: pictures that the model embeds at once; 256 on a GPU and 64 elsewhere, if not given.
        rows: most rows of a Parquet file.
        progress: called with the progress.

    Raises:
        InputError: no picture could be embedded, or the output has rows of another encoder or tree.
        ProblemsError: a prompt is too long for the encoder.
        ModelError: the encoder cannot be loaded, or fails.
    """
    from treegen.clip.encoders import open_encoder
    from treegen.clip.encoders.consent import vetted

    folder = plan.domain.folder if plan.domain else Path.cwd()
    settings = vetted(settings, folder)
    with engine:
        settled = engine.settle(settings)
        progress("loading the encoder", 0, 1)
        encoder = open_encoder(replace(settings, precision=settled.precision), folder)
        progress("loading the encoder", 1, 1)
        fingerprint = encoder.fingerprint
        with closing(ResultWriter(plan, settings, encoder, rows)) as writer, tempfile.TemporaryFile() as spool:
            waiting = writer.spool_pending(plan.listing.sources(), spool, progress)
            known = KeySet(writer.cache.keys(encoder.fingerprint) if writer.cache and waiting else ())
            size = batch or (_GPU_BATCH if "cuda" in (settled.device, encoder.device) else _BATCH)
            views = writer.views
            work = Work(
                settings=settled,
                fingerprint=fingerprint,
                folder=folder,
                crop=plan.listing.crop,
                batch=max(1, size // views),
                known=known,
                views=views,
            )
            done = 0
            with closing(engine.embed(_unspooled(spool), work, encoder)) as results:
                for outcomes in results if waiting else ():
                    writer.write(outcomes)
                    done += len(outcomes)
                    progress("embedding images", done, waiting)
            return writer.finish()


def _unspooled(spool: IO[bytes]) -> Iterator[Source]:
    """Yield the pictures spooled to disk: a list of millions would exhaust the memory."""
    spool.seek(0)
    while True:
        try:
            yield from pickle.load(spool)
        except EOFError:
            return
