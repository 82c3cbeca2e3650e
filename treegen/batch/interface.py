"""The inputs and outcomes of embedding, and the protocol of the engines that do it."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from treegen.clip.compute.views import name_of
from treegen.clip.embedding.cache import image_key
from treegen.clip.embedding.embed import remembered_name
from treegen.config.settings import EncoderSettings
from treegen.images import Crop, LabelledImage

if TYPE_CHECKING:
    from pathlib import Path

    from treegen.clip.encoders.interface import Encoder

NO_LABEL: Final = -1  # of an image of unknown class


class KeySet:
    """A set of byte strings of one length: 32 bytes a key instead of 100."""

    def __init__(self, keys: Iterable[bytes] = (), width: int = 32) -> None:
        """Sort the keys, which are all `width` bytes long."""
        self._sorted = np.frombuffer(b"".join(keys), dtype=f"S{width}").copy()
        self._sorted.sort()

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, key: bytes) -> bool:
        key_array = np.frombuffer(key, dtype=self._sorted.dtype)  # as an array: scalars lose trailing zero bytes
        index = int(np.searchsorted(self._sorted, key_array)[0])
        return bool((self._sorted[index : index + 1] == key_array).any())


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A picture to embed.

    Attributes:
        image: the location of its bytes; its digest is empty, its label may be `NO_LABEL`.
        path: its name in results, relative to the given folder.
        size: size of the file in bytes.
        changed: mtime of the file, in ns.
    """

    image: LabelledImage
    path: str
    size: int
    changed: int

    @property
    def name(self) -> str:
        """The name by which the cache identifies the file."""
        return remembered_name(self.image)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome for a picture: a vector, a reason why there is none, or neither if its content needs no embedding.

    Attributes:
        source: the picture.
        digest: SHA-256 of its bytes in hex; empty if they could not be read.
        vector: (D,) float32 of length 1, or one row for each of several `views`.
        reason: why it could not be embedded.
        views: the numbers of the views that were to be embedded; 0 is the picture itself.
    """

    source: Source
    digest: str = ""
    vector: "np.ndarray | None" = None
    reason: str = ""
    views: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What all pictures have in common.

    Attributes:
        settings: the encoder's, with device and precision as resolved for where the model runs.
        fingerprint: of the encoder, both there and here.
        folder: what a `local-dir:` of the encoder may be relative to.
        crop: the crop of each picture, unless it has its own.
        batch: pictures that the model embeds at once.
        known: keys of contents that need no embedding.
        views: of each picture.
    """

    settings: EncoderSettings
    fingerprint: str
    folder: "Path"
    crop: Crop
    batch: int
    known: KeySet
    views: int = 1


def content_key(image: LabelledImage, digest: str, crop: Crop, view: int = 0) -> bytes:
    """Return the cache key of a view of an image's content, under its own crop or else the given one."""
    return image_key(digest, image.crop or crop, name_of(view))


class Engine(Protocol):
    """Embeds pictures somewhere. A context manager: it ends what it started."""

    def __enter__(self) -> "Engine":
        """Connect to the resources to work with.

        Raises:
            InputError: it is not installed, or there is no cluster at the address.
        """
        ...

    def __exit__(self, *raised: object) -> None:
        """End what was started."""
        ...

    def settle(self, settings: EncoderSettings) -> EncoderSettings:
        """Resolve the encoder settings that are `auto`, as far as the working machines determine them."""
        ...

    def embed(
        self, sources: Iterator[Source], work: Work, encoder: "Encoder"
    ) -> Generator[Sequence[Outcome], None, None]:
        """Embed pictures, in any order, with memory use in this process independent of their number.

        Args:
            sources: the pictures.
            work: what they have in common.
            encoder: this process's own.

        Raises:
            ModelError: the encoder fails, or all workers died.
        """
        ...
