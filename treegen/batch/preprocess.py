"""The steps that all engines share: read and prepare pictures, which many threads can do, and embed them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from treegen.batch.interface import Outcome, Source, Work, content_key
from treegen.clip.arrays import to_numpy
from treegen.clip.embedding.preprocess import NO_NUMBERS, prepare_picture
from treegen.images import open_image, read_bytes

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder, Preprocessor


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Pictures on their way to the model.

    Attributes:
        outcomes: one per picture, without vectors.
        ready: indices of those to embed.
        batch: these, collated by the preprocessor; `None` if there are none.
    """

    outcomes: tuple[Outcome, ...]
    ready: tuple[int, ...]
    batch: Any


def _prepare(source: Source, work: Work, preprocessor: "Preprocessor") -> tuple[Outcome, Any]:
    """Read a picture once and prepare it for the model.

    Returns:
        Its outcome so far, and the preprocessor's output: `None` if its content is known, or if it cannot be read, in
        which case the outcome says why.
    """
    try:
        data = read_bytes(source.image)
    except OSError as error:
        return Outcome(source=source, reason=f"cannot be read: {error.strerror or error}"), None
    digest = hashlib.sha256(data).hexdigest()
    if content_key(source.image, digest, work.crop) in work.known:
        return Outcome(source=source, digest=digest), None
    try:
        item = prepare_picture(partial(open_image, BytesIO(data), source.image.crop or work.crop), preprocessor)
    except ValueError as error:
        return Outcome(source=source, digest=digest, reason=str(error)), None
    return Outcome(source=source, digest=digest), item


def prepare_batch(sources: Sequence[Source], work: Work, preprocessor: "Preprocessor") -> Prepared:
    """Read pictures, each once, and collate one batch of those to embed."""
    prepared = [_prepare(source, work, preprocessor) for source in sources]
    ready = tuple(number for number, (_, item) in enumerate(prepared) if item is not None)
    batch = preprocessor.collate([prepared[number][1] for number in ready]) if ready else None
    return Prepared(outcomes=tuple(outcome for outcome, _ in prepared), ready=ready, batch=batch)


def encode(encoder: "Encoder", prepared: Prepared) -> tuple[Outcome, ...]:
    """Embed the prepared pictures; return the outcomes in order.

    Raises:
        ModelError: the encoder fails.
    """
    if not prepared.ready:
        return prepared.outcomes
    outcomes = list(prepared.outcomes)
    for number, row in zip(prepared.ready, to_numpy(encoder.encode_prepared(prepared.batch)), strict=True):
        good = bool(np.isfinite(row).all())
        outcomes[number] = replace(outcomes[number], vector=row if good else None, reason="" if good else NO_NUMBERS)
    return tuple(outcomes)
