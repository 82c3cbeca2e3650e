"""Limits on responses: cut off beyond any legitimate reply, and no redirect to another host, as keys would follow.

Their bodies are tidied too.
"""

import zlib
from collections.abc import Iterator
from typing import Any, Final

from treegen.remote.deadline import refuse_reading_on
from treegen.remote.tidying import tidy_body, tidy_line

MOST_BYTES: Final = 8 * 2**20  # per body, or per event of a stream; the longest useful reply has 4 MB of text
_AT_ONCE: Final = 2**16  # bytes that are decompressed in one step
_PACKED: Final = ("gzip", "x-gzip", "deflate")
_EITHER: Final = zlib.MAX_WBITS | 32  # zlib finds out which of the two it is
_TIDIED: Final = ("application/json", "text/event-stream")
_MOST_STREAMED: Final = 2**29  # bytes of a stream: an event of 4 characters takes 200 bytes


class TooLongError(Exception):
    """A server sent more than `MOST_BYTES`."""


class PageError(Exception):
    """A server answered with an HTML page."""


class RedirectError(Exception):
    """A server redirects to another host."""


class PackedError(Exception):
    """A server compressed a body, though asked not to, in a way that is not read, or the body is damaged."""


def _unpacked(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip or zlib in small steps, so that whoever reads can stop: 10 MB may expand to 10 GB.

    Raises:
        PackedError: it is neither.
    """
    unpacker = zlib.decompressobj(_EITHER)
    for part in parts:
        rest = part
        while rest and not unpacker.eof:
            try:
                yield unpacker.decompress(rest, _AT_ONCE)
            except zlib.error as error:
                raise PackedError(str(error)) from None
            rest = unpacker.unconsumed_tail


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
            # without the header httpx, whose decoders have no limit, leaves the body to us
            packing = headers.pop("content-encoding", "identity").strip().lower()
            if packing not in ("identity", *_PACKED):  # also one that is compressed twice
                raise PackedError(packing)
            self._tidied = headers.get("content-type", "").startswith(_TIDIED)
            self._by_event = "event-stream" in headers.get("content-type", "")
            self._inner, self._is_packed = inner, packing in _PACKED

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
            for part in _unpacked(iter(self._inner)) if self._is_packed else self._inner:
                refuse_reading_on()
                total += len(part)
                end = part.rfind(b"\n")
                unbroken = unbroken + len(part) if end < 0 else len(part) - end - 1
                if (unbroken if self._by_event else total) > MOST_BYTES or total > _MOST_STREAMED:
                    self.close()
                    raise TooLongError(f"more than {MOST_BYTES} bytes")
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
            # uncompressed: what arrives is then what is counted
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
