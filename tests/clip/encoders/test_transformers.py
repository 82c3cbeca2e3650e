"""Encoders of transformers against transformers used plainly, on models made here; and all that can be wrong."""

import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.clip.compute.test_adapting import V, questions_of, slowly_trained, state_of
from tests.clip.compute.test_adapting import pictures as labelled_pictures
from treegen.clip.compute.adapting import ImageAdapter
from treegen.clip.compute.pictures import embed_pictures
from treegen.clip.encoders import open_encoder
from treegen.clip.encoders.interface import side_of
from treegen.clip.encoders.transformers import TransformersEncoder
from treegen.clip.text_checks import length_problems
from treegen.config.settings import EncoderSettings
from treegen.errors import ModelError
from treegen.extras import MissingExtraError
from treegen.tree.model import ClassRule, Group, Tree

pytestmark = pytest.mark.slow

TEXTS = ("a red bird", "this creature is a white dog", "cat")
KINDS = ("clip", "siglip", "siglip2")
Saved = Callable[[str], Path]


def load(folder: Path | str, **options: Any) -> TransformersEncoder:
    return TransformersEncoder(str(folder), device="cpu", **options)


@pytest.fixture
def own(saved: Saved, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a model that a test may damage."""
    return lambda kind: Path(shutil.copytree(saved(kind), tmp_path / kind))


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def plainly(folder: Path, pictures: list[Image.Image], padding: str | bool) -> tuple[torch.Tensor, torch.Tensor]:
    """One picture and one text at a time, as the documentation of transformers shows it."""
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder).float().eval()
    processor, tokenizer = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    images, texts = [], []
    length = model.config.text_config.max_position_embeddings
    with torch.inference_mode():
        for picture in pictures:
            images.append(model.get_image_features(**processor(images=[picture], return_tensors="pt")))
        for text in TEXTS:
            tokens = tokenizer([text], padding=padding, max_length=length, truncation=True, return_tensors="pt")
            texts.append(model.get_text_features(**tokens))
    rows = [torch.cat([output.pooler_output for output in outputs]) for outputs in (images, texts)]
    return rows[0] / rows[0].norm(dim=1, keepdim=True), rows[1] / rows[1].norm(dim=1, keepdim=True)


@pytest.mark.parametrize(("kind", "padding"), [("clip", True), ("siglip", "max_length"), ("siglip2", "max_length")])
def test_embeddings_are_those_of_transformers_used_plainly(
    saved: Saved, pictures: list[Image.Image], kind: str, padding: str | bool
) -> None:
    encoder = load(saved(kind))
    images, texts = plainly(saved(kind), pictures, padding)
    torch.testing.assert_close(encoder.encode_images(pictures), images, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), texts, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_low_rank_matrices_are_trained_as_in_a_slow_loop_and_leave_the_model_as_it_was(saved: Saved, kind: str) -> None:
    encoder, (images, digests) = load(saved(kind)), labelled_pictures(3)
    questions, before, rows = questions_of(encoder), state_of(encoder), encoder.encode_images(images)
    attention = [f"self_attn.{name}.weight" for name in ("k_proj", "v_proj", "q_proj", "out_proj")]
    assert sorted(ImageAdapter(encoder)._names) == sorted(
        f"model.vision_model.encoder.layers.{layer}.{name}" for layer in (0, 1) for name in attention
    )
    fast = embed_pictures(encoder, images, digests, V, questions)
    assert np.abs(fast - embed_pictures(encoder, images, digests, V)).max() > 1e-3
    for own, picture, digest in zip(fast, images, digests, strict=True):
        np.testing.assert_allclose(own, slowly_trained(encoder, questions, picture, digest), atol=2e-3)
    assert state_of(encoder) == before
    assert torch.equal(encoder.encode_images(images), rows)


@pytest.mark.parametrize("kind", ["siglip2", "echo"])
def test_a_model_that_takes_more_than_pixels_says_that_it_cannot_be_trained(saved: Saved, kind: str) -> None:
    encoder, (images, digests) = load(saved(kind), trust_remote_code=True), labelled_pictures(2)
    questions, plain = questions_of(encoder), embed_pictures(encoder, images, digests, V)
    np.testing.assert_array_equal(embed_pictures(encoder, images, digests, V, questions), plain)
    assert sum("so lora cannot train them: views are used as they are" in note for note in encoder.notes) == 1


@pytest.mark.parametrize(("kind", "side"), [("clip", 30), ("siglip", 20), ("siglip2", None), ("echo", None)])
def test_preprocessors_say_what_they_scale_pictures_to(saved: Saved, kind: str, side: int | None) -> None:
    assert side_of(load(saved(kind), trust_remote_code=True).preprocessor) == side


def test_siglip_reads_texts_padded_to_their_full_length(saved: Saved) -> None:
    """It was trained so; padded to the longest text of a batch, the vector of a text would depend on its company."""
    encoder = load(saved("siglip"))
    alone = torch.cat([encoder.encode_texts([text]) for text in TEXTS])
    torch.testing.assert_close(encoder.encode_texts(TEXTS), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_gives_nearly_the_same_rows_of_length_one(
    saved: Saved, pictures: list[Image.Image], kind: str, precision: str
) -> None:
    half, whole = load(saved(kind), precision=precision), load(saved(kind))
    pairs = (
        (half.encode_images(pictures), whole.encode_images(pictures)),
        (half.encode_texts(TEXTS), whole.encode_texts(TEXTS)),
    )
    for low, full in pairs:
        assert (low.dtype, low.shape) == (torch.float32, full.shape)
        torch.testing.assert_close(low.norm(dim=1), torch.ones(3))
        assert float((low * full).sum(1).min()) > 0.999
    assert half.fingerprint != whole.fingerprint


def test_scale_bias_and_context_are_the_models(saved: Saved) -> None:
    clip, siglip = load(saved("clip")), load(saved("siglip"))
    assert clip.logit_scale == pytest.approx(14.2849, rel=1e-4)  # what transformers begins with: exp(2.6592)
    assert (clip.logit_bias, clip.context_length) == (None, 10)
    assert siglip.logit_scale == pytest.approx(109.9472, rel=1e-4)
    assert (siglip.logit_bias, siglip.context_length) == (-12.5, 9)


def test_tokens_are_counted_before_any_cut_and_too_long_prompts_are_problems(saved: Saved) -> None:
    encoder = load(saved("clip"))
    assert encoder.count_tokens("a red bird") == 5
    assert encoder.count_tokens("bird " * 500) == 502
    group = Group(name="place", prompt="this creature is in the {}", options=("tree", "red red red red"))
    tree = Tree(domain="d", groups=(group,), rules=(ClassRule(name="Wren", answers=(("place", 0),)),))
    (problem,) = length_problems(tree, encoder)
    assert (problem.code, problem.pointer) == ("TG120", "/classification_groups/place/options/1")
    assert "has 11 tokens" in problem.message


@pytest.mark.parametrize("kind", KINDS)
def test_a_preprocessor_can_be_sent_to_another_process(saved: Saved, pictures: list[Image.Image], kind: str) -> None:
    encoder = load(saved(kind))
    sent = pickle.loads(pickle.dumps(encoder.preprocessor))
    batch = sent.collate([sent(picture) for picture in pictures])
    assert torch.equal(encoder.encode_prepared(batch), encoder.encode_images(pictures))
    assert torch.equal(encoder.encode_prepared(encoder.stage(batch[1:])), encoder.encode_images(pictures[1:]))


def test_pixels_travel_as_bytes_where_that_makes_no_difference(own: Saved, pictures: list[Image.Image]) -> None:
    folder = own("siglip")
    assert load(folder).preprocessor(pictures[0])["pixel_values"].dtype == torch.uint8
    edit_json(folder / "preprocessor_config.json", do_normalize=False)
    assert load(folder).preprocessor(pictures[0])["pixel_values"].dtype == torch.float32


def test_the_fingerprint_is_that_of_what_shapes_embeddings(saved: Saved, own: Saved) -> None:
    """Weights, processor, tokenizer and precision; not the place, and not what a card says."""
    folder = own("clip")
    (folder / "README.md").write_text("notes", encoding="utf-8")
    edit_json(folder / "config.json", transformers_version="4.50.0", _name_or_path="elsewhere")
    found = [load(saved("clip")).fingerprint]
    assert load(folder).fingerprint == found[0]
    edit_json(folder / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5])
    found.append(load(folder).fingerprint)
    words = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(words.replace('"Lowercase"', '"NFC"'), encoding="utf-8")
    found.append(load(folder).fingerprint)
    edit_weights(folder, lambda weights: weights["text_projection.weight"][0, 0].add_(1e-3))
    found += [load(folder).fingerprint, load(folder, precision="bf16").fingerprint]
    assert len(set(found)) == 5


def test_weights_stored_in_half_precision_are_the_same_model(own: Saved) -> None:
    """What transformers loads by default differs between its versions."""
    folder = own("clip")
    edit_weights(folder, lambda weights: weights.update({k: v.half().float() for k, v in weights.items()}))
    before = load(folder).fingerprint
    edit_weights(folder, lambda weights: weights.update({k: v.half() for k, v in weights.items()}))
    assert load(folder).fingerprint == before


def test_loading_and_embedding_print_nothing(
    saved: Saved, pictures: list[Image.Image], capfd: pytest.CaptureFixture[str]
) -> None:
    import transformers

    transformers.utils.logging.set_verbosity_warning()
    load(saved("siglip")).encode_images(pictures)
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_relative_to_the_domain(saved: Saved) -> None:
    folder = saved("clip")
    encoder = open_encoder(EncoderSettings(name=f"hf:{folder.name}", device="cpu"), folder.parent)
    assert (encoder.name, encoder.fingerprint) == (f"hf:{folder.name}", load(folder).fingerprint)


def test_a_scale_in_the_settings_never_replaces_the_models_own_silently(saved: Saved, tmp_path: Path) -> None:
    def notes(logit_scale: float | None = None) -> tuple[str, ...]:
        settings = EncoderSettings(name=f"hf:{saved('siglip')}", device="cpu", logit_scale=logit_scale)
        return open_encoder(settings, tmp_path).notes

    assert notes() == ()
    (note,) = notes(logit_scale=7.0)
    assert "provides its own logit scale, 109.947: [encoder] logit_scale is ignored" in note


def test_a_model_without_a_scale_takes_that_of_the_settings_or_says_what_it_assumes(own: Saved) -> None:
    folder = own("echo")
    code = (folder / "echo_model.py").read_text(encoding="utf-8").replace("self.logit_scale", "self.other")
    (folder / "echo_model.py").write_text(code, encoding="utf-8")
    edit_weights(folder, lambda weights: weights.update(other=weights.pop("logit_scale")))
    assumed, told = load(folder, trust_remote_code=True), load(folder, trust_remote_code=True, logit_scale=30.0)
    assert (assumed.logit_scale, told.logit_scale, told.notes) == (100.0, 30.0, ())
    assert "100 is assumed" in assumed.notes[0]


def fails(folder: Path | str, **options: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load(folder, **options)
    assert caught.value.exit_code == 3
    return caught.value


def test_a_model_of_texts_alone_is_refused_by_its_name(saved: Saved) -> None:
    assert "is a BertModel, which does not embed images" in fails(saved("bert")).message


def test_a_folder_without_weights_or_config_is_refused(own: Saved) -> None:
    folder = own("clip")
    (folder / "model.safetensors").rename(folder / "backup")
    assert f"{folder} contains no weights" in fails(folder).message
    (folder / "config.json").unlink()
    error = fails(folder)
    assert f"{folder} has no config.json" in error.message
    assert "local-dir:" in error.tip


def test_weights_of_a_part_alone_never_run_on_random_ones(own: Saved) -> None:
    """transformers would go on with a warning."""
    folder = own("siglip")
    edit_weights(folder, lambda weights: weights.pop("text_model.head.weight"))
    assert "weights of SiglipModel are missing: text_model.head.weight" in fails(folder).message


def test_weights_of_another_shape_are_refused(own: Saved) -> None:
    folder = own("clip")
    edit_weights(folder, lambda weights: weights.update({"text_projection.weight": torch.zeros(13, 16)}))
    assert "weights of CLIPModel have the wrong shape: text_projection.weight" in fails(folder).message


@pytest.mark.parametrize("kept", [0, 500, 5000])
def test_truncated_weights_are_a_model_error(own: Saved, kept: int) -> None:
    folder = own("clip")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert "cannot be loaded" in fails(folder).message


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_garbled_config_is_named(own: Saved, text: str) -> None:
    folder = own("clip")
    (folder / "config.json").write_text(text, encoding="utf-8")
    assert str(folder / "config.json") in fails(folder).message


def test_a_model_without_its_tokenizer_or_processor_is_a_model_error(own: Saved) -> None:
    folder = own("clip")
    (folder / "preprocessor_config.json").unlink()
    assert "has no preprocessor_config.json" in fails(folder).message


def test_a_tokenizer_without_words_is_a_model_error(own: Saved) -> None:
    """transformers makes one of a folder that has none, and every text would be the same."""
    folder = own("clip")
    for path in (*folder.glob("tokenizer*"), *folder.glob("vocab*"), *folder.glob("merges*")):
        path.unlink()
    error = fails(folder)
    assert "its tokenizer has an empty vocabulary" in error.message
    assert "tokenizer.json" in error.tip


def test_weights_that_give_no_numbers_are_a_model_error(own: Saved, pictures: list[Image.Image]) -> None:
    folder = own("clip")
    edit_weights(folder, lambda weights: weights["visual_projection.weight"].fill_(float("nan")))
    with pytest.raises(ModelError, match="returned NaN for all 3 images"):
        load(folder).encode_images(pictures)


@pytest.mark.parametrize("value", [float("nan"), 1000.0])
def test_a_logit_scale_that_is_no_number_is_a_model_error(own: Saved, value: float) -> None:
    """Every image would be the first class, and the score would count as one."""
    folder = own("clip")
    edit_weights(folder, lambda weights: weights["logit_scale"].fill_(value))
    with pytest.raises(ModelError, match=r"its logit scale is (nan|inf)") as caught:
        open_encoder(EncoderSettings(name=f"hf:{folder}", device="cpu"), folder.parent)
    assert "damaged" in caught.value.tip


def test_a_hub_name_without_the_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    error = fails("org/some-clip")
    assert "org/some-clip: cannot be loaded" in error.message
    assert "needs the network once" in error.tip


@pytest.mark.parametrize("place", ["nowhere/near/here", "./clip", "clip"])
def test_a_folder_that_is_not_there_is_not_sought_on_the_hub(tmp_path: Path, place: str) -> None:
    with pytest.raises(ModelError, match="there is no folder") as caught:
        open_encoder(EncoderSettings(name=f"hf:{place}", device="cpu"), tmp_path)
    assert str(tmp_path / place) in caught.value.message


def test_without_transformers_the_extra_is_named(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved("clip")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError) as caught:
        load(folder)
    assert "pip install 'treegen-clip[hf]'" in caught.value.tip


def test_code_that_comes_with_a_model_runs_only_if_it_is_trusted(saved: Saved, tmp_path: Path) -> None:
    error = fails(saved("echo"))
    assert "comes with its own Python code" in error.message
    assert "--trust-remote-code" in error.tip
    assert "trust_remote_code = true" in error.tip
    assert not (tmp_path / "modules").exists()
    settings = EncoderSettings(name=f"hf:{saved('echo')}", device="cpu", trust_remote_code=True)
    encoder = open_encoder(settings, tmp_path)
    assert encoder.logit_scale == pytest.approx(20.0855, rel=1e-4)


def test_a_model_with_its_own_methods_is_asked_by_them(saved: Saved, pictures: list[Image.Image]) -> None:
    from safetensors.torch import load_file

    weights = load_file(saved("echo") / "model.safetensors")
    encoder = load(saved("echo"), trust_remote_code=True)
    seen = torch.tensor([list(p.resize((1, 1), Image.Resampling.BOX).tobytes()) for p in pictures])
    images = (seen / 255) @ weights["see.weight"].T + weights["see.bias"]
    counts = torch.tensor([[float(t.count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"] for t in TEXTS])
    texts = counts @ weights["read.weight"].T + weights["read.bias"]
    torch.testing.assert_close(
        encoder.encode_images(pictures), images / images.norm(dim=1, keepdim=True), rtol=0, atol=0.01
    )
    torch.testing.assert_close(encoder.encode_texts(TEXTS), texts / texts.norm(dim=1, keepdim=True))
    assert (encoder.context_length, encoder.count_tokens("a red bird"), encoder.precision) == (None, 0, "fp32")
    sent = pickle.loads(pickle.dumps(encoder.preprocessor))
    batch = sent.collate([sent(picture) for picture in pictures])
    assert torch.equal(encoder.encode_prepared(batch), encoder.encode_images(pictures))


def test_the_fingerprint_of_a_model_with_its_own_code_is_also_that_of_the_code(own: Saved) -> None:
    folder = own("echo")
    first = load(folder, trust_remote_code=True).fingerprint
    code = (folder / "echo_model.py").read_text(encoding="utf-8")
    (folder / "echo_model.py").write_text(code.replace("/ 255", "/ 256"), encoding="utf-8")
    assert load(folder, trust_remote_code=True).fingerprint != first


@pytest.mark.parametrize(
    "line",
    [
        "from transformers.models.clip.modeling_clip import clip_loss_of_old",
        "import a_module_that_nobody_has",
        "from transformers import AClassOfAnotherVersion",
    ],
)
def test_code_of_another_version_says_which_transformers_it_wants(own: Saved, line: str) -> None:
    folder = own("echo")
    (folder / "echo_model.py").write_text(line + "\n" + (folder / "echo_model.py").read_text(encoding="utf-8"), "utf-8")
    error = fails(folder, trust_remote_code=True)
    assert "its own code does not run with transformers " in error.message
    assert line.split()[-1] in error.message
    assert "transformers>=4.50,<5" in error.tip


def test_code_that_fails_later_is_a_model_error_too(own: Saved, pictures: list[Image.Image]) -> None:
    folder = own("echo")
    code = (folder / "echo_model.py").read_text(encoding="utf-8")
    (folder / "echo_model.py").write_text(code.replace("np.stack", "np.stuck"), encoding="utf-8")
    with pytest.raises(ModelError, match="its own encode_image failed: AttributeError"):
        load(folder, trust_remote_code=True).encode_images(pictures)
