"""Decode pictures and prepare them for the model, in threads that run ahead of it."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.embedding.prefetch import prefetch
from treegen.images import Crop, LabelledImage, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.encoders.interface import Batch, Prepared, Preprocessor

#: Why a picture has no vector although it could be prepared.
NO_NUMBERS: Final = "the encoder returned NaN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBatch:
    """Some images, decoded and prepared. Images are identified by their index in the stream.

    Attributes:
        good: those that could be prepared.
        prepared: the preprocessor's output for them, in that order; `None` if there are none.
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
    """Yield the images prepared, batch by batch in their order; two batches for each worker are kept ahead.

    Args:
        images: read when their turn comes.
        crop: for images without their own.
        preprocessor: converts a picture to the model's input.
        workers: threads that decode, see `prefetch`.
        batch: most images at a time.
    """
    prepare = partial(_prepare, images, crop, preprocessor, batch)
    yield from prefetch(range(0, len(images), batch), prepare, workers=workers)


def _prepare(
    images: Sequence[LabelledImage], crop: Crop, preprocessor: "Preprocessor", batch: int, start: int
) -> PreparedBatch:
    """Prepare one batch; `start` is the index of its first image."""
    good, prepared, broken = list[int](), list[Any](), list[tuple[int, str]]()
    for index, image in enumerate(images[start : start + batch], start):
        try:
            prepared.append(prepare_picture(partial(open_picture, image, crop), preprocessor))
            good.append(index)
        except ValueError as error:
            broken.append((index, str(error)))
    return PreparedBatch(
        good=tuple(good), prepared=preprocessor.collate(prepared) if prepared else None, broken=tuple(broken)
    )


def prepare_picture(decode: "Callable[[], Image]", preprocessor: "Preprocessor") -> "Prepared":
    """Decode a picture and prepare it for the model.

    Raises:
        ValueError: it cannot be decoded or prepared; the text says why.
    """
    picture = decode()
    try:
        return preprocessor(picture)
    except Exception as error:  # for example a picture one pixel high, scaled to the model's size
        raise ValueError(f"cannot be prepared for the model: {error}") from None
