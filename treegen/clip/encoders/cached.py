"""An encoder that loads its model only for what is not in the cache: what else is asked of it is kept there too.

Importing open_clip takes seconds, and hashing the weights for the fingerprint more. So the cache keeps what an encoder
told of itself, with size and time of the files that it was loaded from; while these are the same, so is the encoder.
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

import numpy as np

from treegen import __version__
from treegen.clip.arrays import to_numpy
from treegen.clip.encoders.interface import Batch, Encoder, EncoderChangedError, Preprocessor

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.embedding.cache import EmbeddingCache
    from treegen.config.settings import EncoderSettings

#: Packages whose version may change a fingerprint.
_PACKAGES: Final = ("torch", "open_clip_torch", "transformers", "timm")
#: Files by which one sees, without torch, whether there may be a GPU: on it `auto` takes another device and precision.
_GPU_FILES: Final = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an encoder tells of itself before it embeds anything; the attributes are those of `Encoder`."""

    name: str
    fingerprint: str
    logit_scale: float
    scale_assumed: bool
    logit_bias: float | None
    context_length: int | None
    device: str
    precision: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, encoder: Encoder) -> "Identity":
        """Return the identity of an encoder that is loaded."""
        return cls(**{name: getattr(encoder, name) for name in cls.__dataclass_fields__})


class CachedEncoder:
    """An `Encoder` over another one, which is loaded for the first picture or text that is not in the cache.

    Texts are embedded, and their tokens counted, once; `embed_images` keeps pictures. Attributes: see `Encoder`.
    """

    name: str
    fingerprint: str
    logit_scale: float
    scale_assumed: bool
    logit_bias: float | None
    context_length: int | None
    device: str
    precision: str

    def __init__(self, cache: "EmbeddingCache", key: str, load: Callable[[], Encoder]) -> None:
        """Read what the cache knows of the encoder; load it if that is nothing, or its files have changed.

        Args:
            cache: keeps identity, token counts and texts; stays open as long as this is used.
            key: the settings, and whatever else the encoder depends on beside its files.
            load: loads the encoder.

        Raises:
            ModelError: it cannot be had.
        """
        self._cache, self._key, self._load = cache, key, load
        self._model: Encoder | None = None
        self._changed: tuple[str, ...] = ()
        self._tokens: dict[str, int] | None = None
        known = _read(cache.identity(key))
        if known:
            self._become(known)
        else:
            self._open()

    def _become(self, identity: Identity) -> None:
        self._identity, self._tokens = identity, None
        for name in Identity.__dataclass_fields__:
            if name != "notes":
                setattr(self, name, getattr(identity, name))

    def _open(self) -> Encoder:
        began = time.time_ns()
        model = self._model = self._load()
        identity = Identity.of(model)
        self._become(identity)
        self._cache.keep_identity(self._key, _written(identity, getattr(model, "sources", ()), before=began))
        return model

    def _opened(self) -> Encoder:
        """Return the encoder itself.

        Raises:
            EncoderChangedError: it is not the one that the cache knew; from now on this is the new one.
        """
        if self._model is not None:
            return self._model
        known, model = self._identity, self._open()
        if replace(self._identity, notes=()) != replace(known, notes=()):
            told = f"{self.name} is no longer the model it was: everything is embedded anew"
            self._changed = (told,)
            raise EncoderChangedError(told, "run it again")
        return model

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Encoder.notes`."""
        return (*self._changed, *(self._identity if self._model is None else self._model).notes)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """See `Encoder`; loads the model."""
        return self._opened().preprocessing

    @property
    def preprocessor(self) -> Preprocessor:
        """See `Encoder`; loads the model."""
        return self._opened().preprocessor

    def stage(self, batch: Batch) -> Batch:
        """See `Encoder.stage`."""
        return self._opened().stage(batch)

    def encode_prepared(self, batch: Batch) -> Any:
        """See `Encoder.encode_prepared`."""
        return to_numpy(self._opened().encode_prepared(batch))

    def encode_images(self, images: Sequence["Image"]) -> Any:
        """See `Encoder.encode_images`."""
        return to_numpy(self._opened().encode_images(images))

    def encode_texts(self, texts: Sequence[str]) -> Any:
        """See `Encoder.encode_texts`; texts of the cache need no model."""
        known = self._cache.get_texts(self.fingerprint, texts)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            vectors = to_numpy(self._opened().encode_texts(missing))
            self._cache.put_texts(self.fingerprint, missing, vectors)
            known.update(zip(missing, vectors, strict=True))
        return np.stack([known[text] for text in texts])

    def count_tokens(self, text: str) -> int:
        """See `Encoder.count_tokens`; what was counted once needs no model."""
        if self._tokens is None:
            self._tokens = self._cache.tokens(self.fingerprint)
        count = self._tokens.get(text)
        if count is None:
            model = self._opened()  # which may have forgotten the counts
            count = model.count_tokens(text)
            self._cache.keep_tokens(self.fingerprint, text, count)
            if self._tokens is not None:
                self._tokens[text] = count
        return count


def open_cached_encoder(
    settings: "EncoderSettings", folder: Path, cache: "EmbeddingCache | None", load: Callable[[], Encoder]
) -> Encoder:
    """Return an encoder that loads its model when something is not in the cache.

    A service is asked at once: no file of this machine tells whether it is still the model it was.

    Args:
        settings: name the encoder.
        folder: the domain's, to which folders may be relative.
        cache: without one the model is loaded at once.
        load: loads the encoder of these settings.

    Raises:
        ModelError: the encoder cannot be had.
    """
    from treegen.clip.encoders.api import is_service

    if cache is None or is_service(settings.name):
        return load()
    return CachedEncoder(cache, _key(settings, folder), load)


def _key(settings: "EncoderSettings", folder: Path) -> str:
    """Everything that an encoder's identity depends on, but for the content of its files."""
    machine = [sys.platform, platform.machine(), os.environ.get("CUDA_VISIBLE_DEVICES")]
    gpu = [path for path in _GPU_FILES if Path(path).exists()]
    packages = [f"{name} {_version(name)}" for name in _PACKAGES]
    return json.dumps([__version__, str(folder.resolve()), asdict(settings), machine, gpu, packages], sort_keys=True)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _written(identity: Identity, sources: Sequence[Path], before: int) -> str | None:
    """Return the identity as the cache keeps it; `None` if nothing would tell that the encoder has changed.

    Args:
        identity: of the encoder.
        sources: the files and folders that it was loaded from, if they are known.
        before: when loading began, in ns: a file that is not older may have changed meanwhile.
    """
    files = _files_of(sources)
    if not files or any(changed >= before for _, _, changed in files):
        return None
    told = {"sources": [str(path) for path in sources], "files": files, "identity": asdict(identity)}
    return json.dumps(told)


def _read(kept: str | None) -> Identity | None:
    """Return what the cache kept, if the files are still those that it was kept with."""
    if kept is None:
        return None
    try:
        told = json.loads(kept)
        if told["files"] != _files_of([Path(path) for path in told["sources"]]):
            return None
        return Identity(**{**told["identity"], "notes": tuple(told["identity"]["notes"])})
    except (KeyError, TypeError, ValueError):  # written by another version
        return None


def _files_of(sources: Sequence[Path]) -> list[list[Any]]:
    """Return path, size (bytes) and time of change (ns) of files, and of those in folders; empty if one is missing."""
    found: list[list[Any]] = []
    try:
        for source in sources:
            for path in sorted(source.iterdir()) if source.is_dir() else [source]:
                if not path.is_dir():
                    status = path.stat()
                    found.append([str(path), status.st_size, status.st_mtime_ns])
    except OSError:
        return []
    return found
