"""What a failed request means; the chains of real servers are in tests/llm/chat."""

import ssl
from datetime import UTC, datetime
from socket import gaierror

import pytest

from treegen.remote.failures import explain, seconds_until

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("Sat, 21 Nov 2026 10:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 +0200", 30.0),
        ("Saturday, 21-Nov-26 10:00:30 GMT", 30.0),
        ("soon", None),
        ("", None),
        ("-3", None),
        ("9" * 400, None),
        ("Sat, 99 Nov 2026 10:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    """RFC 9110: also the old form of dates; what is neither is as if it were not there."""
    assert seconds_until(value, NOW) == seconds


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (ConnectionRefusedError(), "refused the connection"),
        (gaierror(), "there is no such host name"),
        (ssl.SSLError(), "no secure connection"),
        (ssl.SSLCertVerificationError(), "certificate"),
    ],
)
def test_what_could_not_be_reached_is_told_by_the_innermost_cause(cause: Exception, told: str) -> None:
    """litellm raises one class for all of them; nothing was sent, and the same would happen again."""
    outer = RuntimeError("litellm's own words with sk-a-key")
    outer.__cause__ = cause
    failure = explain(outer, model="m", api_base="https://me:word@host/v1")
    assert told in failure.message
    assert "https://host/v1" in failure.message
    assert (failure.sent, failure.again, failure.code) == (False, False, "unreached")
    assert "sk-a-key" not in failure.message + failure.tip


def test_an_error_nobody_knows_is_told_by_its_class_alone() -> None:
    failure = explain(KeyError("sk-a-key"), model="m")
    assert "KeyError" in failure.message
    assert "sk-a-key" not in failure.message + failure.tip
    assert not failure.again


class BadRequestError(Exception):
    """As litellm raises it."""

    status_code = 400


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("nothing known", "bad-request"),
        ("this model has no vision", "no-vision"),
        ("maximum context length", "context-window-exceeded"),
        ("LLM provider not provided", "unknown-provider"),
    ],
)
def test_a_failure_has_a_code_to_decide_on_and_names_the_settings_of_its_table(words: str, code: str) -> None:
    failure = explain(BadRequestError(words), model="m", expected="list of embeddings", table="[encoder]")
    assert failure.code == code
    page = explain(ValueError("invalid response from llm"), model="m", expected="list of embeddings", table="[encoder]")
    assert (page.code, "is not a list of embeddings" in page.message) == ("no-completion", True)
    assert "api_base under [encoder]" in page.tip
