"""Addresses of services: how they are shown, and whether a key may be sent to one."""

import os
import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

#: host of each provider's own service, by the prefix of litellm's model names
PROVIDERS: Final = {
    "openai": "api.openai.com",
    "text-completion-openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "gemini": "generativelanguage.googleapis.com",
    "mistral": "api.mistral.ai",
    "codestral": "codestral.mistral.ai",
    "groq": "api.groq.com",
    "openrouter": "openrouter.ai",
    "deepseek": "api.deepseek.com",
    "together_ai": "api.together.ai",
    "fireworks_ai": "api.fireworks.ai",
    "perplexity": "api.perplexity.ai",
    "xai": "api.x.ai",
    "cohere": "api.cohere.com",
    "cohere_chat": "api.cohere.com",
    "jina_ai": "api.jina.ai",
    "voyage": "api.voyageai.com",
}
_AUTHORITY: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://|//)?([^/?#\\]*)(.*)", re.DOTALL)
_HOST: Final = re.compile(r"[^:@\s]*(:\d{0,5})?|\[[0-9A-Fa-f:.]*\](:\d{0,5})?")
#: variables that move a provider to another address
_VARIABLES: Final = ("_API_BASE", "_BASE_URL", "_API_URL")


def without_credentials(address: str | None) -> str:
    """Return an address without `user:password@` and query, which may contain a key: messages are stored.

    The host that is shown is the one that is connected to: an @ after it does not hide it. A password that contains
    a slash ends the host early; then nothing that may belong to it is shown.

    >>> without_credentials("https://ada:p@ss@example.org/v1?key=1")
    'https://example.org/v1'
    >>> without_credentials("https://example.org/@api.openai.com/v1")
    'https://example.org/...'
    """
    found = _AUTHORITY.fullmatch(address or "")
    assert found is not None, "the expression matches every text"
    scheme, authority, path = found[1] or "", found[2], re.split(r"[?#]", found[3])[0]
    host = authority.rpartition("@")[2]
    if "@" not in (address or ""):
        return f"{scheme}{authority}{path}"
    if not _HOST.fullmatch(host):
        return f"{scheme}..."
    return f"{scheme}{host}/..." if "@" in found[3].partition("?")[0] else f"{scheme}{host}{path}"


def is_loopback(address: str) -> bool:
    """Whether an address leads to this machine.

    >>> is_loopback("http://127.0.0.1:8000/v1"), is_loopback("http://127.0.0.1@example.org")
    (True, False)
    """
    host = (_split(address).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_own_address(model: str, address: str) -> bool:
    """Whether an address is that of the model's provider itself, by https.

    >>> is_own_address("openai/gpt-4o", "https://api.openai.com/v1")
    True
    >>> is_own_address("openai/gpt-4o", "https://api.openai.com@example.org/v1")
    False
    """
    parts = _split(address)
    own = PROVIDERS.get(model.partition("/")[0])
    plain = not re.search(r"[@\\\s]", address)
    return own is not None and plain and parts.scheme == "https" and parts.hostname == own and parts.port in (None, 443)


def is_readable_by_others(address: str) -> bool:
    """Whether a key sent to an address could be read on the way: it is not https, and not on this machine."""
    return _split(address).scheme != "https" and not is_loopback(address)


def destination(model: str, api_base: str | None) -> str:
    """Return where a request for a model goes, for people: its address, or whose service it is.

    >>> destination("openai/gpt-4o", None)
    'https://api.openai.com'
    """
    provider = model.partition("/")[0]
    prefix = re.sub(r"\W", "_", provider).upper()
    moved = next((value for name in _VARIABLES if (value := os.environ.get(prefix + name))), None)
    if api_base or moved:
        return without_credentials(api_base or moved)
    return f"https://{PROVIDERS[provider]}" if provider in PROVIDERS else f"the service of {provider}"


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises if it is not a number
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts
