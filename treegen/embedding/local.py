"""The engine of one process: threads prepare pictures one batch ahead of the model."""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from treegen.embedding.interface import Outcome, Source, Work
from treegen.embedding.preparing import encode, gather, prepare
from treegen.settings import EncoderSettings

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder


class LocalEngine:
    """Embeds in this process, with threads that decode: they wait for each other where pictures are small."""

    def __init__(self, workers: int | None = None) -> None:
        """`workers` threads prepare pictures; 4 if not given."""
        self._workers = workers or 4

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
        pool = ThreadPoolExecutor(self._workers)

        def begin() -> list[Future[tuple[Outcome, Any]]]:
            return [pool.submit(prepare, s, work, encoder.preprocessor) for s in islice(sources, work.batch)]

        try:
            ahead = begin()
            while ahead:
                batch, ahead = ahead, begin()
                yield encode(encoder, gather([future.result() for future in batch], encoder.preprocessor))
        finally:
            pool.shutdown(cancel_futures=True)  # nobody waits for what was prepared ahead
