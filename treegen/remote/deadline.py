"""A request that ends at its deadline, or at once when nobody waits for it any more.

The time-outs of a connection are for silence: a server that sends a byte a second never runs into them.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, Final, TypeVar

T = TypeVar("T")
_PULSE: Final = 0.1  # seconds between looks at whether the request is still wanted
_given_up: ContextVar[Event | None] = ContextVar("given_up", default=None)


class SlowReplyError(Exception):
    """A reply was incomplete at its deadline."""


class AbandonedError(Exception):
    """Nobody waits for the reply any more."""


def before_deadline(send: Callable[[], T], seconds: float, unwanted: Event) -> T:
    """Return what a request returns.

    A thread that waits for a server cannot be interrupted, only abandoned: that is why it is not the caller's, and one
    that the end of the program does not wait for.

    Args:
        send: sends the request; its errors are raised here.
        seconds: after which the request is given up.
        unwanted: set by somebody else to give it up at once.

    Raises:
        SlowReplyError: the time is up.
        AbandonedError: it is unwanted.
    """
    arrived: Queue[tuple[Any, Exception | None]] = Queue()
    ended = Event()

    def work() -> None:
        stop_reading_after(ended)
        try:
            arrived.put((send(), None))
        except Exception as error:
            arrived.put((None, error))

    deadline = time.monotonic() + seconds
    Thread(target=work, name="request", daemon=True).start()
    try:
        while not unwanted.is_set():
            try:
                result, error = arrived.get(timeout=_PULSE)
            except Empty:
                if time.monotonic() > deadline:
                    raise SlowReplyError from None
                continue
            if error:
                raise error
            return result  # type: ignore[no-any-return]
        raise AbandonedError
    finally:
        ended.set()


def refuse_if(unwanted: Event) -> None:
    """Raise `AbandonedError` if nobody waits any more; for pauses between requests."""
    if unwanted.is_set():
        raise AbandonedError


def stop_reading_after(ended: Event) -> None:
    """Have this thread read no further from a server once the event is set: an abandoned reply may have no end."""
    _given_up.set(ended)


def refuse_reading_on() -> None:
    """Raise `AbandonedError` if what this thread reads was given up."""
    if ended := _given_up.get():
        refuse_if(ended)
