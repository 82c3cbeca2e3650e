"""What all local models share: device, number format, batches, and their fingerprint."""

import hashlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, TextIO

from treegen.clip.encoders.batching import Batcher
from treegen.clip.encoders.interface import Batch, ImageTower, Preprocessor
from treegen.clip.encoders.pixels import Transfer
from treegen.errors import InputError, ModelError
from treegen.files import read_text
from treegen.remote.hub import HubProbe, hub_host
from treegen.text import printable

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

_MOST_CONFIG: Final = 2**20  # bytes
_LONGEST_REASON: Final = 300  # characters
_WEIGHT_FILES: Final = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.npz")
#: What to do if a model of the hub cannot be downloaded.
DOWNLOAD_TIP: Final = (
    "a hub model needs the network once: connect this machine, or choose another with --encoder: bundled (the demo's), "
    "local-dir:FOLDER or hf:FOLDER, a model in a folder"
)
_FIRST_REPORT: Final = 5.0  # seconds of a download
_BETWEEN_REPORTS: Final = 30.0
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
    """Return type and first two lines, cut at a word: torch names the mismatched weight only in the second."""
    lines = (line.strip() for line in str(error).strip().splitlines())
    text = " ".join([f"{type(error).__name__}:", *[line for line in lines if line][:2]])
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON].rpartition(' ')[0]} ..."


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
        ModelError: configuration or weights are missing or unreadable, or a pipe, device or broken link is among them.
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
    if pipe := next((each for each in folder.rglob("*") if not each.is_file() and not each.is_dir()), None):
        raise ModelError(f"{pipe}: not a regular file", "copy the model again")  # the libraries would wait for a pipe
    if not any(file for pattern in weights for file in folder.glob(pattern)):
        raise ModelError(f"{shown}: {folder} contains no weights", f"expected one of: {', '.join(weights)}")
    return config


class _Retries(logging.Handler):
    """Reports that the hub's client tries again; the rest of its log is not for users."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.WARNING)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "retry" in message.lower():
            print(f"the hub does not answer: {printable(message)}", file=self._stream, flush=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars and the log of the hub's client, but for its retries, which go to the present stderr.

    Everything else that matters is raised as an error.
    """
    logger = logging.getLogger("huggingface_hub")
    before, retries = (logger.handlers, logger.propagate), _Retries(sys.stderr)
    logger.handlers, logger.propagate = [retries], False  # its own handler writes to the stderr of its import
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logger.handlers, logger.propagate = before


@contextmanager
def downloading(shown: str, repository: str | None, revision: str | None = None) -> Iterator[None]:
    """Report on stderr how far the download of a model's weights is; nothing if they are on this machine already.

    Args:
        shown: the display name of the model.
        repository: where the hub has it; `None` for a model that is not of the hub.
        revision: the commit of it; the newest if not given.

    Raises:
        ModelError: the hub has to be asked and cannot be reached, for which its client would need a minute.
    """
    if repository is None or is_downloaded(repository, revision):
        yield
        return
    ended, tell = Event(), partial(print, file=sys.stderr, flush=True)
    if reason := HubProbe().unreachable(tell=tell):
        reached = f"its weights are not on this machine, and {hub_host()} cannot be reached ({reason})"
        raise ModelError(f"{shown}: cannot be loaded: {reached}", DOWNLOAD_TIP)
    tell(f"downloading {printable(shown)} from {hub_host()}, once")

    def report() -> None:
        pause = _FIRST_REPORT
        while not ended.wait(pause):
            pause = _BETWEEN_REPORTS
            tell(f"downloading {printable(shown)}: {_bytes_of(repository) / 1e6:.0f} MB so far")

    Thread(target=report, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _bytes_of(repository: str) -> int:
    """Return how much of a repository is on this machine, in files that are still arriving too."""
    return sum(path.lstat().st_size for path in (_hub_folder(repository) / "blobs").glob("*"))


def is_downloaded(repository: str, revision: str | None = None) -> bool:
    """Return whether weights of a repository of the Hugging Face hub are on this machine."""
    folders = hub_sources(repository, revision)[-1:]
    return any(file for folder in folders for pattern in _WEIGHT_FILES for file in folder.glob(pattern))


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
    folder = _hub_folder(repository)
    if revision:
        return (folder / "snapshots" / revision,)
    reference = folder / "refs" / "main"
    try:
        return reference, folder / "snapshots" / reference.read_text(encoding="utf-8").strip()
    except OSError:
        return ()


def _hub_folder(repository: str) -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
