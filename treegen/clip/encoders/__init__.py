"""Encoders by name."""

from pathlib import Path

from treegen.clip.encoders.interface import Encoder
from treegen.domain import BUNDLED_ENCODER, EncoderSettings
from treegen.errors import ModelError
from treegen.resources import sketchbook_dir

__all__ = ["Encoder", "open_encoder"]


def open_encoder(settings: EncoderSettings, folder: Path) -> Encoder:
    """Loads the encoder that the settings name.

    Args:
        settings: the name is one of
            `bundled`, the tiny CLIP of the demo;
            `MODEL:PRETRAINED`, `hf-hub:ORG/NAME` or `local-dir:FOLDER` of open_clip;
            `hf:ORG/NAME` or `hf:FOLDER` of transformers;
            `PROVIDER/MODEL`, an embedding service by its litellm name.
        folder: the domain's folder, to which folders may be relative.

    Raises:
        ModelError: the model or its weights cannot be had, the device is not there, or the service fails.
    """
    name = settings.name
    kind, _, place = name.partition(":")
    if kind == "hf":
        return _of_transformers(settings, place, folder)
    from treegen.clip.encoders.service import ServiceEncoder, is_service

    if is_service(name):
        return ServiceEncoder(settings)
    from treegen.clip.encoders.open_clip import OpenClipEncoder

    if name == BUNDLED_ENCODER:
        source = f"local-dir:{sketchbook_dir() / 'clip'}"
    else:
        source = f"local-dir:{folder / place}" if kind == "local-dir" else name
    return OpenClipEncoder(source, shown=name, device=settings.device, precision=settings.precision)


def _of_transformers(settings: EncoderSettings, place: str, folder: Path) -> Encoder:
    from treegen.clip.encoders.transformers import TransformersEncoder

    source = folder / place
    if not source.is_dir() and (place.count("/") != 1 or place.startswith((".", "/", "~"))):
        raise ModelError(f"{settings.name}: there is no folder {source}", "hf:FOLDER, or hf:ORG/NAME of the hub")
    return TransformersEncoder(
        str(source) if source.is_dir() else place, shown=settings.name, device=settings.device,
        precision=settings.precision, trust_remote_code=settings.trust_remote_code, logit_scale=settings.logit_scale,
    )  # fmt: skip
