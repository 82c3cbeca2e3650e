"""The embedding cache: what it gives back, what it tells apart, and what survives a crash or damage."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import treegen
from treegen.clip.embedding.cache import EmbeddingCache, image_key, unit_rows
from treegen.errors import InputError

WHOLE = (0.0, 0.0, 1.0, 1.0)


def key(text: str) -> bytes:
    return image_key(text, WHOLE)


def vectors(count: int, width: int = 12, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).standard_normal((count, width), np.float32)
    unit: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


@pytest.mark.slow
def test_vectors_come_back_within_float16_and_of_length_one(cache: EmbeddingCache) -> None:
    kept, keys = vectors(5), [image_key(str(i), WHOLE) for i in range(5)]
    cache.put("f", keys, kept)
    found = cache.get("f", keys)
    assert set(found) == set(keys)
    for key, vector in zip(keys, kept, strict=True):
        assert found[key].dtype == np.float32
        np.testing.assert_allclose(found[key], vector, atol=1e-3, rtol=0)
        assert float(np.linalg.norm(found[key])) == pytest.approx(1, abs=1e-6)


def test_put_returns_bit_for_bit_what_get_will_give(cache: EmbeddingCache) -> None:
    """Or the first score of a tree and the second could differ."""
    keys = [key(str(i)) for i in range(70)]
    kept = cache.put("f", keys, vectors(70, 33))
    found = cache.get("f", list(reversed(keys)))
    assert all(np.array_equal(found[key], row) for key, row in zip(keys, kept, strict=True))


def test_vectors_of_torch_are_kept_as_those_of_numpy(cache: EmbeddingCache) -> None:
    """On a GPU or as another type: what comes back is float32 on the CPU."""
    import torch

    kept = vectors(3)
    given = torch.from_numpy(kept)
    assert np.array_equal(cache.put("f", [key(n) for n in "abc"], given), cache.put("g", [key(n) for n in "abc"], kept))
    cache.put_texts("f", list("abc"), given.double())
    assert all(np.array_equal(cache.get_texts("f", list("abc"))[n], row) for n, row in zip("abc", kept, strict=True))


@pytest.mark.parametrize("width", [3, 96, 512, 4096])
def test_lengths_are_those_that_torch_computes(cache: EmbeddingCache, width: int) -> None:
    import torch

    given, keys = 7 * vectors(40, width), [key(str(n)) for n in range(40)]
    half = torch.nn.functional.normalize(torch.from_numpy(given)).half().float()
    expected = half / torch.linalg.vector_norm(half, dim=1, keepdim=True)
    np.testing.assert_allclose(cache.put("f", keys, given), expected.numpy(), atol=1e-3 / np.sqrt(width), rtol=0)
    assert np.isnan(unit_rows(np.zeros((1, width), np.float16))).all()


def test_identities_and_token_counts_are_kept_until_they_are_replaced(cache: EmbeddingCache) -> None:
    assert (cache.identity("k"), cache.tokens("f")) == (None, {})
    cache.store_identity("k", "one")
    cache.store_identity("k", "two")
    cache.store_tokens("f", "a text", 4)
    cache.store_tokens("f", "a text", 5)
    cache.store_tokens("g", "a text", 6)
    assert (cache.identity("k"), cache.identity("l")) == ("two", None)
    assert (cache.tokens("f"), cache.tokens("g")) == ({"a text": 5}, {"a text": 6})
    cache.store_identity("k", None)
    assert cache.identity("k") is None


def test_only_what_was_put_is_found(cache: EmbeddingCache) -> None:
    cache.put("f", [key("a")], vectors(1))
    assert set(cache.get("f", [key("a"), key("b")])) == {key("a")}
    assert cache.get("f", []) == {}
    assert cache.get("f", [key("b")]) == {}


def test_another_encoder_does_not_see_the_vectors(cache: EmbeddingCache) -> None:
    cache.put("f", [key("a")], vectors(1, seed=1))
    assert cache.get("g", [key("a")]) == {}
    cache.put("g", [key("a")], vectors(1, 9, seed=2))
    assert [len(cache.get(name, [key("a")])[key("a")]) for name in "fg"] == [12, 9]


def test_keys_differ_by_content_and_crop() -> None:
    one, other = hashlib.sha256(b"1").hexdigest(), hashlib.sha256(b"2").hexdigest()
    assert len({image_key(one, WHOLE), image_key(other, WHOLE), image_key(one, (0.0, 0.1, 1.0, 0.55))}) == 3


def test_texts_come_back_bit_for_bit_and_only_to_their_encoder(cache: EmbeddingCache) -> None:
    texts, kept = [f"a {n} body; it's \u00e9" for n in range(1100)], vectors(1100)
    cache.put_texts("f", texts, kept)
    found = cache.get_texts("f", [*texts, "another"])
    assert set(found) == set(texts)
    assert all(np.array_equal(found[text], row) for text, row in zip(texts, kept, strict=True))
    assert (cache.get_texts("g", texts), cache.get_texts("f", [])) == ({}, {})
    cache.put_texts("g", texts[:1], vectors(1, 5))
    assert len(cache.get_texts("g", texts[:1])[texts[0]]) == 5


def test_a_damaged_text_counts_as_not_there(cache: EmbeddingCache, tmp_path: Path) -> None:
    cache.put_texts("f", list("abcd"), vectors(4))
    db = sqlite3.connect(tmp_path / "cache.sqlite")
    nan = np.full(12, np.nan, np.float32).tobytes()
    with db:
        db.executemany("UPDATE text SET vector=? WHERE text=?", [(b"short", "a"), (nan, "b")])
    db.close()
    assert set(cache.get_texts("f", list("abcd"))) == {"c", "d"}
    assert cache.damaged == 2


@pytest.mark.parametrize("width", [3, 96, 512, 4096])
def test_a_vector_that_was_changed_on_the_disk_counts_as_not_there(
    cache: EmbeddingCache, tmp_path: Path, width: int
) -> None:
    """SQLite notices damage of its own pages only. What rounding does is no damage, however wide the vector."""
    keys = [key(str(n)) for n in range(50)]
    cache.put("f", keys, 7 * vectors(50, width))
    assert set(cache.get("f", keys)) == set(keys)
    db = sqlite3.connect(tmp_path / "cache.sqlite")
    (kept,) = db.execute("SELECT vector FROM embedding WHERE key=?", (keys[3],)).fetchone()
    numbers = np.frombuffer(kept, np.float16).copy()
    numbers.view(np.uint16)[abs(numbers).argmax()] ^= 1 << 13  # a bit of the exponent
    with db:
        db.execute("UPDATE embedding SET vector=? WHERE key=?", (numbers.tobytes(), keys[3]))
    db.close()
    assert set(cache.get("f", keys)) == set(keys) - {keys[3]}
    assert cache.damaged == 1


def test_what_cannot_be_written_is_an_input_error(cache: EmbeddingCache, tmp_path: Path) -> None:
    cache.put("f", [key("a")], vectors(1))
    cache._db.execute("PRAGMA query_only=ON")
    writes = (
        lambda: cache.put("f", [key("b")], vectors(1)),
        lambda: cache.put_texts("f", ["b"], vectors(1)),
        lambda: cache.remember_files([("b", 1, 2, "c")]),
        lambda: cache.has("g", [key("a")]),
    )
    for write in writes:
        with pytest.raises(InputError, match=r"cache\.sqlite: the embedding cache cannot be written") as caught:
            write()
        assert "writable" in caught.value.tip
    assert set(cache.get("f", [key("a")])) == {key("a")}


def test_a_vector_put_again_replaces_the_old_one(cache: EmbeddingCache) -> None:
    cache.put("f", [key("a")], vectors(1, seed=1))
    second = cache.put("f", [key("a")], vectors(1, seed=2))
    assert np.array_equal(cache.get("f", [key("a")])[key("a")], second[0])


def test_more_keys_than_sqlite_binds_at_once_are_all_found(cache: EmbeddingCache) -> None:
    keys = [key(str(i)) for i in range(2345)]
    kept = cache.put("f", keys, vectors(2345, 3))
    found = cache.get("f", keys)
    assert len(found) == 2345
    assert all(np.array_equal(found[keys[i]], kept[i]) for i in (0, 499, 500, 1000, 2344))


def test_vectors_are_there_after_the_database_is_opened_again(tmp_path: Path) -> None:
    first = EmbeddingCache(tmp_path / "c.sqlite")
    first.put("f", [key("a")], vectors(1))
    first.close()
    second = EmbeddingCache(tmp_path / "c.sqlite")
    assert not second.rebuilt
    assert list(second.get("f", [key("a")])) == [key("a")]
    second.close()


def test_two_processes_may_hold_the_cache_at_once(tmp_path: Path, cache: EmbeddingCache) -> None:
    other = EmbeddingCache(tmp_path / "cache.sqlite")
    cache.put("f", [key("a")], vectors(1))
    other.put("f", [key("b")], vectors(1))
    assert len(cache.get("f", [key("a"), key("b")])) == 2
    other.close()


_WRITER = """
import sys, numpy
from pathlib import Path
from treegen.clip.embedding.cache import EmbeddingCache, image_key
cache, batch = EmbeddingCache(Path(sys.argv[1])), 0
while True:
    cache.put("f", [image_key(f"{batch} {i}", (0.0, 0.0, 1.0, 1.0)) for i in range(50)], numpy.random.randn(50, 256))
    batch += 1
    print(batch, flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_while_writing_leaves_whole_batches_and_a_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    environment = {**os.environ, "PYTHONPATH": str(Path(treegen.__file__).parents[1])}
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()  # SIGKILL, in the middle of whatever it does
        told += [int(line) for line in writer.stdout.read().split()]
    assert writer.returncode == -9
    cache = EmbeddingCache(path)
    assert not cache.rebuilt
    acknowledged = [key(f"{batch} {i}") for batch in range(told[-1]) for i in range(50)]
    assert set(cache.get("f", acknowledged)) == set(acknowledged)
    cache.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (rows,) = db.execute("SELECT count(*) FROM embedding").fetchone()
    db.close()
    assert rows % 50 == 0
    assert rows >= len(acknowledged) >= 1000


def _written(path: Path) -> bytes:
    cache = EmbeddingCache(path)
    for start in range(0, 400, 50):
        cache.put("f", [key(str(i)) for i in range(start, start + 50)], vectors(50, 512))
    cache.close()
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["text", "head", "half", "middle"])
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path, damage: str) -> None:
    """Also where the damage lies behind the first page, which opening alone would not notice."""
    path = tmp_path / "c.sqlite"
    data = _written(path)
    middle = len(data) // 2
    broken = {
        "text": b"this is no database\n" * 100,
        "head": b"\xff" * 100 + data[100:],
        "half": data[: middle + 7],
        "middle": data[:middle] + b"\xff" * 60_000 + data[middle + 60_000 :],
    }[damage]
    path.write_bytes(broken)
    cache = EmbeddingCache(path)
    assert cache.rebuilt
    assert cache.get("f", [key("0")]) == {}
    cache.put("f", [key("0")], vectors(1))
    assert len(cache.get("f", [key("0")])) == 1
    cache.close()
    assert path.with_suffix(".damaged").read_bytes() == broken


def test_an_empty_file_becomes_a_cache(tmp_path: Path) -> None:
    (tmp_path / "c.sqlite").touch()
    cache = EmbeddingCache(tmp_path / "c.sqlite")
    assert cache.get("f", [key("0")]) == {}
    cache.close()


def test_a_folder_in_its_place_is_an_input_error_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.mkdir()
    (path / "keep.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"c\.sqlite: the embedding cache cannot be opened"):
        EmbeddingCache(path)
    assert (path / "keep.txt").read_text(encoding="utf-8") == "mine"


def test_a_missing_folder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        EmbeddingCache(tmp_path / "nowhere" / "c.sqlite")


def test_a_locked_cache_is_no_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting it aside would throw away what another process is writing."""
    path = tmp_path / "c.sqlite"
    data, connect = _written(path), sqlite3.connect
    holder = connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(sqlite3, "connect", lambda path, **_: connect(path, timeout=0))
    with pytest.raises(InputError, match="locked"):
        EmbeddingCache(path)
    holder.execute("ROLLBACK")
    holder.close()
    assert path.read_bytes() == data


def test_files_are_remembered_with_size_time_and_digest(cache: EmbeddingCache) -> None:
    assert cache.known_files() == {}
    cache.remember_files([("/a.png", 3, 2**60 + 1, "aa"), ("/b.png", 0, 5, "bb")])
    cache.remember_files(iter([("/a.png", 4, 7, "cc")]))
    cache.remember_files([])
    assert cache.known_files() == {"/a.png": (4, 7, "cc"), "/b.png": (0, 5, "bb")}
