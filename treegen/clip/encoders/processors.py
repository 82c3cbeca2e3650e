"""What models of transformers do to pictures, in a form that many threads, or workers of Ray, can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treegen.clip.encoders.pixels import normalised

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorPreprocessor:
    """A processor of transformers: one picture -> its tensors by name.

    Attributes:
        processor: can be pickled, it holds no model.
        bytes_only: leave scaling and normalising to the device, and give bytes; see `can_give_bytes`.
        side: see `side_of`.
    """

    processor: Any
    bytes_only: bool
    side: int | None = None

    def __call__(self, image: "Image") -> "dict[str, Tensor]":
        """Return the tensors of one picture, without the batch dimension."""
        return {name: tensor[0] for name, tensor in _processed(self.processor, [image], self.bytes_only).items()}

    def collate(self, items: "Sequence[dict[str, Tensor]]") -> "Tensor | list[dict[str, Tensor]]":
        """Return (B, 3, H, W) if there are only pixels, else the list."""
        import torch

        if all(set(item) == {"pixel_values"} for item in items):
            return torch.stack([item["pixel_values"] for item in items])
        return list(items)


@dataclass(frozen=True, slots=True)
class AsTheyAre:
    """Passes pictures on, for models that prepare them themselves."""

    def __call__(self, image: "Image") -> "Image":
        """Return the picture."""
        return image

    def collate(self, items: "Sequence[Image]") -> "list[Image]":
        """Return the pictures."""
        return list(items)


def _processed(processor: Any, images: "Sequence[Image]", bytes_only: bool) -> "dict[str, Tensor]":
    options = {"do_rescale": False, "do_normalize": False} if bytes_only else {}
    return dict(processor(images=list(images), return_tensors="pt", **options))


def scaled_side(processor: Any) -> int | None:
    """Return the pixels of the shorter side that a processor scales pictures to, see `side_of`."""
    size = dict(getattr(processor, "size", None) or {})
    if not getattr(processor, "do_resize", False) or not size.keys() <= {"shortest_edge", "height", "width"}:
        return None
    return max(size.values(), default=None)


def can_give_bytes(processor: Any) -> bool:
    """Whether resizing and normalising can be separated without a difference, tested on a picture."""
    import numpy as np
    import torch
    from PIL import Image

    if not (getattr(processor, "do_rescale", False) and getattr(processor, "do_normalize", False)):
        return False
    picture = Image.fromarray(np.arange(41 * 53 * 3, dtype=np.uint32).astype(np.uint8).reshape(41, 53, 3))
    try:
        complete, bytes_alone = _processed(processor, [picture], False), _processed(processor, [picture], True)
        pixels = bytes_alone["pixel_values"]
        if set(complete) != {"pixel_values"} or set(bytes_alone) != set(complete) or pixels.dtype != torch.uint8:
            return False
        return torch.allclose(complete["pixel_values"], normalised(pixels, *mean_and_std(processor)), atol=1e-5)
    except (TypeError, ValueError, KeyError, RuntimeError):
        return False


def mean_and_std(processor: Any) -> "tuple[Tensor, Tensor]":
    """Return mean and std, (3, 1, 1) each, scaled for `normalised`, which divides by 255."""
    import torch

    mean, std = (torch.tensor(values)[:, None, None] for values in (processor.image_mean, processor.image_std))
    share = 255 * float(processor.rescale_factor)
    return mean / share, std / share
