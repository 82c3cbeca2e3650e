"""Batches that fit into memory: halved when it runs out; rows with NaN are reported."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from treegen.errors import ModelError
from treegen.text import counted, first_line

if TYPE_CHECKING:
    from torch import Tensor

_FULL: Final = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


class Batcher:
    """Runs a model over batches; remembers what fits, so that memory runs out once and not for every batch."""

    def __init__(self, name: str, precision: str) -> None:
        """Take `name` and `precision` of the encoder, for messages."""
        self._name, self._precision = name, precision
        self._most: dict[str, int] = {}
        self._halved: dict[str, int] = {}
        self._nan_images = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Batches that were halved and images without a vector so far, in sentences."""
        notes = [
            f"ran out of memory with larger batches of {kind}: halved {_times(times)}, to {self._most[kind]}"
            for kind, times in self._halved.items()
        ]
        if self._nan_images:
            notes.append(f"the model returned NaN for {counted(self._nan_images, 'image', 'images')}")
        return tuple(notes)

    def images(self, batch: Any, encode: Callable[[Any], "Tensor"]) -> "Tensor":
        """Embed pictures.

        Args:
            batch: supports `len` and slicing.
            encode: a slice of the batch -> (B, D).

        Returns:
            (B, D) float32 on the CPU with rows of length 1, or of NaN where the model returned NaN.

        Raises:
            ModelError: it returned NaN for all of several pictures, or memory does not suffice for one.
        """
        rows = self._in_parts("images", batch, encode)
        good = rows.isfinite().all(1)
        missing = len(rows) - int(good.sum())
        if missing == len(rows) > 1:
            raise self._nan_error(f"all {missing} images of a batch")
        self._nan_images += missing
        rows[~good] = float("nan")
        return rows

    def texts(self, batch: Any, encode: Callable[[Any], "Tensor"]) -> "Tensor":
        """Embed texts as `images` does, except that a single NaN is an error, since no score could use it."""
        rows = self._in_parts("texts", batch, encode)
        if not bool(rows.isfinite().all()):
            raise self._nan_error("a text")
        return rows

    def _in_parts(self, kind: str, batch: Any, encode: Callable[[Any], "Tensor"]) -> "Tensor":
        import torch

        done = 0
        rows: list[Tensor] = []
        while done < len(batch):
            size = min(self._most.get(kind, len(batch)), len(batch) - done)
            try:
                rows.append(_unit_rows(encode(batch[done : done + size])))
            except RuntimeError as error:
                if not is_full(error):
                    message, tip = f"{self._name}: failed: {_reason(error)}", "try --device cpu, or --precision fp32"
                    raise ModelError(message, tip) from error
                if size == 1:
                    message = f"{self._name}: not enough memory to embed one of the {kind}: {_reason(error)}"
                    raise ModelError(message, "free memory, or use --device cpu or a smaller model") from None
                self._most[kind] = size // 2
                self._halved[kind] = self._halved.get(kind, 0) + 1
                full = True
            else:
                done, full = done + size, False
            if full and torch.cuda.is_available():  # outside `except`: the error keeps the failed try's tensors alive
                torch.cuda.empty_cache()
        return torch.cat(rows)

    def _nan_error(self, what: str) -> ModelError:
        tip = "the weights may be damaged: download the model again"
        if self._precision != "fp32":
            tip = f"{self._precision} may be too small for this model: try --precision " + (
                "bf16 or fp32" if self._precision == "fp16" else "fp32"
            )
        return ModelError(f"{self._name}: returned NaN for {what}", tip)


def _unit_rows(features: "Tensor") -> "Tensor":
    """Normalise rows, as float32 on the CPU; an all-zero row, which has no direction, becomes NaN."""
    import torch

    features = features.float()
    nowhere = (features == 0).all(-1, keepdim=True)
    return torch.nn.functional.normalize(features, dim=-1).masked_fill_(nowhere, float("nan")).cpu()


def is_full(error: RuntimeError) -> bool:
    """Whether memory ran out: CUDA raises its own type; MPS and the CPU allocator only say so in the message."""
    import torch

    return isinstance(error, torch.cuda.OutOfMemoryError) or any(words in str(error).lower() for words in _FULL)


def _reason(error: Exception) -> str:
    return first_line(error)[:200] or type(error).__name__


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
