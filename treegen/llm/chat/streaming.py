"""Read a reply on a thread of its own, so that the listener can abort at any moment, even while the model is silent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, Final

from treegen.llm.chat.interface import OnText
from treegen.llm.reading.parser import MOST_CHARACTERS
from treegen.remote.bodies import TooLongError
from treegen.remote.deadline import stop_reading_after

_PULSE: Final = 0.1  # seconds between calls of the listener
_SHORT: Final = 2**16  # characters up to which every chunk is reported; beyond, ten times a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A reply as received.

    Attributes:
        text: the whole text.
        finish: the provider's finish reason; `None` if the stream ended without one, which may mean that the connection
            broke.
        usages: what the provider reported of tokens: once for a reply, in the last chunk, in each chunk, or never.
        refusal: why the model refuses to answer, in its own words.
    """

    text: str
    finish: str | None
    usages: tuple[Any, ...] = ()
    refusal: str = ""


class RequestError(Exception):
    """A request failed; `error` is what litellm raised."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)
        self.error = error


class SilentError(Exception):
    """A server kept the connection open but sent nothing for too long."""


class SlowError(Exception):
    """A reply was still incomplete at the time limit."""


Arrived = Queue[tuple[str, Any]]


def listen(
    send: Callable[[], Any],
    on_text: OnText | None,
    *,
    streamed: bool,
    quiet: float = float("inf"),
    longest: float = float("inf"),
) -> Received:
    """Send a request and read the reply to its end.

    A thread that waits for a server cannot be interrupted, only abandoned: that is why it is not the caller's.

    Args:
        send: sends the request; returns litellm's stream, or its response.
        on_text: called with the text so far, at least every 0.1 s; an exception from it ends the reading.
        streamed: whether `send` returns a stream.
        quiet: seconds of silence after which the reply is abandoned.
        longest: seconds after which it is abandoned in any case.

    Raises:
        RequestError: the request failed, the server was silent for too long, or sent more than a reply may contain.
    """
    arrived: Arrived = Queue()
    abandoned = threading.Event()
    read = _read_stream if streamed else _read_whole
    threading.Thread(target=_guarded, args=(read, send, arrived, abandoned), name="reply", daemon=True).start()
    try:
        return _gather(arrived, on_text or (lambda _: None), quiet, longest)
    finally:
        abandoned.set()


def _gather(arrived: Arrived, on_text: OnText, quiet: float, longest: float) -> Received:
    parts: list[str] = []
    length, reported = 0, 0.0
    started = last_sign = time.monotonic()
    for kind, value in _with_pulse(arrived):
        now = time.monotonic()
        last_sign = last_sign if kind == "pulse" else now
        if now - started > longest:
            raise RequestError(SlowError())
        if now - last_sign > quiet:
            raise RequestError(SilentError())
        if kind == "text":
            parts.append(value)
            length += len(value)
            if length > MOST_CHARACTERS:
                raise RequestError(TooLongError(f"more than {MOST_CHARACTERS} characters"))
        elif kind == "failure":
            raise RequestError(value)
        elif kind == "end":
            text = "".join(parts)
            on_text(text)
            finish = None if value[0] is None else str(value[0])
            return Received(text=text, finish=finish, usages=value[1], refusal=value[2])
        if kind == "pulse" or length < _SHORT or now - reported > _PULSE:
            reported = now
            on_text("".join(parts))
    raise AssertionError("a reply ends with `end` or `failure`")


def _with_pulse(arrived: Arrived) -> Iterator[tuple[str, Any]]:
    """Yield what arrives, and `pulse` while nothing does."""
    while True:
        try:
            yield arrived.get(timeout=_PULSE)
        except Empty:
            yield "pulse", None


def _guarded(
    read: Callable[[Callable[[], Any], Arrived, threading.Event], None],
    send: Callable[[], Any],
    arrived: Arrived,
    abandoned: threading.Event,
) -> None:
    """Run the reader on the reply's own thread, and pass on its failure."""
    stop_reading_after(abandoned)
    try:
        read(send, arrived, abandoned)
    except Exception as error:
        arrived.put(("failure", error))


class _Raw:
    """The provider's own chunks on their way to litellm, which drops the refusal field.

    Attributes:
        refusal: the refusal in the chunks so far; empty if there is none.
        ended: whether the provider closed the stream itself.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.refusal = ""
        self.ended = False

    def __iter__(self) -> "_Raw":
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._inner)
        except StopIteration:
            self.ended = True
            raise
        for choice in getattr(chunk, "choices", None) or ():
            self.refusal += _refusal(getattr(choice, "delta", None))
        return chunk

    def close(self) -> None:
        self._inner.close()


def _read_stream(send: Callable[[], Any], arrived: Arrived, abandoned: threading.Event) -> None:
    stream = send()
    raw = _Raw(stream.completion_stream)
    if hasattr(raw._inner, "__next__"):
        stream.completion_stream = raw
    try:
        for chunk in stream:
            if abandoned.is_set():
                with suppress(Exception):  # best effort: tells the provider to stop
                    raw.close()
                return
            arrived.put(("sign", None))
            for choice in chunk.choices[:1]:
                if isinstance(choice.delta.content, str) and choice.delta.content:
                    arrived.put(("text", choice.delta.content))
    except Exception:
        if not raw.ended:  # recent releases of litellm raise if a stream ends without a finish reason
            raise
    arrived.put(("end", (stream.received_finish_reason, _reported_usages(stream), raw.refusal)))


def _read_whole(send: Callable[[], Any], arrived: Arrived, abandoned: threading.Event) -> None:
    response = send()
    choice = next(iter(response.choices or ()), None)
    if choice is None:
        arrived.put(("end", (None, (getattr(response, "usage", None),), "")))
        return
    if isinstance(choice.message.content, str):
        arrived.put(("text", choice.message.content))
    arrived.put(("end", (choice.finish_reason, (getattr(response, "usage", None),), _refusal(choice.message))))


def _refusal(part: Any) -> str:
    """Return the refusal in OpenAI's own field, which litellm keeps among the provider's fields."""
    refusal = (getattr(part, "provider_specific_fields", None) or {}).get("refusal") or getattr(part, "refusal", None)
    return refusal if isinstance(refusal, str) else ""


def _reported_usages(stream: Any) -> tuple[Any, ...]:
    """Return the usage of every chunk of the provider's. The one that litellm adds at the end may be its guess."""
    return tuple(usage for chunk in stream.chunks if (usage := getattr(chunk, "usage", None)))
