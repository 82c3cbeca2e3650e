"""Retry a request: wait with full jitter, honour the server's requested wait, stop at a deadline."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from treegen.errors import ModelError
from treegen.remote.failures import Failure

T = TypeVar("T")
logger = logging.getLogger(__name__)
_SLICE: Final = 0.25  # seconds between calls of the listener while waiting
_SHORTEST: Final = 1.0  # seconds below which a further request is not worth sending


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how long. Times are in seconds.

    Attributes:
        tries: most requests.
        base: the wait after the first request is drawn from 0 to this; the range doubles with each further one.
        cap: upper limit of a drawn wait; if a server asks for longer, give up.
        per_call: most for one request.
        total: most for all of them including waits; `None` for no limit.
    """

    tries: int = 4
    base: float = 2.0
    cap: float = 60.0
    per_call: float = 300.0
    total: float | None = None


def call(
    function: Callable[[float], T],
    policy: Retry,
    explain: Callable[[Exception], Failure | None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    draw: Callable[[], float] = random.random,
    on_pulse: Callable[[], None] | None = None,
) -> T:
    """Call the function, again as long as its failures may be transient, and return its result.

    Args:
        function: sends one request; its argument is the seconds it may take.
        policy: how often and how long.
        explain: explains an error; `None` for one to re-raise.
        sleep: waits.
        clock: a monotonic clock in seconds.
        draw: returns a number from 0 to 1, for the jitter.
        on_pulse: called every 0.25 s while waiting; an exception from it ends the waiting.

    Raises:
        ModelError: a permanent failure, the last try failed, or the time is up.

    Source: full jitter as in M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    started = clock()
    for number in range(1, policy.tries + 1):
        remaining = float("inf") if policy.total is None else policy.total - (clock() - started)
        sent = clock()
        try:
            result = function(min(policy.per_call, max(remaining, _SHORTEST)))
            logger.info("request %d answered in %.1f s", number, clock() - sent)
            return result
        except Exception as error:
            logger.info("request %d of %d failed: %s", number, policy.tries, type(error).__name__)
            failure = explain(error)
            if failure is None:
                raise
        if not failure.again:
            raise ModelError(failure.message, failure.tip, code=failure.code) from None
        if number == policy.tries:
            times = f", {number} times" if number > 1 else ""
            raise ModelError(failure.message + times, failure.tip, code=failure.code) from None
        wait = failure.wait if failure.wait is not None else draw() * min(policy.cap, policy.base * 2 ** (number - 1))
        # a server that asks for an hour is not waited for: the user decides
        if wait > policy.cap:
            message = f"{failure.message} and asks to wait {wait:.0f} s"
            raise ModelError(message, "try again after that", code=failure.code) from None
        remaining = float("inf") if policy.total is None else policy.total - (clock() - started)
        # no waiting for a try that would have no time left
        if wait + _SHORTEST > remaining:
            message = f"{failure.message}; gave up after {policy.total:.0f} s"
            raise ModelError(message, failure.tip, code=failure.code) from None
        logger.info("waiting %.1f s before the next request", wait)
        pause(wait, sleep, on_pulse)
    raise AssertionError("the last try returns or raises")


def pause(seconds: float, sleep: Callable[[float], None], on_pulse: Callable[[], None] | None = None) -> None:
    """Wait; the listener can abort by raising."""
    remaining = seconds
    while on_pulse and remaining > _SLICE:
        on_pulse()
        sleep(_SLICE)
        remaining -= _SLICE
    sleep(remaining)
