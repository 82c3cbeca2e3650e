"""Tries a request again: waits with full jitter, asks as long as the server wants it, ends at a deadline."""

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
_SLICE: Final = 0.25  # seconds of waiting after which a listener is asked again
_SHORTEST: Final = 1.0  # seconds below which a further request is not worth sending


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how long. Times are in seconds.

    Attributes:
        tries: most requests.
        base: the wait behind the first request is drawn from 0 to this, behind each further one from twice as much.
        cap: no drawn wait is longer; a server that asks for longer is not waited for.
        per_call: most for one request.
        total: most for all of them with the waits; `None` for no end.
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
    """The result of the function, which is called again as long as its failures may pass.

    Args:
        function: sends one request; is told the seconds it may take.
        policy: how often and how long.
        explain: what an error means; `None` for one that is to be raised as it is.
        sleep: waits.
        clock: seconds that only grow.
        draw: a number from 0 to 1, for the jitter.
        on_pulse: is called every 0.25 s of waiting and before each try; what it raises ends the waiting.

    Raises:
        ModelError: a failure that would come again, or the last try failed, or the time is over.

    Source: full jitter as in M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    started = clock()
    for number in range(1, policy.tries + 1):
        left = float("inf") if policy.total is None else policy.total - (clock() - started)
        sent = clock()
        try:
            result = function(min(policy.per_call, max(left, _SHORTEST)))
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
        if wait > policy.cap:
            told = f"{failure.message} and asks to wait {wait:.0f} s"
            raise ModelError(told, "try again then", code=failure.code) from None
        left = float("inf") if policy.total is None else policy.total - (clock() - started)
        if wait + _SHORTEST > left:
            told = f"{failure.message}; {policy.total:.0f} s are over"
            raise ModelError(told, failure.tip, code=failure.code) from None
        logger.info("waiting %.1f s before the next request", wait)
        pause(wait, sleep, on_pulse)
    raise AssertionError("the last try returns or raises")


def pause(seconds: float, sleep: Callable[[float], None], on_pulse: Callable[[], None] | None = None) -> None:
    """Waits; whoever listens may end the waiting by raising."""
    left = seconds
    while on_pulse and left > _SLICE:
        on_pulse()
        sleep(_SLICE)
        left -= _SLICE
    sleep(left)
