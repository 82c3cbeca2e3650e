"""Limits on responses: cut off beyond any legitimate reply, and no redirect to another host, as keys would follow.

Their bodies are tidied too.
"""

from collections.abc import Iterator
from typing import Any, Final

from treegen.remote.tidying import tidy_body, tidy_line

MOST_BYTES: Final = 8 * 2**20  # per body, or per event of a stream; the longest useful reply has 4 MB of text
_MOST_PACKED: Final = 2**18  # bytes of a compressed body, which may expand a thousandfold
_TIDIED: Final = ("application/json", "text/event-stream")
_MOST_STREAMED: Final = 2**29  # bytes of a stream: an event of 4 characters takes 200 bytes


class TooLongError(Exception):
    """A server sent more than `MOST_BYTES`."""


class PageError(Exception):
    """A server answered with an HTML page."""


class RedirectError(Exception):
    """A server redirects to another host."""


def _tidy_lines(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Tidy the events of a stream line by line, each as soon as it is whole."""
    rest: list[bytes] = []
    for part in parts:
        head, newline, tail = part.rpartition(b"\n")
        if newline:
            whole, rest = b"".join([*rest, head, newline]), [tail]
            yield b"".join(map(tidy_line, whole.splitlines(keepends=True)))
        else:
            rest.append(part)
    yield tidy_line(b"".join(rest))


def install(litellm: Any) -> None:
    """Enforce the limits on every connection that litellm opens from now on.

    httpx drops the header Authorization on a redirect to another host, but not x-api-key, x-goog-api-key or the body.
    """
    import httpx

    class Limited(httpx.SyncByteStream):
        """The bytes of a body, up to a limit."""

        def __init__(self, inner: Any, headers: Any) -> None:
            packed = headers.get("content-encoding", "identity") != "identity"  # hides line ends
            self._tidied = not packed and headers.get("content-type", "").startswith(_TIDIED)
            self._inner, self._by_event = inner, "event-stream" in headers.get("content-type", "") and not packed
            self._most = _MOST_PACKED if packed else MOST_BYTES

        def __iter__(self) -> Iterator[bytes]:
            if not self._tidied:
                yield from self._limited()
            elif self._by_event:
                yield from _tidy_lines(self._limited())
            else:
                yield tidy_body(b"".join(self._limited()))

        def _limited(self) -> Iterator[bytes]:
            total = unbroken = 0
            # a stream of events may go on as long as each event is small; any other body is limited as a whole
            for part in self._inner:
                total += len(part)
                end = part.rfind(b"\n")
                unbroken = unbroken + len(part) if end < 0 else len(part) - end - 1
                if (unbroken if self._by_event else total) > self._most or total > _MOST_STREAMED:
                    self.close()
                    raise TooLongError(f"more than {self._most} bytes")
                yield part

        def close(self) -> None:
            self._inner.close()

    def refuse_redirect(response: httpx.Response, url: httpx.URL) -> None:
        if not response.has_redirect_location:
            return
        try:
            target = url.join(response.headers["location"])
        except httpx.InvalidURL:
            raise RedirectError("an invalid address") from None
        if target.host != url.host or target.port != url.port or (url.scheme, target.scheme) == ("https", "http"):
            raise RedirectError(target.host)

    def limit(response: httpx.Response, url: httpx.URL | None = None) -> None:
        refuse_redirect(response, url or response.request.url)
        if response.status_code == 200 and "text/html" in response.headers.get("content-type", ""):
            raise PageError("a page")
        response.stream = Limited(response.stream, response.headers)

    class Transport(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            # uncompressed: a small compressed body could expand beyond any limit
            request.headers["Accept-Encoding"] = "identity"
            response = super().handle_request(request)
            limit(response, request.url)
            return response

    if litellm.client_session is None:  # for OpenAI's client; a hook keeps the proxy settings
        headers = {"Accept-Encoding": "identity"}
        litellm.client_session = httpx.Client(
            event_hooks={"response": [limit]}, follow_redirects=True, headers=headers, timeout=None
        )
    if getattr(litellm, "sync_transport", None) is None:  # for all others
        litellm.sync_transport = Transport()
