"""What all local models share: device, number format, batches, and their fingerprint."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.encoders.batching import Batcher
from treegen.clip.encoders.interface import Batch, ImageTower, Preprocessor
from treegen.clip.encoders.pixels import Transfer
from treegen.errors import InputError, ModelError
from treegen.files import read_text

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

_MOST_CONFIG: Final = 2**20  # bytes
#: The scale that CLIP's training ends at, for models that do not provide theirs.
ASSUMED_SCALE: Final = 100.0


class LocalEncoder:
    """An `Encoder` without its model: subclasses load it and compute the features of one batch."""

    name: str
    fingerprint: str
    logit_scale: float
    scale_assumed = False
    logit_bias: float | None
    context_length: int | None
    preprocessing: dict[str, Any]
    preprocessor: Preprocessor
    #: files and folders that the model was loaded from; empty if unknown
    sources: tuple[Path, ...] = ()
    #: see `uses_peft` of the interface
    uses_peft = False

    def __init__(self, name: str, *, device: str, precision: str, auto: str | None = None) -> None:
        """Find the device and the number format.

        Args:
            name: for display.
            device: `auto` tries cuda, then mps, then cpu.
            precision: `fp32`, `fp16` or `bf16`; `auto` is fp16 on cuda and fp32 elsewhere.
            auto: what `auto` means for this model, if different.

        Raises:
            ModelError: the device is not available.
        """
        import torch

        self.name = name
        self.device = find_device(device)
        default = auto or ("fp16" if self.device == "cuda" else "fp32")
        self.precision = default if precision == "auto" else precision
        self._dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[self.precision]
        self._batcher = Batcher(self.name, self.precision)
        self._transfer = Transfer(self.device)
        self._notes: tuple[str, ...] = ()
        self._tokens: dict[str, int] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Encoder.notes`."""
        return (*self._notes, *self._batcher.notes)

    def add_note(self, sentence: str) -> None:
        """Add a sentence to the notes."""
        self._notes = (*self._notes, sentence)

    def stage(self, batch: Batch) -> Batch:
        """See `Encoder.stage`."""
        return self._transfer.begin(batch)

    def encode_prepared(self, batch: Batch) -> "Tensor":
        """See `Encoder.encode_prepared`."""
        return self._batcher.images(batch, self._image_features)

    def encode_images(self, images: Sequence["Image"]) -> "Tensor":
        """See `Encoder.encode_images`."""
        return self.encode_prepared(self.preprocessor.collate([self.preprocessor(image) for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> "Tensor":
        """See `Encoder.encode_texts`."""
        return self._batcher.texts(list(texts), self._text_features)

    def count_tokens(self, text: str) -> int:
        """See `Encoder.count_tokens`. Each text is counted once, as every score needs all of them."""
        if text not in self._tokens:
            self._tokens[text] = self._count_tokens(text)
        return self._tokens[text]

    def image_tower(self) -> ImageTower | None:
        """See `image_tower_of`: not every model can be reached."""
        return None

    def _count_tokens(self, text: str) -> int:
        raise NotImplementedError

    def _image_features(self, batch: Batch) -> "Tensor":
        """Return features (B, D) on the device, of any length."""
        raise NotImplementedError

    def _text_features(self, texts: list[str]) -> "Tensor":
        """Return features (N, D) on the device, of any length."""
        raise NotImplementedError


def tower_of(
    features: "Callable[[Any, Tensor], Tensor]", model: Any, pixels: "Callable[[Batch], Tensor]"
) -> ImageTower:
    """Return an image tower: `features` are computed by methods of `model` or a copy of it, not by calling it."""
    import torch

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, batch: "Tensor") -> "Tensor":
            return features(self.model, batch)

    return ImageTower(module=Tower(), pixels=pixels)


def find_device(requested: str) -> str:
    """Return `cuda`, `mps` or `cpu`.

    Raises:
        ModelError: the requested device is not available.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if requested == "auto":
        return next(name for name, present in available.items() if present)
    if not available.get(requested):
        message = f"the device {requested!r} is not available"
        raise ModelError(message, f"one of: {', '.join(n for n, present in available.items() if present)}")
    return requested


def first_lines(error: BaseException) -> str:
    """Return type and first two lines: torch names the mismatched weight only in the second."""
    lines = (line.strip() for line in str(error).strip().splitlines())
    return " ".join([f"{type(error).__name__}:", *[line for line in lines if line][:2]])[:300]


def check_folder(folder: Path, shown: str, config_name: str, weights: Sequence[str], tip: str) -> dict[str, Any]:
    """Check that a folder holds a model: without weights the libraries only warn, and continue with random ones.

    Args:
        folder: the model's.
        shown: the display name of the model.
        config_name: name of the JSON file with its configuration.
        weights: glob patterns of its weights.
        tip: for a folder without configuration.

    Returns:
        The configuration.

    Raises:
        ModelError: configuration or weights are missing or unreadable.
    """
    path = folder / config_name
    if not path.is_file():
        raise ModelError(f"{shown}: {folder} has no {config_name}", tip)
    try:
        config = json.loads(read_text(path, most=_MOST_CONFIG))
    except InputError as error:
        raise ModelError(error.message, error.tip) from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON: {error}", "copy the model again") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path}: not a model configuration", "copy the model again")
    if not any(file for pattern in weights for file in folder.glob(pattern)):
        raise ModelError(f"{shown}: {folder} contains no weights", f"expected one of: {', '.join(weights)}")
    return config


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars, and the hub client, which logs every retry to the stderr of its own import.

    What matters is raised as an error.
    """
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logger.setLevel(level)


def fingerprint_of(weights: "Mapping[str, Tensor]", settings: Mapping[str, Any], precision: str) -> str:
    """Return the SHA-256 of all loaded weights, all other settings that affect embeddings, and the precision."""
    import torch

    digest = hashlib.sha256(f"{precision}\n{json.dumps(settings, sort_keys=True, default=str)}\n".encode())
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return "sha256:" + digest.hexdigest()


def hub_sources(repository: str, revision: str | None = None) -> tuple[Path, ...]:
    """Return the files of a repository of the Hugging Face hub on this machine; empty if it is not there.

    They are the reference to the newest commit that was loaded, and the folder of that commit; with a revision, its
    folder alone.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    if revision:
        return (folder / "snapshots" / revision,)
    reference = folder / "refs" / "main"
    try:
        return reference, folder / "snapshots" / reference.read_text(encoding="utf-8").strip()
    except OSError:
        return ()
