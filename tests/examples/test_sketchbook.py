"""The bundled domain: what the generator draws, what training may not see, and that training works."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from treegen.config.domain import load_domain
from treegen.config.settings import EncoderSettings
from treegen.resources import sketchbook_dir
from treegen.workflow.demo import lay_out

SOURCE = sketchbook_dir()
MOST_BYTES = 16_000_000


@pytest.fixture(scope="module")
def generator() -> "Generator":
    """The generator's modules; its scripts import each other by plain names."""
    return Generator()


class Generator:
    """attributes, captions and draw, imported from the example's folder."""

    def __init__(self) -> None:
        sys.path.insert(0, str(SOURCE))
        try:
            self.attributes: ModuleType = __import__("attributes")
            self.captions: ModuleType = __import__("captions")
            self.draw: ModuleType = __import__("draw")
        finally:
            sys.path.remove(str(SOURCE))


def _digest(folder: Path) -> str:
    files = sorted(p for p in folder.rglob("*.png"))
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


@pytest.mark.slow
def test_same_seed_gives_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    """Two runs with one seed agree to the byte; another seed gives other pictures."""
    lay_out(tmp_path / "again", count=8)
    assert _digest(tmp_path / "again" / "images") == _digest(drawn / "images")
    lay_out(tmp_path / "other", count=8, seed=1)
    assert _digest(tmp_path / "other" / "images") != _digest(drawn / "images")


def test_drawn_images_are_not_drawn_again(tmp_path: Path) -> None:
    """A second layout in the same folder draws nothing and keeps what a user changed."""
    assert lay_out(tmp_path, count=1) == 13
    (tmp_path / "feedback.txt").write_text("mine", encoding="utf-8")
    assert lay_out(tmp_path, count=1) == 0
    assert (tmp_path / "feedback.txt").read_text(encoding="utf-8") == "mine"


def test_domain_and_creatures_name_the_same_classes() -> None:
    """The domain file, the generator's truth and the notes speak of the same 13 creatures."""
    creatures = json.loads((SOURCE / "creatures.json").read_text(encoding="utf-8"))
    domain = load_domain(SOURCE)
    assert domain.classes == tuple(creatures)
    assert len(domain.classes) == 13
    assert dict(domain.notes).keys() == creatures.keys()


def test_every_creature_has_a_twin_or_differs_in_more(generator: Generator) -> None:
    """No two creatures look the same, and at least five pairs differ in one attribute only."""
    looks = list(generator.draw.load_creatures().values())
    attributes = list(generator.attributes.WORDS)
    distances = [
        sum(getattr(a, x) != getattr(b, x) for x in attributes) for i, a in enumerate(looks) for b in looks[:i]
    ]
    assert min(distances) == 1
    assert distances.count(1) >= 5


@pytest.mark.slow
def test_training_never_sees_a_class(generator: Generator) -> None:
    """No training look has a class's colour, form and feature; no caption holds a class name."""
    script = f"""
import sys; sys.path.insert(0, {str(SOURCE)!r})
from random import Random
from train import random_look
from captions import make_captions
from draw import load_creatures
creatures = load_creatures()
forbidden = frozenset(c.triple for c in creatures.values())
assert len(forbidden) >= 11
rng = Random(0)
looks = [random_look(rng, forbidden) for _ in range(20000)]
assert not forbidden & {{look.triple for look in looks}}
texts = {{c.text.casefold() for look in looks[:4000] for c in make_captions(look, rng)}}
assert len(texts) > 4000
assert not [t for t in texts for name in creatures if name.casefold() in t]
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_captions_say_only_what_is_true(generator: Generator) -> None:
    """Each caption's facts are among the facts of its look, and its text holds a word of each."""
    rng = Random(3)
    words = generator.attributes.WORDS
    for _ in range(300):
        look = generator.attributes.Look(**{a: rng.choice(list(words[a])) for a in words})
        truth = generator.captions.facts(look)
        for caption in generator.captions.make_captions(look, rng):
            assert caption.facts.items() <= truth.items()
            for question, answer in caption.facts.items():
                known = generator.captions.VALUES[question][answer]
                assert any(word.casefold() in caption.text.casefold() for word in known)


def test_the_committed_model_is_small_and_loads() -> None:
    """At most 16 MB of weights, and the bundled encoder reads a prompt of ordinary length whole."""
    from treegen.clip.encoders import open_encoder

    assert sum(p.stat().st_size for p in (SOURCE / "clip").iterdir()) <= MOST_BYTES
    encoder = open_encoder(EncoderSettings(), Path())
    assert encoder.context_length is not None
    assert encoder.count_tokens("The background scene behind this creature is a dark forest.") < encoder.context_length
    assert (SOURCE / "clip" / "training.log").is_file()


@pytest.mark.slow
def test_a_short_training_run_writes_a_model_that_loads(tmp_path: Path) -> None:
    """The documented script trains a few steps and its folder is an open_clip local-dir."""
    from treegen.clip.encoders import open_encoder

    out = tmp_path / "clip"
    command = [sys.executable, str(SOURCE / "train.py"), str(out), "--steps", "3", "--drawings", "64", "--batch", "16"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "step 3 loss" in done.stdout
    encoder = open_encoder(EncoderSettings(name=f"local-dir:{out}"), Path())
    assert encoder.encode_texts(["a white creature"]).shape == (1, 96)
    assert encoder.fingerprint != open_encoder(EncoderSettings(), Path()).fingerprint
