"""The driver without a terminal: what it tells the application, and in which order."""

import asyncio
from typing import Any

import pytest
from textual import events
from textual.geometry import Size

from treegen.review.driver import ReviewDriver

pytestmark = pytest.mark.anyio


class Application:
    """Keeps the sizes that it is told."""

    def __init__(self) -> None:
        self.sizes: list[Size] = []

    async def _post_message(self, event: events.Resize) -> None:
        self.sizes.append(event.size)

    def post_message(self, event: events.Resize) -> None:
        self.sizes.append(event.size)


async def test_a_size_that_changes_while_the_screen_is_taken_back_is_told_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when an editor ends: Textual has read the old size already, and tells it by a coroutine."""
    application, size = Application(), Size(80, 24)
    driver: Any = object.__new__(ReviewDriver)
    driver._app, driver._in_band_window_resize = application, False
    driver._loop = asyncio.get_running_loop()
    monkeypatch.setattr(ReviewDriver, "_get_terminal_size", lambda _: size)
    asyncio.run_coroutine_threadsafe(application._post_message(events.Resize(size, size)), driver._loop)
    size = Size(100, 30)
    driver._resized()
    while len(application.sizes) < 2:
        await asyncio.sleep(0)
    assert application.sizes == [Size(80, 24), Size(100, 30)]
