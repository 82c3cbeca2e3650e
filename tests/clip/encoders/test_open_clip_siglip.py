"""A SigLIP of open_clip against open_clip itself: bias and scale, and how it reads texts."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from treegen.clip import scoring
from treegen.clip.encoders.open_clip import OpenClipEncoder
from treegen.errors import ModelError

TEXTS = ("a red bird", "this creature is a white dog", "cat")


@pytest.fixture
def folder(saved: Callable[[str], Path]) -> Path:
    return saved("open_siglip")


def load(folder: Path) -> OpenClipEncoder:
    return OpenClipEncoder(f"local-dir:{folder}", device="cpu")


def test_embeddings_bias_and_scale_are_those_of_open_clip(folder: Path, pictures: list[Image.Image]) -> None:
    import open_clip

    encoder = load(folder)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.inference_mode():
        images = torch.cat([model.eval().encode_image(preprocess(p)[None], normalize=True) for p in pictures])
        texts = torch.cat([model.encode_text(tokenizer([text]), normalize=True) for text in TEXTS])
        _, _, scale, bias = model(preprocess(pictures[0])[None], tokenizer([TEXTS[0]]))
    torch.testing.assert_close(encoder.encode_images(pictures), images, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), texts, rtol=1e-5, atol=1e-6)
    assert encoder.logit_scale == pytest.approx(scale.item()) == pytest.approx(109.9472, rel=1e-4)
    assert encoder.logit_bias == bias.item() == -12.5


def test_a_softmax_over_options_does_not_see_the_bias(folder: Path, pictures: list[Image.Image]) -> None:
    """So a tree's answers need the scale alone, also for a model that was trained with a sigmoid."""
    encoder = load(folder)
    images, texts = encoder.encode_images(pictures), encoder.encode_texts(TEXTS)
    logits = scoring.similarity_logits(images, texts, encoder.logit_scale)
    assert encoder.logit_bias is not None
    with_bias = encoder.logit_scale * images @ texts.T + encoder.logit_bias
    torch.testing.assert_close(scoring.group_probabilities(logits, (3,)), with_bias.softmax(1), rtol=1e-4, atol=1e-6)


def test_tokens_are_counted_as_they_are_read(folder: Path) -> None:
    """Its tokenizer drops punctuation and capitals before it looks up words, and adds an end and no start."""
    encoder = load(folder)
    assert encoder.context_length == 9
    assert encoder.count_tokens("A red, red bird!") == encoder.count_tokens("a red red bird") == 5
    assert encoder.count_tokens("bird " * 500) == 501
    assert torch.equal(encoder.encode_texts(["A red, bird!!"]), encoder.encode_texts(["a red bird"]))


def test_a_text_is_read_alike_alone_and_beside_a_longer_one(folder: Path) -> None:
    encoder = load(folder)
    alone = torch.cat([encoder.encode_texts([text]) for text in TEXTS])
    torch.testing.assert_close(encoder.encode_texts(TEXTS), alone, rtol=1e-5, atol=1e-6)


def test_the_fingerprint_is_also_that_of_the_tokenizer(folder: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(folder, tmp_path / "model"))
    assert load(own).fingerprint == load(folder).fingerprint
    words = (own / "tokenizer.json").read_text(encoding="utf-8")
    (own / "tokenizer.json").write_text(words.replace('"Lowercase"', '"NFC"'), encoding="utf-8")
    assert load(own).fingerprint != load(folder).fingerprint


def test_without_transformers_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match="its tokenizer needs transformers") as caught:
        load(folder)
    assert "treegen-clip[hf]" in caught.value.tip
