"""Training transformers encoders by peft: nothing of the encoder changes, and no image's answer depends on others."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from peft.tuners.lora import Linear as LoraLinear

from tests.clip.compute.test_adapting import V, pictures, questions_of, state_of
from treegen import extras
from treegen.clip.compute import adapting
from treegen.clip.compute.adapting import embed_adapted
from treegen.clip.compute.pictures import embed_pictures
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.encoders.cached import CachedEncoder
from treegen.clip.encoders.interface import uses_peft
from treegen.clip.encoders.transformers import TransformersEncoder
from treegen.extras import MissingExtraError
from treegen.images import LabelledImage
from treegen.images.interface import WHOLE

pytestmark = pytest.mark.slow

LAYERS = 8  # of the tiny models: 4 weights of attention in each of 2 layers
Saved = Callable[[str], Path]


def load(folder: Path) -> TransformersEncoder:
    return TransformersEncoder(str(folder), device="cpu")


def structure_of(encoder: TransformersEncoder) -> list[Any]:
    """Every module with its hooks and every parameter with its flags, by identity."""
    model = encoder._model
    modules = [
        (name, id(module), type(module), module.training, len(module._forward_hooks), len(module._forward_pre_hooks))
        for name, module in model.named_modules()
    ]
    parameters = [(name, id(p), p.requires_grad, p.grad) for name, p in model.named_parameters()]
    return [modules, parameters, sorted(vars(model))]


@pytest.fixture(params=["clip", "siglip"])
def encoder(request: pytest.FixtureRequest, saved: Saved) -> TransformersEncoder:
    return load(saved(request.param))


@pytest.fixture
def unchanged(encoder: TransformersEncoder) -> Iterator[None]:
    """Compares every bit of the encoder, its modules, what it answers, and the state of torch's generator."""
    images, _ = pictures(4)
    before, vectors = (state_of(encoder), structure_of(encoder)), encoder.encode_images(images)
    generator = torch.get_rng_state()
    yield
    assert (state_of(encoder), structure_of(encoder)) == before
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.equal(encoder.encode_images(images), vectors)


@pytest.mark.usefixtures("unchanged")
def test_the_encoder_is_the_same_after_100_images(encoder: TransformersEncoder) -> None:
    images, digests = pictures(100)
    questions = questions_of(encoder)
    rows = embed_pictures(encoder, images, digests, V, questions)
    assert np.abs(rows - embed_pictures(encoder, images, digests, V)).max(axis=(1, 2)).min() > 1e-3
    for few in ([17], [99, 17, 3]):  # each image by itself: to the last bit
        some = embed_pictures(encoder, [images[n] for n in few], [digests[n] for n in few], V, questions)
        np.testing.assert_array_equal(some, rows[few])


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("__init__", 3),  # some of the layers are put in
        ("forward", 1),
        ("forward", LAYERS + 3),  # between two steps of the first image
        ("forward", 4 * LAYERS + 2),  # in the second image
    ],
)
def test_the_encoder_is_the_same_after_an_exception_in_the_middle(
    encoder: TransformersEncoder,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    method: str,
    call: int,
) -> None:
    questions, (images, digests) = questions_of(encoder), pictures(3)
    original, count = getattr(LoraLinear, method), [0]

    def fail(*arguments: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == call:
            raise error
        return original(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(LoraLinear, method, fail)
        with pytest.raises(error):
            embed_pictures(encoder, images, digests, V, questions)
    assert count[0] == call


@pytest.mark.usefixtures("unchanged")
def test_an_adapter_that_failed_on_an_image_begins_the_next_one_from_its_own_start(
    encoder: TransformersEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions, (images, digests) = questions_of(encoder), pictures(2)
    prepare, adapter = encoder.preprocessor, adapting.ImageAdapter(encoder)
    batches = [prepare.collate([prepare(image)] * V) for image in images]
    expected = adapter.features(batches[1], digests[1:], questions)
    original, count = torch.optim.Adam.step, [0]

    def step(*arguments: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == 2:
            raise KeyboardInterrupt
        return original(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", step)
        with pytest.raises(KeyboardInterrupt):
            adapter.features(batches[0], digests[:1], questions)
    np.testing.assert_array_equal(adapter.features(batches[1], digests[1:], questions), expected)


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
def test_training_in_bf16_as_on_a_gpu_gives_nearly_the_same_features(
    encoder: TransformersEncoder, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    questions, (images, digests) = questions_of(encoder), pictures(3)
    exact, plain = (embed_pictures(encoder, images, digests, V, q) for q in (questions, None))
    if half:
        encoder._model, encoder._dtype = encoder._model.half(), torch.float16
    before = state_of(encoder), structure_of(encoder)
    with monkeypatch.context() as patch:
        patch.setattr(adapting, "_training_dtype", lambda pixels: torch.bfloat16)
        rows = embed_pictures(encoder, images, digests, V, questions)
    assert (rows * exact).sum(-1).min() > 0.999 > (plain * exact).sum(-1).min()
    assert (state_of(encoder), structure_of(encoder)) == before


def test_weights_take_no_memory_twice(encoder: TransformersEncoder) -> None:
    adapter, (images, digests) = adapting.ImageAdapter(encoder), pictures(1)
    batch = encoder.preprocessor.collate([encoder.preprocessor(images[0])] * V)
    adapter.features(batch, digests, questions_of(encoder))
    assert adapter._copy
    places = {value.data_ptr() for value in encoder._model.state_dict().values()}
    copied = {name: value for name, value in adapter._copy._module.state_dict().items() if ".lora_" not in name}
    assert len(copied) == len(encoder._model.state_dict())
    assert {value.data_ptr() for value in copied.values()} == places


def test_without_peft_the_extra_is_named_and_no_view_is_used_untrained(
    saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = extras.is_installed
    monkeypatch.setattr(extras, "is_installed", lambda module: module != "peft" and there(module))
    encoder, (images, digests) = load(saved("clip")), pictures(1)
    with pytest.raises(MissingExtraError, match="needs peft, which is not installed") as caught:
        embed_pictures(encoder, images, digests, V, questions_of(encoder))
    assert caught.value.tip == "pip install 'treegen-clip[lora]'"
    assert encoder.notes == ()


def test_features_in_the_cache_need_no_model_and_are_those_of_peft(saved: Saved, tmp_path: Path) -> None:
    images = []
    for number, picture in enumerate(pictures(2)[0]):
        path = tmp_path / f"{number}.png"
        picture.save(path)
        images.append(LabelledImage(path=path, label=0, digest=hashlib.sha256(path.read_bytes()).hexdigest()))
    loads = []

    def opened() -> TransformersEncoder:
        loads.append(load(saved("clip")))
        return loads[-1]

    with EmbeddingCache(tmp_path / "cache.sqlite") as cache:
        first, second = CachedEncoder(cache, "key", opened), CachedEncoder(cache, "key", opened)
        questions = questions_of(first)
        rows = embed_adapted(images, first, cache, WHOLE, questions)
        assert uses_peft(second)
        assert rows is not None
        np.testing.assert_array_equal(embed_adapted(images, second, cache, WHOLE, questions), rows)
        assert len(loads) == 1
        second.uses_peft = False  # features of copies of the weights have another key
        assert embed_adapted(images, second, cache, WHOLE, questions) is not None
        assert len(loads) == 2


def test_an_adapter_in_the_folder_of_a_model_is_not_loaded_with_it(saved: Saved, tmp_path: Path) -> None:
    """Transformers would, if peft is installed; and the adapter may name another model, on the hub."""
    folder = Path(shutil.copytree(saved("clip"), tmp_path / "clip"))
    config = peft.LoraConfig(target_modules=["q_proj"], base_model_name_or_path="org/other", init_lora_weights=False)
    peft.get_peft_model(load(saved("clip"))._model, config).save_pretrained(folder)
    assert json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["peft_type"] == "LORA"
    assert load(folder).fingerprint == load(saved("clip")).fingerprint
