"""How tests wait: for something that becomes true, with one patience for all of them.

Nothing is true because time has passed, and no test fails because a machine is slow: what is waited for comes within a
moment, and `PATIENCE` only ends a test that would never end.
"""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE: Final = 600.0  # seconds
_BETWEEN: Final = 0.005  # seconds between two looks


def wait_until(found: Callable[[], T], told: Callable[[], object] = lambda: "") -> T:
    """What `found` gives as soon as it is true of anything; `told` says what there is instead if it never is."""
    ends = time.monotonic() + PATIENCE
    while not (result := found()):
        assert time.monotonic() < ends, told()
        time.sleep(_BETWEEN)
    return result
