"""The engine of one machine: threads prepare pictures a few batches ahead of the model."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from treegen.batch.interface import Outcome, Source, Work
from treegen.batch.preprocess import encode, prepare_batch
from treegen.clip.embedding.prefetch import prefetch
from treegen.config.settings import EncoderSettings

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder


class LocalEngine:
    """Embeds in this process."""

    def __init__(self, workers: int | None = None) -> None:
        """`workers` threads prepare pictures; see `prefetch`."""
        self._workers = workers

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *raised: object) -> None:
        """Do nothing: nothing was started."""

    def settle(self, settings: EncoderSettings) -> EncoderSettings:
        """See `Engine.settle`: the encoder itself decides."""
        return settings

    def embed(
        self, sources: Iterator[Source], work: Work, encoder: "Encoder"
    ) -> Generator[Sequence[Outcome], None, None]:
        """See `Engine.embed`."""
        batches = iter(lambda: tuple(islice(sources, work.batch)), ())
        prepare = partial(prepare_batch, work=work, preprocessor=encoder.preprocessor)
        with closing(prefetch(batches, prepare, workers=self._workers)) as stream:
            for prepared in stream:
                yield encode(encoder, prepared)
