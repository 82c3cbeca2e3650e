"""Ten sessions of the harness; `make soak` plays 200."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.review.bursts import SMOKE, play_in


@pytest.mark.terminal
@pytest.mark.slow
def test_random_bursts_end_nothing_and_lose_nothing(tmp_path: Path) -> None:
    """Keys, pastes, the mouse, sizes, signals, a changed file, a removed history and a full disk, in any order."""
    with ThreadPoolExecutor(4) as pool:  # most of the time they wait
        played = sum(counts["sessions"] for counts in pool.map(partial(play_in, tmp_path), SMOKE))
    assert played == len(SMOKE)
