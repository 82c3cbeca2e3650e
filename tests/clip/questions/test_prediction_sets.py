"""Prediction sets hold what they promise: on drawn scores, and on the bundled domain in many divisions."""

import math

import numpy as np
import pytest

from treegen.clip.questions.prediction_sets import coverage, set_limits


def drawn(n: int, classes: int, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """Probabilities that are right about three times in four; the second class is hard."""
    labels = rng.integers(0, classes, n)
    logits = rng.normal(0, 1, (n, classes))
    logits[np.arange(n), labels] += np.where(labels == 1, 0.5, 2.5)
    powers = np.exp(logits)
    return powers / powers.sum(1, keepdims=True), labels.tolist()


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_the_sets_have_the_true_class_as_often_as_they_should_in_each_class(level: float) -> None:
    rng, covered = np.random.default_rng(0), []
    for _ in range(200):
        scores, labels = drawn(400, 4, rng)
        limits = set_limits(scores, labels, level)
        assert all(limits.own)
        new, true = drawn(2000, 4, rng)
        inside = limits.members(new)[np.arange(2000), true]
        covered.append([inside[np.asarray(true) == k].mean() for k in range(4)])
    means = np.mean(covered, axis=0)
    assert (np.abs(means - level) < 0.015).all()
    assert (means > level - 0.005).all()


def test_a_class_of_few_images_shares_the_threshold_of_all() -> None:
    scores = np.linspace(0, 1, 40)[:, None] * np.ones((1, 3))
    labels = [0] * 20 + [1] * 19 + [2]
    limits = set_limits(scores, labels, 0.9)
    assert limits.own == (True, True, False)
    assert limits.least[0] == scores[1, 0]  # the second lowest of 20: floor(21 * 0.1)
    assert limits.least[1] == scores[21, 0]
    assert limits.least[2] == scores[3, 0]  # the fourth lowest of 40


def test_too_few_images_exclude_no_class() -> None:
    limits = set_limits(np.array([[0.2, 0.8], [0.6, 0.4]]), [1, 0], 0.9)
    assert limits.least == (-math.inf, -math.inf)
    assert limits.members(np.array([[0.0, 0.0]])).all()
    assert limits.in_order(("a", "b"), ("b", "a")).least == limits.least


def test_coverage_counts_images_sizes_and_empty_sets() -> None:
    limits = set_limits(np.array([[0.5, 0.5]] * 40), [0, 1] * 20, 0.9)
    members = limits.members(np.array([[0.9, 0.1], [0.6, 0.6], [0.1, 0.2], [0.2, 0.8]]))
    found = coverage(limits, members[range(4), [0, 1, 0, 0]], members.sum(1))
    assert (found["n"], found["correct"], found["accuracy"]) == (4, 2, 0.5)
    assert (found["size"], found["empty"], found["level"], found["own"]) == (1.0, 1, 0.9, 2)


def test_sets_of_pictures_in_clusters_keep_their_promise_for_new_objects() -> None:
    """Twelve objects of ten pictures each, alike: taken as 120 images, the sets have the true class too seldom."""
    rng, cluster = np.random.default_rng(0), np.repeat(np.arange(12), 10)
    covered: dict[str, list[float]] = {"plain": [], "clustered": []}
    for _ in range(2000):
        scores = rng.normal(size=13)[:, None] + rng.normal(0, 0.1, (13, 10))
        known, new = scores[:12].reshape(-1, 1), scores[12]
        for name, clusters in (("plain", None), ("clustered", cluster)):
            limits = set_limits(known, [0] * 120, 0.9, clusters)
            covered[name].append(float((new >= limits.least[0]).mean()))
    assert np.mean(covered["clustered"]) > 0.895
    assert np.mean(covered["plain"]) < 0.885


def test_images_that_are_clusters_of_their_own_have_the_thresholds_of_images() -> None:
    scores, labels = drawn(200, 3, np.random.default_rng(0))
    assert set_limits(scores, labels, 0.9, range(200)) == set_limits(scores, labels, 0.9)


def test_the_interval_of_the_coverage_counts_clusters() -> None:
    limits = set_limits(np.array([[0.5]] * 40), [0] * 40, 0.9)
    inside = np.repeat([True] * 15 + [False] * 5, 4)
    plain, clustered = (coverage(limits, inside, np.ones(80, int), c) for c in (None, np.repeat(np.arange(20), 4)))
    assert plain["accuracy"] == clustered["accuracy"]
    assert clustered["interval"][0] < plain["interval"][0] < plain["interval"][1] < clustered["interval"][1]
