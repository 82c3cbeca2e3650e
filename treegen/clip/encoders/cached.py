"""An encoder that loads its model only for what is not in the cache; its identity and token counts are cached too.

Importing open_clip takes seconds, and hashing the weights for the fingerprint more. So the cache stores an encoder's
identity with size and mtime of the files that it was loaded from; while these are unchanged, so is the encoder.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen import __version__
from treegen.clip.arrays import to_numpy
from treegen.clip.encoders.consent import vetted
from treegen.clip.encoders.interface import (
    Batch,
    Encoder,
    EncoderChangedError,
    ImageTower,
    Preprocessor,
    image_tower_of,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.embedding.cache import EmbeddingCache
    from treegen.config.settings import EncoderSettings

#: Packages whose version may change a fingerprint.
_PACKAGES: Final = ("torch", "open_clip_torch", "transformers", "timm")
#: Files that show without torch whether there may be a GPU, with which `auto` selects another device and precision.
_GPU_FILES: Final = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an encoder reports of itself before it embeds anything; the attributes are those of `Encoder`."""

    name: str
    fingerprint: str
    logit_scale: float
    scale_assumed: bool
    logit_bias: float | None
    context_length: int | None
    device: str
    precision: str
    uses_peft: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, encoder: Encoder) -> "Identity":
        """Return the identity of an encoder that is loaded."""
        return cls(**{name: getattr(encoder, name) for name in cls.__dataclass_fields__ if hasattr(encoder, name)})


class CachedEncoder:
    """An `Encoder` over another one, which is loaded for the first picture or text that is not in the cache.

    It counts the tokens of each text once; `embed_images` and `embed_texts` cache the vectors.

    Attributes:
        cache: of vectors, token counts and the encoder's identity; for the others see `Encoder`.
    """

    name: str
    fingerprint: str
    logit_scale: float
    scale_assumed: bool
    logit_bias: float | None
    context_length: int | None
    device: str
    precision: str
    uses_peft: bool

    def __init__(self, cache: "EmbeddingCache", key: str, load: Callable[[], Encoder]) -> None:
        """Read the encoder's identity from the cache; load the encoder if there is none, or if its files have changed.

        Args:
            cache: stores identity and token counts; stays open as long as this is used.
            key: the settings, and whatever else the encoder depends on besides its files.
            load: loads the encoder.

        Raises:
            ModelError: it cannot be loaded.
        """
        self.cache, self._key, self._load = cache, key, load
        self._model: Encoder | None = None
        self._changed: tuple[str, ...] = ()
        self._tokens: dict[str, int] | None = None
        identity = _from_record(cache.identity(key))
        if identity:
            self._adopt(identity)
        else:
            self._load_model()

    def _adopt(self, identity: Identity) -> None:
        self._identity, self._tokens = identity, None  # counts of another fingerprint are of another tokenizer
        for name in Identity.__dataclass_fields__:
            if name != "notes":
                setattr(self, name, getattr(identity, name))

    def _load_model(self) -> Encoder:
        began = time.time_ns()  # before the files are read: one that is written meanwhile must not look unchanged
        model = self._model = self._load()
        identity = Identity.of(model)
        self._adopt(identity)
        self.cache.store_identity(self._key, _to_record(identity, getattr(model, "sources", ()), before=began))
        return model

    def _loaded(self) -> Encoder:
        """Return the encoder itself.

        Raises:
            EncoderChangedError: it differs from the cached identity, which is replaced by its own.
        """
        if self._model is not None:
            return self._model
        # Size and mtime of the files were as before, so until now the cached identity was used. If the weights differ
        # all the same, everything read by the old fingerprint is wrong: the caller has to begin again.
        cached, model = self._identity, self._load_model()
        if replace(self._identity, notes=()) != replace(cached, notes=()):
            message = f"the model behind {self.name} has changed: everything is embedded again"
            self._changed = (message,)
            raise EncoderChangedError(message, "run it again")
        return model

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Encoder.notes`."""
        return (*self._changed, *(self._identity if self._model is None else self._model).notes)

    def add_note(self, sentence: str) -> None:
        """Add a sentence to the notes."""
        self._changed = (*self._changed, sentence)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """See `Encoder`; loads the model."""
        return self._loaded().preprocessing

    @property
    def preprocessor(self) -> Preprocessor:
        """See `Encoder`; loads the model."""
        return self._loaded().preprocessor

    def stage(self, batch: Batch) -> Batch:
        """See `Encoder.stage`."""
        return self._loaded().stage(batch)

    def encode_prepared(self, batch: Batch) -> Any:
        """See `Encoder.encode_prepared`."""
        return to_numpy(self._loaded().encode_prepared(batch))

    def encode_images(self, images: Sequence["Image"]) -> Any:
        """See `Encoder.encode_images`."""
        return to_numpy(self._loaded().encode_images(images))

    def encode_texts(self, texts: Sequence[str]) -> Any:
        """See `Encoder.encode_texts`; loads the model. `embed_texts` looks texts up in the cache first."""
        return to_numpy(self._loaded().encode_texts(texts))

    def image_tower(self) -> ImageTower | None:
        """See `image_tower_of`; loads the model."""
        return image_tower_of(self._loaded())

    def count_tokens(self, text: str) -> int:
        """See `Encoder.count_tokens`; a text in the cache needs no model."""
        if self._tokens is None:
            self._tokens = self.cache.tokens(self.fingerprint)
        count = self._tokens.get(text)
        if count is None:
            model = self._loaded()  # may set `_tokens` to `None`, see `_adopt`
            count = model.count_tokens(text)
            self.cache.store_tokens(self.fingerprint, text, count)
            if self._tokens is not None:
                self._tokens[text] = count
        return count


def open_cached_encoder(
    settings: "EncoderSettings", folder: Path, cache: "EmbeddingCache | None", load: Callable[[], Encoder]
) -> Encoder:
    """Return an encoder that loads its model when something is not in the cache.

    A service is connected at once: no file of this machine shows whether its model has changed.

    Args:
        settings: name the encoder.
        folder: the domain's, to which folders may be relative.
        cache: without one the model is loaded at once.
        load: loads the encoder of these settings.

    Raises:
        ModelError: the encoder cannot be loaded.
    """
    from treegen.clip.encoders.api import is_service

    settings = vetted(settings, folder)
    if cache is None or is_service(settings.name):
        return load()
    return CachedEncoder(cache, _key(settings, folder), load)


def _key(settings: "EncoderSettings", folder: Path) -> str:
    """Return everything that an encoder's identity depends on, except the content of its files."""
    machine = [sys.platform, platform.machine(), os.environ.get("CUDA_VISIBLE_DEVICES")]
    gpu = [path for path in _GPU_FILES if Path(path).exists()]
    packages = [f"{name} {_version(name)}" for name in _PACKAGES]
    plain = {name: value for name, value in asdict(settings).items() if name != "from_file"}
    return json.dumps([__version__, str(folder.resolve()), plain, machine, gpu, packages], sort_keys=True)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _to_record(identity: Identity, sources: Sequence[Path], before: int) -> str | None:
    """Return the identity as the cache stores it; `None` if no file would show that the encoder has changed.

    Args:
        identity: of the encoder.
        sources: the files and folders that it was loaded from, if they are known.
        before: when loading began, in ns: a file that is not older may have changed since.
    """
    files = _files_of(sources)
    if not files or any(changed >= before for _, _, changed in files):
        return None
    record = {"sources": [str(path) for path in sources], "files": files, "identity": asdict(identity)}
    return json.dumps(record)


def _from_record(text: str | None) -> Identity | None:
    """Return the stored identity if the files have not changed since."""
    if text is None:
        return None
    try:
        record = json.loads(text)
        if record["files"] != _files_of([Path(path) for path in record["sources"]]):
            return None
        return Identity(**{**record["identity"], "notes": tuple(record["identity"]["notes"])})
    except (KeyError, TypeError, ValueError):  # written by another version
        return None


def _files_of(sources: Sequence[Path]) -> list[list[Any]]:
    """Return path, size (bytes) and mtime (ns) of files, and of those in folders; empty if one is missing."""
    files: list[list[Any]] = []
    try:
        for source in sources:
            for path in sorted(source.iterdir()) if source.is_dir() else [source]:
                if not path.is_dir():
                    status = path.stat()
                    files.append([str(path), status.st_size, status.st_mtime_ns])
    except OSError:
        return []
    return files
