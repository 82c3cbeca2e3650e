"""An encoder that is loaded only to embed: what the cache knows of it, and how one notices that it is another now."""

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.clip.conftest import FakeEncoder
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.embedding.texts import embed_texts
from treegen.clip.encoders import cached, open_encoder
from treegen.clip.encoders.base import hub_sources
from treegen.clip.encoders.cached import Identity, open_cached_encoder
from treegen.clip.encoders.interface import Encoder, EncoderChangedError, again_if_changed
from treegen.clip.encoders.open_clip import OpenClipEncoder, _sources
from treegen.clip.text_checks import encoder_problems, length_problems
from treegen.config.settings import EncoderSettings
from treegen.tree.model import Tree

SETTINGS = EncoderSettings(name="local-dir:model")
PICTURE = Image.new("RGB", (4, 4), "red")


def embed(encoder: Encoder, texts: list[str]) -> "np.ndarray[Any, Any]":
    """Embed texts through the encoder's own cache."""
    vectors = embed_texts(texts, encoder)
    return np.stack([vectors[text] for text in texts])


class Loader:
    """Loads fake encoders from a folder, and counts how often."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seed, self.loads = folder, 0, list[FakeEncoder]()
        folder.mkdir()
        self.write("weights", "w" * 10)

    def write(self, name: str, text: str, *, time: int = 10**18) -> None:
        (self.folder / name).write_text(text)
        os.utime(self.folder / name, ns=(time, time))

    def __call__(self) -> Encoder:
        encoder = FakeEncoder(self.seed)
        encoder.notes = ("it is small",)
        vars(encoder)["sources"] = (self.folder,)
        self.loads.append(encoder)
        return encoder


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    return Loader(tmp_path / "model")


@pytest.fixture
def reopen(load: Loader, cache: EmbeddingCache, tmp_path: Path) -> Callable[..., Encoder]:
    """Opens the encoder as a new process would."""

    def open_it(settings: EncoderSettings = SETTINGS, folder: Path = tmp_path) -> Encoder:
        return open_cached_encoder(settings, folder, cache, load)

    return open_it


def test_what_is_in_the_cache_needs_no_model(load: Loader, reopen: Callable[..., Encoder]) -> None:
    first = reopen()
    texts = embed(first, ["a", "b", "a"])
    counts = [first.count_tokens(text) for text in ("a", "b c d")]
    second = reopen()
    assert Identity.of(second) == Identity.of(first) == Identity.of(load.loads[0])
    assert second.notes == ("it is small",)
    assert np.array_equal(embed(second, ["b", "a"]), texts[[1, 0]])
    assert [second.count_tokens(text) for text in ("a", "b c d")] == counts == [3, 5]
    assert len(load.loads) == 1
    assert load.loads[0].texts == ["a", "b"]


@pytest.mark.parametrize(
    "use",
    [
        lambda encoder: embed(encoder, ["known", "new"]),
        lambda encoder: encoder.count_tokens("new"),
        lambda encoder: encoder.encode_images([PICTURE]),
        lambda encoder: encoder.encode_prepared(encoder.stage(encoder.preprocessor.collate([b"x"]))),
        lambda encoder: encoder.preprocessing["size"],
    ],
)
def test_what_is_new_loads_it_once(load: Loader, reopen: Callable[..., Encoder], use: Callable[[Any], Any]) -> None:
    embed(reopen(), ["known"])
    encoder = reopen()
    expected = use(FakeEncoder(0))
    for _ in range(2):
        assert np.array_equal(use(encoder), expected)
    assert len(load.loads) == 2
    assert load.loads[1].texts in ([], ["new"])


def test_a_model_whose_files_have_changed_is_loaded_at_once(load: Loader, reopen: Callable[..., Encoder]) -> None:
    reopen()
    changes: list[Callable[[], Any]] = [
        lambda: load.write("weights", "v" * 11),
        lambda: load.write("weights", "v" * 11, time=10**18 + 1),
        lambda: load.write("vocabulary", ""),
        lambda: (load.folder / "vocabulary").unlink(),
    ]
    for number, change in enumerate(changes, 2):
        change()
        load.seed = number
        assert reopen().name == f"fake-{number}"
        assert reopen().name == f"fake-{number}"
        assert len(load.loads) == number
    load.folder.rename(load.folder.with_name("gone"))
    reopen()
    assert len(load.loads) == 6


def test_another_model_in_files_of_the_same_size_and_time_is_told_and_embedded_anew(
    load: Loader, reopen: Callable[..., Encoder]
) -> None:
    """What was read from the cache by then is of no use: the job begins again, with the new model."""
    embed(reopen(), ["known"])
    load.seed = 7
    encoder = reopen()
    assert encoder.name == "fake-0"
    tried = list[str]()

    def job() -> Any:
        tried.append(encoder.fingerprint)
        return embed(encoder, ["known", "new"])

    with pytest.raises(EncoderChangedError, match="the model behind fake-7 has changed") as caught:
        job()
    assert caught.value.exit_code == 3
    assert np.array_equal(again_if_changed(job), FakeEncoder(7).encode_texts(["known", "new"]))
    assert tried == [FakeEncoder(0).fingerprint, FakeEncoder(7).fingerprint]
    assert encoder.notes == ("the model behind fake-7 has changed: everything is embedded again", "it is small")
    assert encoder.count_tokens("known") == 3
    later = reopen()
    assert (later.name, later.notes, len(load.loads)) == ("fake-7", ("it is small",), 2)


def test_a_job_begins_again_once(load: Loader, reopen: Callable[..., Encoder]) -> None:
    reopen()
    load.seed = 7
    encoder, tried = reopen(), list[str]()

    def job() -> int:
        tried.append(encoder.name)
        return encoder.count_tokens("new")

    assert again_if_changed(job) == 3
    assert tried == ["fake-0", "fake-7"]


@pytest.mark.parametrize("time", [2**62, None])
def test_files_that_may_have_changed_while_they_were_read_are_read_again(
    load: Loader, reopen: Callable[..., Encoder], time: int | None
) -> None:
    """Also a clock that was wrong when they were written."""
    if time is not None:
        load.write("weights", "w", time=time)
    reopen()
    reopen()
    assert len(load.loads) == (1 if time is None else 2)


def test_a_model_of_unknown_files_is_loaded_every_time(cache: EmbeddingCache, tmp_path: Path) -> None:
    loads = list[FakeEncoder]()

    def load() -> Encoder:
        loads.append(FakeEncoder())
        return loads[-1]

    for _ in range(2):
        open_cached_encoder(SETTINGS, tmp_path, cache, load)
    assert len(loads) == 2


def test_other_settings_another_folder_or_another_version_are_another_encoder(
    load: Loader, reopen: Callable[..., Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen()
    for other in ({"precision": "fp16"}, {"device": "cpu"}, {"trust_remote_code": True}, {"logit_scale": 3.0}):
        reopen(replace(SETTINGS, **other))
    reopen(folder=tmp_path / "elsewhere")
    assert len(load.loads) == 6
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    reopen()
    monkeypatch.setattr(cached, "_version", lambda name: "99")
    reopen()
    assert len(load.loads) == 8


@pytest.mark.parametrize("told", ["", "{", "[]", "{}", '{"sources": [], "files": [], "identity": 3}', "null"])
def test_what_cannot_be_read_in_the_cache_counts_as_not_there(
    load: Loader, reopen: Callable[..., Encoder], tmp_path: Path, told: str
) -> None:
    reopen()
    with sqlite3.connect(tmp_path / "cache.sqlite") as db:
        db.execute("UPDATE identity SET told=?", (told,))
    db.close()
    reopen()
    assert len(load.loads) == 2


def test_a_service_is_asked_every_time_and_without_a_cache_so_is_a_model(cache: EmbeddingCache, load: Loader) -> None:
    for _ in range(2):
        open_cached_encoder(EncoderSettings(name="jina_ai/jina-clip-v2"), load.folder, cache, load)
        open_cached_encoder(SETTINGS, load.folder, None, load)
    assert len(load.loads) == 4


def test_long_prompts_are_the_same_problems_with_and_without_the_model(
    load: Loader, reopen: Callable[..., Encoder], tree: Tree
) -> None:
    long = replace(tree.groups[0], options=("red", " ".join(["very"] * 20), "blue", " ".join(["rather"] * 9)))
    wrong = replace(tree, groups=(long, *tree.groups[1:]))
    expected = length_problems(wrong, FakeEncoder())
    alike = list(encoder_problems(wrong, FakeEncoder()))
    assert len(expected) == 2
    for _ in range(2):
        encoder = reopen()
        assert length_problems(wrong, encoder) == expected
        assert list(encoder_problems(wrong, encoder)) == alike
    assert len(load.loads) == 1


def test_the_bundled_encoder_is_the_same_out_of_the_cache(cache: EmbeddingCache, tmp_path: Path) -> None:
    settings, texts = EncoderSettings(device="cpu"), ["a drawing of a creature", "!?! " * 40]
    real = open_encoder(settings, tmp_path)
    expected = real.encode_texts(texts)

    def load() -> Encoder:
        return real

    def fail() -> Encoder:
        raise AssertionError("the model was loaded")

    for each in (load, fail):
        encoder = open_cached_encoder(settings, tmp_path, cache, each)
        assert Identity.of(encoder) == Identity.of(real)
        assert np.array_equal(embed(encoder, texts), np.asarray(expected))
        assert [encoder.count_tokens(t) for t in texts] == [real.count_tokens(t) for t in texts]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub with one repository, as huggingface_hub lays it out."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "models--org--name"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abc")
    (folder / "blobs").mkdir()
    (folder / "blobs" / "11").write_text("weights")
    (folder / "snapshots" / "0123abc").mkdir(parents=True)
    (folder / "snapshots" / "0123abc" / "model.safetensors").symlink_to(folder / "blobs" / "11")
    return folder


def test_files_of_the_hub_are_those_of_the_commit_that_was_loaded(hub: Path) -> None:
    assert hub_sources("org/name") == (hub / "refs" / "main", hub / "snapshots" / "0123abc")
    assert [size for _, size, _ in cached._files_of(hub_sources("org/name"))] == [7, 7]
    (hub / "blobs" / "11").write_text("other weights")
    assert [size for _, size, _ in cached._files_of(hub_sources("org/name"))] == [7, 13]
    assert hub_sources("org/other") == ()


def test_the_files_of_a_model_of_open_clip_are_known(hub: Path, tmp_path: Path, tiny_clip: Path) -> None:
    """All of them or none: without those of its tokenizer nobody would notice a change."""
    own = hub_sources("org/name")
    weights = tmp_path / "weights.pt"
    weights.touch()
    assert OpenClipEncoder(f"local-dir:{tiny_clip}", device="cpu").sources == (tiny_clip,)
    assert _sources("hf-hub:org/name", {}) == own
    assert _sources("hf-hub:org/unknown", {}) == ()
    assert _sources(f"ViT-B-32:{weights}", {}) == (weights,)
    assert _sources(f"ViT-B-32:{weights}", {"text_cfg": {"hf_tokenizer_name": "org/name"}}) == (weights, *own)
    assert _sources(f"ViT-B-32:{weights}", {"text_cfg": {"hf_tokenizer_name": "org/unknown"}}) == ()
    assert _sources("ViT-B-32:laion2b_s34b_b79k", {}) == ()  # not on this machine
    assert _sources("RN50:openai", {}) in ((), (Path("~/.cache/clip/RN50.pt").expanduser(),))


def test_what_is_kept_of_an_identity_is_json(load: Loader, reopen: Callable[..., Encoder], tmp_path: Path) -> None:
    reopen()
    with sqlite3.connect(tmp_path / "cache.sqlite") as db:
        ((key, told),) = db.execute("SELECT key, told FROM identity").fetchall()
    db.close()
    assert json.loads(key)
    assert json.loads(told)["identity"]["logit_scale"] == 3.7
    assert json.loads(told)["files"] == [[str(load.folder / "weights"), 10, 10**18]]
