"""Drawings of the sketchbook, ways to embed them, and how to read what came out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from treegen.batch.interface import Engine
from treegen.batch.local_engine import LocalEngine
from treegen.batch.pipeline import embed_images
from treegen.batch.plan import make_plan
from treegen.batch.ray_engine import ClusterEngine
from treegen.batch.writer import Summary
from treegen.config.settings import EncoderSettings


@pytest.fixture(scope="session")
def ray_here() -> Iterator[Any]:
    """A real Ray with two cores, for all tests that need one: starting it takes seconds."""
    with ClusterEngine(2):
        import ray

        yield ray


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of a folder of Parquet files, in the order of their paths."""

    columns: dict[str, list[Any]]
    vectors: np.ndarray


def read_table(folder: Path) -> Table:
    table = pyarrow.parquet.read_table(folder).sort_by("path")
    vectors = np.stack(table["embedding"].to_pylist()).astype(np.float16)
    return Table(columns=table.drop_columns("embedding").to_pydict(), vectors=vectors)


Embed = Callable[..., Summary]


@pytest.fixture
def embed() -> Embed:
    """Embeds with the bundled encoder: `embed(images, engine, batch=..., rows=..., output=...)`."""

    def run(images: Path, engine: Engine | None = None, *, batch: int = 16, rows: int = 1000, **more: Any) -> Summary:
        progress = more.pop("progress", lambda *step: None)
        engine = engine or LocalEngine()
        with make_plan(images, **more) as plan:
            return embed_images(plan, engine, EncoderSettings(), batch=batch, rows=rows, progress=progress)

    return run
