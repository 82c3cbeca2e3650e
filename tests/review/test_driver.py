"""What a pseudo terminal shows of the driver only by chance."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from textual.geometry import Size

from treegen.review.driver import ReviewDriver, _Output

pytestmark = pytest.mark.anyio


async def test_the_size_that_is_told_last_is_the_newest_though_signals_interrupt_each_other() -> None:
    """A handler that read the size, was interrupted by another, and went on, left the review with the old one."""
    told: list[Size] = []
    driver: Any = ReviewDriver.__new__(ReviewDriver)
    driver._loop, driver._in_band_window_resize = asyncio.get_running_loop(), False
    driver._app = SimpleNamespace(post_message=lambda event: told.append(event.size))
    sizes = [(37, 11)]
    driver._get_terminal_size = lambda: sizes[-1]
    driver._resized()
    sizes.append((100, 30))
    driver._resized()
    await asyncio.sleep(0)
    assert told == [Size(100, 30)] * 2


def test_a_terminal_that_is_gone_breaks_no_output() -> None:
    class Gone:
        def fileno(self) -> int:
            return 2

        def write(self, text: str) -> None:
            raise OSError(5, "Input/output error")

        def flush(self) -> None:
            self.write("")

    output = _Output(Gone())
    output.write("text")
    output.flush()
    assert output.fileno() == 2
