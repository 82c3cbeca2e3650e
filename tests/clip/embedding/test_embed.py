"""Embedding through the cache: what is prepared beside the model, what is left out, and what survives an end."""

import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import treegen
from tests.clip.conftest import FakeEncoder, FakePreprocessor
from treegen.clip.embedding.cache import EmbeddingCache, image_key
from treegen.clip.embedding.embed import embed_images
from treegen.clip.embedding.prefetch import available_cores
from treegen.clip.embedding.preprocess import prepare_stream
from treegen.clip.encoders.open_clip import OpenClipEncoder
from treegen.images import WHOLE, LabelledImage, hash_image
from treegen.progress import Cancelled


def pictures(folder: Path, count: int) -> list[LabelledImage]:
    """So many files of different colours, all of class 0."""
    folder.mkdir(exist_ok=True)
    found = []
    for number in range(count):
        path = folder / f"{number:04d}.png"
        Image.new("RGB", (5, 4), (number % 256, number // 256, 9)).save(path)
        image = LabelledImage(path=path, label=0)
        found.append(LabelledImage(path=path, label=0, digest=hash_image(image)))
    return found


def test_threads_and_the_callers_own_give_the_same_features_in_the_same_order(
    tmp_path: Path, cache: EmbeddingCache, encoder: Any
) -> None:
    images = pictures(tmp_path / "set", 150)
    images[70].path.write_bytes(b"no picture")
    other = EmbeddingCache(tmp_path / "other.sqlite")
    one = embed_images(images, encoder, cache, WHOLE, workers=2)
    two = embed_images(images, encoder, other, WHOLE, workers=0)
    other.close()
    assert np.array_equal(one.features, two.features)
    assert one.rows == two.rows == (*range(70), -1, *range(71, 150))
    assert [(s.path, s.reason) for s in one.skipped] == [(s.path, s.reason) for s in two.skipped]
    with Image.open(images[5].path) as picture:
        alone = encoder.encode_images([picture.convert("RGB")])[0]
    np.testing.assert_allclose(one.features[5], alone, atol=1e-3, rtol=0)


def test_the_preprocessor_of_a_real_model_can_be_sent_to_a_worker_of_ray(
    tmp_path: Path, tiny_clip: Path, cache: EmbeddingCache
) -> None:
    encoder, images = OpenClipEncoder(f"local-dir:{tiny_clip}"), pictures(tmp_path / "set", 3)
    sent = pickle.loads(pickle.dumps(encoder.preprocessor))
    (batch,) = prepare_stream(images, WHOLE, sent, workers=0)
    found = embed_images(images, encoder, cache, WHOLE)
    np.testing.assert_allclose(encoder.encode_prepared(batch.prepared), found.features, atol=1e-3, rtol=0)


def test_a_preprocessor_that_fails_names_the_picture(tmp_path: Path) -> None:
    class Picky(FakePreprocessor):
        def __call__(self, image: Image.Image) -> bytes:
            if image.tobytes()[0] == 1:
                raise RuntimeError("too narrow")
            return super().__call__(image)

    (batch,) = prepare_stream(pictures(tmp_path / "set", 3), WHOLE, Picky(), workers=0)
    assert (batch.good, batch.broken) == ((0, 2), ((1, "cannot be prepared for the model: too narrow"),))


@pytest.mark.parametrize("workers", [None, 0])
def test_few_batches_are_held_at_a_time(tmp_path: Path, workers: int | None) -> None:
    """Or memory would grow with the number of images."""
    lock, prepared = threading.Lock(), 0

    class Counting(FakePreprocessor):
        def __call__(self, image: Image.Image) -> bytes:
            nonlocal prepared
            with lock:
                prepared += 1
            return super().__call__(image)

    most = taken = 0
    for batch in prepare_stream(pictures(tmp_path / "set", 400), WHOLE, Counting(), workers=workers, batch=2):
        taken += len(batch.good)
        most = max(most, prepared - taken)
    assert taken == 400
    assert most <= 2 * (3 * available_cores() + 2)


def test_a_picture_of_which_the_model_makes_no_numbers_is_named_and_not_kept(
    tmp_path: Path, cache: EmbeddingCache
) -> None:
    class Blind(FakeEncoder):
        def encode_prepared(self, batch: list[bytes]) -> torch.Tensor:
            rows = super().encode_prepared(batch)
            rows[[index for index, item in enumerate(batch) if item.endswith(bytes([3, 0, 9]))]] = float("nan")
            return rows

    images = pictures(tmp_path / "set", 6)
    found = embed_images(images, Blind(), cache, WHOLE)
    assert [(s.path, s.reason) for s in found.skipped] == [(images[3].path, "the encoder returned NaN")]
    assert found.rows == (0, 1, 2, -1, 4, 5)
    assert cache.get(Blind().fingerprint, [image_key(images[3].digest, WHOLE)]) == {}


def test_two_boxes_of_one_picture_are_two_embeddings_and_copies_are_one(
    tmp_path: Path, cache: EmbeddingCache, encoder: Any
) -> None:
    (image,) = pictures(tmp_path / "set", 1)
    boxes = ((0.0, 0.0, 0.4, 1.0), (0.4, 0.0, 1.0, 1.0), None, None)
    images = [LabelledImage(path=image.path, label=0, digest=image.digest, crop=box) for box in boxes]
    found = embed_images(images, encoder, cache, WHOLE)
    assert found.rows == (0, 1, 2, 2)
    assert [content[:12] for content in encoder.images] == [b"RGB (2, 4) \0", b"RGB (3, 4) \0", b"RGB (5, 4) \0"]


@pytest.mark.slow
def test_a_cancelled_run_keeps_whole_batches_and_the_next_goes_on(tmp_path: Path, cache: EmbeddingCache) -> None:
    images, first, second = pictures(tmp_path / "set", 300), FakeEncoder(), FakeEncoder()

    def stop(task: str, done: int, total: int) -> None:
        if done >= 128:
            raise Cancelled

    with pytest.raises(Cancelled):
        embed_images(images, first, cache, WHOLE, progress=stop)
    found = embed_images(images, second, cache, WHOLE)
    assert len(first.images) == 128
    assert set(first.images).isdisjoint(second.images)
    assert len(second.images) == 300 - 128
    expected = FakeEncoder().encode_images([Image.open(i.path) for i in images])
    np.testing.assert_allclose(found.features, expected, atol=1e-3, rtol=0)


_RUN = """
import sys, threading
from pathlib import Path
from tests.clip.conftest import FakeEncoder
from tests.clip.embedding.test_embed import pictures
from tests.waiting import wait_until
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.embedding.embed import embed_images
from treegen.images import WHOLE

def tell(task, done, total):
    print(done, flush=True)
    if done == 192:
        threading.Event().wait()

embed_images(pictures(Path(sys.argv[1]), 640), FakeEncoder(), EmbeddingCache(Path(sys.argv[2])), WHOLE, progress=tell)
"""


@pytest.mark.slow
def test_a_run_killed_in_the_middle_leaves_a_sound_cache_and_the_next_finishes_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    environment = {**os.environ, "PYTHONPATH": str(Path(treegen.__file__).parents[1])}
    command = [sys.executable, "-c", _RUN, str(tmp_path / "set"), str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        told = [int(run.stdout.readline()) for _ in range(3)]
        run.kill()
    assert (run.returncode, told) == (-9, [64, 128, 192])
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (rows,) = db.execute("SELECT count(*) FROM embedding").fetchone()
    db.close()
    assert rows % 64 == 0
    assert 128 <= rows < 640
    cache, encoder = EmbeddingCache(path), FakeEncoder()
    found = embed_images(pictures(tmp_path / "set", 640), encoder, cache, WHOLE)
    cache.close()
    assert (len(encoder.images), found.skipped) == (640 - rows, ())
    assert not cache.rebuilt


def spoil(path: Path, vectors: Sequence[bytes]) -> None:
    """Writes these vectors over the first ones."""
    db = sqlite3.connect(path)
    ids = [row[0] for row in db.execute("SELECT id FROM embedding ORDER BY id")]
    with db:
        db.executemany("UPDATE embedding SET vector=? WHERE id=?", [(v, ids[n]) for n, v in enumerate(vectors)])
    db.close()


@pytest.mark.slow
@pytest.mark.parametrize("count", [20, 1200])
def test_damaged_vectors_are_counted_and_computed_again(
    tmp_path: Path, count: int, evaluate: Callable[..., Any], cache: EmbeddingCache
) -> None:
    """Found by their keys when few are wanted, and in the order of the file when many are."""
    images = pictures(tmp_path / "set", count)
    before = embed_images(images, FakeEncoder(), cache, WHOLE)
    nan = torch.full((7,), float("nan")).half().numpy().tobytes()
    odd = torch.tensor([1.0, float("inf"), 0, 0, 0, 0, 0]).half().numpy().tobytes()
    spoil(tmp_path / "cache.sqlite", [b"", b"short", b"x" * 16, nan, odd, bytes(14)])
    again = FakeEncoder()
    after = embed_images(images, again, cache, WHOLE)
    assert (len(again.images), cache.damaged) == (6, 6)
    assert np.array_equal(after.features, before.features)


def test_reading_in_the_order_of_the_file_finds_what_looking_up_finds(cache: EmbeddingCache) -> None:
    keys = [image_key(str(number), WHOLE) for number in range(5000)]
    vectors = np.random.default_rng(0).standard_normal((5000, 6), np.float32)
    cache.put("other", keys[:100], vectors[:100, :3])
    cache.put("f", keys, vectors)
    wanted = [*keys[4000:], image_key("unknown", WHOLE), *keys[:3000]]
    places, rows = zip(*cache.chunks("f", wanted), strict=True)
    assert len(places) > 1
    found = dict(zip((wanted[p] for part in places for p in part.tolist()), np.concatenate(rows), strict=True))
    few: dict[bytes, np.ndarray] = {}
    for start in range(0, len(wanted), 400):
        few |= cache.get("f", wanted[start : start + 400])
    assert found.keys() == few.keys() == set(wanted) - {wanted[1000]}
    assert all(np.array_equal(found[key], few[key]) for key in few)
