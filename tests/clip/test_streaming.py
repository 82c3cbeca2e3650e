"""Predictions in slices against the plain path, which holds all at once."""

import numpy as np
import pytest

from treegen.clip import scoring
from treegen.clip.streaming import in_chunks, predict

SIZES = (3, 1, 4, 2)  # G = 4, Q = 10


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit


@pytest.mark.parametrize("count", [1, 7, 1024, 1025, 5000])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_slices_give_what_the_whole_gives(count: int, scale: float) -> None:
    features, texts = drawn(count, 12), drawn(10, 12, seed=1)
    matrix = (np.random.default_rng(2).random((5, 10)) < 0.4).astype(np.float32)
    probabilities = scoring.group_probabilities(scoring.similarity_logits(features, texts, scale), SIZES)
    expected = scoring.class_means(probabilities, matrix).argmax(1)
    assert np.array_equal(predict(in_chunks(features), count, texts, SIZES, matrix, scale), expected)


def test_chunks_may_come_in_any_order_and_leave_places_out() -> None:
    features, texts, matrix = drawn(3000, 12), drawn(10, 12, seed=1), np.eye(10, dtype=np.float32)[:6]
    whole = predict(in_chunks(features), 3000, texts, SIZES, matrix, 5.0)
    order = np.random.default_rng(3).permutation(3000)[:2900]
    chunks = [(part, features[part]) for part in np.array_split(order, 5)]
    found = predict(chunks, 3000, texts, SIZES, matrix, 5.0)
    assert np.array_equal(found[order], whole[order])
    assert int((found == -1).sum()) == 100


def test_a_tie_goes_to_the_first_class_as_in_the_plain_path() -> None:
    features, texts = drawn(50, 12), drawn(10, 12, seed=1)
    matrix = np.eye(10, dtype=np.float32)[[2, 2, 5, 5]]
    assert set(predict(in_chunks(features), 50, texts, SIZES, matrix, 5.0).tolist()) <= {0, 2}
