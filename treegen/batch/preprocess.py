"""The steps that all engines share: read and prepare pictures, which many threads can do, and embed them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from treegen.batch.interface import Outcome, Source, Work, content_key
from treegen.clip.arrays import to_numpy
from treegen.clip.embedding.preprocess import NO_NUMBERS, prepare_view
from treegen.images import open_image, read_bytes

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder, Preprocessor


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Pictures on their way to the model.

    Attributes:
        outcomes: one per picture, without vectors.
        ready: indices of those to embed.
        batch: the wanted views of these, collated by the preprocessor; `None` if there are none.
    """

    outcomes: tuple[Outcome, ...]
    ready: tuple[int, ...]
    batch: Any


def _prepare(source: Source, work: Work, preprocessor: "Preprocessor") -> tuple[Outcome, list[Any]]:
    """Read a picture once and prepare it for the model.

    Returns:
        Its outcome so far, and the preprocessor's output for each view: none if its content is known, or if it cannot
        be read, in which case the outcome says why.
    """
    try:
        data = read_bytes(source.image)
    except OSError as error:
        return Outcome(source=source, reason=f"cannot be read: {error.strerror or error}"), []
    digest = hashlib.sha256(data).hexdigest()
    crop = work.crop
    views = [v for v in range(work.views) if content_key(source.image, digest, crop, v) not in work.known]
    decode = cache(partial(open_image, BytesIO(data), source.image.crop or crop))
    try:
        items = [prepare_view(decode, digest, view, preprocessor) for view in views]
    except ValueError as error:
        return Outcome(source=source, digest=digest, reason=str(error)), []
    return Outcome(source=source, digest=digest, views=tuple(views)), items


def prepare_batch(sources: Sequence[Source], work: Work, preprocessor: "Preprocessor") -> Prepared:
    """Read pictures, each once, and collate one batch of those to embed."""
    prepared = [_prepare(source, work, preprocessor) for source in sources]
    ready = tuple(number for number, (_, items) in enumerate(prepared) if items)
    batch = preprocessor.collate([item for _, items in prepared for item in items]) if ready else None
    return Prepared(outcomes=tuple(outcome for outcome, _ in prepared), ready=ready, batch=batch)


def encode(encoder: "Encoder", prepared: Prepared) -> tuple[Outcome, ...]:
    """Embed the prepared pictures; return the outcomes in order.

    Raises:
        ModelError: the encoder fails.
    """
    if not prepared.ready:
        return prepared.outcomes
    outcomes, rows = list(prepared.outcomes), iter(to_numpy(encoder.encode_prepared(prepared.batch)))
    for number in prepared.ready:
        own = [next(rows) for _ in outcomes[number].views]
        vector = own[0] if len(own) == 1 else np.stack(own)
        good = bool(np.isfinite(vector).all())
        outcomes[number] = replace(outcomes[number], vector=vector if good else None, reason="" if good else NO_NUMBERS)
    return tuple(outcomes)
