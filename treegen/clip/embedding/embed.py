"""Embed image sets through the cache: pictures are decoded in parallel with the model, and none is embedded twice."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip.arrays import to_numpy
from treegen.clip.compute.views import name_of
from treegen.clip.embedding.cache import EmbeddingCache, image_key
from treegen.clip.embedding.prefetch import read_ahead
from treegen.clip.embedding.preprocess import NO_NUMBERS, PreparedBatch, prepare_stream
from treegen.clip.encoders.interface import UnfinishedError
from treegen.images import Crop, ImageSet, LabelledImage, Skipped, hash_image, list_images, shown
from treegen.progress import Progress, no_progress

if TYPE_CHECKING:
    from treegen.clip.embedding.cache import Places, Vectors
    from treegen.clip.encoders.interface import Encoder
    from treegen.config.domain import Domain

logger = logging.getLogger(__name__)
_BATCH: Final = {"cuda": 256}
_SMALL_BATCH: Final = 64  # elsewhere: larger ones are no faster on a CPU, and delay progress and cancelling


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedImages:
    """The embedded images of a set.

    Attributes:
        features: (U, D) float32, rows of length 1; one per content and crop. With several views (U, V, D).
        rows: for each image the row of its features; -1 if skipped.
        skipped: images that cannot be decoded or embedded, in the order of the set.
    """

    features: "Vectors"
    rows: tuple[int, ...]
    skipped: tuple[Skipped, ...]


def read_image_set(domain: "Domain", cache: EmbeddingCache, progress: Progress = no_progress) -> ImageSet:
    """List the images of a domain; a file with unchanged size and mtime is not hashed again.

    Raises:
        InputError: see `list_images`.
    """
    new: list[tuple[str, int, int, str]] = []
    try:
        return list_images(domain, partial(_remembered_hash, cache.known_files(), new, progress))
    finally:
        cache.remember_files(new)  # keep what was hashed, even if the rest was cancelled


def _remembered_hash(
    cached: dict[str, tuple[int, int, str]],
    new: list[tuple[str, int, int, str]],
    progress: Progress,
    image: LabelledImage,
) -> str:
    """Return the SHA-256 of the image's bytes, without reading a file whose size and mtime are unchanged."""
    status = image.path.stat()
    name = remembered_name(image)
    entry = cached.get(name)
    if entry and entry[:2] == (status.st_size, status.st_mtime_ns):
        return entry[2]
    digest = hash_image(image)
    new.append((name, status.st_size, status.st_mtime_ns, digest))
    if len(new) % _SMALL_BATCH == 0:
        progress("reading images", len(new), 0)
    return digest


def remembered_name(image: LabelledImage) -> str:
    """Return the name by which the cache identifies a file, or a picture in a tar."""
    return shown(image.path) + (f"//{shown(image.member)}@{image.offset}+{image.size}" if image.member else "")


def embed_images(
    images: Sequence[LabelledImage],
    encoder: "Encoder",
    cache: EmbeddingCache,
    crop: Crop,
    *,
    workers: int | None = None,
    views: int = 1,
    progress: Progress = no_progress,
) -> EmbeddedImages:
    """Embed what is not in the cache, each content once. Besides the features, memory holds a few batches of pictures.

    Args:
        images: with their digests.
        encoder: embeds them.
        cache: stores the embeddings, a batch at a time, so that an interrupted run can be continued.
        crop: for images without their own.
        workers: see `prepare_stream`.
        views: of each image; each is stored by itself, and the first is the image as it is.
        progress: called with the number of images done; may raise `Cancelled`.

    Raises:
        ModelError: the model fails.
    """
    places: dict[bytes, int] = {}
    rows = [places.setdefault(image_key(i.digest, i.crop or crop), len(places)) for i in images]
    image_of = dict(zip(reversed(rows), reversed(images), strict=True))
    keys = list(places) if views == 1 else _view_keys([image_of[row] for row in range(len(places))], crop, views)
    features = _Rows(len(keys))
    with closing(read_ahead(cache.chunks(encoder.fingerprint, keys))) as pieces:
        for indices, vectors in pieces:
            features.fill(indices, vectors)
    missing = [place for place in range(len(keys)) if not features.filled[place]]
    logger.info("%d of %d images are not in the cache", len(missing), len(keys))
    wanted: dict[int, list[int]] = {}
    for place in missing:
        wanted.setdefault(place // views, []).append(place % views)
    to_embed = _Missing(images=[image_of[row] for row in wanted], views=list(wanted.values()), places=missing)
    reasons = _embed(to_embed, keys, features, encoder, cache, crop, workers, progress)
    lost = {place // views: reason for place, reason in reversed(reasons.items())}
    skipped = [
        Skipped(path=image.path, reason=lost[row], member=image.member)
        for row, image in zip(rows, images, strict=True)
        if row in lost
    ]
    matrix = features.matrix()
    return EmbeddedImages(
        features=matrix if views == 1 else matrix.reshape(len(places), views, matrix.shape[1]),
        rows=tuple(-1 if row in lost else row for row in rows),
        skipped=tuple(skipped),
    )


def _view_keys(images: Sequence[LabelledImage], crop: Crop, views: int) -> list[bytes]:
    """Return the keys of all views of each image, in turn."""
    return [image_key(i.digest, i.crop or crop, name_of(number)) for i in images for number in range(views)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missing:
    """What is to be embedded: images, the views wanted of each, and for every view its place among the keys."""

    images: Sequence[LabelledImage]
    views: Sequence[Sequence[int]]
    places: Sequence[int]


class _Rows:
    """The features as they arrive: (U, D), with the width of the first."""

    def __init__(self, count: int) -> None:
        self.filled = bytearray(count)
        self._matrix: Vectors | None = None

    def fill(self, places: "Sequence[int] | Places", vectors: "Vectors") -> None:
        if self._matrix is None:
            self._matrix = np.zeros((len(self.filled), vectors.shape[1]), np.float32)
        self._matrix[places] = vectors
        for place in places:
            self.filled[place] = 1

    def matrix(self) -> "Vectors":
        return np.zeros((len(self.filled), 0), np.float32) if self._matrix is None else self._matrix


def _embed(
    missing: _Missing,
    keys: Sequence[bytes],
    rows: _Rows,
    encoder: "Encoder",
    cache: EmbeddingCache,
    crop: Crop,
    workers: int | None,
    progress: Progress,
) -> dict[int, str]:
    """Embed images into their rows; return the rows that stay empty, with the reason.

    While the model computes a batch, the next one moves to the device and the last one is written to the cache.
    """
    reasons: dict[int, str] = {}
    places = missing.places
    if not places:  # `encoder.preprocessor` would load the model
        return reasons
    size = _BATCH.get(encoder.device, _SMALL_BATCH)
    stream = prepare_stream(
        missing.images, crop, encoder.preprocessor, workers=workers, batch=size, views=missing.views
    )
    with closing(stream), ThreadPoolExecutor(1) as writer:
        pending: Future[None] | None = None
        done = 0
        for batch, staged in _staged(stream, encoder):
            reasons.update((places[index], reason) for index, reason in batch.broken)
            if staged is not None:
                failure: UnfinishedError | None = None
                try:
                    vectors = to_numpy(encoder.encode_prepared(staged))
                except UnfinishedError as error:
                    vectors, failure = to_numpy(error.vectors), error
                good = np.isfinite(vectors).all(1)
                reasons.update((places[i], NO_NUMBERS) for i, fine in zip(batch.good, good, strict=True) if not fine)
                into = [places[i] for i, fine in zip(batch.good, good, strict=True) if fine]
                if pending:  # one write at a time: raises what the last one raised, and bounds the memory
                    pending.result()
                if into:
                    pending = writer.submit(_keep, cache, encoder.fingerprint, keys, rows, into, vectors[good])
                if failure:  # only now: what the service returned before it failed is stored
                    raise failure
            done += len(batch.good) + len(batch.broken)
            progress("embedding images", done, len(places))
        if pending:
            pending.result()
    return reasons


def _staged(stream: Iterator[PreparedBatch], encoder: "Encoder") -> "Iterator[tuple[PreparedBatch, object]]":
    """Yield each batch once the next one has started to move to the device."""
    previous: tuple[PreparedBatch, object] | None = None
    for batch in stream:
        staged = None if batch.prepared is None else encoder.stage(batch.prepared)
        if previous is not None:
            yield previous
        previous = batch, staged
    if previous is not None:
        yield previous


def _keep(
    cache: EmbeddingCache, fingerprint: str, keys: Sequence[bytes], rows: _Rows, into: list[int], vectors: "Vectors"
) -> None:
    rows.fill(into, cache.put(fingerprint, [keys[place] for place in into], vectors))
