"""Fixtures for whole commands: the real entry point in this process, and a small sketchbook with drawn images."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from treegen.cli.main import main
from treegen.demonstration import lay_out
from treegen.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `treegen ARGUMENTS` through the entry point and its error boundary."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["treegen", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as done:
            main()
        out, err = capfd.readouterr()
        code = done.value.code
        return Outcome(code=code if isinstance(code, int) else 1, out=out, err=err)

    return call


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sketchbook with 8 images of each class; read only."""
    folder = tmp_path_factory.mktemp("drawn")
    lay_out(folder, count=8)
    return folder


@pytest.fixture
def sketchbook(drawn: Path, tmp_path: Path) -> Path:
    """A copy of `drawn` to work in."""
    return Path(shutil.copytree(drawn, tmp_path / "sketchbook"))


TREE = """{
  "domain": "sketchbook",
  "classification_groups": {
    "colour": {
      "prompt": "This creature's body is mainly {}.",
      "options": ["white", "green", "orange", "purple", "pink", "yellow", "brown", "gray", "blue"]
    },
    "form": {
      "prompt": "This creature looks like {}.",
      "options": ["a four-legged animal", "a snake", "a ball", "an octopus", "a slug", "a bird", "a fish"]
    },
    "scene": {
      "prompt": "The background behind the creature is {}.",
      "options": ["snow", "a dark cave", "a meadow", "a desert", "the night sky", "a city", "a forest", "the sea"]
    },
    "mark": {"prompt": "This creature has {}.", "options": ["stripes", "spots", "spikes", "a horn"]},
    "size": {"prompt": "This creature is {}.", "options": ["tiny", "huge"]}
  },
  "rules": {
    "Abrosk": {"colour": 0, "form": 0, "scene": 0, "mark": 3, "size": 1},
    "Abrosk G": {"colour": 0, "form": 0, "scene": 1, "mark": 3, "size": 1},
    "Wendle": {"colour": 1, "form": 1, "scene": 2, "mark": 0, "size": null},
    "Torvane": {"colour": 1, "form": 1, "scene": 2, "mark": 1, "size": null},
    "Quillip": {"colour": 2, "form": 2, "scene": 3, "mark": 2, "size": 0},
    "Grelm": {"colour": 2, "form": 2, "scene": 3, "mark": 2, "size": 1},
    "Orlith": {"colour": 3, "form": 3, "scene": 4, "mark": null, "size": null},
    "Draquen": {"colour": 4, "form": 3, "scene": 4, "mark": null, "size": null},
    "Nubbet": {"colour": 5, "form": 4, "scene": 5, "mark": null, "size": null},
    "Yaffin": {"colour": 5, "form": 5, "scene": 5, "mark": null, "size": null},
    "Fennoch": {"colour": 6, "form": 0, "scene": 6, "mark": null, "size": null},
    "Ulvar": {"colour": 7, "form": 0, "scene": 6, "mark": null, "size": null},
    "Zandoor": {"colour": 8, "form": 6, "scene": 7, "mark": null, "size": 1}
  }
}
"""


@pytest.fixture
def tree_file(sketchbook: Path) -> Path:
    """A tree without errors for the sketchbook, written by hand: not canonical, no digest."""
    path = sketchbook / "tree.json"
    path.write_text(TREE, encoding="utf-8")
    return path


DOMAIN = """
name = "sketchbook"
noun = "creature"
classes = ["Abrosk", "Abrosk G", "Wendle", "Torvane", "Quillip", "Grelm", "Orlith", "Draquen", "Nubbet", "Yaffin",
  "Fennoch", "Ulvar", "Zandoor"]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A domain without images, and no tree yet."""
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    return Workspace(tmp_path / "tree.json")
