"""Joining views against slow, obvious formulas."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from treegen.clip.compute.joining import ViewJoin
from treegen.clip.compute.views import kind_of
from treegen.clip.compute.voting import two_stage_vote
from treegen.config.settings import ComputeSettings

B, V, OPTIONS, D, SCALE = 37, 16, 5, 6, 3.7


def unit(values: np.ndarray) -> np.ndarray:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)


@pytest.fixture
def features() -> np.ndarray:
    return unit(np.random.default_rng(0).normal(size=(B, V, D)))


@pytest.fixture
def texts() -> np.ndarray:
    return unit(np.random.default_rng(1).normal(size=(OPTIONS, D)))


def softmax(values: Sequence[float]) -> list[float]:
    raised = [float(np.exp(value)) for value in values]
    return [value / sum(raised) for value in raised]


def seen(feature: np.ndarray, texts: np.ndarray) -> list[float]:
    """The probabilities of the options by one vector."""
    return softmax([SCALE * sum(float(a) * float(b) for a, b in zip(feature, text, strict=True)) for text in texts])


def winner(votes: Counter[int], means: Sequence[float]) -> int:
    return max(range(len(means)), key=lambda o: (votes[o], means[o]))


def slow_vote(views: list[list[float]], kinds: Sequence[str]) -> int:
    """Within each kind the option that wins most views, then the one that wins most kinds; the mean breaks ties."""
    means = np.mean(views, axis=0).tolist()
    kind_winners: Counter[int] = Counter()
    for kind in dict.fromkeys(kinds):
        own = [view for view, other in zip(views, kinds, strict=True) if other == kind]
        votes = Counter(max(range(len(view)), key=view.__getitem__) for view in own)
        kind_winners[winner(votes, np.mean(own, axis=0).tolist())] += 1
    return winner(kind_winners, means)


@pytest.mark.parametrize("shown", [tuple(range(V)), (0, 1, 2, 5), (0,)])
def test_each_join_is_its_slow_formula(features: np.ndarray, texts: np.ndarray, shown: tuple[int, ...]) -> None:
    def answer(join: Any) -> np.ndarray:
        logits, probabilities = ViewJoin(settings=ComputeSettings(views=16, join=join)).answer(
            features, texts, SCALE, shown
        )
        raised = np.exp(logits - logits.max(0))
        np.testing.assert_allclose(raised / raised.sum(0), probabilities, atol=1e-6)
        np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-6)
        return np.asarray(probabilities.T)

    by_embedding, by_probability, by_vote = answer("embeddings"), answer("probabilities"), answer("vote")
    for b in range(B):
        mean = np.mean([features[b, v] for v in shown], axis=0)
        np.testing.assert_allclose(by_embedding[b], seen(mean / np.linalg.norm(mean), texts), atol=1e-5)
        views = [seen(features[b, v], texts) for v in shown]
        np.testing.assert_allclose(by_probability[b], np.mean(views, axis=0), atol=1e-5)
        assert by_vote[b].argmax() == slow_vote(views, [kind_of(v) for v in shown])


def test_a_vote_counts_kinds_and_not_views() -> None:
    """Three views of one kind do not outvote two other kinds, as they would in a single stage."""
    kinds = ["crop", "crop", "crop", "flip", "light"]
    rows = [[0.9, 0.1], [0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.4, 0.6]]
    votes = two_stage_vote(np.array(rows)[:, None], kinds)[0]
    assert votes.argmax() == 1
    assert votes == pytest.approx([1 / 3, 2 / 3], abs=1e-3)


def test_each_image_may_have_texts_of_its_own(features: np.ndarray, texts: np.ndarray) -> None:
    own = np.stack([texts] * B)
    joins: tuple[Any, ...] = ("embeddings", "probabilities", "vote")
    for join in joins:
        view_join = ViewJoin(settings=ComputeSettings(views=16, join=join))
        same = view_join.answer(features, own, SCALE, range(V))
        for one, other in zip(same, view_join.answer(features, texts, SCALE, range(V)), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
