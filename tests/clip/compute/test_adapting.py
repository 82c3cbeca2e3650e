"""Training on the views of an image: what is trained, against a slow loop, and that nothing of it stays."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from treegen.clip.arrays import to_numpy
from treegen.clip.compute import adapting
from treegen.clip.compute.adapting import ImageAdapter, Questions, adapted_texts, trained_weights
from treegen.clip.compute.pictures import embed_pictures
from treegen.clip.compute.views import view_of
from treegen.clip.encoders import open_encoder
from treegen.clip.encoders.interface import side_of
from treegen.clip.encoders.open_clip import OpenClipEncoder
from treegen.config.settings import EncoderSettings

V = 4
SIZES = (3, 2)
MATRIX = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0.5, 0.5]], np.float32)  # the last class has a null
SHOWN = ((0, 1, 2, 3), (0, 1, 3))


def questions_of(encoder: Any) -> Questions:
    texts = to_numpy(encoder.encode_texts(["red", "green", "blue", "large", "small"]))
    return Questions.of(texts, SIZES, MATRIX, shown=SHOWN, scale=encoder.logit_scale, views=V)


def pictures(count: int) -> tuple[list[Image.Image], list[str]]:
    contents = [Random(number).randbytes(40 * 40 * 3) for number in range(count)]
    return (
        [Image.frombytes("RGB", (40, 40), content) for content in contents],
        [hashlib.sha256(content).hexdigest() for content in contents],
    )


def state_of(encoder: Any) -> dict[str, bytes]:
    """Every parameter and buffer, to the last bit."""
    return {name: value.numpy().tobytes() for name, value in encoder._model.state_dict().items()}


@pytest.fixture
def tiny(tiny_clip: Path) -> OpenClipEncoder:
    return OpenClipEncoder(f"local-dir:{tiny_clip}", device="cpu")


def slow_loss(questions: Questions, features: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """The loss of one image by its definition, view by view and class by class."""
    views = []
    for v in range(V):
        classes = []
        for k in range(3):
            terms, start = [], 0
            for size, shown in zip(SIZES, SHOWN, strict=True):
                logits = questions.scale * features[v] @ texts[start : start + size].T
                row = MATRIX[k, start : start + size]
                if v in shown and row.max() == 1:
                    terms.append(torch.log_softmax(logits, 0)[int(row.argmax())])
                start += size
            classes.append(2 * sum(terms) / len(terms) if terms else torch.zeros(()))
        views.append(torch.softmax(torch.stack(classes), 0))  # type: ignore[arg-type]
    entropies = [float(-(p * p.log()).sum().detach()) for p in views]
    sure = sorted(range(V), key=entropies.__getitem__)[:2]
    mean = torch.stack([views[v] for v in sure]).mean(0)
    divergences = []
    for v in range(V):
        others = torch.stack([views[other] for other in range(V) if other != v]).mean(0).detach()
        divergences.append((others * (others / views[v]).log()).sum())
    return -(mean * mean.log()).sum() + torch.stack(divergences).mean()


def test_text_offsets_are_those_of_a_slow_loop_over_images(tiny: OpenClipEncoder) -> None:
    questions = questions_of(tiny)
    images, digests = pictures(3)
    features = embed_pictures(tiny, images, digests, V)
    ((rows, fast),) = adapted_texts(questions, features)
    assert rows == slice(0, adapting._TOGETHER)
    texts = torch.from_numpy(questions.texts)
    for image, own in zip(features, fast, strict=True):
        offset = torch.zeros_like(texts, requires_grad=True)
        optimizer = torch.optim.Adam([offset], lr=adapting.RATE)
        for _ in range(adapting.STEPS):
            optimizer.zero_grad()
            slow_loss(questions, torch.from_numpy(image), torch.nn.functional.normalize(texts + offset)).backward()
            optimizer.step()
        slow = torch.nn.functional.normalize(texts + offset.detach())
        assert not np.allclose(own, questions.texts, atol=1e-3)
        np.testing.assert_allclose(own, slow, atol=2e-4)


def slowly_trained(encoder: Any, questions: Questions, picture: Image.Image, digest: str) -> torch.Tensor:
    """The views of one image by backward passes through a model whose weights are replaced, with torch's own Adam."""
    adapter = ImageAdapter(encoder)
    tower, texts = adapter._tower, torch.from_numpy(questions.texts)
    weights = dict(tower.module.named_parameters())
    side = side_of(encoder.preprocessor)
    views = [view_of(digest, v).of(picture, side) if v else picture for v in range(V)]
    pixels = tower.pixels(encoder.preprocessor.collate([encoder.preprocessor(view) for view in views]))
    start = adapter._start([digest], {n: weights[n].shape for n in adapter._names}, "cpu")
    trained = {name: value[0].clone().requires_grad_() for name, value in start.items()}

    def embed() -> torch.Tensor:
        changed = {
            n: weights[n].detach() + (trained[f"B {n}"] @ trained[f"A {n}"]).reshape(weights[n].shape)
            for n in adapter._names
        }
        return torch.nn.functional.normalize(torch.func.functional_call(tower.module, changed, (pixels,)), dim=-1)

    optimizer = torch.optim.Adam(trained.values(), lr=adapting.RATE)
    for _ in range(adapting.STEPS):
        optimizer.zero_grad()
        slow_loss(questions, embed(), texts).backward()
        optimizer.step()
    return embed().detach()


def test_low_rank_matrices_are_those_of_a_slow_loop_over_images(tiny: OpenClipEncoder) -> None:
    questions, (images, digests) = questions_of(tiny), pictures(2)
    fast = embed_pictures(tiny, images, digests, V, questions)
    assert np.abs(fast - embed_pictures(tiny, images, digests, V)).max() > 1e-3
    for own, picture, digest in zip(fast, images, digests, strict=True):
        np.testing.assert_allclose(own, slowly_trained(tiny, questions, picture, digest), atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
def test_training_in_bf16_as_on_a_gpu_gives_nearly_the_same_features(
    tiny: OpenClipEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    """Whatever the weights are in; the bundled model also has statistics of batches, which are no parameters."""
    bundled = open_encoder(EncoderSettings(device="cpu"), tmp_path)
    for encoder in (tiny, bundled):
        assert isinstance(encoder, OpenClipEncoder)
        questions, (images, digests) = questions_of(encoder), pictures(3)
        exact, plain = (embed_pictures(encoder, images, digests, V, q) for q in (questions, None))
        if half:
            encoder._model, encoder._dtype = encoder._model.half(), torch.float16
        before = state_of(encoder)
        with monkeypatch.context() as patch:
            patch.setattr(adapting, "_training_dtype", lambda pixels: torch.bfloat16)
            rows = embed_pictures(encoder, images, digests, V, questions)
        assert (rows * exact).sum(-1).min() > 0.999 > (plain * exact).sum(-1).min()
        assert state_of(encoder) == before


@pytest.mark.slow
def test_the_bundled_model_is_bit_for_bit_the_same_after_100_images(tmp_path: Path) -> None:
    encoder = open_encoder(EncoderSettings(device="cpu"), tmp_path)
    assert isinstance(encoder, OpenClipEncoder)
    images, digests = pictures(100)
    before, vectors = state_of(encoder), encoder.encode_images(images[:8])
    rows = embed_pictures(encoder, images, digests, V, questions_of(encoder))
    assert rows.shape == (100, V, len(vectors[0]))
    assert not np.allclose(rows[:8, 0], vectors, atol=1e-3)
    assert state_of(encoder) == before
    assert torch.equal(encoder.encode_images(images[:8]), vectors)
    # the same image alone is trained from the same start, in a batch or by itself
    np.testing.assert_allclose(
        rows[17], embed_pictures(encoder, images[17:18], digests[17:18], V, questions_of(encoder))[0], atol=1e-4
    )


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[OpenClipEncoder, int], None]:
    """Has the image tower raise in one of its passes."""

    def fail(encoder: OpenClipEncoder, passes: int) -> None:
        original, count = encoder._model.encode_image, [0]

        def encode(*arguments: Any, **named: Any) -> Any:
            count[0] += 1
            if count[0] == passes:
                raise KeyboardInterrupt
            return original(*arguments, **named)

        monkeypatch.setattr(encoder._model, "encode_image", encode)

    return fail


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_a_model_is_bit_for_bit_the_same_after_an_exception_in_the_middle(
    tiny: OpenClipEncoder, failing: Callable[[OpenClipEncoder, int], None], passes: int
) -> None:
    questions, (images, digests) = questions_of(tiny), pictures(5)
    before, vectors = state_of(tiny), tiny.encode_images(images)
    fast_path = torch.backends.mha.get_fastpath_enabled()
    failing(tiny, passes)
    with pytest.raises(KeyboardInterrupt):
        embed_pictures(tiny, images, digests, V, questions)
    assert state_of(tiny) == before
    assert torch.equal(tiny.encode_images(images), vectors)
    assert torch.backends.mha.get_fastpath_enabled() == fast_path


def test_what_does_not_fit_into_memory_is_trained_in_halves(
    tiny: OpenClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions, (images, digests) = questions_of(tiny), pictures(5)
    together = embed_pictures(tiny, images, digests, V, questions)
    embed, sizes = ImageAdapter._embed, list[int]()

    def small(self: ImageAdapter, batch: Any, digests: list[str], questions: Questions) -> Any:
        sizes.append(len(digests))
        if len(digests) > 2:
            raise RuntimeError("CUDA out of memory")
        return embed(self, batch, digests, questions)

    monkeypatch.setattr(ImageAdapter, "_embed", small)
    np.testing.assert_allclose(embed_pictures(tiny, images, digests, V, questions), together, atol=1e-4)
    assert sizes == [5, 2, 3, 1, 2]


def test_the_attention_of_the_last_three_layers_of_the_image_tower_is_trained() -> None:
    class Attention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = torch.nn.MultiheadAttention(4, 2)
            self.ln_1 = torch.nn.LayerNorm(4)
            self.mlp = torch.nn.Linear(4, 4)

    def tower(layers: int) -> torch.nn.Module:
        return torch.nn.ModuleDict({"resblocks": torch.nn.ModuleList([Attention() for _ in range(layers)])})

    model = torch.nn.ModuleDict({"visual": tower(5), "transformer": tower(7)})
    layers = [f"visual.resblocks.{number}.attn" for number in (2, 3, 4)]
    assert trained_weights(model) == [
        name for layer in layers for name in (f"{layer}.in_proj_weight", f"{layer}.out_proj.weight")
    ]
    assert trained_weights(torch.nn.ModuleDict({"visual": torch.nn.Linear(3, 3)})) == []
