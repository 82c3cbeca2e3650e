"""The open_clip encoder against open_clip itself, on a real model with random weights; and all that can be wrong."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from PIL import Image

import treegen
from treegen.clip.encoders import open_encoder
from treegen.clip.encoders.open_clip import OpenClipEncoder
from treegen.config.settings import EncoderSettings
from treegen.errors import ModelError
from treegen.remote.hub import HubProbe

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
TEXTS = ("a red bird.", "This creature's body is mainly white and it sits in a very tall old oak tree by a river.", "")
SIZES = ((40, 30), (32, 32), (9, 70))


def load(folder: Path, **options: str) -> OpenClipEncoder:
    return OpenClipEncoder(f"local-dir:{folder}", device="cpu", **options)


def pictures() -> list[Image.Image]:
    draw = Random(0)
    return [Image.frombytes("RGB", size, draw.randbytes(3 * size[0] * size[1])) for size in SIZES]


def edit_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    change(config)
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)


@pytest.fixture(scope="module")
def tiny(tiny_clip: Path) -> OpenClipEncoder:
    return load(tiny_clip)


@pytest.mark.slow
def test_embeddings_are_those_that_open_clip_computes_itself(tiny: OpenClipEncoder, tiny_clip: Path) -> None:
    import open_clip

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tiny_clip}")
    with torch.inference_mode():
        images = model.eval().encode_image(torch.stack([preprocess(p) for p in pictures()]), normalize=True)
        texts = model.encode_text(tokenizer(list(TEXTS)), normalize=True)
    torch.testing.assert_close(tiny.encode_images(pictures()), images, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(tiny.encode_texts(TEXTS), texts, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.slow
def test_rows_have_length_one_in_float32_on_the_cpu_whatever_the_precision(tiny_clip: Path, precision: str) -> None:
    encoder = load(tiny_clip, precision=precision)
    for rows, count in ((encoder.encode_images(pictures()), 3), (encoder.encode_texts(TEXTS), len(TEXTS))):
        assert (rows.shape, rows.dtype, rows.device.type) == ((count, 24), torch.float32, "cpu")
        torch.testing.assert_close(rows.norm(dim=-1), torch.ones(count))
    assert encoder.precision == precision


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_gives_nearly_the_same_vectors(tiny: OpenClipEncoder, tiny_clip: Path, precision: str) -> None:
    half = load(tiny_clip, precision=precision)
    for low, full in (
        (half.encode_images(pictures()), tiny.encode_images(pictures())),
        (half.encode_texts(TEXTS), tiny.encode_texts(TEXTS)),
    ):
        assert float((low * full).sum(1).min()) > 0.999


def test_a_picture_has_the_same_vector_alone_and_in_a_batch(tiny: OpenClipEncoder) -> None:
    alone = torch.cat([tiny.encode_images([picture]) for picture in pictures()])
    torch.testing.assert_close(tiny.encode_images(pictures()), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_logit_scale_is_the_one_in_the_weights_and_not_rounded(own_clip: Path, precision: str) -> None:
    edit_weights(own_clip, lambda weights: weights["logit_scale"].fill_(4.6051702))
    assert load(own_clip, precision=precision).logit_scale == pytest.approx(100, rel=1e-6)


def test_a_plain_clip_has_no_logit_bias_and_one_with_a_bias_its_own(own_clip: Path, tiny: OpenClipEncoder) -> None:
    assert tiny.logit_bias is None
    edit_config(own_clip, lambda config: config["model_cfg"].update(init_logit_bias=-10))
    edit_weights(own_clip, lambda weights: weights.update(logit_bias=torch.tensor(-9.5)))
    assert load(own_clip).logit_bias == -9.5


def test_the_context_length_is_the_models(tiny: OpenClipEncoder) -> None:
    assert tiny.context_length == 16


def test_tokens_are_counted_with_start_and_end_and_before_any_cut(tiny: OpenClipEncoder) -> None:
    assert tiny.count_tokens("") == 2
    assert tiny.count_tokens("a red bird") == 5
    assert tiny.count_tokens("bird " * 500) == 502


@pytest.mark.parametrize("start", ["bird " * 10, "!?!?!@$ " * 2])
def test_texts_are_cut_from_the_first_token_beyond_the_context(tiny: OpenClipEncoder, start: str) -> None:
    """The last word of the text that fits is read, that of the next longer one is not; "!" has padding's number 0."""
    fitting, longer = start + "bird " * 3, start + "bird " * 4
    assert [tiny.count_tokens(text + "dog") for text in (fitting, longer)] == [16, 17]
    dog, cat = tiny.encode_texts([fitting + "dog", fitting + "cat"])
    assert not torch.allclose(dog, cat, atol=1e-6)
    dog, cat = tiny.encode_texts([longer + "dog", longer + "cat"])
    assert torch.allclose(dog, cat, atol=1e-6)


def test_equal_models_have_equal_fingerprints_wherever_they_lie(tiny: OpenClipEncoder, own_clip: Path) -> None:
    (own_clip / "README.md").write_text("notes", encoding="utf-8")
    assert load(own_clip).fingerprint == tiny.fingerprint
    assert tiny.fingerprint.startswith("sha256:")
    assert len(tiny.fingerprint) == 71


def test_the_fingerprint_changes_with_whatever_changes_embeddings(tiny: OpenClipEncoder, own_clip: Path) -> None:
    """Weights, preprocessing, precision, and settings that leave no trace in the weights."""
    found = [tiny.fingerprint, load(own_clip, precision="fp16").fingerprint]
    edit_config(own_clip, lambda config: config["preprocess_cfg"].update(mean=[0.5, 0.5, 0.5]))
    found.append(load(own_clip).fingerprint)
    edit_config(own_clip, lambda config: config["preprocess_cfg"].update(resize_mode="longest"))
    found.append(load(own_clip).fingerprint)
    edit_config(own_clip, lambda config: config["model_cfg"].update(quick_gelu=True))
    found.append(load(own_clip).fingerprint)
    edit_weights(own_clip, lambda weights: weights["text_projection"][0, 0].add_(1e-3))
    found.append(load(own_clip).fingerprint)
    assert len(set(found)) == 6


def test_loading_and_embedding_print_nothing(tiny_clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(tiny_clip).encode_images(pictures())
    assert capfd.readouterr() == ("", "")


def fails(source: str | Path, **options: str) -> ModelError:
    """The error of a source; a folder stands for its local-dir."""
    with pytest.raises(ModelError) as caught:
        OpenClipEncoder(f"local-dir:{source}" if isinstance(source, Path) else source, **{"device": "cpu", **options})
    assert caught.value.exit_code == 3
    return caught.value


def test_a_folder_without_weights_is_refused_and_never_runs_on_random_ones(own_clip: Path) -> None:
    (own_clip / WEIGHTS).rename(own_clip / "weights.backup")
    error = fails(own_clip)
    assert "contains no weights" in error.message
    assert WEIGHTS in error.tip


def test_a_missing_folder_or_config_names_the_folder(tmp_path: Path, own_clip: Path) -> None:
    assert str(tmp_path / "nowhere") in fails(tmp_path / "nowhere").message
    (own_clip / CONFIG).unlink()
    assert f"{own_clip} has no {CONFIG}" in fails(own_clip).message


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"preprocess_cfg": {}}', "\ufeff{]", "{'model_cfg': {}}"])
def test_a_garbled_config_is_named(own_clip: Path, text: str) -> None:
    (own_clip / CONFIG).write_text(text, encoding="utf-8")
    assert str(own_clip / CONFIG) in fails(own_clip).message


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.update(model_cfg={}),
        lambda config: config.update(model_cfg=[1]),
        lambda config: config["model_cfg"].pop("embed_dim"),
        lambda config: config["model_cfg"]["vision_cfg"].update(colour="red"),
        lambda config: config["model_cfg"]["vision_cfg"].update(width="wide"),
        lambda config: config["model_cfg"].update(text_cfg=None),
        lambda config: config["preprocess_cfg"].update(interpolation="guess"),
        lambda config: config.update(preprocess_cfg=[3]),
    ],
)
def test_a_config_that_describes_no_model_is_a_model_error(
    own_clip: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    edit_config(own_clip, change)
    error = fails(own_clip)
    assert "cannot be loaded: " in error.message
    assert "copy the model again" in error.tip


@pytest.mark.parametrize("kept", [0, 7, 500, 100_000])
def test_truncated_weights_are_a_model_error(own_clip: Path, kept: int) -> None:
    (own_clip / WEIGHTS).write_bytes((own_clip / WEIGHTS).read_bytes()[:kept])
    assert "cannot be loaded" in fails(own_clip).message


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 cut off", b"\x80\x04."])
def test_garbled_pickled_weights_are_a_model_error(own_clip: Path, content: bytes) -> None:
    (own_clip / WEIGHTS).unlink()
    (own_clip / "open_clip_pytorch_model.bin").write_bytes(content)
    assert "cannot be loaded" in fails(own_clip).message


def test_weights_of_another_shape_are_a_model_error_that_names_one(own_clip: Path) -> None:
    edit_config(own_clip, lambda config: config["model_cfg"].update(embed_dim=25))
    assert "size mismatch for" in fails(own_clip).message


def test_missing_weights_of_one_layer_are_a_model_error_that_names_it(own_clip: Path) -> None:
    edit_weights(own_clip, lambda weights: weights.pop("ln_final.bias"))
    assert "ln_final.bias" in fails(own_clip).message


def test_weights_that_give_no_numbers_are_a_model_error(own_clip: Path) -> None:
    edit_weights(own_clip, lambda weights: weights["text_projection"].fill_(float("nan")))
    encoder = load(own_clip)
    with pytest.raises(ModelError, match="returned NaN"):
        encoder.encode_texts(["a red bird"])


def test_a_hub_model_without_weights_is_refused_and_never_runs_on_random_ones(
    tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """open_clip goes on with a warning if only the config can be had."""
    from open_clip import factory

    def no_weights(*_: object, **__: object) -> str:
        raise FileNotFoundError("no weights in this repository")

    config = json.loads((tiny_clip / CONFIG).read_text(encoding="utf-8"))
    monkeypatch.setattr(factory, "_get_hf_config", lambda *_, **__: json.loads(json.dumps(config)))
    monkeypatch.setattr(factory, "download_pretrained_from_hf", no_weights)
    monkeypatch.setattr(HubProbe, "unreachable", lambda *_, **__: "")
    assert "Required pretrained weights" in fails("hf-hub:org/only-a-config").message


def test_an_unknown_model_suggests_the_near_names() -> None:
    error = fails("ViT-B-23:openai")
    assert "open_clip has no model 'ViT-B-23'" in error.message
    assert "ViT-B-32" in error.tip


def test_a_name_like_no_model_is_told_the_three_forms() -> None:
    tip = fails("zzzzzzzz").tip
    assert all(form in tip for form in ("MODEL:PRETRAINED", "hf-hub:", "local-dir:"))


def test_an_unknown_tag_lists_the_tags_there_are() -> None:
    error = fails("ViT-B/32:laion3b")
    assert "no pretrained weights 'laion3b' for ViT-B-32" in error.message
    assert "laion2b_s34b_b79k" in error.tip


@pytest.mark.parametrize("source", ["ViT-B-32", "ViT-B-32:"])
def test_a_model_without_a_tag_is_refused_and_never_runs_on_random_weights(source: str) -> None:
    error = fails(source)
    assert "no pretrained weights given" in error.message
    assert "laion2b_s34b_b79k" in error.tip


def test_a_device_that_is_not_there_lists_those_that_are(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    error = fails(tiny_clip, device="cuda")
    assert "'cuda' is not available" in error.message
    assert "cpu" in error.tip
    assert "cuda" not in error.tip


def test_auto_takes_the_cpu_in_fp32_if_there_is_nothing_else(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    encoder = OpenClipEncoder(f"local-dir:{tiny_clip}")
    assert (encoder.device, encoder.precision) == ("cpu", "fp32")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_in_fp16_gives_nearly_the_vectors_of_the_cpu(tiny: OpenClipEncoder, tiny_clip: Path) -> None:
    encoder = OpenClipEncoder(f"local-dir:{tiny_clip}")
    assert (encoder.device, encoder.precision) == ("cuda", "fp16")
    torch.testing.assert_close(encoder.encode_images(pictures()), tiny.encode_images(pictures()), atol=5e-3, rtol=0)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), tiny.encode_texts(TEXTS), atol=5e-3, rtol=0)


@pytest.fixture
def registered(own_clip: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the tiny model one of open_clip's own, with a tag `quick` whose weights were trained with QuickGELU."""
    from open_clip import factory, pretrained

    config = json.loads((own_clip / CONFIG).read_text(encoding="utf-8"))["model_cfg"]
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny-32", config)
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny-32", {"quick": {"url": "-", "quick_gelu": True}})
    monkeypatch.setattr(factory, "download_pretrained", lambda *_, **__: str(own_clip / WEIGHTS))
    return own_clip


def test_a_registered_model_takes_its_weights_from_a_file(registered: Path, tiny: OpenClipEncoder) -> None:
    encoder = OpenClipEncoder(f"tiny-32:{registered / WEIGHTS}", device="cpu")
    torch.testing.assert_close(encoder.encode_texts(TEXTS), tiny.encode_texts(TEXTS))
    assert encoder.name == f"tiny-32:{registered / WEIGHTS}"


def test_weights_trained_with_quickgelu_run_with_it(registered: Path, tiny: OpenClipEncoder) -> None:
    """As ViT-B-32:openai: open_clip would only warn, and the embeddings would be those of no trained model."""
    encoder = OpenClipEncoder("tiny-32:quick", device="cpu")
    edit_config(registered, lambda config: config["model_cfg"].update(quick_gelu=True))
    right = load(registered)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), right.encode_texts(TEXTS))
    assert not torch.allclose(encoder.encode_texts(TEXTS), tiny.encode_texts(TEXTS), atol=1e-6)


_ELSEWHERE = """
import json, socket, sys
from treegen.clip.encoders.open_clip import OpenClipEncoder
from treegen.errors import ModelError
fingerprint, asked, errors = OpenClipEncoder(sys.argv[1], device="cpu").fingerprint, [], []
def refuse(host, *_, **__):
    asked.append(str(host))
    raise OSError("no network")
socket.getaddrinfo = refuse
for source in sys.argv[2:]:
    try:
        OpenClipEncoder(source, device="cpu")
    except ModelError as error:
        errors.append([error.message, error.tip])
print(json.dumps([fingerprint, asked, errors]))
"""


Elsewhere = tuple[str, list[str], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def elsewhere(tiny_clip: Path) -> Elsewhere:
    """What another process without a network finds: the tiny model's fingerprint, hosts, errors of two hub names."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(treegen.__file__).parents[1])}
    names = [f"local-dir:{tiny_clip}", "hf-hub:treegen-test/no-such-model", "ViT-B-32:laion2b_s34b_b79k"]
    command = [sys.executable, "-c", _ELSEWHERE, *names]
    environment["HF_HOME"] = str(tiny_clip / "no-hub-cache")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    fingerprint, asked, errors = json.loads(done.stdout)
    return fingerprint, asked, errors


@pytest.mark.slow
def test_the_fingerprint_is_the_same_in_another_process(tiny: OpenClipEncoder, elsewhere: Elsewhere) -> None:
    assert elsewhere[0] == tiny.fingerprint


@pytest.mark.slow
def test_hub_models_without_a_network_fail_with_a_tip_and_ask_no_host_again_and_again(elsewhere: Elsewhere) -> None:
    _, asked, errors = elsewhere
    assert len(errors) == 2
    assert "hf-hub:treegen-test/no-such-model: cannot be loaded" in errors[0][0]
    assert "ViT-B-32:laion2b_s34b_b79k: cannot be loaded" in errors[1][0]
    assert all("needs the network once" in tip for _, tip in errors)
    assert len(asked) <= 1, asked


def test_a_hub_that_cannot_be_reached_is_said_in_one_sentence_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its client would try for a minute, and its message is cut."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(HubProbe, "unreachable", lambda *_, **__: "no answer in 10 seconds")
    error = fails("ViT-B-32:laion2b_s34b_b79k")
    assert error.message == (
        "ViT-B-32:laion2b_s34b_b79k: cannot be loaded: its weights are not on this machine, "
        "and huggingface.co cannot be reached (no answer in 10 seconds)"
    )
    assert "bundled" in error.tip
    assert "local-dir:FOLDER" in error.tip


def test_a_download_is_announced_and_the_retries_of_the_hub_are_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from open_clip import factory

    def try_twice(*_: object, **__: object) -> str:
        log = logging.getLogger("huggingface_hub.utils._http")
        log.warning("Retrying in 1s [Retry 1/5].")
        log.warning("something else")
        raise OSError("the connection broke")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(HubProbe, "unreachable", lambda *_, **__: "")
    monkeypatch.setattr(factory, "download_pretrained", try_twice)
    error = fails("ViT-B-32:laion2b_s34b_b79k")
    assert "the connection broke" in error.message
    assert "bundled" in error.tip
    assert capsys.readouterr().err.splitlines() == [
        "downloading ViT-B-32:laion2b_s34b_b79k from huggingface.co, once",
        "the hub does not answer: Retrying in 1s [Retry 1/5].",
    ]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bundled", "examples/sketchbook/clip"),
        ("local-dir:models/tiny", "/domain/models/tiny"),
        ("local-dir:/models/tiny", "/models/tiny"),
        ("hf-hub:org/name", "hf-hub:org/name"),
        ("ViT-B-32:openai", "ViT-B-32:openai"),
    ],
)
def test_names_resolve_against_the_domains_folder(name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`bundled` is the demo's model; a relative local-dir lies beside the domain; all else is open_clip's."""
    opened: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(OpenClipEncoder, "__init__", lambda _, source, **options: opened.append((source, options)))
    monkeypatch.setattr(OpenClipEncoder, "logit_scale", 20.0, raising=False)
    open_encoder(EncoderSettings(name=name, device="cpu", precision="bf16"), Path("/domain"))
    ((found, options),) = opened
    assert found.removeprefix("local-dir:").endswith(source)
    assert found.startswith("local-dir:") is (name == "bundled" or name.startswith("local-dir:"))
    assert options == {"shown": name, "device": "cpu", "precision": "bf16"}


FULL = """
import resource, signal
from pathlib import Path
from treegen.clip.encoders import open_encoder
from treegen.config.settings import BUNDLED_ENCODER, EncoderSettings
from treegen.errors import ModelError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for size in (0, resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        print(open_encoder(EncoderSettings(name=BUNDLED_ENCODER, device="cpu"), Path()).name)
    except ModelError as error:
        print(error.message, error.tip)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it has no limits of files")
def test_a_full_disk_at_the_first_encoder_is_said_and_the_next_one_loads() -> None:
    """PyTorch would stay half imported: "Artifact of type=precompile already registered"."""
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=False)
    said, name = done.stdout.splitlines()
    assert said == (
        "bundled: cannot be loaded: there is no folder in which temporary files can be written "
        "make room on the disk, or name such a folder: TMPDIR=FOLDER"
    )
    assert name.startswith("bundled")
