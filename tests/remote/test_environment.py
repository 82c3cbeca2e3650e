"""Keys from a file, and out of what is written."""

import os
from pathlib import Path

import pytest

from treegen.errors import InputError
from treegen.remote.addresses import without_credentials
from treegen.remote.environment import read_env_file
from treegen.remote.secrets import REMOVED, known_secrets, scrub


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests set is gone after them."""
    for name in ("FIRST_API_KEY", "SECOND_API_KEY", "THIRD_API_KEY"):
        monkeypatch.setenv(name, "to be removed")
        monkeypatch.delenv(name)


def test_values_are_set_as_they_stand_and_replace_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECOND_API_KEY", "of the environment")
    path = tmp_path / ".env"
    path.write_text("# keys\nexport FIRST_API_KEY='a $HOME # b'\nSECOND_API_KEY=of-the-file\nTHIRD_API_KEY\n")
    assert read_env_file(path) == ("FIRST_API_KEY",)
    assert os.environ["FIRST_API_KEY"] == "a $HOME # b"
    assert os.environ["SECOND_API_KEY"] == "of the environment"
    assert "THIRD_API_KEY" not in os.environ


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / ".env"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"\.env"):
        read_env_file(path)


def test_keys_and_passwords_of_addresses_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no word that a tree may hold, whatever the variable is called."""
    monkeypatch.setenv("FIRST_API_KEY", "sk-long1")
    monkeypatch.setenv("SECOND_API_KEY", "sk-long1-and-longer")
    monkeypatch.setenv("THIRD_API_KEY", "feathered")
    base = "https://me:pass%40word1@host/v1"
    text = "sk-long1-and-longer, sk-long1, pass@word1, pass%40word1, feathered"
    assert scrub(text, base) == f"{REMOVED}, {REMOVED}, {REMOVED}, {REMOVED}, feathered"
    assert "feathered" not in known_secrets()


def test_a_key_in_the_query_of_an_address_is_removed_like_one_in_the_environment() -> None:
    address = "https://gateway.example/v1?version=2&key=planted-0123456789"
    assert scrub("it said planted-0123456789 again", address) == f"it said {REMOVED} again"
    assert without_credentials(address) == "https://gateway.example/v1"
