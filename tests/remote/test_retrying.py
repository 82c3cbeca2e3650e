"""Waiting between tries: how long, how often, until when; no test waits."""

import pytest

from treegen.errors import ModelError
from treegen.progress import Cancelled
from treegen.remote.failures import Failure
from treegen.remote.retrying import Retry, call


class Clock:
    """Time that passes only when somebody waits, or when a request takes it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


class Flaky:
    """Fails with each of the failures in turn, taking `seconds` each time; then answers."""

    def __init__(self, clock: Clock, *failures: Failure, seconds: float = 0.0) -> None:
        self.failures, self.seconds, self.clock = list(failures), seconds, clock
        self.given: list[float] = []

    def __call__(self, seconds: float) -> str:
        self.given.append(seconds)
        self.clock.now += self.seconds
        if self.failures:
            raise RuntimeError(self.failures.pop(0))
        return "answer"


def passing(wait: float | None = None) -> Failure:
    return Failure(message="it failed", tip="try later", again=True, wait=wait)


def meaning(error: Exception) -> Failure | None:
    found = error.args[0] if error.args else None
    return found if isinstance(found, Failure) else None


def run(function: Flaky, clock: Clock, policy: Retry | None = None, draw: float = 1.0) -> str:
    return call(function, policy or Retry(), meaning, sleep=clock.sleep, clock=clock, draw=lambda: draw)


@pytest.mark.parametrize(("draw", "waits"), [(1.0, [2.0, 4.0, 5.0]), (0.5, [1.0, 2.0, 2.5]), (0.0, [0.0, 0.0, 0.0])])
def test_waits_are_drawn_from_a_range_that_doubles_up_to_the_cap(draw: float, waits: list[float]) -> None:
    clock = Clock()
    assert run(Flaky(clock, passing(), passing(), passing()), clock, Retry(cap=5.0), draw) == "answer"
    assert clock.waits == waits


def test_what_the_server_asks_for_is_waited_exactly() -> None:
    clock = Clock()
    assert run(Flaky(clock, passing(7.0), passing(0.0)), clock, draw=0.3) == "answer"
    assert clock.waits == [7.0, 0.0]


def test_a_server_that_asks_for_too_long_is_not_waited_for() -> None:
    clock = Clock()
    with pytest.raises(ModelError, match="asks to wait 61 s"):
        run(Flaky(clock, passing(61.0)), clock)
    assert clock.waits == []


def test_a_failure_that_would_come_again_is_asked_once() -> None:
    clock = Clock()
    flaky = Flaky(clock, Failure(message="no key", tip="set it"))
    with pytest.raises(ModelError, match="no key"):
        run(flaky, clock)
    assert len(flaky.given) == 1


def test_the_last_try_tells_how_many_there_were() -> None:
    clock = Clock()
    flaky = Flaky(clock, *[passing()] * 9)
    with pytest.raises(ModelError, match="it failed, 3 times"):
        run(flaky, clock, Retry(tries=3))
    assert len(flaky.given) == 3


def test_no_wait_goes_beyond_the_total_deadline() -> None:
    clock = Clock()
    flaky = Flaky(clock, *[passing()] * 9, seconds=10.0)
    with pytest.raises(ModelError, match="gave up after 40 s"):
        run(flaky, clock, Retry(tries=9, total=40.0, per_call=12.0))
    assert flaky.given == [12.0, 12.0, 12.0]
    assert clock.now <= 40.0


def test_a_try_near_the_deadline_gets_what_is_left() -> None:
    clock = Clock()
    flaky = Flaky(clock, passing(), seconds=10.0)
    assert run(flaky, clock, Retry(total=20.0, per_call=12.0)) == "answer"
    assert flaky.given == [12.0, pytest.approx(8.0)]


def test_an_error_without_a_meaning_is_raised_as_it_is() -> None:
    def broken(seconds: float) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call(broken, Retry(), meaning)


def test_waiting_can_be_ended_at_any_moment() -> None:
    clock = Clock()

    def ended() -> None:
        if len(clock.waits) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        call(Flaky(clock, passing(30.0)), Retry(), meaning, sleep=clock.sleep, clock=clock, on_pulse=ended)
    assert clock.now == pytest.approx(0.75)


def test_requests_and_waits_are_logged_without_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    """The kind of a failure is told, never its message: a server may repeat a prompt in it."""
    caplog.set_level("INFO", "treegen")
    clock = Clock()
    run(Flaky(clock, passing(7.0), seconds=2.0), clock)
    assert [r.getMessage() for r in caplog.records] == [
        "request 1 of 4 failed: RuntimeError",
        "waiting 7.0 s before the next request",
        "request 2 answered in 2.0 s",
    ]
