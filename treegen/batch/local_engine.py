"""The engine of one machine: processes, or threads, prepare pictures a few batches ahead of the model."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from treegen.batch.interface import Outcome, Source, Work
from treegen.batch.preprocess import encode, prepare_batch
from treegen.clip.embedding.prefetch import beside
from treegen.config.settings import EncoderSettings

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder


class LocalEngine:
    """Embeds in this process."""

    def __init__(self, workers: int | None = None) -> None:
        """`workers` processes prepare pictures, 0: threads; see `beside`."""
        self._workers = workers

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *raised: object) -> None:
        """Nothing was started."""

    def settle(self, settings: EncoderSettings) -> EncoderSettings:
        """See `Engine.settle`: the encoder itself decides."""
        return settings

    def embed(
        self, sources: Iterator[Source], work: Work, encoder: "Encoder"
    ) -> Generator[Sequence[Outcome], None, None]:
        """See `Engine.embed`."""
        batches = iter(lambda: (tuple(islice(sources, work.batch)),), ((),))
        with TemporaryDirectory(prefix="treegen-") as folder:
            shared = replace(work, known=work.known.in_file(Path(folder) / "known.npy"))
            prepare = partial(prepare_batch, work=shared, preprocessor=encoder.preprocessor)
            stream = beside(batches, prepare, workers=self._workers, start=encoder.preprocessor.start)
            with closing(stream):
                for prepared in stream:
                    yield encode(encoder, prepared)
