"""Ten sessions of the harness; `make soak` plays 200."""

from pathlib import Path

import pytest

from tests.review.bursts import play


@pytest.mark.terminal
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_random_bursts_end_nothing_and_lose_nothing(tmp_path: Path, seed: int) -> None:
    """Keys, pastes, the mouse, sizes, signals, a changed file, a removed history and a full disk, in any order."""
    play(seed, tmp_path)
