"""The encoder behind a service, against a real server that speaks Jina's request and reply, with its faults."""

import pickle
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.embedding_service import KEY, TOKENS, EmbeddingService, embed, serving
from treegen.clip.embedding.cache import EmbeddingCache, text_key
from treegen.clip.encoders import open_encoder
from treegen.clip.encoders.api import PROBES, PngPreprocessor, ServiceEncoder, is_service
from treegen.clip.encoders.drift import settle
from treegen.clip.encoders.interface import UnfinishedError
from treegen.config.settings import EncoderSettings
from treegen.errors import ModelError
from treegen.remote.retrying import Retry

pytestmark = pytest.mark.litellm

MODEL = "jina_ai/jina-clip-v2"
AT_ONCE = Retry(tries=3, base=0.0, per_call=20.0)
TEXTS = ("a red thing", "a green thing", "white")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingService]:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving() as running:
        yield running


def connect(service: EmbeddingService, **settings: Any) -> ServiceEncoder:
    """An encoder whose first request, for the probes, is forgotten."""
    named: dict[str, Any] = {"name": MODEL, "api_base": service.address} | settings
    encoder = ServiceEncoder(EncoderSettings(**named), retry=AT_ONCE)
    service.requests.clear()
    return encoder


def pictures(count: int = 3) -> list[Image.Image]:
    return [Image.new("RGB", (5 + number, 7), (40 * number, 90, 200 - number)) for number in range(count)]


def expected(items: list[object]) -> torch.Tensor:
    rows = torch.tensor([embed(item) for item in items])
    unit: torch.Tensor = rows / rows.norm(dim=1, keepdim=True)
    return unit


def as_item(picture: Image.Image) -> dict[str, str]:
    import base64

    file = BytesIO()
    picture.save(file, "PNG")
    return {"image": base64.b64encode(file.getvalue()).decode()}


@pytest.mark.parametrize("name", [MODEL, "openai/jina-clip-v2"])
def test_texts_and_images_are_sent_as_documented_and_come_back_in_order(service: EmbeddingService, name: str) -> None:
    """Also by another provider's way: an image is never sent as a plain string, which would be embedded as a text."""
    encoder = connect(service, name=name)
    texts, images = encoder.encode_texts(TEXTS), encoder.encode_images(pictures())
    assert [body["model"] for body in service.requests] == ["jina-clip-v2"] * 2
    assert service.requests[0]["input"] == list(TEXTS)
    assert service.requests[1]["input"] == [as_item(picture) for picture in pictures()]
    torch.testing.assert_close(texts, expected(list(TEXTS)))
    torch.testing.assert_close(images, expected([as_item(picture) for picture in pictures()]))
    assert (images.dtype, images.shape) == (torch.float32, (3, 4))


def test_long_lists_go_in_requests_of_the_batch(service: EmbeddingService) -> None:
    texts = [f"a red thing {number}" for number in range(23)]
    rows = connect(service, batch=5).encode_texts(texts)
    assert sorted(len(body["input"]) for body in service.requests) == [3, 5, 5, 5, 5]
    torch.testing.assert_close(rows, expected(list(texts)))


def test_vectors_are_put_in_order_by_their_index(service: EmbeddingService) -> None:
    encoder = connect(service)
    service.faults = ["out of order"]
    torch.testing.assert_close(encoder.encode_texts(TEXTS), expected(list(TEXTS)))


@pytest.mark.parametrize("fault", [500, 503, (429, {"Retry-After": "0"}), 408])
def test_what_may_pass_is_tried_again(service: EmbeddingService, fault: object) -> None:
    encoder = connect(service)
    service.faults = [fault, fault]
    torch.testing.assert_close(encoder.encode_texts(TEXTS), expected(list(TEXTS)))
    assert len(service.requests) == 3


def test_what_lasts_is_told_with_the_number_of_tries(service: EmbeddingService) -> None:
    encoder = connect(service)
    service.faults = [500] * 9
    with pytest.raises(ModelError, match=r"failed \(500\), 3 times"):
        encoder.encode_texts(TEXTS)
    assert len(service.requests) == 3


def test_a_rate_limit_that_is_too_long_is_told_at_once(service: EmbeddingService) -> None:
    encoder = connect(service)
    service.faults = [(429, {"Retry-After": "3600"})]
    with pytest.raises(ModelError, match="asks to wait 3600 s"):
        encoder.encode_texts(TEXTS)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("one too few", "returned 2 vectors"),
        ("index twice", "returned 3 vectors, numbered"),
        ("wider", "different widths: 4, 5"),
        ("first not a number", "returned NaN for a text"),
        ("none are numbers", "returned NaN for a text"),
        ("a page", "is not a list of embeddings"),
        (400, "did not accept the request"),
        (403, r"does not allow this key to use the model \(403\)"),
        (404, "does not know this model"),
    ],
)
def test_a_reply_that_does_not_fit_is_an_error_at_once(service: EmbeddingService, fault: object, told: str) -> None:
    encoder = connect(service)
    service.faults = [fault]
    with pytest.raises(ModelError, match=told) as caught:
        encoder.encode_texts(TEXTS)
    assert len(service.requests) == 1
    assert KEY not in caught.value.message + caught.value.tip
    assert "--api-base" not in caught.value.tip
    assert "[llm]" not in caught.value.tip


def test_an_image_without_numbers_is_a_row_of_nan_and_the_others_are_kept(service: EmbeddingService) -> None:
    encoder = connect(service)
    service.faults = ["first not a number"]
    rows = encoder.encode_images(pictures())
    assert rows[0].isnan().all()
    torch.testing.assert_close(rows[1:], expected([as_item(picture) for picture in pictures()[1:]]))
    service.faults = ["none are numbers"]
    with pytest.raises(ModelError, match="for all 3 images"):
        encoder.encode_images(pictures())


def test_what_came_before_a_failure_comes_with_it(service: EmbeddingService) -> None:
    """It was paid for. No further request is sent; of 4 that are under way together the others may have come."""
    encoder = connect(service, batch=2, max_calls=3)  # one of them for the probes
    with pytest.raises(UnfinishedError, match="max_calls 3 is used up") as caught:
        encoder.encode_images(pictures(11))
    good = ~caught.value.vectors.isnan().any(1)
    assert int(good.sum()) == 4
    rows = expected([as_item(picture) for picture in pictures(11)])
    torch.testing.assert_close(caught.value.vectors[good], rows[good])
    assert len(service.requests) == 2


def test_a_wrong_key_is_told_before_anything_is_embedded(
    service: EmbeddingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JINA_API_KEY", "a-wrong-one")
    with pytest.raises(ModelError, match=r"refused the key \(401\)") as caught:
        connect(service)
    assert "a-wrong-one" not in caught.value.message
    assert len(service.requests) == 1


def test_without_a_key_its_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JINA_API_KEY", "JINA_AI_API_KEY", "JINA_AI_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match="no key in JINA_API_KEY"):
        ServiceEncoder(EncoderSettings(name=MODEL))
    with pytest.raises(ModelError, match="no key in OPENAI_API_KEY") as caught:
        ServiceEncoder(EncoderSettings(name="openai/clip-vit-base-patch32"))
    assert "hf:openai/clip-vit-base-patch32" in caught.value.tip  # which is also a name of the hub


def test_a_name_of_the_hub_without_its_kind_is_told_the_kinds() -> None:
    with pytest.raises(ModelError, match="no embedding service 'jinaai'") as caught:
        open_encoder(EncoderSettings(name="jinaai/jina-clip-v2"), Path())
    assert "hf:jinaai/jina-clip-v2" in caught.value.tip


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    with pytest.raises(ModelError, match="refused the connection") as caught:
        ServiceEncoder(EncoderSettings(name=MODEL, api_base="http://127.0.0.1:9/v1"))
    assert "api_base under [encoder]" in caught.value.tip


def test_what_it_cost_is_counted(service: EmbeddingService) -> None:
    encoder = connect(service, price_in=2.0)
    encoder.encode_texts(TEXTS)
    encoder.encode_images(pictures())
    tokens = (len(PROBES) + 3) * TOKENS["text"] + 3 * TOKENS["image"]
    assert f"{MODEL} at {service.address}: 3 requests, {tokens} + 0 tokens, $0.0003" in encoder.notes
    assert (
        f"{MODEL} at {service.address}: 1 request, {2 * TOKENS['text']} + 0 tokens, cost of 1 request unknown"
        in connect(service).notes
    )


def test_caps_hold_and_name_their_settings(service: EmbeddingService) -> None:
    encoder = connect(service, max_calls=2)
    encoder.encode_texts(TEXTS)
    with pytest.raises(ModelError, match="max_calls 2 is used up") as caught:
        encoder.encode_texts(["blue"])
    assert "under [encoder]" in caught.value.tip
    assert len(service.requests) == 1
    dear = connect(service, max_cost=0.05, price_in=1000.0)  # a cent for 10 tokens; an image has 40
    with pytest.raises(ModelError, match=r"would exceed max_cost 0\.05"):
        dear.encode_images(pictures(1))
    with pytest.raises(ModelError, match="the price of the model is not known") as caught:
        connect(service, max_cost=0.05)
    assert "price_in under [encoder]" in caught.value.tip


def test_what_a_service_does_not_tell_is_assumed_and_said(service: EmbeddingService) -> None:
    encoder = connect(service)
    assert (encoder.logit_scale, encoder.logit_bias, encoder.context_length) == (100.0, None, None)
    notes = " ".join(encoder.notes)
    assert "100 is assumed" in notes
    assert "long prompts are not detected" in notes
    told = connect(service, logit_scale=55.5, context_length=12)
    assert (told.logit_scale, told.context_length) == (55.5, 12)
    assert len(told.notes) == 1  # what it cost
    assert 500 <= told.count_tokens("bird " * 500) <= 1002


def test_pictures_are_shrunk_to_what_a_model_looks_at_and_lose_nothing_else() -> None:
    prepare = pickle.loads(pickle.dumps(PngPreprocessor()))
    for size, result in (((1500, 1024), (750, 512)), ((512, 900), (512, 900)), ((30, 2000), (30, 2000))):
        with Image.open(BytesIO(prepare(Image.new("RGB", size)))) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", result)
    noisy = Image.effect_noise((40, 30), 90).convert("RGB")
    with Image.open(BytesIO(prepare(noisy))) as picture:
        assert picture.tobytes() == noisy.tobytes()


def test_a_fingerprint_is_that_of_name_address_width_and_preparation(service: EmbeddingService) -> None:
    first = connect(service).fingerprint
    assert connect(service, batch=3, max_calls=9).fingerprint == first
    assert connect(service, name="jina_ai/jina-clip-v1").fingerprint != first
    service.faults = ["wider"]
    assert connect(service).fingerprint != first


def test_a_model_that_changed_behind_its_name_gets_another_fingerprint(
    service: EmbeddingService, tmp_path: Path
) -> None:
    """And its own again when it comes back; what is cached of each is never mixed."""
    cache = EmbeddingCache(tmp_path / "cache.sqlite")
    seen, notes = [], []
    for turned in (False, False, True, True, False):
        service.turned = turned
        encoder = connect(service)
        settle(encoder, cache)
        seen.append(encoder.fingerprint)
        notes.append("has changed: everything is embedded again" in " ".join(encoder.notes))
        kept = cache.get(encoder.fingerprint, [text_key(PROBES[0])])
        np.testing.assert_allclose(kept[text_key(PROBES[0])], encoder.probe[0], rtol=0, atol=1e-3)
    cache.close()
    assert seen[0] == seen[1] == seen[4]
    assert seen[2] == seen[3] != seen[0]
    assert notes == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (MODEL, True),
        ("openai/text-embedding-3-small", True),
        ("bedrock/amazon.titan-embed-image-v1:0", True),
        ("ViT-B/32:openai", False),
        ("ViT-B-32:laion2b_s34b_b79k", False),
        ("hf-hub:org/name", False),
        ("hf:org/name", False),
        ("local-dir:a/b", False),
        ("bundled", False),
        ("RN50:openai", False),
    ],
)
def test_which_names_are_services(name: str, is_one: bool) -> None:
    assert is_service(name) == is_one
