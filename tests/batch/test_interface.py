"""The set of keys against Python's own."""

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
