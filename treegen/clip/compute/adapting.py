"""Train on the views of one image before it is classified, and forget it afterwards.

The loss needs no label. Shapes: I images, V views of each, Q options, G groups, K classes, D embedding width.

Sources: Shu et al. 2022, "Test-time prompt tuning" (the entropy of the mean of the confident views); Imam et al. 2024,
"Test-time low rank adaptation" (the layers, rank and start of the matrices); Sui et al. 2024, "Just shift it" (an
offset on the text features instead of the prompt); Akyürek et al. 2024 (each view predicted from the others).
"""

import hashlib
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, to_numpy
from treegen.clip.compute.peft_tower import PeftTower, wrappable
from treegen.clip.compute.views import name_of
from treegen.clip.embedding.cache import EmbeddingCache, image_key
from treegen.clip.embedding.preprocess import prepare_stream
from treegen.clip.encoders.batching import is_full
from treegen.clip.encoders.interface import Batch, Encoder, image_tower_of, uses_peft
from treegen.errors import InputError, ModelError
from treegen.extras import MissingExtraError, require
from treegen.images import Crop, LabelledImage
from treegen.progress import Progress, no_progress

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, dtype
    from torch.nn import Module

    Parameters = dict[str, Tensor]
    Gradient = Callable[[Parameters], Parameters]

RANK: Final = 16
LAYERS: Final = 3  # the last of the image tower
STEPS: Final = 2
RATE: Final = 5e-3
#: Increase when the result of the training changes: stored features are then computed again.
_VERSION: Final = 1
_CONFIDENT: Final = 0.25  # share of the views whose mean is to be certain
_FIRST: Final = 0.9  # decay rates of Adam's two means
_SECOND: Final = 0.999
_SMALL: Final = 1e-8  # keeps it from dividing by 0
_LEAST: Final = 1e-12
_PICTURES: Final = 64  # that a model is trained on at once, of one image or several
_CUDA_PICTURES: Final = 256
_TOGETHER: Final = 64  # images whose text offsets are trained at once

_ATTENTION: Final = re.compile(r"(?P<layer>.*\.\d+)\.(?:self_)?att(?:n|ention)\..*weight")
_CONVOLUTION: Final = re.compile(r"(?P<layer>.*)\.conv\d+(?:\.conv)?\.weight")


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What the views are asked while something is trained on them: the groups of a tree, or the names of the classes.

    Attributes:
        texts: (Q, D), rows of length 1.
        sizes: options of each group (G).
        rules: (K, Q), 1 at the class's option of each group that it answers, else 0.
        seen: (V, Q), 1 where the option's group is asked about the view, else 0.
        scale: the model's logit scale.
    """

    texts: Array
    sizes: tuple[int, ...]
    rules: "NDArray[np.float32]"
    seen: "NDArray[np.float32]"
    scale: float

    @classmethod
    def of(
        cls,
        texts: Array,
        sizes: tuple[int, ...],
        matrix: Array,
        *,
        shown: Sequence[Sequence[int]],
        scale: float,
        views: int,
    ) -> "Questions":
        """Return the questions of a tree.

        Args:
            texts: (Q, D), rows of length 1.
            sizes: options of each group (G).
            matrix: (K, Q) of `scoring.rule_matrix`.
            shown: for each group the numbers of the views that it is asked about.
            scale: the model's logit scale.
            views: V.
        """
        rows = [np.isin(np.arange(views), list(each)).astype(np.float32) for each in shown]
        seen = np.repeat(np.stack(rows, axis=1), sizes, axis=1)
        return cls(texts=texts, sizes=sizes, rules=to_numpy(scoring.answered(matrix)), seen=seen, scale=scale)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that a result of the training depends on besides model and image."""
        digest = hashlib.sha256(f"{_VERSION} {RANK} {LAYERS} {STEPS} {RATE} {self.sizes} {self.scale}".encode())
        for array in (to_numpy(self.texts), self.rules, self.seen):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _loss(questions: Questions, device: Any) -> "Callable[[Tensor, Tensor], Tensor]":
    """Return the loss of the views (V, D) of one image by texts (Q, D), as a number to be minimised.

    A view's class scores are the sums of the logarithms of its answers, so that the groups are independent witnesses.
    """
    import torch

    rules, seen = (torch.from_numpy(array).to(device) for array in (questions.rules, questions.seen))
    share = len(questions.sizes) / (seen @ rules.T).clamp(min=1)  # (V, K): from the groups that answer, to all
    count = max(2, round(_CONFIDENT * len(seen)))

    def loss(features: "Tensor", texts: "Tensor") -> "Tensor":
        logits = questions.scale * features @ texts.T
        logs = torch.cat([part.log_softmax(-1) for part in logits.split(list(questions.sizes), dim=-1)], dim=-1)
        classes = ((logs * seen) @ rules.T * share).log_softmax(-1)  # (V, K)
        probabilities = classes.exp()
        entropies = -(probabilities * classes).sum(-1)
        confident = probabilities[entropies.topk(count, largest=False).indices].mean(0)
        others = ((probabilities.sum(0) - probabilities) / (len(seen) - 1)).detach().clamp(min=_LEAST)
        consistency = (others * (others.log() - classes)).sum(-1).mean()
        return -(confident * confident.clamp(min=_LEAST).log()).sum() + consistency

    return loss


def _trained(parameters: "Parameters", gradient: "Gradient") -> "Parameters":
    """Return the parameters after a few steps of Adam; those of each image move by its own gradient."""
    first = {name: value * 0 for name, value in parameters.items()}
    second = dict(first)
    for step in range(1, STEPS + 1):
        moved = {}
        for name, slope in gradient(parameters).items():
            first[name] = _FIRST * first[name] + (1 - _FIRST) * slope
            second[name] = _SECOND * second[name] + (1 - _SECOND) * slope * slope
            mean, spread = first[name] / (1 - _FIRST**step), second[name] / (1 - _SECOND**step)
            moved[name] = parameters[name] - RATE * mean / (spread.sqrt() + _SMALL)
        parameters = moved
    return parameters


def adapted_texts(questions: Questions, features: Array) -> Iterator[tuple[slice, Array]]:
    """Yield for some images at a time the text features that fit them: those of the questions with a learnt offset.

    Args:
        questions: of the tree.
        features: (B, V, D).

    Yields:
        Which images, and (b, Q, D) for them, rows of length 1.
    """
    import torch
    from torch.func import grad, vmap

    def tensor(array: Array) -> "Tensor":
        return torch.from_numpy(np.ascontiguousarray(array)) if isinstance(array, np.ndarray) else array

    texts = tensor(questions.texts)
    loss = _loss(questions, texts.device)

    def of_offset(parameters: "Parameters", views: "Tensor") -> "Tensor":
        return loss(views, torch.nn.functional.normalize(texts + parameters["offset"], dim=-1))

    for first in range(0, len(features), _TOGETHER):
        rows = slice(first, first + _TOGETHER)
        views = tensor(features[rows])
        start = {"offset": torch.zeros(len(views), *texts.shape, device=texts.device)}
        offset = _trained(start, lambda p, v=views: vmap(grad(of_offset))(p, v))["offset"]  # type: ignore[misc]
        fitted = torch.nn.functional.normalize(texts + offset, dim=-1)
        yield rows, fitted.numpy() if isinstance(features, np.ndarray) else fitted


def trained_weights(module: "Module") -> list[str]:
    """Return the names of the weights that low-rank matrices are added to: the attention of the last layers.

    Of a tower without attention, these are the pointwise convolutions of its last blocks. Empty if it has neither.
    """
    weights = {n: w for n, w in module.named_parameters() if w.ndim in (2, 4) and set(w.shape[2:]) <= {1}}
    visual = {name: weight for name, weight in weights.items() if "visual" in name or "vision" in name}
    for pattern in (_ATTENTION, _CONVOLUTION):
        layers: dict[str, list[str]] = {}
        for name in visual or weights:
            if match := pattern.fullmatch(name):
                layers.setdefault(match["layer"], []).append(name)
        if layers:
            return [name for layer in list(layers)[-LAYERS:] for name in layers[layer]]
    return []


class ImageAdapter:
    """Embeds the views of images, each by a model that was trained on them: the model itself never changes.

    A model whose attention is made of layers is trained by peft, image by image. Where attention reads the weights
    themselves, as `nn.MultiheadAttention`, the matrices are added to copies of them, in one batch for several images.
    """

    def __init__(self, encoder: Encoder) -> None:
        """Find what can be trained.

        Raises:
            InputError: nothing can: the model is elsewhere, or its layers are of no known kind.
            MissingExtraError: peft is needed and not installed.
        """
        tower = image_tower_of(encoder)
        names = trained_weights(tower.module) if tower else []
        self._by_peft = uses_peft(encoder)
        if tower and self._by_peft:
            names = wrappable(tower.module, names)
        if tower is None or not names:
            reason = "has no attention layers that are known" if tower else "does not give access to its layers"
            message = f"[compute] adapt: {encoder.name} {reason}, so lora cannot train them"
            raise InputError(message, 'adapt = "prompt" trains an offset on the text features')
        if self._by_peft:
            require("lora")
        self._tower, self._names, self._name = tower, names, encoder.name
        self._copy: PeftTower | None = None

    def features(self, batch: Batch, digests: Sequence[str], questions: Questions) -> "NDArray[np.float32]":
        """Embed the views of images after training on them.

        Args:
            batch: V views of each image (I), prepared and collated, image by image.
            digests: SHA-256 of each image's content in hex (I); they seed the start of the matrices.
            questions: what the views are asked.

        Returns:
            (I, V, D), rows of length 1.

        Raises:
            ModelError: memory does not suffice for one image, or the training returned NaN.
        """
        views, rows = len(questions.seen), None
        try:
            with _differentiable():
                rows = self._embed(batch, digests, questions)
        except RuntimeError as error:
            if not is_full(error) or len(digests) == 1:
                message = f"{self._name}: failed to train on an image: {error}"
                raise ModelError(message, "use --device cpu, or remove `adapt` below [compute]") from None
        if rows is None:  # only now: the error keeps the tensors of the failed try alive
            half = len(digests) // 2
            parts = ((batch[: half * views], digests[:half]), (batch[half * views :], digests[half:]))
            return np.concatenate([self.features(*part, questions) for part in parts])
        if not np.isfinite(rows).all():
            raise ModelError(f"{self._name}: training on an image returned NaN", "remove `adapt` below [compute]")
        return rows

    def _embed(self, batch: Batch, digests: Sequence[str], questions: Questions) -> "NDArray[np.float32]":
        import torch

        pixels = self._tower.pixels(batch)
        number = _training_dtype(pixels)
        pixels = pixels.to(number).reshape(len(digests), len(questions.seen), *pixels.shape[1:])
        loss = _loss(questions, pixels.device)
        texts = torch.as_tensor(to_numpy(questions.texts), device=pixels.device)
        weights = dict(self._tower.module.named_parameters())
        start = self._start(digests, {name: weights[name].shape for name in self._names}, pixels.device)

        def of_features(rows: "Tensor") -> "Tensor":
            return loss(rows, texts)

        embed = self._one_by_one if self._by_peft else self._together
        rows: NDArray[np.float32] = to_numpy(embed(pixels, start, of_features))
        return rows

    def _one_by_one(self, pixels: "Tensor", start: "Parameters", loss: "Callable[[Tensor], Tensor]") -> "Tensor":
        """Train images (I, V, 3, H, W) by peft, from matrices (I, ...), and return their features (I, V, D)."""
        import torch

        if self._copy is None:
            self._copy = PeftTower(self._tower.module, self._names, RANK, pixels.dtype)
        rows = [
            self._copy.train(views, {n: value[i] for n, value in start.items()}, loss, steps=STEPS, rate=RATE)
            for i, views in enumerate(pixels)
        ]
        return torch.stack(rows)

    def _together(self, pixels: "Tensor", start: "Parameters", loss: "Callable[[Tensor], Tensor]") -> "Tensor":
        """Train images with copies of the weights, see `_one_by_one`."""
        import torch
        from torch.func import functional_call, grad, vmap

        module, number = self._tower.module, pixels.dtype
        # buffers too: batch normalisation refuses pixels in another number format than its statistics
        values = (*module.named_parameters(), *module.named_buffers())
        frozen = {n: v.detach().to(number if v.is_floating_point() else v.dtype) for n, v in values}

        def features(parameters: "Parameters", views: "Tensor") -> "Tensor":
            changed = {
                name: frozen[name] + _product(parameters, name, frozen[name].shape).to(number) for name in self._names
            }
            return torch.nn.functional.normalize(
                functional_call(module, {**frozen, **changed}, (views,)).float(), dim=-1
            )

        def of_matrices(parameters: "Parameters", views: "Tensor") -> "Tensor":
            return loss(features(parameters, views))

        trained = _trained(start, lambda parameters: vmap(grad(of_matrices))(parameters, pixels))
        with torch.no_grad():
            return vmap(features)(trained, pixels)

    def _start(self, digests: Sequence[str], shapes: dict[str, Any], device: Any) -> "Parameters":
        """Return the matrices of all images: A (I, R, in) by Xavier from each content, B (I, out, R) zero.

        So the model is at first the one that it was.
        """
        import torch

        parameters = {}
        for name, shape in shapes.items():
            bound = math.sqrt(6 / (RANK + shape[1]))
            drawn = []
            for digest in digests:
                seed = int.from_bytes(hashlib.sha256(f"{digest} {name}".encode()).digest()[:8], "big") >> 1
                draw = torch.Generator().manual_seed(seed)
                drawn.append((2 * torch.rand(RANK, shape[1], generator=draw) - 1) * bound)
            parameters[f"A {name}"] = torch.stack(drawn).to(device)
            parameters[f"B {name}"] = torch.zeros(len(digests), shape[0], RANK, device=device)
        return parameters


def open_adapter(encoder: Encoder) -> ImageAdapter | None:
    """Return what trains an encoder on images; `None` if nothing of it can be trained, which its notes then say.

    Raises:
        MissingExtraError: peft is needed and not installed: the answers must not depend on that.
    """
    try:
        return ImageAdapter(encoder)
    except MissingExtraError:
        raise
    except InputError as error:
        note, add = f"{error.message}: views are used as they are", getattr(encoder, "add_note", None)
        if add and note not in encoder.notes:
            add(note)
        return None


def embed_adapted(
    images: Sequence[LabelledImage],
    encoder: Encoder,
    cache: EmbeddingCache,
    crop: Crop,
    questions: Questions,
    *,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> "NDArray[np.float32] | None":
    """Embed the views of images after training on them; the results are kept in the cache, with the questions' digest.

    Args:
        images: with their digests (B).
        encoder: its model is trained, and only loaded for images that are not in the cache.
        cache: stores the features, a batch at a time.
        crop: for images without their own.
        questions: what the views are asked.
        workers: see `prepare_stream`.
        progress: called with the number of images done; may raise `Cancelled`.

    Returns:
        (B, V, D), rows of length 1; `None` if nothing can be trained.

    Raises:
        InputError: a picture can no longer be read.
        ModelError: see `ImageAdapter.features`.
        MissingExtraError: peft is needed and not installed.
    """
    views = len(questions.seen)
    how = "peft" if uses_peft(encoder) else "lora"  # the two round differently
    keys = [
        [image_key(i.digest, i.crop or crop, f"{name_of(v)} {how} {questions.digest}") for v in range(views)]
        for i in images
    ]
    wanted = dict(zip((key[0] for key in keys), range(len(keys)), strict=True))  # each content once
    stored = cache.get(encoder.fingerprint, [key for number in wanted.values() for key in keys[number]])
    missing = [number for number in wanted.values() if not all(key in stored for key in keys[number])]
    if missing:
        done, adapter = 0, open_adapter(encoder)
        if adapter is None:
            return None
        size = max(views, _CUDA_PICTURES if encoder.device == "cuda" else _PICTURES)
        stream = prepare_stream(
            [images[number] for number in missing],
            crop,
            encoder.preprocessor,
            workers=workers,
            batch=size,
            views=[range(views)] * len(missing),
        )
        with closing(stream):
            for batch in stream:
                for index, reason in batch.broken:
                    path = images[missing[index // views]].path
                    raise InputError(f"{path}: {reason}", "it could be read before: is it being written?")
                part = missing[done : done + len(batch.good) // views]
                rows = adapter.features(batch.prepared, [images[number].digest for number in part], questions)
                into = [key for number in part for key in keys[number]]
                vectors = cache.put(encoder.fingerprint, into, rows.reshape(len(into), -1))
                stored.update(zip(into, vectors, strict=True))
                done += len(part)
                progress("training on images", done, len(missing))
    return np.stack([np.stack([stored[key] for key in each]) for each in keys])


def _training_dtype(pixels: "Tensor") -> "dtype":
    """Return the number format that images are trained in: fp16 has too few exponents for gradients."""
    import torch

    return torch.bfloat16 if pixels.device.type == "cuda" else pixels.dtype


def _product(parameters: "Parameters", name: str, shape: Any) -> "Tensor":
    return (parameters[f"B {name}"] @ parameters[f"A {name}"]).reshape(shape)


@contextmanager
def _differentiable() -> Iterator[None]:
    """Have attention computed by operations that can be batched over images and differentiated, and not all at once."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast = torch.backends.mha.get_fastpath_enabled()
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.filterwarnings("ignore", message="There is a performance drop")
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
