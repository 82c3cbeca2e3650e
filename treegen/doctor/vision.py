"""Loadable encoders, installed libraries, and the device."""

import os
import shutil
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from treegen.config.settings import BUNDLED_ENCODER, EncoderSettings
from treegen.doctor.findings import Finding
from treegen.extras import EXTRAS, MissingExtraError, is_installed, missing_modules
from treegen.remote.litellm import NoKeyError, key_for, load_litellm
from treegen.resources import sketchbook_dir

_DOWNLOADED = "its weights are downloaded at first use, unless they are cached"
_finding = partial(Finding, topic="vision")


def encoder(settings: EncoderSettings, folder: Path) -> Finding:
    """Check whether the chosen encoder can load. Nothing is loaded or downloaded."""
    name = settings.name
    kind, colon, place = name.partition(":")
    if missing := missing_modules("hf" if kind == "hf" else "clip"):
        extra = EXTRAS["clip" if missing_modules("clip") else "hf"]
        message = f"not installed: {', '.join(missing)}"
        return _finding(name=name, state="missing", message=message, tip=extra.command)
    if name == BUNDLED_ENCODER:
        return _folder(sketchbook_dir() / "clip", name, "the tiny CLIP of the demo, only for the sketchbook")
    if kind == "local-dir":
        return _folder(folder / place, name, "weights in a folder")
    if kind in ("hf", "hf-hub"):
        message = "weights in a folder" if kind == "hf" and (folder / place).is_dir() else _DOWNLOADED
        return _finding(name=name, state="ok", message=message)
    if not colon and "/" in name:
        return _service(name)
    return _of_open_clip(name, kind)


def _folder(folder: Path, name: str, message: str) -> Finding:
    if (folder / "open_clip_config.json").is_file():
        return _finding(name=name, state="ok", message=message)
    message = f"{folder} has no open_clip_config.json"
    return _finding(name=name, state="missing", message=message, tip="use the folder of an open_clip model")


def _service(name: str) -> Finding:
    try:
        key_for(load_litellm(), name)
    except MissingExtraError as error:
        return _finding(name=name, state="missing", message=error.message, tip=error.tip)
    except NoKeyError as error:
        return _finding(name=name, state="missing", message=error.reason, tip=error.remedy)
    variable = name.partition("/")[0].upper() + "_API_KEY"
    if variable in os.environ:
        return _finding(name=name, state="ok", message="an embedding service; its key is set")
    message = f"an embedding service; {variable} is not set, and litellm does not report whether it is needed"
    return _finding(name=name, state="off", message=message, tip=f"set {variable} if the service requires a key")


def _of_open_clip(name: str, architecture: str) -> Finding:
    """Check the name in open_clip's folder of architectures, without importing it (5 s)."""
    spec = find_spec("open_clip")
    configs = Path(next(iter(spec.submodule_search_locations or ()), "")) / "model_configs" if spec else Path()
    architectures = {path.stem for path in configs.glob("*.json")}
    if architectures and architecture.replace("/", "-") not in architectures:
        tip = "MODEL:PRETRAINED such as ViT-B-32:laion2b_s34b_b79k; `open_clip.list_pretrained()` lists them"
        message = f"open_clip has no model {architecture}"
        return _finding(name=name, state="missing", message=message, tip=tip)
    return _finding(name=name, state="ok", message=_DOWNLOADED)


def device() -> Finding:
    """Check where encoders run. torch is imported (2 s) only if there are signs of a GPU."""
    apple = sys.platform == "darwin"
    nvidia = bool(shutil.which("nvidia-smi")) or Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists()
    if not (apple or nvidia):
        tip = "fine for small models; thousands of images take minutes"
        return _finding(name="device", state="off", message="cpu: no sign of a GPU", tip=tip)
    if not is_installed("torch"):
        message = "there are signs of a GPU, but torch is not installed"
        return _finding(name="device", state="off", message=message, tip=EXTRAS["clip"].command)
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return _finding(name="device", state="ok", message=f"cuda: {', '.join(names)}")
    if apple and torch.backends.mps.is_available():
        return _finding(name="device", state="ok", message="mps: Apple's GPU")
    tip = "install the torch build for it: https://pytorch.org/get-started/locally"
    return _finding(name="device", state="off", message="cpu: torch does not see the GPU", tip=tip)
