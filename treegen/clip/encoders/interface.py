"""The protocol of everything that embeds images and texts into one space.

An image is embedded in two steps, so that the first can run in threads ahead of the model: the `Preprocessor`
makes of a picture what the model reads, and `encode_prepared` embeds batches of that. What lies between is the
encoder's own affair: pixels of one size for a model in this process, the bytes of a file for a service.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from treegen.errors import ModelError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

T = TypeVar("T")
#: One picture as the encoder reads it; only the encoder looks inside.
Prepared: TypeAlias = Any
#: Several of them, put together by `Preprocessor.collate`: an array, a tensor or a list, so `len` and slices work.
Batch: TypeAlias = Any


class UnfinishedError(ModelError):
    """A service failed in the middle of a batch. What had come by then was paid for: keep it.

    Attributes:
        vectors: (B, D) as `encode_prepared` gives them, with rows of NaN for what is missing.
    """

    def __init__(self, error: ModelError, vectors: "Tensor") -> None:
        super().__init__(error.message, error.tip)
        self.vectors = vectors


class EncoderChangedError(ModelError):
    """The encoder is not the one that the cache knew: what was read by its fingerprint is of no use; begin again."""


def again_if_changed(job: Callable[[], T]) -> T:
    """Return what a job makes, done once more after an `EncoderChangedError`: a note of the encoder tells of that."""
    try:
        return job()
    except EncoderChangedError:
        return job()


class Preprocessor(Protocol):
    """The part of an encoder that needs no model: threads share it, and it can be pickled for workers of Ray."""

    def __call__(self, image: "Image") -> Prepared:
        """Makes an RGB picture ready for the model."""
        ...

    def collate(self, items: Sequence[Prepared]) -> Batch:
        """Puts prepared pictures together, in their order."""
        ...


class Encoder(Protocol):
    """A frozen model.

    Attributes:
        name: as the user wrote it.
        fingerprint: `sha256:...` over weights, preprocessing and precision; embeddings of equal fingerprints agree.
        logit_scale: the model's own factor on cosine similarities, already exponentiated.
        scale_assumed: the logit scale is a guess: neither the model nor the user tells it.
        logit_bias: added to every logit; `None` for models that have none (a softmax does not see it).
        context_length: most tokens of a text, start and end included; `None` if the encoder does not tell.
        device: `cuda`, `mps` or `cpu`; `remote` for a service.
        precision: `fp32`, `fp16` or `bf16`.
        preprocessing: what is done to a picture before the model sees it: size, mean, std and the like, as plain data.
        preprocessor: does it.
    """

    name: str
    fingerprint: str
    logit_scale: float
    scale_assumed: bool
    logit_bias: float | None
    context_length: int | None
    device: str
    precision: str

    @property
    def preprocessing(self) -> dict[str, Any]:
        """See above."""
        ...

    @property
    def preprocessor(self) -> Preprocessor:
        """See above."""
        ...

    def stage(self, batch: Batch) -> Batch:
        """Begins to move a batch to where the model is, and returns at once; optional before `encode_prepared`.

        Call it for the next batch while the last one is encoded: from pinned memory the two overlap.
        """
        ...

    def encode_prepared(self, batch: Batch) -> "Tensor":
        """Embeds a batch that the preprocessor collated, staged or not.

        Returns:
            (B, D) float32 on the CPU, each row of length 1; a row of NaN for a picture of which the model makes no
            numbers: leave that picture out.

        Raises:
            ModelError: the model fails, or gives numbers for none of several pictures.
            UnfinishedError: it failed after some of them.
        """
        ...

    def encode_images(self, images: Sequence["Image"]) -> "Tensor":
        """Prepares and embeds RGB pictures, as `encode_prepared`."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> "Tensor":
        """Embeds texts: (N, D) float32 on the CPU, each row of length 1.

        Raises:
            ModelError: the model fails, or gives no numbers for a text.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of the text, start and end included, before any cut; 0 if the encoder does not tell."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the work so far, in sentences: a batch that was halved, what a service cost."""
        ...
