"""A fake encoder, a domain of tiny pictures, and a real open_clip model with random weights."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from PIL import Image

from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.encoders.interface import Encoder, Preprocessor
from treegen.clip.evaluator import Evaluator
from treegen.config.domain import Domain
from treegen.config.settings import ImageSettings, SplitSettings
from treegen.images import divide
from treegen.progress import Progress, no_progress
from treegen.tree.model import ClassRule, Group, Tree

WIDTH = 7  # D


class FakePreprocessor:
    """Implements `Preprocessor`: a picture is prepared as its mode, size and bytes."""

    def __call__(self, image: Image.Image) -> bytes:
        return f"{image.mode} {image.size} ".encode() + image.tobytes()

    def collate(self, items: Sequence[bytes]) -> list[bytes]:
        return list(items)


class FakeEncoder:
    """Implements `Encoder`: the vector of a picture or text is drawn from a hash of it. Remembers what it was given."""

    def __init__(self, seed: int = 0) -> None:
        self.name = f"fake-{seed}"
        self.fingerprint = "sha256:" + hashlib.sha256(self.name.encode()).hexdigest()
        self.logit_scale = 3.7
        self.scale_assumed = False
        self.logit_bias: float | None = None
        self.context_length: int | None = 12
        self.device = "cpu"
        self.precision = "fp32"
        self.preprocessing: dict[str, Any] = {"size": "any"}
        self.preprocessor: Preprocessor = FakePreprocessor()
        self.notes: tuple[str, ...] = ()
        self.images: list[bytes] = []
        self.texts: list[str] = []

    def stage(self, batch: list[bytes]) -> list[bytes]:
        return batch

    def encode_prepared(self, batch: list[bytes]) -> torch.Tensor:
        self.images += batch
        return self._vectors(batch)

    def encode_images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        return self.encode_prepared(self.preprocessor.collate([self.preprocessor(image) for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        self.texts += texts
        return self._vectors([text.encode() for text in texts])

    def count_tokens(self, text: str) -> int:
        return len(text.split()) + 2

    def _vectors(self, contents: Sequence[bytes]) -> torch.Tensor:
        rows = [[Random(self.name.encode() + c + bytes([d])).gauss(0, 1) for d in range(WIDTH)] for c in contents]
        return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def make_encoder() -> Callable[[int], FakeEncoder]:
    """Fake encoders of other seeds: other names, fingerprints and vectors."""
    return FakeEncoder


def _draw(path: Path, seed: object) -> None:
    """A PNG of 6x5 random pixels; equal seeds give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.frombytes("RGB", (6, 5), Random(str(seed)).randbytes(90)).save(path)


@pytest.fixture
def draw() -> Callable[[Path, object], None]:
    """Writes a tiny picture: `draw(path, seed)`."""
    return _draw


@pytest.fixture
def make_domain(tmp_path: Path) -> Callable[..., Domain]:
    """Makes a domain with so many pictures of each class in `images/` below the test's folder."""

    def make(counts: Mapping[str, int], *, dev: float = 0.5, **images: Any) -> Domain:
        (tmp_path / "images").mkdir(exist_ok=True)
        for name, count in counts.items():
            for number in range(count):
                _draw(tmp_path / "images" / name / f"{number:03}.png", f"{name} {number}")
        return Domain(
            folder=tmp_path,
            name="notebook",
            noun="creature",
            name_template="a {noun} called {name}",
            classes=tuple(counts),
            images=ImageSettings(folder=tmp_path / "images", **images),
            split=SplitSettings(dev=dev, seed=3, by="rank"),
        )

    return make


@pytest.fixture
def domain(make_domain: Callable[..., Domain]) -> Domain:
    """K = 5 classes, one of them without pictures; B = 26 in all, 13 in each part."""
    return make_domain({"Abrosk": 8, "Wendle": 6, "Corvane": 4, "Ilmet": 0, "Quill": 8})


@pytest.fixture
def tree() -> Tree:
    """G = 3 groups of Q = 9 options in all; its classes stand in another order than the domain's."""
    return Tree(
        domain="notebook",
        groups=(
            Group(name="colour", prompt="This creature is mainly {}.", options=("red", "green", "blue", "white")),
            Group(name="size", prompt="This creature is {}.", options=("small", "large")),
            Group(name="place", prompt="It sits in {}.", options=("a tree", "the water", "a cave")),
        ),
        rules=(
            ClassRule(name="Quill", answers=(("colour", 2), ("size", None), ("place", 0))),
            ClassRule(name="Abrosk", answers=(("colour", 0), ("size", 1), ("place", 2))),
            ClassRule(name="Ilmet", answers=(("colour", 3), ("size", 1), ("place", 0))),
            ClassRule(name="Wendle", answers=(("place", 1), ("colour", 1), ("size", 0))),
            ClassRule(name="Corvane", answers=(("colour", 0), ("size", 0), ("place", None))),
        ),
    )


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[EmbeddingCache]:
    opened = EmbeddingCache(tmp_path / "cache.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def evaluate(cache: EmbeddingCache, encoder: FakeEncoder) -> Callable[..., Evaluator]:
    """Makes evaluators of a domain; all of a test share one cache, and one encoder unless another is given."""

    def make(
        domain: Domain,
        *,
        encoder: Encoder = encoder,
        recorded: Mapping[str, str] = {},
        progress: Progress = no_progress,
    ) -> Evaluator:
        parts = partial(divide, classes=domain.classes, settings=domain.split, recorded=dict(recorded))
        return Evaluator(domain, encoder, cache, parts, progress)

    return make


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open_clip folder as `local-dir:` reads it: random weights, 32 pixels, 16 tokens. Tests must not change it."""
    import open_clip
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("tiny_clip")
    config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    preprocess = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.2], "interpolation": "bicubic", "resize_mode": "squash"}
    text = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(open_clip.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture
def own_clip(tiny_clip: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return Path(shutil.copytree(tiny_clip, tmp_path / "model"))
