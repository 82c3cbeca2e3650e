"""A folder of small pictures, each with a colour of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from treegen.config.domain import Domain
from treegen.config.settings import ImageSettings

Make = Callable[..., Domain]


def colour_of(number: int) -> tuple[int, int, int]:
    return (number * 7 % 256, number * 31 % 256, number * 101 % 256)


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., Path]:
    """Draws picture `number` as the file `name` below the test's folder."""

    def make(name: str, number: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), colour_of(number)).save(path)
        return path

    return make


@pytest.fixture
def pond(tmp_path: Path) -> Make:
    """A domain of newts, swans and axolotls (also called water monsters) with these [images]."""

    def make(**images: Any) -> Domain:
        return Domain(
            folder=tmp_path,
            name="pond",
            classes=("Newt", "Swan", "Axolotl"),
            aliases=(("Axolotl", ("water monster", "Évoli")),),
            images=ImageSettings(**images),
        )

    return make
