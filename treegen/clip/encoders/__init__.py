"""Open encoders by name."""

import tempfile
from math import isfinite
from pathlib import Path

from treegen.clip.encoders.base import LocalEncoder
from treegen.clip.encoders.consent import vetted
from treegen.clip.encoders.interface import Encoder
from treegen.config.settings import BUNDLED_ENCODER, EncoderSettings
from treegen.errors import ModelError
from treegen.resources import sketchbook_dir

__all__ = ["Encoder", "open_encoder"]


def open_encoder(settings: EncoderSettings, folder: Path) -> Encoder:
    """Load the encoder that the settings name.

    Args:
        settings: the name is one of
            `bundled`, the tiny CLIP of the demo;
            `MODEL:PRETRAINED`, `hf-hub:ORG/NAME` or `local-dir:FOLDER` of open_clip;
            `hf:ORG/NAME` or `hf:FOLDER` of transformers;
            `PROVIDER/MODEL`, an embedding service by its litellm name.
        folder: the domain's folder, to which folders may be relative.

    Raises:
        ModelError: the model or its weights cannot be loaded, the device is not available, the disk is full, or the
            service fails.
        TrustError: the domain asks for what its user has not allowed.
    """
    from treegen.clip.encoders.api import ServiceEncoder, is_service

    settings = vetted(settings, folder)
    if is_service(settings.name):
        return ServiceEncoder(settings)
    _check_temporary_folder(settings.name)
    kind, _, place = settings.name.partition(":")
    encoder = _of_transformers(settings, place, folder) if kind == "hf" else _of_open_clip(settings, folder)
    if not isfinite(encoder.logit_scale):
        message = f"{settings.name}: its logit scale is {encoder.logit_scale:g}, not a finite number"
        raise ModelError(message, "the weights may be damaged: download the model again")
    if settings.logit_scale is not None and settings.logit_scale != encoder.logit_scale:
        scale = f"{settings.name} provides its own logit scale, {encoder.logit_scale:g}"
        encoder.add_note(f"{scale}: [encoder] logit_scale is ignored")
    return encoder


def _check_temporary_folder(shown: str) -> None:
    """Find the folder for temporary files, which PyTorch does while it is imported.

    Where that fails it stays half imported, and no encoder can be loaded until the program is started again.

    Raises:
        ModelError: nothing can be written in any of them.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        message = f"{shown}: cannot be loaded: there is no folder in which temporary files can be written"
        raise ModelError(message, "make room on the disk, or name such a folder: TMPDIR=FOLDER") from None


def _of_open_clip(settings: EncoderSettings, folder: Path) -> LocalEncoder:
    from treegen.clip.encoders.open_clip import OpenClipEncoder

    name = settings.name
    if name == BUNDLED_ENCODER:
        source = f"local-dir:{sketchbook_dir() / 'clip'}"
    elif name.startswith("local-dir:"):
        source = f"local-dir:{folder / name.removeprefix('local-dir:')}"
    else:
        source = name
    return OpenClipEncoder(source, shown=name, device=settings.device, precision=settings.precision)


def _of_transformers(settings: EncoderSettings, place: str, folder: Path) -> LocalEncoder:
    from treegen.clip.encoders.transformers import TransformersEncoder

    source = folder / place
    if not source.is_dir() and (place.count("/") != 1 or place.startswith((".", "/", "~"))):
        raise ModelError(f"{settings.name}: there is no folder {source}", "hf:FOLDER, or hf:ORG/NAME of the hub")
    return TransformersEncoder(
        str(source) if source.is_dir() else place,
        shown=settings.name,
        device=settings.device,
        precision=settings.precision,
        trust_remote_code=settings.trust_remote_code,
        logit_scale=settings.logit_scale,
        revision=settings.revision,
    )
