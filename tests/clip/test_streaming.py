"""Predictions in slices against the plain path, which holds all at once."""

import pytest
import torch

from treegen.clip import scoring
from treegen.clip.streaming import in_chunks, predict

SIZES = (3, 1, 4, 2)  # G = 4, Q = 10


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


@pytest.mark.parametrize("count", [1, 7, 1024, 1025, 5000])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_slices_give_what_the_whole_gives(count: int, scale: float) -> None:
    features, texts = drawn(count, 12), drawn(10, 12, seed=1)
    matrix = torch.rand(5, 10, generator=torch.Generator().manual_seed(2))
    probabilities = scoring.group_probabilities(scoring.similarity_logits(features, texts, scale), SIZES)
    expected = scoring.class_scores(probabilities, matrix).argmax(1)
    assert torch.equal(predict(in_chunks(features), count, texts, SIZES, matrix, scale), expected)


def test_chunks_may_come_in_any_order_and_leave_places_out() -> None:
    features, texts, matrix = drawn(3000, 12), drawn(10, 12, seed=1), torch.eye(10)[:6]
    whole = predict(in_chunks(features), 3000, texts, SIZES, matrix, 5.0)
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(3))[:2900]
    chunks = [(part.numpy(), features[part]) for part in order.split(700)]
    found = predict(chunks, 3000, texts, SIZES, matrix, 5.0)
    assert torch.equal(found[order], whole[order])
    assert int((found == -1).sum()) == 100


def test_a_tie_goes_to_the_first_class_as_in_the_plain_path() -> None:
    features, texts = drawn(50, 12), drawn(10, 12, seed=1)
    matrix = torch.eye(10)[[2, 2, 5, 5]]
    assert set(predict(in_chunks(features), 50, texts, SIZES, matrix, 5.0).tolist()) <= {0, 2}
