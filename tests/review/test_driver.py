"""The driver without a terminal: what it tells the application, and in which order."""

import asyncio
import os
import signal
import termios
from threading import Event, Thread
from typing import Any

import pytest
from textual import events
from textual.drivers._writer_thread import WriterThread
from textual.geometry import Size

from tests.waiting import PATIENCE
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


def test_ctrl_s_at_the_moment_in_which_the_terminal_is_given_back_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As ctrl+s behind the key that starts an editor: the terminal, no longer the review's, stops what is written."""
    terminal, slave = os.openpty()
    before = signal.getsignal(signal.SIGWINCH)
    try:
        driver: Any = object.__new__(ReviewDriver)
        driver.fileno, driver._mouse, driver._in_band_window_resize = slave, True, False
        driver.exit_event, driver._key_thread = Event(), None
        driver.attrs_before = termios.tcgetattr(slave)
        assert driver.attrs_before[0] & termios.IXON
        driver._writer_thread = WriterThread(os.fdopen(slave, "w", closefd=False))
        driver._writer_thread.start()
        set_attributes = termios.tcsetattr

        def set_and_type(*arguments: Any) -> None:
            set_attributes(*arguments)
            os.write(terminal, b"\x13")

        monkeypatch.setattr(termios, "tcsetattr", set_and_type)
        stopping = Thread(target=driver.suspend_application_mode, daemon=True)
        stopping.start()
        stopping.join(PATIENCE)
        assert not stopping.is_alive()
        assert b"\x1b[?1049l" in os.read(terminal, 4096)
        assert termios.tcgetattr(slave)[0] & termios.IXON
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(slave)
        os.close(terminal)
