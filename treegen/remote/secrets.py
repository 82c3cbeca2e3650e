"""Keep keys out of files: everything written is scrubbed of the keys in the environment."""

import os
import re
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_NAMES: Final = re.compile(r"(_KEY|_TOKEN|_SECRET|_PASSWORD)$", re.IGNORECASE)
#: unlike any word: such a variable may contain a plain word, which a tree must not lose
_LIKE_A_KEY: Final = re.compile(r"(?=.*\d)\S{8,}|\S{16,}")
REMOVED: Final = "[key removed]"


def known_secrets(api_base: str | None = None) -> tuple[str, ...]:
    """Return environment values that are keys by name, and secrets in an address; longest first."""
    values = {value.strip() for name, value in os.environ.items() if _NAMES.search(name)}
    secrets = {value for value in values if _LIKE_A_KEY.fullmatch(value)}
    password = urlsplit(api_base).password if api_base and "@" in api_base else None
    if password:
        secrets |= {password, unquote(password)}
    query = parse_qsl(urlsplit(api_base).query) if api_base and "?" in api_base else []
    secrets |= {value for _, value in query if _LIKE_A_KEY.fullmatch(value)}
    return tuple(sorted(secrets, key=len, reverse=True))


def scrub(text: str, api_base: str | None = None) -> str:
    """Remove every known key from the text."""
    for secret in known_secrets(api_base):
        text = text.replace(secret, REMOVED)
    return text
