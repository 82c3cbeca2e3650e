"""Encoders by name."""

from pathlib import Path

from treegen.clip.encoders.interface import Encoder
from treegen.domain import BUNDLED_ENCODER, EncoderSettings
from treegen.resources import sketchbook_dir

__all__ = ["Encoder", "open_encoder"]


def open_encoder(settings: EncoderSettings, folder: Path) -> Encoder:
    """Loads the encoder that the settings name.

    Args:
        settings: name, device and precision. `bundled` is the tiny CLIP of the demo; `local-dir:` paths may be
            relative to `folder`.
        folder: the domain's folder.

    Raises:
        ModelError: the model or its weights cannot be had, or the device is not there.
    """
    from treegen.clip.encoders.open_clip import OpenClipEncoder

    name = settings.name
    if name == BUNDLED_ENCODER:
        source = f"local-dir:{sketchbook_dir() / 'clip'}"
    elif name.startswith("local-dir:"):
        source = f"local-dir:{folder / name.removeprefix('local-dir:')}"
    else:
        source = name
    return OpenClipEncoder(source, shown=name, device=settings.device, precision=settings.precision)
