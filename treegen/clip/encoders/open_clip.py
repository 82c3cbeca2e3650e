"""Encoders that open_clip loads: `local-dir:FOLDER`, `hf-hub:ORG/NAME`, `MODEL:PRETRAINED`."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import redirect_stderr
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen.errors import ModelError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

_WEIGHTS: Final = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin",
    "open_clip_model.bin", "model.safetensors", "pytorch_model.bin",
)  # fmt: skip
_MOST_TOKENS: Final = 4096


class OpenClipEncoder:
    """An open_clip model with its own preprocessing and tokenizer. Never runs on random weights."""

    def __init__(self, source: str, *, shown: str = "", device: str = "auto", precision: str = "auto") -> None:
        """Loads the model.

        Args:
            source: the model, see the module.
            shown: the name to show, if it is not `source`.
            device: `auto` takes cuda, then mps, then cpu.
            precision: `auto` is fp16 on cuda and fp32 elsewhere.

        Raises:
            ModelError: unknown model, missing or damaged weights, or a device that is not there.
        """
        import torch

        self.name = shown or source
        self.device = _device(device)
        self.precision = ("fp16" if self.device == "cuda" else "fp32") if precision == "auto" else precision
        model, preprocess, tokenizer = _load(source, self.name)
        self._dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[self.precision]
        self.fingerprint = _fingerprint(model, preprocess, self.precision)
        self._model = model.eval().to(device=self.device, dtype=self._dtype)
        self._preprocess, self._tokenizer = preprocess, tokenizer
        self.logit_scale = float(model.logit_scale.detach().float().exp())
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias)
        self.context_length = int(getattr(model, "context_length", 0) or tokenizer.context_length)

    def encode_images(self, images: Sequence["Image"]) -> "Tensor":
        """See `Encoder.encode_images`."""
        import torch

        batch = torch.stack([self._preprocess(image) for image in images]).to(self.device, self._dtype)
        with torch.inference_mode():
            return self._normal(self._model.encode_image(batch))

    def encode_texts(self, texts: Sequence[str]) -> "Tensor":
        """See `Encoder.encode_texts`."""
        import torch

        tokens = self._tokenizer(list(texts), context_length=self.context_length).to(self.device)
        with torch.inference_mode():
            return self._normal(self._model.encode_text(tokens))

    def _normal(self, features: "Tensor") -> "Tensor":
        import torch

        features = torch.nn.functional.normalize(features.float(), dim=-1).cpu()
        if not bool(torch.isfinite(features).all()):
            raise ModelError(f"{self.name}: gave values that are not numbers", f"try precision fp32, not {self.precision}")
        return features

    def count_tokens(self, text: str) -> int:
        """See `Encoder.count_tokens`."""
        inner = getattr(self._tokenizer, "tokenizer", None)
        if inner is not None:  # a Hugging Face tokenizer
            return len(inner(text)["input_ids"])
        return int((self._tokenizer([text], context_length=_MOST_TOKENS) != 0).sum())


def _device(wanted: str) -> str:
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, found in there.items() if found)
    if not there.get(wanted):
        told = f"the device {wanted!r} is not there"
        raise ModelError(told, f"one of: {', '.join(n for n, found in there.items() if found)}")
    return wanted


def _load(source: str, shown: str) -> tuple[Any, Any, Any]:
    """Model, preprocessing for inference, tokenizer.

    Raises:
        ModelError: see `OpenClipEncoder`.
    """
    if source.startswith("local-dir:"):
        _check_folder(Path(source.removeprefix("local-dir:")), shown)
        name, pretrained = source, None
    elif source.startswith("hf-hub:"):
        name, pretrained = source, None
    else:
        name, pretrained = _registered(source, shown)
    import open_clip
    from safetensors import SafetensorError

    quiet = StringIO()  # hub clients print progress bars and retries
    try:
        with redirect_stderr(quiet):
            model = open_clip.create_model(name, pretrained=pretrained, precision="fp32", require_pretrained=True)
            tokenizer = open_clip.get_tokenizer(name)
    except (SafetensorError, EOFError, KeyError) as error:
        raise ModelError(f"{shown}: the weights are damaged: {_first_line(error)}", "copy the model again") from None
    except (RuntimeError, OSError, ValueError) as error:
        told = f"{shown}: cannot be loaded: {_first_line(error)}"
        raise ModelError(told, "a hub model needs the network once; local-dir:FOLDER loads one from disk") from None
    preprocess = open_clip.image_transform_v2(open_clip.PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    return model, preprocess, tokenizer


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _check_folder(folder: Path, shown: str) -> None:
    """open_clip would load random weights, with a warning only, from a folder without a weights file."""
    config = folder / "open_clip_config.json"
    if not config.is_file():
        raise ModelError(f"{shown}: {folder} holds no open_clip_config.json", "is it a folder that open_clip wrote?")
    try:
        found = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{config}: not JSON: {error}", "copy the model again") from None
    if not isinstance(found, dict) or "model_cfg" not in found:
        raise ModelError(f"{config}: has no model_cfg", "is it a folder that open_clip wrote?")
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise ModelError(f"{shown}: {folder} holds no weights", f"expected one of: {', '.join(_WEIGHTS)}")


def _registered(source: str, shown: str) -> tuple[str, str]:
    """Model and pretrained tag of open_clip's own list."""
    import open_clip

    name, _, tag = source.partition(":")
    name = name.replace("/", "-")
    models = open_clip.list_models()
    if name not in models:
        close = get_close_matches(name, models, n=3)
        hint = f"one of: {', '.join(close)}" if close else "MODEL:PRETRAINED, hf-hub:ORG/NAME or local-dir:FOLDER"
        raise ModelError(f"{shown}: open_clip has no model {name!r}", hint)
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags and not Path(tag).is_file():
        told = f"{shown}: no pretrained weights {tag!r} for {name}" if tag else f"{shown}: no pretrained weights are named"
        raise ModelError(told, f"{name}:TAG with one of: {', '.join(tags) or '(none: give a file)'}")
    return name, tag


def _fingerprint(model: Any, preprocess: Any, precision: str) -> str:
    """SHA-256 over all weights as loaded, the preprocessing steps and the precision."""
    import torch

    digest = hashlib.sha256(f"{precision}\n{preprocess}\n".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return "sha256:" + digest.hexdigest()
