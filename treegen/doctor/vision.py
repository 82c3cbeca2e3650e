"""Loadable encoders, installed libraries, and the device."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from treegen.config.settings import BUNDLED_ENCODER, EncoderSettings
from treegen.doctor.findings import Finding
from treegen.extras import EXTRAS, MissingExtraError, is_installed, missing_modules
from treegen.remote.litellm import NoKeyError, key_for, load_litellm
from treegen.resources import sketchbook_dir


def encoder(settings: EncoderSettings, folder: Path) -> Finding:
    """Check whether the chosen encoder can load. Nothing is loaded or downloaded."""
    name = settings.name
    kind, colon, place = name.partition(":")
    if missing := missing_modules("hf" if kind == "hf" else "clip"):
        extra = EXTRAS["clip" if missing_modules("clip") else "hf"]
        told = f"not installed: {', '.join(missing)}"
        return Finding(topic="vision", name=name, state="missing", told=told, tip=extra.command)
    if name == BUNDLED_ENCODER:
        return _folder(sketchbook_dir() / "clip", name, "the tiny CLIP of the demo; it knows the sketchbook alone")
    if kind == "local-dir":
        return _folder(folder / place, name, "weights in a folder")
    if kind in ("hf", "hf-hub"):
        found = (folder / place).is_dir() if kind == "hf" else False
        told = "weights in a folder" if found else "its weights are fetched at first use, if they are not there"
        return Finding(topic="vision", name=name, state="ok", told=told)
    if not colon and "/" in name:
        return _service(name)
    return _of_open_clip(name, kind)


def _folder(folder: Path, name: str, told: str) -> Finding:
    if (folder / "open_clip_config.json").is_file():
        return Finding(topic="vision", name=name, state="ok", told=told)
    told = f"{folder} holds no open_clip_config.json"
    return Finding(topic="vision", name=name, state="missing", told=told, tip="name the folder of an open_clip model")


def _service(name: str) -> Finding:
    try:
        key_for(load_litellm(), name)
    except MissingExtraError as error:
        return Finding(topic="vision", name=name, state="missing", told=error.message, tip=error.tip)
    except NoKeyError as error:
        return Finding(topic="vision", name=name, state="missing", told=error.reason, tip=error.remedy)
    own = name.partition("/")[0].upper() + "_API_KEY"
    if own in os.environ:
        return Finding(topic="vision", name=name, state="ok", told="an embedding service; its key is set")
    told = f"an embedding service; {own} is not set, and litellm does not tell whether it is needed"
    return Finding(topic="vision", name=name, state="off", told=told, tip=f"set {own} if the service wants a key")


def _of_open_clip(name: str, architecture: str) -> Finding:
    """Check the name in open_clip's folder of architectures, without importing it (5 s)."""
    spec = find_spec("open_clip")
    configs = Path(next(iter(spec.submodule_search_locations or ()), "")) / "model_configs" if spec else Path()
    known = {path.stem for path in configs.glob("*.json")}
    if known and architecture.replace("/", "-") not in known:
        tip = "MODEL:PRETRAINED such as ViT-B-32:laion2b_s34b_b79k; `open_clip.list_pretrained()` lists them"
        told = f"open_clip has no model {architecture}"
        return Finding(topic="vision", name=name, state="missing", told=told, tip=tip)
    told = "its weights are fetched at first use, if they are not there"
    return Finding(topic="vision", name=name, state="ok", told=told)


def device() -> Finding:
    """Check where encoders run. torch is imported (2 s) only if there are signs of a GPU."""
    apple = sys.platform == "darwin"
    nvidia = bool(shutil.which("nvidia-smi")) or Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists()
    if not (apple or nvidia):
        tip = "fine for small models; thousands of images take minutes"
        return Finding(topic="vision", name="device", state="off", told="cpu: no sign of a GPU", tip=tip)
    if not is_installed("torch"):
        told = "there are signs of a GPU, and torch is not installed"
        return Finding(topic="vision", name="device", state="off", told=told, tip=EXTRAS["clip"].command)
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding(topic="vision", name="device", state="ok", told=f"cuda: {', '.join(names)}")
    if apple and torch.backends.mps.is_available():
        return Finding(topic="vision", name="device", state="ok", told="mps: Apple's GPU")
    tip = "install the torch build for it: https://pytorch.org/get-started/locally"
    return Finding(topic="vision", name="device", state="off", told="cpu: torch does not see the GPU", tip=tip)
