"""The set of keys against Python's own."""

import hashlib
import pickle
from pathlib import Path
from random import Random

import pytest

from treegen.batch.interface import KeySet


@pytest.mark.parametrize("width", [1, 16, 32])
def test_a_set_of_keys_holds_what_a_set_holds_zero_bytes_included(width: int) -> None:
    random = Random(width)
    alphabet = b"\x00\x00\x01\xff"  # many keys that end in zero bytes, or differ in them alone
    keys = [bytes(random.choice(alphabet) for _ in range(width)) for _ in range(3000)]
    kept, others = set(keys[:1000]), keys[1000:]
    found = KeySet(keys[:1000], width)
    assert all(key in found for key in kept)
    assert [key in found for key in others] == [key in kept for key in others]
    assert b"\x00" * width not in KeySet([], width)


def test_the_order_and_the_number_of_times_do_not_matter() -> None:
    keys = [bytes([n]) * 32 for n in (3, 1, 2, 1)]
    assert len(KeySet(keys)) == 4
    assert all(key in KeySet(reversed(keys)) for key in keys)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_a_set_in_a_file_is_the_same_set_and_only_its_path_is_sent(tmp_path: Path, count: int) -> None:
    keys = [hashlib.sha256(b"%d" % number).digest() for number in range(2 * count)]
    found = KeySet(keys[:count]).in_file(tmp_path / "keys.npy")
    packed = pickle.dumps(found)
    assert len(packed) < 300 + len(str(tmp_path))
    for each in (found, pickle.loads(packed)):
        assert len(each) == count
        assert [key in each for key in keys] == [True] * count + [False] * count
