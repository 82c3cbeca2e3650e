"""One message at a time: those of the same moment wait for each other, and echoes of keys replace each other."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, Final

BRIEF: Final = 3.0  # seconds; a message that is shown no longer is an echo, such as "undone", which the next replaces
_LEAST: Final = 2.5  # seconds that a longer one is shown while others wait
_KEPT: Final = 1000  # messages of a session that can be read again


@dataclass(frozen=True, slots=True, kw_only=True)
class Toast:
    """A message with its settings for `App.notify`."""

    message: str
    settings: dict[str, Any] = field(default_factory=dict)
    time: datetime = field(default_factory=datetime.now)

    @property
    def severity(self) -> str:
        """`information`, `warning` or `error`."""
        return str(self.settings.get("severity", "information"))

    @property
    def text(self) -> str:
        """Its title, if it has one, and the message."""
        title = self.settings.get("title", "")
        return f"{title}: {self.message}" if title else self.message

    @property
    def is_brief(self) -> bool:
        """Whether it is an echo of a key."""
        timeout = self.settings.get("timeout")
        return timeout is not None and timeout <= BRIEF


class ToastQueue:
    """Messages that wait until the one before them was shown long enough to be read.

    Attributes:
        waiting: the next is the first.
        sent: the last thousand messages of the session, oldest first, shown or not.
        count: how many there were in all.
    """

    def __init__(self, show: Callable[[Toast], None], later: Callable[[float, Callable[[], None]], object]) -> None:
        """Prepare a queue.

        Args:
            show: shows a message in place of the one before.
            later: calls a function after some seconds.
        """
        self.waiting: list[Toast] = []
        self.sent: deque[Toast] = deque(maxlen=_KEPT)
        self.count = 0
        self._show, self._later = show, later
        self._until = 0.0
        self._is_timed = False

    def add(self, toast: Toast) -> None:
        """Show a message as soon as those before it were shown long enough."""
        self.sent.append(toast)
        self.count += 1
        if toast.is_brief:
            self.waiting = [each for each in self.waiting if not each.is_brief]
        self.waiting.append(toast)
        self._next()

    def _next(self) -> None:
        left = self._until - monotonic()
        if self.waiting and left <= 0:
            toast = self.waiting.pop(0)
            self._show(toast)
            self._until = 0.0 if toast.is_brief else monotonic() + _LEAST
            left = _LEAST
        if self.waiting and not self._is_timed:
            self._is_timed = True
            self._later(max(left, 0.01), self._due)

    def _due(self) -> None:
        self._is_timed = False
        self._next()
