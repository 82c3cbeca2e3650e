"""The terminal of the review: it survives a terminal that goes away, and is stopped and continued between two keys."""

import asyncio
import os
import select
import signal
import termios
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, Final

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

from treegen.review.drawing import Painted

_HUNG_UP: Final = select.POLLHUP | select.POLLERR


class _Output:
    """A stream that a terminal which is gone does not break: Textual's writer would end, and what is drawn wait for it.

    Attributes:
        fileno: as of the stream.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.fileno: Callable[[], int] = stream.fileno

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class ReviewDriver(LinuxDriver):
    """Textual's driver for Linux and macOS, with signals that come at any time.

    Attributes:
        painted: what the terminal shows.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        """Initialize the driver and watch the terminal."""
        super().__init__(*args, **settings)
        self._file: Any = _Output(self._file)
        self._loop = asyncio.get_running_loop()
        self.painted = Painted()
        Thread(target=self._watch, daemon=True, name="hang-up").start()

    def _watch(self) -> None:
        """Hang up when the terminal is closed, which the system tells a session's leader alone.

        Without this the input thread would read the end of the file for ever.
        """
        terminal = select.poll()
        terminal.register(self.fileno, 0)
        if any(event & _HUNG_UP for _, event in terminal.poll()):
            os.kill(os.getpid(), signal.SIGHUP)

    def start_application_mode(self) -> None:
        """Start on an empty screen."""
        self.painted.clear()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGWINCH, self._resized)
        self._resized()

    def stop_application_mode(self) -> None:
        """Give the terminal back when all is written: ctrl+s typed then stops a terminal, and what writes to it."""
        attributes, self.attrs_before = self.attrs_before, None  # else they would be set before the last is written
        super().stop_application_mode()
        self.close()
        if attributes:
            with suppress(termios.error):  # it is gone
                termios.tcsetattr(self.fileno, termios.TCSANOW, attributes)

    def _resized(self, *_: object) -> None:
        """Look at the size soon: a handler that another one interrupts would tell an old size last.

        As a coroutine, as Textual tells the size at the start: it would overtake that one, which may be old by now.
        """
        asyncio.run_coroutine_threadsafe(self._tell_size(), self._loop)

    async def _tell_size(self) -> None:
        if not self._in_band_window_resize:
            size = Size(*self._get_terminal_size())
            self._app.post_message(events.Resize(size, size))

    def run_input_thread(self) -> None:
        """Read keys; what comes with a byte that is not UTF-8 is dropped, where Textual would end the application."""
        while True:
            try:
                return super().run_input_thread()
            except UnicodeDecodeError:
                continue

    @property
    def _is_on(self) -> bool:
        return self._writer_thread is not None and self._writer_thread.is_alive()

    def _sigtstp_application(self, *_: object) -> None:
        """Stop soon: a handler may interrupt what holds the lock of the output queue, and must not write to it."""
        if self._auto_restart:
            self._loop.call_soon_threadsafe(self._stop)
        else:  # an editor has the terminal
            os.kill(os.getpid(), signal.SIGSTOP)

    def _stop(self) -> None:
        if self._is_on:
            self.suspend_application_mode()
            self._must_signal_resume = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *_: object) -> None:
        if self._auto_restart:
            self._loop.call_soon_threadsafe(self._continue)

    def _continue(self) -> None:
        """Take the terminal back, also after a SIGSTOP, which left it to others in the state of the review."""
        if not self._app.is_running:  # it ends, and has given the terminal back
            return
        if self._is_on:
            self.suspend_application_mode()
        self.resume_application_mode()
        self._app.refresh(layout=True)  # all of it: the screen is empty
