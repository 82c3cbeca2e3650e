"""Keep keys out of files: everything written is scrubbed of the keys in the environment."""

import json
import os
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

_NAMES: Final = re.compile(r"(_?KEY|_?TOKEN|_?SECRET|_?PASSWORD|_?PASSPHRASE)S?$", re.IGNORECASE)
#: unlike any word: such a variable may contain a plain word, which a tree must not lose
_LIKE_A_KEY: Final = re.compile(r"(?=.*\d)\S{8,}|\S{16,}")
_USER: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^\s?#]*)@")
REMOVED: Final = "[key removed]"


def known_secrets(api_base: str | None = None) -> tuple[str, ...]:
    """Return environment values that are keys by name, and secrets in addresses, in every form; longest first.

    The forms are those in which a server or an error may repeat one: as it is, escaped for an address or for JSON, and
    in base64, also with the user's name as in the header of basic authentication.
    """
    values = {value.strip() for name, value in os.environ.items() if _NAMES.search(name)}
    secrets = {value for value in values if _LIKE_A_KEY.fullmatch(value)}
    for address in os.environ.values():  # of proxies, registries, databases
        if "://" in address and "@" in address:
            secrets |= {secret for secret in _passwords(address) if _LIKE_A_KEY.fullmatch(secret)}
    if api_base:
        secrets |= set(_passwords(api_base))
        query = parse_qsl(urlsplit(api_base).query) if "?" in api_base else []
        secrets |= {value for _, value in query if _LIKE_A_KEY.fullmatch(value)}
    return tuple(sorted(_forms(secrets), key=len, reverse=True))


def _passwords(address: str) -> Iterator[str]:
    """Yield the password in an address, and user and password as basic authentication encodes them.

    A password may contain an unescaped @ or slash, so everything up to the last @ may belong to it.
    """
    found = _USER.match(address if "://" in address else f"x://{address}")
    user, colon, password = found[1].partition(":") if found else ("", "", "")
    if not colon or not password:
        return
    for first, second in {(user, password), (unquote(user), unquote(password))}:
        yield second
        yield from filter(_LIKE_A_KEY.fullmatch, second.split("@"))  # what a library may take for the host
        pair = f"{first}:{second}".encode(errors="surrogateescape")
        yield b64encode(pair).decode().rstrip("=")
        yield urlsafe_b64encode(pair).decode().rstrip("=")


def _forms(secrets: Iterable[str]) -> set[str]:
    forms = set[str]()
    for secret in secrets:
        content = secret.encode(errors="surrogateescape")
        forms |= {secret, quote(content, safe=""), json.dumps(secret)[1:-1]}
        if _LIKE_A_KEY.fullmatch(secret):  # the base64 of a short word could be part of anything
            forms |= {b64encode(content).decode().rstrip("="), urlsafe_b64encode(content).decode().rstrip("=")}
    return forms


def scrub(text: str, api_base: str | None = None) -> str:
    """Remove every known key from the text."""
    for secret in known_secrets(api_base):
        text = text.replace(secret, REMOVED)
    return text
