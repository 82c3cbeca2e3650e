"""What choosing by the dev split gains by luck: edits without any effect are simulated."""

from collections.abc import Callable

import numpy as np
import pytest

from treegen.clip.metrics.accuracy import beyond_error
from treegen.clip.metrics.luck import expected_luck

IMAGES, EDITS, RUNS = 390, 50, 80


def climb(seed: int, share: float = 0.7) -> tuple[float, float]:
    """Keep every gain among edits that redraw 5 % of the images; return the gain, bare and corrected."""
    rng = np.random.default_rng(seed)
    right = rng.random(IMAGES) < share
    first, flips = int(right.sum()), list[int]()
    for _ in range(EDITS):
        edited, redrawn = right.copy(), rng.random(IMAGES) < 0.05
        edited[redrawn] = rng.random(int(redrawn.sum())) < share
        flips.append(int((edited != right).sum()))
        if edited.sum() > right.sum():
            right = edited
    gain = (int(right.sum()) - first) / IMAGES
    return gain, gain - expected_luck(flips, IMAGES, first, draws=200)


def test_after_50_null_edits_the_corrected_gain_is_nothing(
    record_property: Callable[[str, str], None],
) -> None:
    bare, corrected = np.mean([climb(seed) for seed in range(RUNS)], axis=0) * 100
    record_property("figure", f"50 null edits, n = 390: bare {bare:+.1f} points, corrected {corrected:+.2f}")
    assert bare > 7.5
    assert abs(corrected) < 1


def test_the_simulation_is_the_same_every_time_and_grows_with_the_evaluations() -> None:
    few, many = expected_luck([8] * 5, 200, 140), expected_luck([8] * 40, 200, 140)
    assert few == expected_luck([8] * 5, 200, 140)
    assert 0 < few < many < 0.3


@pytest.mark.parametrize(("flips", "right"), [([], 50), ([0, 0], 50), ([5], 100), ([5], 0)])
def test_without_flips_or_room_there_is_no_luck(flips: list[int], right: int) -> None:
    assert expected_luck(flips, 100, right) == pytest.approx(0, abs=0.03)
    assert expected_luck([], 100, right) == 0


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 2), (2, 5), (3, 3), (30, 20)])
def test_one_paired_standard_error_is_that_of_the_differences(wins: int, losses: int) -> None:
    n = 100
    differences = np.array([1] * wins + [-1] * losses + [0] * (n - wins - losses))
    slow = abs(differences.mean()) > differences.std() / np.sqrt(n)
    assert beyond_error({"wins": wins, "losses": losses, "difference": differences.mean()}) == slow
