"""Encoders loaded by transformers: `hf:FOLDER` or `hf:ORG/NAME`. CLIP, SigLIP, and others with the same two methods.

A model with its own code is loaded only if the user trusts it; those with `encode_text` and `encode_image`
(jina-clip) are then called by these methods, including their own preprocessing.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from inspect import getsource
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.encoders.base import ASSUMED_SCALE, LocalEncoder, fingerprint_of, first_lines, hub_sources
from treegen.clip.encoders.interface import Batch
from treegen.clip.encoders.pixels import normalised
from treegen.clip.encoders.processors import AsTheyAre, ProcessorPreprocessor, can_give_bytes, mean_and_std
from treegen.errors import ModelError
from treegen.extras import require

if TYPE_CHECKING:
    from torch import Tensor

_VOLATILE: Final = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "_attn_implementation_autoset")
_LONGEST: Final = 100_000  # tokenizers without a limit return 10**30
_WEIGHTS: Final = ("*.safetensors", "pytorch_model*.bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model with its tokenizer and processor; `processor` is `None` if the model prepares pictures itself."""

    model: Any
    tokenizer: Any
    processor: Any


class TransformersEncoder(LocalEncoder):
    """A transformers model with its own processor and tokenizer. Never runs on random weights."""

    def __init__(
        self,
        source: str,
        *,
        shown: str = "",
        device: str = "auto",
        precision: str = "auto",
        trust_remote_code: bool = False,
        logit_scale: float | None = None,
    ) -> None:
        """Load the model.

        Args:
            source: a folder, or a name on the hub.
            shown: the display name, if not `source`.
            device: see `LocalEncoder`.
            precision: see `LocalEncoder`; `auto` is fp32 for a model that prepares pictures and texts with its own
                code.
            trust_remote_code: run the code that comes with the model.
            logit_scale: for a model without its own.

        Raises:
            ModelError: transformers is not installed; the model or its weights cannot be loaded; it is not a model of
                images and texts; or it needs code that is not trusted or does not run with this transformers version.
        """
        name = shown or source
        transformers = _transformers()
        found = _load(transformers, source, name, trust_remote_code)
        self._own_methods = found.processor is None
        super().__init__(name, device=device, precision=precision, auto="fp32" if self._own_methods else None)
        model = found.model.float()  # as stored; versions load different types
        self.preprocessing = {} if self._own_methods else _plain(found.processor.to_dict())
        self.fingerprint = fingerprint_of(model.state_dict(), self._settings(found), self.precision)
        self.logit_scale, self.scale_assumed = _scale(model, logit_scale)
        if self.scale_assumed:
            self.tell(f"{name} tells no logit scale: {self.logit_scale:g} is assumed ([encoder] logit_scale)")
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias.detach())
        self.sources = (Path(source).resolve(),) if Path(source).is_dir() else hub_sources(source)
        self._model = model.eval().to(device=self.device, dtype=self._dtype)
        self._tokenizer = found.tokenizer
        self._fixed_length = str(model.config.model_type).startswith("siglip")  # trained with full-length padding
        self.context_length = _context_length(model.config, found.tokenizer)
        bytes_only = not self._own_methods and can_give_bytes(found.processor)
        self._after: tuple[Tensor, Tensor] | None = mean_and_std(found.processor) if bytes_only else None
        self.preprocessor = (
            AsTheyAre()
            if self._own_methods
            else ProcessorPreprocessor(processor=found.processor, bytes_only=bytes_only)
        )

    @staticmethod
    def _settings(found: Loaded) -> dict[str, Any]:
        """Return everything but the weights that affects embeddings: configuration, processor, tokenizer, own code."""
        backend = getattr(found.tokenizer, "backend_tokenizer", None)
        known = type(found.model).__module__.startswith("transformers.")
        return {
            "class": type(found.model).__name__,
            "config": _plain(found.model.config.to_dict()),
            "processor": None if found.processor is None else _plain(found.processor.to_dict()),
            "tokenizer": None if backend is None else backend.to_str(),
            "code": None if known else getsource(sys.modules[type(found.model).__module__]),
        }

    def _image_features(self, batch: Batch) -> "Tensor":
        import torch

        if self._own_methods:
            return self._ask(self._model.encode_image, list(batch))
        with torch.inference_mode():
            if isinstance(batch, list):
                names = batch[0].keys()
                inputs = {name: torch.stack([item[name] for item in batch]).to(self.device) for name in names}
            else:
                inputs = {"pixel_values": self._transfer.finish(batch)}
            pixels = inputs["pixel_values"]
            inputs["pixel_values"] = (pixels if self._after is None else normalised(pixels, *self._after)).to(
                self._dtype
            )
            return _features(self._model.get_image_features(**inputs))

    def _text_features(self, texts: list[str]) -> "Tensor":
        import torch

        if self._own_methods:
            return self._ask(self._model.encode_text, texts)
        padding = "max_length" if self._fixed_length else True
        cut = {"truncation": True, "max_length": self.context_length} if self.context_length else {}
        tokens = self._tokenizer(texts, padding=padding, return_tensors="pt", **cut).to(self.device)
        with torch.inference_mode():
            return _features(self._model.get_text_features(**tokens))

    def _ask(self, method: Any, items: list[Any]) -> "Tensor":
        """Call the model's own method, which may return an array, a tensor or a list of either."""
        import torch

        try:
            with torch.inference_mode(), torch.autocast(self.device, self._dtype, enabled=self.precision != "fp32"):
                return torch.stack([torch.as_tensor(row) for row in method(items)])
        except (RuntimeError, MemoryError):  # batches are halved, or reported as for other models
            raise
        except Exception as error:
            told = f"{self.name}: its own {method.__name__} failed: {first_lines(error)}"
            raise ModelError(told, "is it made for this version of transformers?") from None

    def _count_tokens(self, text: str) -> int:
        if self._tokenizer is None:
            return 0
        return len(self._tokenizer(text, verbose=False)["input_ids"])


def _transformers() -> Any:
    require("hf")
    import transformers

    return transformers


def _load(transformers: Any, source: str, shown: str, trusted: bool) -> Loaded:
    """Load model, tokenizer and image processor.

    Raises:
        ModelError: see `TransformersEncoder`.
    """
    folder = Path(source)
    if folder.is_dir():
        _check_folder(folder, shown)
    try:
        with _quiet(transformers):
            model, told = transformers.AutoModel.from_pretrained(
                source, trust_remote_code=trusted, output_loading_info=True, ignore_mismatched_sizes=True
            )
            _check_model(model, told, shown)
            own = not _has(model, "get_image_features", "get_text_features") or (
                not type(model).__module__.startswith("transformers.") and _has(model, "encode_image", "encode_text")
            )
            processor = (
                None if own else transformers.AutoImageProcessor.from_pretrained(source, trust_remote_code=trusted)
            )
            tokenizer = _tokenizer(transformers, source, shown, trusted, needed=not own)
    except ModelError:
        raise
    except Exception as error:  # damaged weights raise several types, and a model's own code any
        raise _explained(transformers, error, shown, folder.is_dir(), trusted) from None
    return Loaded(model=model, tokenizer=tokenizer, processor=processor)


def _check_folder(folder: Path, shown: str) -> None:
    config = folder / "config.json"
    if not config.is_file():
        tip = "is it a folder that transformers' save_pretrained wrote? One of open_clip is local-dir:FOLDER"
        raise ModelError(f"{shown}: {folder} holds no config.json", tip)
    try:
        found = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{config}: not JSON: {error}", "copy the model again") from None
    if not isinstance(found, dict):
        raise ModelError(f"{config}: holds no settings of a model", "copy the model again")
    if not any(path for pattern in _WEIGHTS for path in folder.glob(pattern)):
        raise ModelError(f"{shown}: {folder} holds no weights", f"expected one of: {', '.join(_WEIGHTS)}")


def _check_model(model: Any, told: dict[str, Any], shown: str) -> None:
    """Refuse missing or mismatched weights, which transformers randomises with only a warning."""
    kind = type(model).__name__
    if not (_has(model, "get_image_features", "get_text_features") or _has(model, "encode_image", "encode_text")):
        told_kind = f"{shown}: is a {kind}, which does not embed images and texts in one space"
        raise ModelError(told_kind, "models such as CLIPModel and SiglipModel do")
    for key, what in (("missing_keys", "are missing"), ("mismatched_keys", "have another shape")):
        names = sorted(name if isinstance(name, str) else str(name[0]) for name in told.get(key) or ())
        if names:
            listed = f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"
            raise ModelError(f"{shown}: weights of {kind} {what}: {listed}", "copy the model again")


def _tokenizer(transformers: Any, source: str, shown: str, trusted: bool, *, needed: bool) -> Any:
    """Load the tokenizer; optional for a model that reads texts itself, whose tokens are then not counted.

    Raises:
        ModelError: its vocabulary is empty: from a folder without its files transformers makes one to which all texts
            are equal.
    """
    try:
        found = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=trusted)
    except (OSError, ValueError, ImportError):
        if needed:
            raise
        return None
    if not set(found.get_vocab()) - set(found.all_special_tokens):
        tip = "copy tokenizer.json, or vocab.json and merges.txt, beside the weights"
        raise ModelError(f"{shown}: its tokenizer knows no words", tip)
    return found


def _explained(transformers: Any, error: Exception, shown: str, is_folder: bool, trusted: bool) -> ModelError:
    """Explain a failed load to the user; transformers tells the cases apart by wording alone."""
    told = first_lines(error)
    if not trusted and "trust_remote_code" in str(error):
        tip = "if you trust its authors: --trust-remote-code, or trust_remote_code = true below [encoder]"
        return ModelError(f"{shown}: comes with its own Python code, which is not run unasked", tip)
    if trusted and isinstance(error, ImportError | AttributeError | NameError | TypeError):
        version = f"transformers {transformers.__version__}"
        tip = f"install what it names, or the transformers it was written for (jina-clip-v1 and v2: {JINA_NEEDS})"
        return ModelError(f"{shown}: its own code does not run with {version}: {told}", tip)
    if is_folder and "image processor" in str(error):
        tip = "copy it from where the weights come from, or write it with save_pretrained of the image processor"
        return ModelError(f"{shown}: holds no preprocessor_config.json that transformers can read", tip)
    if is_folder:
        tip = "the weights or the configuration are damaged, or not of one model: copy the model again"
    else:
        tip = "there is no such folder, and a hub model needs the network once; hf:FOLDER loads one from disk"
    return ModelError(f"{shown}: cannot be loaded: {told}", tip)


#: What jina-clip's code imports was removed in transformers 5.
JINA_NEEDS: Final = "pip install 'transformers>=4.50,<5' einops timm, in an environment of its own"


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Silence progress bars and reports: what matters is checked and raised as an error."""
    log = transformers.utils.logging
    before, bars, hub = log.get_verbosity(), log.is_progress_bar_enabled(), logging.getLogger("huggingface_hub")
    level = hub.level
    log.set_verbosity(logging.CRITICAL)
    log.disable_progress_bar()
    hub.setLevel(logging.CRITICAL)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        log.set_verbosity(before)
        hub.setLevel(level)
        if bars:
            log.enable_progress_bar()


def _has(model: Any, *methods: str) -> bool:
    return all(callable(getattr(model, method, None)) for method in methods)


def _scale(model: Any, wanted: float | None) -> tuple[float, bool]:
    """Return the factor on cosine similarities, and whether it is assumed."""
    scale, temperature = getattr(model, "logit_scale", None), getattr(model, "temperature", None)
    if scale is not None:
        return float(scale.detach().float().exp()), False
    if temperature is not None:  # ALIGN divides by it
        return 1 / float(temperature.detach().float()), False
    return wanted or ASSUMED_SCALE, wanted is None


def _context_length(config: Any, tokenizer: Any) -> int | None:
    """Return the most tokens of a text; `None` if neither configuration nor tokenizer says."""
    text = getattr(config, "text_config", None)
    places = (
        text.get("max_position_embeddings")
        if isinstance(text, dict)
        else getattr(text, "max_position_embeddings", None)
    )
    told = [int(n) for n in (places, getattr(tokenizer, "model_max_length", None)) if n and 0 < n < _LONGEST]
    return min(told, default=None)


def _features(output: Any) -> "Tensor":
    """Return the embedding: a tensor up to transformers 4, since then a field of an object."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    pooled = getattr(output, "pooler_output", None)
    if not isinstance(pooled, torch.Tensor):
        raise ModelError(f"the model gives a {type(output).__name__} without an embedding", "use another model")
    return pooled


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Drop settings that vary between locations and versions without affecting embeddings, at any depth."""
    return {
        key: _plain(value) if isinstance(value, dict) else value
        for key, value in settings.items()
        if key not in _VOLATILE
    }
