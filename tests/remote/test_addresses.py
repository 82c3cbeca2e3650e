"""Addresses as they are shown, and where a key may go."""

import pytest

from treegen.remote.addresses import is_loopback, is_own_address, is_readable_by_others, without_credentials

PASSWORD = "p@ss:w0rd/9?x"


@pytest.mark.parametrize(
    "address",
    [
        "https://ada:p@ss-w0rd-9@example.org/v1",
        "https://ada:pass/w0rd@9@example.org/v1",
        "https://ada:p%40ss@example.org/v1?key=w0rd",
        "https://ada:pass?w0rd@example.org/v1",
        "https://ada:pass#w0rd@example.org",
        "ada:pass-w0rd@example.org/v1",
        "//ada:pass-w0rd@example.org/v1",
    ],
)
def test_no_part_of_a_password_is_shown(address: str) -> None:
    shown = without_credentials(address)
    assert not any(part in shown for part in ("ada", "pass", "ss-", "w0rd", "p%40"))


def test_the_host_that_is_shown_is_the_one_that_is_reached() -> None:
    assert without_credentials("https://api.openai.com@evil.org/v1") == "https://evil.org/v1"
    assert without_credentials("https://evil.org/@api.openai.com/v1") == "https://evil.org/..."
    assert without_credentials("http://[::1]:8000/v1") == "http://[::1]:8000/v1"
    assert without_credentials(None) == ""


@pytest.mark.parametrize(
    "address",
    [
        "http://api.openai.com/v1",
        "https://api.openai.com.evil.org/v1",
        "https://api.openai.com@evil.org/v1",
        "https://evil.org\\@api.openai.com/v1",
        "https://api.openai.com:8443/v1",
        "https://api.anthropic.com",
        "not an address",
    ],
)
def test_what_only_looks_like_the_providers_address_is_not(address: str) -> None:
    assert not is_own_address("openai/gpt-4o", address)


def test_this_machine_is_recognised_by_its_address() -> None:
    for address in ("http://localhost:1/v1", "http://127.0.0.2", "http://[::1]/v1"):
        assert is_loopback(address)
        assert not is_readable_by_others(address)
    for address in ("http://localhost.evil.org", "http://127.0.0.1@evil.org", "http://2130706433.evil.org", "x"):
        assert not is_loopback(address)
        assert is_readable_by_others(address)
    assert not is_readable_by_others("https://example.org")
