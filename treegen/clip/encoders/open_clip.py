"""Encoders loaded by open_clip: `local-dir:FOLDER`, `hf-hub:ORG/NAME`, `MODEL:PRETRAINED`."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from treegen.clip.encoders.base import (
    DOWNLOAD_TIP,
    LocalEncoder,
    check_folder,
    downloading,
    fingerprint_of,
    first_lines,
    hub_sources,
    quiet,
    tower_of,
)
from treegen.clip.encoders.interface import Batch, ImageTower
from treegen.clip.encoders.pixels import PixelPreprocessor, normalised
from treegen.errors import ModelError
from treegen.extras import EXTRAS
from treegen.text import show

if TYPE_CHECKING:
    from torch import Tensor

_CONFIG: Final = "open_clip_config.json"
_WEIGHTS: Final = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)


class OpenClipEncoder(LocalEncoder):
    """An open_clip model with its own preprocessing and tokenizer. Never runs on random weights."""

    def __init__(self, source: str, *, shown: str = "", device: str = "auto", precision: str = "auto") -> None:
        """Load the model.

        Args:
            source: the model, see the module.
            shown: the display name, if not `source`.
            device: see `LocalEncoder`.
            precision: see `LocalEncoder`.

        Raises:
            ModelError: unknown model, missing or damaged weights, or an unavailable device.
        """
        import torch

        super().__init__(shown or source, device=device, precision=precision)
        model, transform, tokenizer, config = _load(source, self.name)
        self.preprocessing, self.sources = config["preprocess"], _sources(source, config["model"] or {})
        self.fingerprint = fingerprint_of(model.state_dict(), config, self.precision)
        self.logit_scale = float(model.logit_scale.detach().float().exp())  # before fp16 rounds 100 to 100.03
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias.detach())
        # channels last, as the pixels arrive: a tenth to a quarter faster with convolutions, equal with transformers
        self._layout = torch.contiguous_format if self.device == "mps" else torch.channels_last
        self._model = model.eval().to(device=self.device, dtype=self._dtype, memory_format=self._layout)
        resize, self._mean, self._std = _split_transform(transform, self.name)
        size = self.preprocessing["size"]
        self.preprocessor = PixelPreprocessor(resize, side=size if isinstance(size, int) else max(size))
        self._tokenizer = tokenizer
        self.context_length = int(getattr(model, "context_length", 0) or tokenizer.context_length)

    def _image_features(self, batch: Batch) -> "Tensor":
        import torch

        with torch.inference_mode():
            features: Tensor = self._model.encode_image(self._pixels(batch).contiguous(memory_format=self._layout))
            return features

    def _pixels(self, batch: Batch) -> "Tensor":
        return normalised(self._transfer.finish(batch), self._mean, self._std).to(self._dtype)

    def image_tower(self) -> ImageTower | None:
        """See `image_tower_of`."""
        return tower_of(lambda model, pixels: model.encode_image(pixels), self._model, self._pixels)

    def _text_features(self, texts: list[str]) -> "Tensor":
        import torch

        tokens = self._tokenizer(texts, context_length=self.context_length).to(self.device)
        with torch.inference_mode():
            features: Tensor = self._model.encode_text(tokens)
            return features

    def _count_tokens(self, text: str) -> int:
        inner = getattr(self._tokenizer, "tokenizer", None)
        if inner is not None:  # a Hugging Face tokenizer; that of SigLIP ignores punctuation
            return len(inner(self._tokenizer.clean_fn(text), verbose=False)["input_ids"])
        return len(self._tokenizer.encode(text)) + 2  # counting non-padding would miss "!", whose token is 0


def _load(source: str, shown: str) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Return model, inference preprocessing, tokenizer, and all settings besides the weights that affect embeddings.

    Raises:
        ModelError: see `OpenClipEncoder`.
    """
    name, pretrained, quick_gelu = source, None, False
    if source.startswith("local-dir:"):
        _check_folder(Path(source.removeprefix("local-dir:")), shown)
    elif not source.startswith("hf-hub:"):
        name, pretrained, quick_gelu = _registered(source, shown)
    import open_clip
    from open_clip.transform import PreprocessCfg, image_transform_v2

    options = {"force_quick_gelu": quick_gelu, "precision": "fp32", "require_pretrained": True}
    try:
        with downloading(shown, _repository(source)), quiet(), _without_foreign_code():
            model = open_clip.create_model(name, pretrained=pretrained, **options)
            tokenizer = open_clip.get_tokenizer(name)
            prepared = dict(model.visual.preprocess_cfg)
            preprocess = image_transform_v2(PreprocessCfg(**prepared), is_train=False)
            settings = open_clip.get_model_config(name)
    except ModelError:
        raise
    except Exception as error:  # damaged weights alone give five different types
        if isinstance(error, ImportError) and error.name == "transformers":
            raise ModelError(f"{shown}: its tokenizer needs transformers", EXTRAS["hf"].command) from None
        tip = DOWNLOAD_TIP
        if source.startswith("local-dir:"):
            tip = "the weights or the config are damaged, or of different models: copy the model again"
        raise ModelError(f"{shown}: cannot be loaded: {first_lines(error)}", tip) from None
    config = {"model": settings, "preprocess": prepared, "quick_gelu": quick_gelu}
    inner = getattr(getattr(tokenizer, "tokenizer", None), "backend_tokenizer", None)
    return model, preprocess, tokenizer, config if inner is None else config | {"tokenizer": inner.to_str()}


@contextmanager
def _without_foreign_code() -> Iterator[None]:
    """Let transformers run no Python code of a model's folder: open_clip's own configuration file may ask for it."""
    try:
        from transformers import dynamic_module_utils as code
    except ImportError:  # then nothing could run it
        yield
        return
    before = code.get_class_in_module, code.TIME_OUT_REMOTE_CODE
    code.get_class_in_module, code.TIME_OUT_REMOTE_CODE = _refuse_code, 0  # 0: nobody is asked on the terminal
    try:
        yield
    finally:
        code.get_class_in_module, code.TIME_OUT_REMOTE_CODE = before


def _refuse_code(*_: Any, **__: Any) -> NoReturn:
    raise ValueError("it brings Python code of its own, which is not run")


def _sources(source: str, settings: dict[str, Any]) -> tuple[Path, ...]:
    """Return the files and folders that a model was loaded from; empty if one of them is unknown."""
    text = settings.get("text_cfg") or {}
    places: list[tuple[Path, ...]]
    hubs = [text.get("hf_model_name"), None if source.startswith("local-dir:") else text.get("hf_tokenizer_name")]
    if source.startswith("local-dir:"):
        places = [(Path(source.removeprefix("local-dir:")).resolve(),)]
    elif source.startswith("hf-hub:"):
        places = [hub_sources(source.removeprefix("hf-hub:"))]
    else:
        places = [_weights_of(source)]
    places += [hub_sources(name) for name in hubs if name]
    return tuple(path for place in places for path in place) if all(places) else ()


def _repository(source: str) -> str | None:
    """Return where the Hugging Face hub has a model's weights; `None` if they come from elsewhere."""
    import open_clip

    if source.startswith("local-dir:"):
        return None
    if source.startswith("hf-hub:"):
        return source.removeprefix("hf-hub:").partition("@")[0]
    model, _, tag = source.partition(":")
    hub: str = open_clip.get_pretrained_cfg(model.replace("/", "-"), tag).get("hf_hub") or ""
    return hub.rpartition("/")[0] or None


def _weights_of(source: str) -> tuple[Path, ...]:
    """Return where open_clip stores the weights of a model from its list."""
    import open_clip

    model, _, tag = source.partition(":")
    if Path(tag).is_file():
        return (Path(tag).resolve(),)
    if repository := _repository(source):
        return hub_sources(repository)
    settings = open_clip.get_pretrained_cfg(model.replace("/", "-"), tag)
    return (Path("~/.cache/clip").expanduser() / Path(settings["url"]).name,) if settings.get("url") else ()


def _split_transform(transform: Any, shown: str) -> tuple[Any, "Tensor", "Tensor"]:
    """Split open_clip's transform into its steps on the picture, and mean and std (3, 1, 1) of its normalisation.

    Raises:
        ModelError: it cannot be applied to a picture: open_clip builds it from whatever the configuration says.
    """
    import torch
    from PIL import Image
    from torchvision.transforms import Compose, Normalize

    *steps, last = transform.transforms
    assert isinstance(last, Normalize), "open_clip no longer ends its transform with a normalisation"
    resizing = [step for step in steps if type(step).__name__ not in ("MaybeConvertMode", "MaybeToTensor", "ToTensor")]
    try:
        prepared = transform(Image.new("RGB", (8, 8)))
        mean, std = (torch.tensor(values)[:, None, None] for values in (last.mean, last.std))
        if prepared.shape[0] != len(mean) or not bool(prepared.isfinite().all()):
            raise ValueError(f"mean {last.mean} and std {last.std} normalise no picture in RGB")
    except Exception as error:  # each step raises types of its own
        message = f"{shown}: its preprocessing cannot be used: {first_lines(error)}"
        raise ModelError(message, "correct preprocess_cfg in its configuration, or copy the model again") from None
    return Compose(resizing), mean, std


def _check_folder(folder: Path, shown: str) -> None:
    tip = "was the folder written by open_clip?"
    config = check_folder(folder, shown, _CONFIG, _WEIGHTS, tip)
    if "model_cfg" not in config:
        raise ModelError(f"{folder / _CONFIG}: has no model_cfg", tip)
    prepared = config.get("preprocess_cfg") or {}
    for name, length in (("size", 2), ("mean", 3), ("std", 3)):
        value = prepared.get(name) if isinstance(prepared, dict) else None
        numbers = value if isinstance(value, list) else [value] * length
        sound = len(numbers) == length and all(isinstance(each, int | float) for each in numbers)
        if value is not None and not sound:  # open_clip would use the model's own without a word
            message = f"{folder / _CONFIG}: the {name} of preprocess_cfg is {show(value)}"
            raise ModelError(message, "correct it, or copy the model again")


def _registered(source: str, shown: str) -> tuple[str, str, bool]:
    """Return model and pretrained tag in open_clip's own list, and whether the weights use QuickGELU.

    open_clip only warns if model and weights differ in that, and the embeddings are then of little use.
    """
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
        message = (
            f"{shown}: no pretrained weights {tag!r} for {name}" if tag else f"{shown}: no pretrained weights given"
        )
        raise ModelError(message, f"{name}:TAG with one of: {', '.join(tags) or '(none: give a file)'}")
    settings = open_clip.get_pretrained_cfg(name, tag) if tag in tags else {}
    return name, tag, bool(settings.get("quick_gelu"))
