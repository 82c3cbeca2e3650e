"""Decodes and prepares pictures beside the model, in threads or processes, a few batches ahead of it."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from treegen.clip.embedding.prefetch import beside
from treegen.images import Crop, LabelledImage, open_picture

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Batch, Preprocessor


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBatch:
    """Some images, decoded and prepared. Images are named by their index in the stream.

    Attributes:
        good: those that could be prepared.
        prepared: what the encoder's preprocessor made of them, in that order; `None` if there are none.
        broken: the others, each with its reason.
    """

    good: tuple[int, ...]
    prepared: "Batch | None"
    broken: tuple[tuple[int, str], ...]


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
            where Python itself works. `None` takes as many processes as there are cores if the rest takes longer than
            starting them; until they are there this process prepares batches itself.
        batch: most images at a time.

    Raises:
        ModelError: a process was killed.
    """
    parts = ((start, images[start : start + batch]) for start in range(0, len(images), batch))
    prepare = partial(_prepare, crop=crop, preprocessor=preprocessor)
    yield from beside(parts, prepare, workers=workers, start=preprocessor.start, count=-(-len(images) // batch))


def _prepare(start: int, images: Sequence[LabelledImage], *, crop: Crop, preprocessor: "Preprocessor") -> PreparedBatch:
    """One batch; `start` is the index of its first image."""
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
        good=tuple(good), prepared=preprocessor.collate(prepared) if prepared else None, broken=tuple(broken)
    )
