"""The harnesses of the long run, each with how one of its events is played."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.review.bursts import FaultError, play_in
from tests.soak import damage, disks, folders, kills, races
from tests.soak.running import Outcome

_WITH_IMAGES: Final = 5  # one session of bursts of so many


def bursts(seed: int, parent: Path | None = None) -> Outcome:
    """One review under random bursts; see `tests.review.bursts`."""
    outcome = Outcome(kind="session")
    try:
        counts = play_in(parent, seed, images=seed % _WITH_IMAGES == 0)
        outcome.hit = bool(counts["ended by KILL"])
    except FaultError as error:
        outcome.faults.append(str(error))
    return outcome


#: harness -> how one event is played, how many by default, and what it counts as a hit
HARNESSES: Final[dict[str, tuple[Callable[[int, Path | None], Outcome], int, str]]] = {
    "kills": (kills.play, 1000, "killed in the middle"),
    "damaged": (damage.play, 1000, "reported or repaired"),
    "folders": (folders.play, 200, "refused in part"),
    "races": (races.play, 20, "of 20 processes"),
    "disks": (disks.play, 200, "short of room"),
    "bursts": (bursts, 200, "killed at the end"),
}


def play(event: tuple[str, int], parent: Path | None) -> Outcome:
    """Play one event, by its harness and seed; an exception of the harness itself is a fault of this event only."""
    name, seed = event
    try:
        return HARNESSES[name][0](seed, parent)
    except Exception:  # the others are played
        return Outcome(kind="the harness itself", faults=[traceback.format_exc()])
