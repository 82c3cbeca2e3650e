"""Requests that are given up: at their deadline, or when nobody waits for them any more. No test waits for a clock."""

from threading import Event

import pytest

from treegen.remote.deadline import AbandonedError, SlowReplyError, before_deadline, refuse_if


def test_a_result_or_an_error_is_passed_on() -> None:
    def fail() -> None:
        raise KeyError("x")

    assert before_deadline(lambda: 7, 600, Event()) == 7
    with pytest.raises(KeyError):
        before_deadline(fail, 600, Event())


def test_a_request_ends_at_its_deadline_though_its_server_goes_on() -> None:
    for_ever = Event()
    with pytest.raises(SlowReplyError):
        before_deadline(for_ever.wait, 0, Event())
    for_ever.set()


def test_an_unwanted_request_ends_at_once() -> None:
    for_ever, unwanted = Event(), Event()

    def send() -> None:
        unwanted.set()
        for_ever.wait()

    with pytest.raises(AbandonedError):
        before_deadline(send, 600, unwanted)
    with pytest.raises(AbandonedError):
        refuse_if(unwanted)
    for_ever.set()
