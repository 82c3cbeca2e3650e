"""The engine of Ray against that of one process: a real Ray on this machine and the bundled encoder.

Every actor loads torch anew, which is most of what these tests cost; two at once are those of the run that is killed.
"""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

import treegen.clip.encoders
from tests.batch.conftest import Embed, read_table
from tests.conftest import Run
from tests.waiting import wait_until
from treegen.batch import ray_engine
from treegen.batch.ray_engine import ClusterEngine
from treegen.clip.encoders.interface import Batch, Encoder, Prepared, Preprocessor
from treegen.config.settings import EncoderSettings
from treegen.errors import ModelError

pytestmark = pytest.mark.ray


@pytest.fixture
def pictures(drawn: Path, tmp_path: Path) -> Path:
    """Drawings, one of them broken and one not readable by its content."""
    folder = Path(shutil.copytree(drawn / "images", tmp_path / "pictures"))
    (folder / "Wendle" / "broken.png").write_bytes(b"\x89PNG nothing")
    return folder


def assert_same(several: Path, alone: Path) -> None:
    """Equal tables; the vectors but for half a step of float16 at 1."""
    one, many = read_table(alone), read_table(several)
    assert many.columns == one.columns
    assert abs(many.vectors.astype(float) - one.vectors.astype(float)).max() <= 2**-11


def test_both_engines_give_the_same_table(ray_here: Any, pictures: Path, tmp_path: Path, embed: Embed) -> None:
    """Here tasks of their own read the pictures, as before GPUs."""
    alone = embed(pictures, output=tmp_path / "alone")
    several = embed(pictures, ClusterEngine(1, apart=True), output=tmp_path / "several")
    assert_same(tmp_path / "several", tmp_path / "alone")
    assert (several.counts, several.skipped) == (alone.counts, alone.skipped)
    assert several.counts.embedded == 104
    assert ray_here.is_initialized()  # it was not this run that started it


@dataclass(frozen=True)
class DiesOnce:
    """A preprocessor that takes its process with it, the first time it is asked."""

    inner: Preprocessor
    marker: Path

    def __call__(self, image: Image.Image) -> Prepared:
        if not self.marker.exists():
            self.marker.touch()
            os._exit(1)
        return self.inner(image)

    def collate(self, items: Sequence[Prepared]) -> Batch:
        return self.inner.collate(items)


def die_once(monkeypatch: pytest.MonkeyPatch, marker: Path) -> None:
    """This process's encoder hands such a preprocessor to the workers."""
    real = treegen.clip.encoders.open_encoder

    def opened(settings: EncoderSettings, folder: Path) -> Encoder:
        encoder: Any = real(settings, folder)
        encoder.preprocessor = DiesOnce(encoder.preprocessor, marker)
        return encoder  # type: ignore[no-any-return]

    monkeypatch.setattr(treegen.clip.encoders, "open_encoder", opened)


def test_an_actor_that_dies_is_replaced_and_nothing_is_lost(
    ray_here: Any, drawn: Path, tmp_path: Path, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(drawn / "images", output=tmp_path / "alone")
    die_once(monkeypatch, tmp_path / "died")
    counts = embed(drawn / "images", ClusterEngine(1), output=tmp_path / "several").counts
    assert (tmp_path / "died").exists()
    assert (counts.embedded, counts.skipped) == (104, 0)
    assert_same(tmp_path / "several", tmp_path / "alone")


def test_a_run_whose_actors_die_for_good_ends_with_an_error(
    ray_here: Any, drawn: Path, tmp_path: Path, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_TRIES", 0)
    die_once(monkeypatch, tmp_path / "died")
    with pytest.raises(ModelError, match="Ray failed"):
        embed(drawn / "images" / "Wendle", ClusterEngine(1), output=tmp_path / "out")


def rows_of(cache: Path) -> int:
    """Embeddings in a cache that another process fills."""
    if not cache.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{cache}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM embedding").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_run_on_a_cluster_that_is_killed_goes_on_where_it_was(ray_here: Any, tmp_path: Path, embed: Embed) -> None:
    images, cache, total = tmp_path / "noise", tmp_path / "cache.sqlite", 800
    images.mkdir()
    for number in range(total):
        Image.frombytes("RGB", (6, 5), Random(number).randbytes(90)).save(images / f"{number:03}.png")
    address = ray_here.get_runtime_context().gcs_address
    command = [
        sys.executable,
        "-m",
        "treegen",
        "embed",
        str(images),
        "--cache",
        str(cache),
        "--engine",
        "ray",
        "--workers",
        "2",
        "--batch",
        "4",
    ]
    with subprocess.Popen(command, env={**os.environ, "RAY_ADDRESS": address}, stderr=subprocess.PIPE) as process:
        wait_until(lambda: rows_of(cache) >= 40 or process.poll() is not None)
        process.kill()
    there = rows_of(cache)
    assert 40 <= there < total, process.returncode
    counts = embed(images, ClusterEngine(1), cache=cache, batch=64).counts
    assert (counts.cached, counts.embedded, counts.skipped) == (there, total - there, 0)
    assert rows_of(cache) == total


def test_without_ray_the_message_names_the_extra(
    run: Run, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run("embed", drawn / "images", "-o", tmp_path / "out", "--engine", "ray")
    assert done.code == 2
    assert "pip install 'treegen-clip[ray]'" in done.err


def test_a_cluster_that_is_not_there_is_told_soon(
    run: Run, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that is bound and does not listen refuses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{bound.getsockname()[1]}")
        monkeypatch.setattr("ray.is_initialized", lambda: False)
        done = run("embed", drawn / "images", "-o", tmp_path / "out", "--engine", "ray")
    assert done.code == 2
    assert "Ray cannot be reached" in done.err
    assert "RAY_ADDRESS=127.0.0.1:" in done.err


@pytest.mark.parametrize(
    ("gpus", "device", "precision", "settled"),
    [
        (0, "auto", "auto", ("auto", "auto")),
        (2, "auto", "auto", ("cuda", "fp16")),
        (2, "auto", "bf16", ("cuda", "bf16")),
        (2, "cpu", "auto", ("cpu", "auto")),
        (0, "cuda", "auto", ("cuda", "fp16")),
    ],
)
def test_the_encoder_runs_on_the_clusters_gpus_if_there_are_any(
    monkeypatch: pytest.MonkeyPatch, gpus: int, device: str, precision: str, settled: tuple[str, str]
) -> None:
    monkeypatch.setattr(ClusterEngine, "_available", lambda self, kind: gpus)
    found = ClusterEngine().settle(EncoderSettings(device=device, precision=precision))
    assert (found.device, found.precision) == settled


def test_a_worker_that_has_another_model_says_so_with_its_first_batch() -> None:
    worker = ray_engine._Worker(None, EncoderSettings(), ".", "sha256:another")
    row = worker(None).column("row")[0].as_buffer()
    with pytest.raises(ModelError, match="a different model on a worker"):
        ray_engine._outcomes(row)


def test_more_workers_than_the_cluster_has_cores_are_refused(
    ray_here: Any, drawn: Path, tmp_path: Path, run: Run
) -> None:
    done = run("embed", drawn / "images", "-o", tmp_path / "out", "--engine", "ray", "--workers", 64)
    assert done.code == 2
    assert "64 workers need 64 CPUs" in done.err
