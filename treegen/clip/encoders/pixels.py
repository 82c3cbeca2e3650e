"""Pictures as pixels: how they are prepared, and how they reach the model."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from treegen.clip.encoders.interface import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor

    Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PixelPreprocessor:
    """Resizes and crops a picture to (H, W, 3) uint8; the model's device turns the bytes into normalised numbers.

    Bytes are a quarter of float32 on the way to the device, and the division is cheap there.

    Attributes:
        resize: an RGB picture -> one of the model's size.
        side: see `side_of`.
    """

    resize: Callable[["Image"], "Image"]
    side: int | None = None

    def __call__(self, image: "Image") -> "Pixels":
        """Return (H, W, 3) uint8."""
        return np.asarray(self.resize(image if image.mode == "RGB" else image.convert("RGB")))

    def collate(self, items: "Sequence[Pixels]") -> "Pixels":
        """Return (B, H, W, 3)."""
        return np.stack(items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A batch on its way to the device.

    Attributes:
        batch: the original, in case the device has no room for it.
        moved: resolves to the whole batch on the device and an event for its arrival; `None` if there was no room.
        part: the selected pictures.
    """

    batch: "Tensor"
    moved: "Future[tuple[Tensor, Any] | None]"
    part: slice = field(default_factory=lambda: slice(None))

    def __len__(self) -> int:
        return len(range(len(self.batch))[self.part])

    def __getitem__(self, part: slice) -> "Staged":
        inner = range(len(self.batch))[self.part][part]
        return replace(self, part=slice(inner.start, inner.stop))


class Transfer:
    """Moves batches to a device; to CUDA in a thread and stream of its own, so that the model computes meanwhile."""

    def __init__(self, device: str) -> None:
        import torch

        self._device = device
        self._stream: Any = None
        if device == "cuda":
            self._stream = torch.cuda.Stream()
            self._mover = ThreadPoolExecutor(1, thread_name_prefix="to-device")

    def begin(self, batch: Batch) -> Batch:
        """Start the transfer and return at once.

        Without CUDA there is nothing to gain, and batches other than pixels are moved by their encoder: both are
        returned unchanged.
        """
        import torch

        if self._stream is None or not isinstance(batch, torch.Tensor | np.ndarray):
            return batch
        pixels = _as_tensor(batch)
        return Staged(batch=pixels, moved=self._mover.submit(self._move, pixels))

    def _move(self, batch: "Tensor") -> "tuple[Tensor, Any] | None":
        """Copy via pinned memory, which takes no processor time."""
        import torch

        try:
            with torch.cuda.stream(self._stream):
                pixels = batch.pin_memory().to(self._device, non_blocking=True)
                event = torch.cuda.Event()
                event.record(self._stream)
        except torch.cuda.OutOfMemoryError:  # it is moved in parts when it is encoded
            return None
        return pixels, event

    def finish(self, batch: "Pixels | Tensor | Staged") -> "Tensor":
        """Return the batch (B, 3, H, W) on the device, ready for the computing stream."""
        import torch

        if not isinstance(batch, Staged):
            return _as_tensor(batch).to(self._device, non_blocking=True)
        moved = batch.moved.result()
        if moved is None:
            return batch.batch[batch.part].to(self._device)
        pixels, event = moved
        stream = torch.cuda.current_stream()
        stream.wait_event(event)
        pixels.record_stream(stream)  # else the allocator reuses its memory too early
        return pixels[batch.part]


def _as_tensor(batch: "Pixels | Tensor") -> "Tensor":
    """View pixels (B, H, W, 3) as a tensor (B, 3, H, W) over the same memory, which torch calls channels-last."""
    import torch

    return torch.from_numpy(batch).permute(0, 3, 1, 2) if isinstance(batch, np.ndarray) else batch


def normalised(pixels: "Tensor", mean: "Tensor", std: "Tensor") -> "Tensor":
    """Normalise bytes to (B, 3, H, W) float32: divide by 255, subtract the mean, divide by the standard deviation.

    Bit-identical to torchvision's ToTensor and Normalize: the same steps in the same order.
    """
    return pixels.float().div_(255).sub_(mean.to(pixels.device)).div_(std.to(pixels.device))
