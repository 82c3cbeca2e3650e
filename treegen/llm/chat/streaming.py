"""Reads a reply while it comes. Whoever listens can end it at any moment, also while the model says nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, Final

from treegen.llm.chat.interface import OnText

_PULSE: Final = 0.1  # seconds after which the listener is asked again


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A reply as it came.

    Attributes:
        text: all of it.
        finish: the provider's finish reason; `None` if the stream ended without one, which may mean that it broke off.
        usage: the provider's own, if it told any.
    """

    text: str
    finish: str | None
    usage: Any


def listen(open_stream: Callable[[], Any], on_text: OnText) -> Heard:
    """Reads litellm's stream to its end.

    The stream is read by a thread of its own: a thread that waits for a server cannot be interrupted, but left.

    Args:
        open_stream: sends the request.
        on_text: is told the text so far, at least every 0.1 s; what it raises ends the stream.
    """
    arrived: Queue[tuple[str, Any]] = Queue()
    left = threading.Event()
    threading.Thread(target=_read, args=(open_stream, arrived, left), name="stream", daemon=True).start()
    try:
        return _gather(arrived, on_text)
    finally:
        left.set()


def _gather(arrived: "Queue[tuple[str, Any]]", on_text: OnText) -> Heard:
    parts: list[str] = []
    for kind, value in _with_pulse(arrived):
        if kind == "text":
            parts.append(value)
        elif kind == "failure":
            raise value
        elif kind == "end":
            on_text("".join(parts))
            return Heard(text="".join(parts), finish=value[0], usage=value[1])
        on_text("".join(parts))
    raise AssertionError("a stream ends with `end` or `failure`")


def _with_pulse(arrived: "Queue[tuple[str, Any]]") -> Iterator[tuple[str, Any]]:
    """What arrives, and `pulse` where nothing does."""
    while True:
        try:
            yield arrived.get(timeout=_PULSE)
        except Empty:
            yield "pulse", None


def _read(open_stream: Callable[[], Any], arrived: "Queue[tuple[str, Any]]", left: threading.Event) -> None:
    """On the stream's own thread."""
    try:
        stream = open_stream()
        for chunk in stream:
            if left.is_set():
                with suppress(Exception):  # the provider stops writing when nobody listens; nothing else hangs on it
                    stream.completion_stream.close()
                return
            for choice in chunk.choices[:1]:
                if choice.delta.content:
                    arrived.put(("text", choice.delta.content))
    except Exception as error:
        arrived.put(("failure", error))
    else:
        arrived.put(("end", (stream.received_finish_reason, _told_usage(stream))))


def _told_usage(stream: Any) -> Any:
    """The usage in the provider's own chunks. The one that litellm adds at the end may be its guess."""
    return next((u for chunk in reversed(stream.chunks) if (u := getattr(chunk, "usage", None))), None)
