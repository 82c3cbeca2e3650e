"""Every panel and dialog of the review as a picture, at three sizes, dark and light.

`--snapshot-update` writes them anew; look at what changed: `xz -dc FILE.svg.xz > picture.svg`.
"""

import asyncio
import lzma
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from textual.app import App

from tests.review.walk import APART, DIALOGS, WALK, freeze, prepare, walk
from tests.test_lock import pins

compare = pytest.importorskip("pytest_textual_snapshot", reason="pytest-textual-snapshot is not installed")
DRAWING = ("textual", "rich", "textual-image", "pillow")
OTHERS = {name: version(name) for name in DRAWING if version(name) != pins({}).get(name)}
pytestmark = [
    pytest.mark.app,
    pytest.mark.slow,
    pytest.mark.skipif(
        (platform.system(), platform.machine()) != ("Linux", "x86_64"),
        reason="drawn on Linux x86_64: elsewhere CLIP's probabilities differ in their last digits",
    ),
    pytest.mark.skipif(bool(OTHERS), reason=f"drawn with the versions of constraints.txt, not {OTHERS}"),
]
SIZES = {f"{width}x{height}": (width, height) for width, height in ((80, 24), (120, 40), (200, 60))}
LARGEST = "200x60"
PLACES = (*WALK, *APART)


class Packed(compare.SVGImageExtension):  # type: ignore[misc, name-defined]
    """Pictures on disk are a tenth of their size."""

    file_extension = _file_extension = "svg.xz"

    def read_snapshot_data_from_location(self, *, snapshot_location: str, **_: Any) -> str | None:
        path = Path(snapshot_location)
        return lzma.decompress(path.read_bytes()).decode() if path.exists() else None

    @classmethod
    def write_snapshot_collection(cls, *, snapshot_collection: Any, **_: Any) -> None:
        (snapshot,) = snapshot_collection
        Path(snapshot_collection.location).write_bytes(lzma.compress(snapshot.data.encode(), preset=9))


class Drawn(App[str]):
    """What is drawn already, as the application that draws it: one application shows all places of a size."""

    def __init__(self, picture: str) -> None:
        super().__init__()
        self._picture = picture

    def run(self, **_: Any) -> str:
        return self._picture


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        freeze(patch, tmp_path_factory.mktemp("config"))
        yield prepare(tmp_path_factory.mktemp("snapshots") / "sketchbook")


@pytest.fixture(scope="module")
def pictures(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Mapping[str, str]]:
    """The pictures of a size, by their places."""

    @cache
    def drawn(size: str) -> Mapping[str, str]:
        folder = Path(shutil.copytree(prepared.parent, tmp_path_factory.mktemp("walk") / "sketchbook"))
        return asyncio.run(walk(folder / prepared.name, SIZES[size], DIALOGS if size == LARGEST else frozenset()))

    return drawn


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "SVGImageExtension", Packed)


@pytest.mark.parametrize(
    ("size", "place"), [(size, place) for size in SIZES for place in PLACES if size != LARGEST or place not in DIALOGS]
)
def test_it_looks_as_it_did(
    pictures: Callable[[str], Mapping[str, str]],
    size: str,
    place: str,
    packed: None,
    snap_compare: Callable[[App[Any]], bool],
) -> None:
    assert snap_compare(Drawn(pictures(size)[place])), f"{place} looks otherwise: see snapshot_report.html"
