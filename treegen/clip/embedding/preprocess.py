"""Decode pictures and prepare them for the model, in threads that run ahead of it."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.compute.views import view_of
from treegen.clip.embedding.prefetch import prefetch
from treegen.clip.encoders.interface import side_of
from treegen.images import Crop, LabelledImage, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.encoders.interface import Batch, Prepared, Preprocessor

#: Why a picture has no vector although it could be prepared.
NO_NUMBERS: Final = "the encoder returned NaN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBatch:
    """Some pictures, decoded and prepared. They are identified by their index in the stream.

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
    views: Sequence[Sequence[int]] | None = None,
) -> Generator[PreparedBatch, None, None]:
    """Yield the images prepared, batch by batch in their order; two batches for each worker are kept ahead.

    Each image is decoded once, also if several views of it are wanted; these follow each other in the stream.

    Args:
        images: read when their turn comes.
        crop: for images without their own.
        preprocessor: converts a picture to the model's input.
        workers: threads that decode, see `prefetch`.
        batch: most pictures at a time, but all views of an image.
        views: the numbers of the views wanted of each image; the image itself if not given.
    """
    wanted = views or [(0,)] * len(images)
    prepare = partial(_prepare, images, wanted, crop, preprocessor)
    yield from prefetch(_batches(wanted, batch), prepare, workers=workers)


def _batches(views: Sequence[Sequence[int]], most: int) -> Iterator[tuple[int, int, int]]:
    """Yield for each batch the index of its first image, that of the first of the next, and that of its first view."""
    start, place, count = 0, 0, 0
    for number, each in enumerate(views):
        if count and count + len(each) > most:
            yield start, number, place
            start, place, count = number, place + count, 0
        count += len(each)
    if count:
        yield start, len(views), place


def _prepare(
    images: Sequence[LabelledImage],
    views: Sequence[Sequence[int]],
    crop: Crop,
    preprocessor: "Preprocessor",
    extent: tuple[int, int, int],
) -> PreparedBatch:
    """Prepare one batch; `extent` is one of `_batches`."""
    good, prepared, broken = list[int](), list[Any](), list[tuple[int, str]]()
    start, end, index = extent
    for image, numbers in zip(images[start:end], views[start:end], strict=True):
        decode = cache(partial(open_picture, image, crop))
        for number in numbers:
            try:
                prepared.append(prepare_view(decode, image.digest, number, preprocessor))
                good.append(index)
            except ValueError as error:
                broken.append((index, str(error)))
            index += 1
    return PreparedBatch(
        good=tuple(good), prepared=preprocessor.collate(prepared) if prepared else None, broken=tuple(broken)
    )


def prepare_view(decode: "Callable[[], Image]", digest: str, number: int, preprocessor: "Preprocessor") -> "Prepared":
    """Decode a picture and prepare a view of it for the model, by the digest of its content; 0 is the picture itself.

    Raises:
        ValueError: it cannot be decoded or prepared; the text says why.
    """
    picture = decode()
    try:
        return preprocessor(view_of(digest, number).of(picture, side_of(preprocessor)) if number else picture)
    except Exception as error:  # for example a picture one pixel high, scaled to the model's size
        raise ValueError(f"cannot be prepared for the model: {error}") from None
