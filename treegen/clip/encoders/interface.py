"""The protocol of everything that embeds images and texts into one space."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor


class Encoder(Protocol):
    """A frozen model.

    Attributes:
        name: as the user wrote it.
        fingerprint: `sha256:...` over weights, preprocessing and precision; embeddings of equal fingerprints agree.
        logit_scale: the model's own factor on cosine similarities, already exponentiated.
        logit_bias: added to every logit; `None` for models that have none (a softmax does not see it).
        context_length: most tokens of a text, start and end included.
        device: `cuda`, `mps` or `cpu`.
        precision: `fp32`, `fp16` or `bf16`.
        preprocessing: what is done to a picture before the model sees it: size, mean, std and the like, as plain data.
    """

    name: str
    fingerprint: str
    logit_scale: float
    logit_bias: float | None
    context_length: int
    device: str
    precision: str
    preprocessing: dict[str, Any]

    def encode_images(self, images: Sequence["Image"]) -> "Tensor":
        """Embeds RGB pictures: (B, D) float32 on the CPU, each row of length 1."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> "Tensor":
        """Embeds texts: (N, D) float32 on the CPU, each row of length 1."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of the text, start and end included, before any cut."""
        ...
