"""Encoders loaded by transformers: `hf:FOLDER` or `hf:ORG/NAME`. CLIP, SigLIP, and others with the same two methods.

A model with its own code is loaded only if the user trusts it; those with `encode_text` and `encode_image`
(jina-clip) are then called by these methods, including their own preprocessing.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import getsource
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.encoders.base import (
    ASSUMED_SCALE,
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
from treegen.clip.encoders.pixels import normalised
from treegen.clip.encoders.processors import (
    AsTheyAre,
    ProcessorPreprocessor,
    can_give_bytes,
    mean_and_std,
    scaled_side,
)
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

    uses_peft = True

    def __init__(
        self,
        source: str,
        *,
        shown: str = "",
        device: str = "auto",
        precision: str = "auto",
        trust_remote_code: bool = False,
        logit_scale: float | None = None,
        revision: str | None = None,
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
            revision: the commit of a model of the hub; the newest if not given.

        Raises:
            ModelError: transformers is not installed; the model or its weights cannot be loaded; it is not a model of
                images and texts; or it needs code that is not trusted or does not run with this transformers version.
        """
        name = shown or source
        transformers = _transformers()
        loaded = _load(transformers, source, name, trust_remote_code, revision)
        self._own_methods = loaded.processor is None
        super().__init__(name, device=device, precision=precision, auto="fp32" if self._own_methods else None)
        # Versions of transformers load different types: fp32 first, so that fingerprint and scale do not depend on it.
        model = loaded.model.float()
        self.preprocessing = {} if self._own_methods else _plain(loaded.processor.to_dict())
        self.fingerprint = fingerprint_of(model.state_dict(), self._settings(loaded), self.precision)
        self.logit_scale, self.scale_assumed = _scale(model, logit_scale)
        if self.scale_assumed:
            self.add_note(f"{name} has no logit scale: {self.logit_scale:g} is assumed ([encoder] logit_scale)")
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias.detach())
        self.sources = (Path(source).resolve(),) if Path(source).is_dir() else hub_sources(source, revision)
        self._model = model.eval().to(device=self.device, dtype=self._dtype)
        self._tokenizer = loaded.tokenizer
        self._fixed_length = str(model.config.model_type).startswith("siglip")  # trained with full-length padding
        self.context_length = _context_length(model.config, loaded.tokenizer)
        bytes_only = not self._own_methods and can_give_bytes(loaded.processor)
        self._after: tuple[Tensor, Tensor] | None = mean_and_std(loaded.processor) if bytes_only else None
        self.preprocessor = (
            AsTheyAre()
            if self._own_methods
            else ProcessorPreprocessor(
                processor=loaded.processor, bytes_only=bytes_only, side=scaled_side(loaded.processor)
            )
        )

    @staticmethod
    def _settings(loaded: Loaded) -> dict[str, Any]:
        """Return everything but the weights that affects embeddings: configuration, processor, tokenizer, own code."""
        backend = getattr(loaded.tokenizer, "backend_tokenizer", None)
        built_in = type(loaded.model).__module__.startswith("transformers.")
        return {
            "class": type(loaded.model).__name__,
            "config": _plain(loaded.model.config.to_dict()),
            "processor": None if loaded.processor is None else _plain(loaded.processor.to_dict()),
            "tokenizer": None if backend is None else backend.to_str(),
            "code": None if built_in else getsource(sys.modules[type(loaded.model).__module__]),
        }

    def _image_features(self, batch: Batch) -> "Tensor":
        import torch

        if self._own_methods:
            return self._call_own(self._model.encode_image, list(batch))
        with torch.inference_mode():
            if isinstance(batch, list):
                names = batch[0].keys()
                inputs = {name: torch.stack([item[name] for item in batch]).to(self.device) for name in names}
            else:
                inputs = {"pixel_values": self._transfer.finish(batch)}
            # Only pixels are normalised and cast: other inputs, such as SigLIP 2's masks and sizes, are integers.
            inputs["pixel_values"] = self._normalised(inputs["pixel_values"])
            return _features(self._model.get_image_features(**inputs))

    def _normalised(self, pixels: "Tensor") -> "Tensor":
        return (pixels if self._after is None else normalised(pixels, *self._after)).to(self._dtype)

    def image_tower(self) -> ImageTower | None:
        """See `image_tower_of`: not if the model prepares pictures itself, or takes more than pixels."""
        if self._own_methods or self._after is None:
            return None
        return tower_of(
            lambda model, pixels: _features(model.get_image_features(pixel_values=pixels)),
            self._model,
            lambda batch: self._normalised(self._transfer.finish(batch)),
        )

    def _text_features(self, texts: list[str]) -> "Tensor":
        import torch

        if self._own_methods:
            return self._call_own(self._model.encode_text, texts)
        padding = "max_length" if self._fixed_length else True
        cut = {"truncation": True, "max_length": self.context_length} if self.context_length else {}
        tokens = self._tokenizer(texts, padding=padding, return_tensors="pt", **cut).to(self.device)
        with torch.inference_mode():
            return _features(self._model.get_text_features(**tokens))

    def _call_own(self, method: Any, items: list[Any]) -> "Tensor":
        """Call the model's own method, which may return an array, a tensor or a list of either."""
        import torch

        try:
            with torch.inference_mode(), torch.autocast(self.device, self._dtype, enabled=self.precision != "fp32"):
                return torch.stack([torch.as_tensor(row) for row in method(items)])
        except (RuntimeError, MemoryError):  # batches are halved, or reported as for other models
            raise
        except Exception as error:
            message = f"{self.name}: its own {method.__name__} failed: {first_lines(error)}"
            raise ModelError(message, "was the model written for this version of transformers?") from None

    def _count_tokens(self, text: str) -> int:
        if self._tokenizer is None:
            return 0
        return len(self._tokenizer(text, verbose=False)["input_ids"])


def _transformers() -> Any:
    require("hf")
    import transformers

    return transformers


def _load(transformers: Any, source: str, shown: str, trusted: bool, revision: str | None) -> Loaded:
    """Load model, tokenizer and image processor.

    Raises:
        ModelError: see `TransformersEncoder`.
    """
    folder = Path(source)
    options: dict[str, Any] = {"trust_remote_code": trusted} | ({"revision": revision} if revision else {})
    if folder.is_dir():
        tip = "was the folder written by transformers' save_pretrained? For one of open_clip use local-dir:FOLDER"
        check_folder(folder, shown, "config.json", _WEIGHTS, tip)
    try:
        with (
            downloading(shown, None if folder.is_dir() else source, revision),
            _quiet(transformers),
            _without_adapters(),
        ):
            model, report = transformers.AutoModel.from_pretrained(
                source, output_loading_info=True, ignore_mismatched_sizes=True, **options
            )
            _check_model(model, report, shown)
            # A model with its own code may have both pairs of methods. Its `encode_*` come with the preprocessing that
            # it was trained with; for `get_*_features` that would have to be guessed.
            prepares_itself = not _has(model, "get_image_features", "get_text_features") or (
                not type(model).__module__.startswith("transformers.") and _has(model, "encode_image", "encode_text")
            )
            processor = None
            if not prepares_itself:
                processor = transformers.AutoImageProcessor.from_pretrained(source, **options)
            tokenizer = _tokenizer(transformers, source, shown, options, needed=not prepares_itself)
    except ModelError:
        raise
    except Exception as error:  # damaged weights raise several types, and a model's own code any
        raise _explained(transformers, error, shown, folder.is_dir(), trusted) from None
    return Loaded(model=model, tokenizer=tokenizer, processor=processor)


def _check_model(model: Any, report: dict[str, Any], shown: str) -> None:
    """Refuse missing or mismatched weights, which transformers randomises with only a warning."""
    kind = type(model).__name__
    if not (_has(model, "get_image_features", "get_text_features") or _has(model, "encode_image", "encode_text")):
        message = f"{shown}: is a {kind}, which does not embed images and texts in one space"
        raise ModelError(message, "models such as CLIPModel and SiglipModel do")
    for key, what in (("missing_keys", "are missing"), ("mismatched_keys", "have the wrong shape")):
        names = sorted(name if isinstance(name, str) else str(name[0]) for name in report.get(key) or ())
        if names:
            listed = f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"
            raise ModelError(f"{shown}: weights of {kind} {what}: {listed}", "copy the model again")


def _tokenizer(transformers: Any, source: str, shown: str, options: dict[str, Any], *, needed: bool) -> Any:
    """Load the tokenizer; optional for a model that reads texts itself, whose tokens are then not counted.

    Raises:
        ModelError: its vocabulary is empty: from a folder without its files transformers makes one to which all texts
            are equal.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError, ImportError):
        if needed:
            raise
        return None
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        tip = "copy tokenizer.json, or vocab.json and merges.txt, into the folder of the weights"
        raise ModelError(f"{shown}: its tokenizer has an empty vocabulary", tip)
    return tokenizer


def _explained(transformers: Any, error: Exception, shown: str, is_folder: bool, trusted: bool) -> ModelError:
    """Explain a failed load to the user; transformers tells the cases apart by wording alone."""
    reason = first_lines(error)
    if not trusted and "trust_remote_code" in str(error):
        tip = "if you trust its authors: --trust-remote-code, or trust_remote_code = true below [encoder]"
        return ModelError(f"{shown}: comes with its own Python code, which only runs with your permission", tip)
    if trusted and isinstance(error, ImportError | AttributeError | NameError | TypeError):
        version = f"transformers {transformers.__version__}"
        written_for = f"the transformers it was written for (jina-clip-v1 and v2: {JINA_NEEDS})"
        tip = f"install the packages that it names, or {written_for}"
        return ModelError(f"{shown}: its own code does not run with {version}: {reason}", tip)
    if is_folder and "image processor" in str(error):
        tip = "copy it from the source of the weights, or write it with save_pretrained of the image processor"
        return ModelError(f"{shown}: has no preprocessor_config.json that transformers can read", tip)
    if is_folder:
        tip = "the weights or the configuration are damaged, or of different models: copy the model again"
    else:
        tip = f"there is no such folder, and {DOWNLOAD_TIP}"
    return ModelError(f"{shown}: cannot be loaded: {reason}", tip)


#: What jina-clip's code imports was removed in transformers 5.
JINA_NEEDS: Final = "pip install 'transformers>=4.50,<5' einops timm, in a separate environment"


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Silence transformers' own log and progress bars too, see `quiet`."""
    log = transformers.utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(logging.CRITICAL)
    log.disable_progress_bar()
    try:
        with quiet():
            yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()


@contextmanager
def _without_adapters() -> Iterator[None]:
    """Load the model that is named, whether or not peft is installed.

    With peft transformers follows an adapter_config.json to another model, whose code would run under the permission
    given for this one, and adds the adapter's weights.
    """
    from transformers.integrations import peft as integration
    from transformers.models.auto import auto_factory

    modules = (integration, auto_factory)
    before = [module.find_adapter_config_file for module in modules]
    for module in modules:
        module.find_adapter_config_file = lambda *_, **__: None
    try:
        yield
    finally:
        for module, function in zip(modules, before, strict=True):
            module.find_adapter_config_file = function


def _has(model: Any, *methods: str) -> bool:
    return all(callable(getattr(model, method, None)) for method in methods)


def _scale(model: Any, setting: float | None) -> tuple[float, bool]:
    """Return the factor on cosine similarities, and whether it is assumed."""
    scale, temperature = getattr(model, "logit_scale", None), getattr(model, "temperature", None)
    if scale is not None:
        return float(scale.detach().float().exp()), False
    if temperature is not None:  # ALIGN divides by it
        return 1 / float(temperature.detach().float()), False
    return setting or ASSUMED_SCALE, setting is None


def _context_length(config: Any, tokenizer: Any) -> int | None:
    """Return the most tokens of a text; `None` if neither configuration nor tokenizer says."""
    text = getattr(config, "text_config", None)
    positions = (
        text.get("max_position_embeddings")
        if isinstance(text, dict)
        else getattr(text, "max_position_embeddings", None)
    )
    limits = [int(n) for n in (positions, getattr(tokenizer, "model_max_length", None)) if n and 0 < n < _LONGEST]
    return min(limits, default=None)


def _features(output: Any) -> "Tensor":
    """Return the embedding: a tensor up to transformers 4, since then a field of an object."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    pooled = getattr(output, "pooler_output", None)
    if not isinstance(pooled, torch.Tensor):
        raise ModelError(f"the model returned a {type(output).__name__} without an embedding", "use another model")
    return pooled


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Drop settings that vary between locations and versions without affecting embeddings, at any depth."""
    return {
        key: _plain(value) if isinstance(value, dict) else value
        for key, value in settings.items()
        if key not in _VOLATILE
    }
