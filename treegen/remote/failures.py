"""Explain failed requests to the user by cause: litellm raises one class for several things."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from treegen.remote.addresses import without_credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request failed.

    Attributes:
        message: what failed and where. The provider's own text is not in it: it may hold a key.
        tip: what to do.
        again: the same request may succeed later.
        wait: seconds that the server asks to wait; `None` if it does not say.
        sent: whether a server may have seen the request.
        code: what kind of failure it is, for code that decides on it.
    """

    message: str
    tip: str
    again: bool = False
    wait: float | None = None
    sent: bool = True
    code: str = ""


_SERVER: Final = "check that the server is running and that {api_base} is right"
#: a class in the chain of causes -> message and tip; looked up in this order
_UNREACHED: Final = {
    "SSLCertVerificationError": (
        "the certificate of {where} is not trusted",
        "check {api_base}; behind a company proxy, name its certificate in SSL_CERT_FILE",
    ),
    "SSLError": ("no secure connection to {where}", "check {api_base}: the server may speak http only"),
    "gaierror": ("{where} cannot be reached: there is no such host name", "check {api_base} and the network"),
    "UnsupportedProtocol": (
        "{where} cannot be reached: it is not a valid address",
        "write {api_base} as http://HOST:PORT/v1",
    ),
    "InvalidURL": ("{where} cannot be reached: it is not a valid address", "write {api_base} as http://HOST:PORT/v1"),
    "ConnectionRefusedError": ("{where} cannot be reached: it refused the connection", _SERVER),
    "ConnectTimeout": ("{where} cannot be reached: it did not answer the connection", _SERVER),
    "ConnectError": ("{where} cannot be reached", _SERVER),
}
_SILENT: Final = frozenset({"ReadTimeout", "PoolTimeout", "WriteTimeout"})
_BROKEN: Final = frozenset({"RemoteProtocolError", "ReadError", "WriteError", "APIConnectionError"})
_UNREADABLE: Final = frozenset({"JSONDecodeError", "ValidationError", "PageError", "PackedError"})
#: litellm's error -> message and tip; repeating the request would not help
_FINAL: Final = {
    "AuthenticationError": ("{where} refused the key (401)", "check the key in the environment"),
    "PermissionDeniedError": ("{where} does not allow this key to use the model (403)", "check the account"),
    "PaymentRequiredError": ("{where} requires payment (402)", "check the account"),
    "NotFoundError": ("{where} does not know this model (404)", "check the name after the first slash, and {api_base}"),
    "ContextWindowExceededError": ("the request is longer than the model's context", "use a larger model"),
    "ContentPolicyViolationError": ("{where} refused the content", "reword the domain's texts"),
    "UnknownProvider": (
        "the name does not say which provider",
        "use a litellm model name such as openai/gpt-4o-mini",
    ),
    "BadRequestError": (
        "{where} did not accept the request (400)",
        "use a litellm model name such as openai/gpt-4o-mini",
    ),
    "NoVisionError": (
        "{where} does not accept images with this model (400)",
        "use a vision model, or leave the images out",
    ),
    "TooLong": (
        "{where} sent more than a reply may contain, and was cut off",
        "check {api_base}: it may be the wrong server",
    ),
    "Redirected": (
        "{where} redirects to another host, which gets no key and no request",
        "if you trust that host, name its address in {api_base}",
    ),
    "NoCompletion": (
        "the response from {where} is not a {expected}",
        "check {api_base}: it may lack /v1 or reach a proxy's page",
    ),
    "UnsupportedParamsError": (
        "the model does not accept temperature or max_tokens",
        "remove it from {table} in domain.toml",
    ),
}
#: error that litellm fails to raise -> a provider's wording of it
_WORDS: Final = {
    "ContextWindowExceededError": ("context length", "context window", "context_length", "too many tokens"),
    "ContentPolicyViolationError": ("content management policy", "content_filter", "content policy"),
    "NoVisionError": ("image_url", "image input", "multimodal", "vision"),
}
#: litellm raises a plain APIError for these
_KINDS: Final[dict[int | None, str]] = {
    401: "AuthenticationError",
    402: "PaymentRequiredError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
}


def explain(
    error: BaseException,
    *,
    model: str,
    api_base: str | None = None,
    seconds: float | None = None,
    expected: str = "chat completion",
    table: str = "[llm]",
) -> Failure:
    """Return one clear message for an error of litellm, or of a library below it.

    Args:
        error: as it was raised.
        model: the model's name.
        api_base: where it is, if the user says.
        seconds: how long an answer was waited for.
        expected: what the answer should be.
        table: the table of domain.toml that holds the settings.
    """
    words = {
        "expected": expected,
        "table": table,
        "api_base": "--api-base" if table == "[llm]" else f"api_base under {table}",
    }
    chain = list(causes(error))
    names = {type(e).__name__ for e in chain}
    status = next((s for e in chain if isinstance(s := getattr(e, "status_code", None), int)), None)
    words["where"] = where = without_credentials(api_base) or "the provider"
    kind = type(error).__name__
    # litellm wraps a failed connection in its Timeout as well: only the chain of causes tells the two apart
    if "ConnectTimeout" not in names and (kind in ("Timeout", "SilentError", "SlowReplyError") or names & _SILENT):
        waited = f" within {seconds:g} s" if seconds else ""
        return Failure(
            message=f"{model}: {where} did not answer{waited}",
            again=True,
            wait=_wait(chain),
            tip=f"try again later; a slow model needs a longer `timeout` under {table}",
            code="no-answer",
        )
    # with an HTTP status in the chain a server was reached, whatever else is in it
    unreached = next((message for name, message in _UNREACHED.items() if name in names), None)
    if unreached and "HTTPStatusError" not in names:
        message, tip = (part.format(**words) for part in unreached)
        return Failure(message=f"{model}: {message}", tip=tip, sent=False, code="unreached")
    kind = _kind(error, names, status)
    if kind in _FINAL:
        message, tip = (part.format(**words) for part in _FINAL[kind])
        unsent = kind in ("UnknownProvider", "UnsupportedParamsError") and "HTTPStatusError" not in names
        return Failure(message=f"{model}: {message}", tip=tip, sent=not unsent, code=_code(kind))
    if status is None and not names & _BROKEN:
        tip = "check the name; TREEGEN_DEBUG=1 shows more"
        return Failure(message=f"{model}: litellm failed ({kind})", tip=tip, code="litellm-failed")
    if status is None or (status >= 500 and names & _BROKEN):
        message = f"{model}: the connection to {where} was interrupted"
        return Failure(message=message, tip="try again later", again=True, code="connection-broke")
    reason = "is limiting the rate of requests (429)" if status == 429 else f"failed ({status})"
    again = status in (408, 429) or status >= 500
    code = "rate-limited" if status == 429 else "server-failed"
    return Failure(
        message=f"{model}: {where} {reason}", tip="try again later", again=again, wait=_wait(chain), code=code
    )


def _code(kind: str) -> str:
    """`NoVisionError` as `no-vision`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.removesuffix("Error")).lower()


def _kind(error: BaseException, names: set[str], status: int | None) -> str:
    """Return the key into `_FINAL`.

    Providers say in words alone what litellm's BadRequestError means, so their words are read here, and never shown.
    """
    kind, words = type(error).__name__, str(error).lower()
    if "TooLongError" in names:
        return "TooLong"
    if "RedirectError" in names:
        return "Redirected"
    if "HTTPStatusError" not in names and (names & _UNREADABLE or "invalid response from llm" in words):
        return "NoCompletion"
    if kind in ("APIError", "APIConnectionError", "InternalServerError"):
        return _KINDS.get(status, kind)
    if kind != "BadRequestError":
        return kind
    if "llm provider not provided" in words:
        return "UnknownProvider"
    return next((name for name, marks in _WORDS.items() if any(mark in words for mark in marks)), kind)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its chain of causes."""
    visited: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in visited:
        visited.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _wait(chain: list[BaseException]) -> float | None:
    """Return the seconds that the header Retry-After asks for."""
    for error in chain:
        for headers in (getattr(error, "litellm_response_headers", None), _headers_of(error)):
            if headers and (value := headers.get("retry-after")):
                return seconds_until(str(value))
    return None


def _headers_of(error: BaseException) -> Mapping[str, str] | None:
    return getattr(getattr(error, "response", None), "headers", None)


def seconds_until(value: str, now: datetime | None = None) -> float | None:
    """Return a Retry-After header as seconds from now, at least 0; `None` if it is neither number nor date.

    Source: RFC 9110, section 10.2.3.
    """
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", value.strip()):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
