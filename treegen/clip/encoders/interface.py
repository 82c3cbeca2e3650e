"""The protocol of everything that embeds images and texts into one space.

An image is embedded in two steps, so that the first can run in threads ahead of the model: the `Preprocessor`
converts a picture to the model's input, and `encode_prepared` embeds batches of that. The format in between is up to
the encoder: pixels of one size for a model in this process, the bytes of a file for a service.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from treegen.errors import ModelError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from torch.nn import Module

T = TypeVar("T")
#: One picture as the encoder reads it; opaque to others.
Prepared: TypeAlias = Any
#: Several of them, from `Preprocessor.collate`: an array, a tensor or a list, so `len` and slices work.
Batch: TypeAlias = Any


class UnfinishedError(ModelError):
    """A service failed in the middle of a batch. What had arrived by then was paid for: keep it.

    Attributes:
        vectors: (B, D) as returned by `encode_prepared`, with rows of NaN for what is missing.
    """

    def __init__(self, error: ModelError, vectors: "Tensor") -> None:
        super().__init__(error.message, error.tip)
        self.vectors = vectors


class EncoderChangedError(ModelError):
    """The encoder differs from its cached identity: discard what was read by the old fingerprint, and begin again."""


def again_if_changed(job: Callable[[], T]) -> T:
    """Return the result of a job, repeated once after an `EncoderChangedError`; the encoder's notes report that."""
    try:
        return job()
    except EncoderChangedError:
        return job()


class Preprocessor(Protocol):
    """The part of an encoder that needs no model: threads share it, and it can be pickled for workers of Ray.

    One that scales pictures to a size may also have `side`, see `side_of`.
    """

    def __call__(self, image: "Image") -> Prepared:
        """Prepare an RGB picture for the model."""
        ...

    def collate(self, items: Sequence[Prepared]) -> Batch:
        """Combine prepared pictures into a batch, in order."""
        ...


def side_of(preprocessor: Preprocessor) -> int | None:
    """Return the pixels of the shorter side that it scales larger pictures to; `None` if it does not say."""
    side: int | None = getattr(preprocessor, "side", None)
    return side


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTower:
    """The image side of a model in this process, for who differentiates through it.

    Attributes:
        module: pixels (B, 3, H, W) as it takes them -> features (B, D) of any length. Its weights must not change.
        pixels: a collated batch -> pixels on the model's device.
    """

    module: "Module"
    pixels: "Callable[[Batch], Tensor]"


def image_tower_of(encoder: "Encoder") -> ImageTower | None:
    """Return the image side of an encoder's model; `None` if it cannot be reached, as that of a service."""
    find: Callable[[], ImageTower | None] | None = getattr(encoder, "image_tower", None)
    return find() if find else None


def uses_peft(encoder: "Encoder") -> bool:
    """Check whether peft trains the image side of an encoder: its attention is made of layers that peft can replace."""
    uses: bool = getattr(encoder, "uses_peft", False)
    return uses


class Encoder(Protocol):
    """A frozen model. One in this process may also have `image_tower`, see `image_tower_of`, and `uses_peft`.

    Attributes:
        name: as the user wrote it.
        fingerprint: `sha256:...` over weights, preprocessing and precision; equal fingerprints mean equal embeddings.
        logit_scale: the model's own factor on cosine similarities, already exponentiated.
        scale_assumed: the logit scale is a guess: neither the model nor the user provides it.
        logit_bias: added to every logit; `None` for models without one (it does not affect a softmax).
        context_length: most tokens of a text, including start and end; `None` if unknown.
        device: `cuda`, `mps` or `cpu`; `remote` for a service.
        precision: `fp32`, `fp16` or `bf16`.
        preprocessing: image preprocessing: size, mean, std and the like, as plain data.
        preprocessor: performs it.
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
        """Start moving a batch to the model's device, and return at once; optional before `encode_prepared`.

        Call it for the next batch while the last one is being encoded: with pinned memory the two overlap.
        """
        ...

    def encode_prepared(self, batch: Batch) -> "Tensor":
        """Embed a batch that the preprocessor collated, staged or not.

        Returns:
            (B, D) float32 on the CPU, each row of length 1; a row of NaN for a picture that the model cannot embed:
            leave that picture out.

        Raises:
            ModelError: the model fails, or returns NaN for all of several pictures.
            UnfinishedError: it failed after some of them.
        """
        ...

    def encode_images(self, images: Sequence["Image"]) -> "Tensor":
        """Prepare and embed RGB pictures, as `encode_prepared`."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> "Tensor":
        """Embed texts: (N, D) float32 on the CPU, each row of length 1.

        Raises:
            ModelError: the model fails, or returns NaN for a text.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Count the tokens of the text, including start and end, before truncation; 0 if unknown."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the work so far, in sentences: a batch that was halved, a service's cost."""
        ...
