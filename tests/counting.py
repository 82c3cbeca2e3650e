"""How much work a function does, without a clock: the lines of treegen that it runs."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_run(function: Callable[[], object]) -> int:
    """How many lines of treegen run, each as often as it does.

    It is the same on every machine. What C does within a line is not counted.
    """
    count = 0

    def within(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return within

    def entered(frame: FrameType, event: str, argument: Any) -> Any:
        return within if str(frame.f_globals.get("__name__", "")).startswith("treegen.") else None

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def assert_linear(function: Callable[[int], object], size: int) -> None:
    """Twice the size is about twice the work; where pairs are compared it is four times."""
    small, large = (lines_run(lambda n=n: function(n)) for n in (size, 2 * size))  # type: ignore[misc]
    assert small > size / 10, "the work is done elsewhere"
    assert large < 2.5 * small, (small, large)
