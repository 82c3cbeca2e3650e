"""A server that speaks OpenAI's chat completions over real sockets, and does wrong what servers do wrong."""

import json
import select
import socket
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import wait_until

_DRIP = 0.01  # seconds between the pieces of a reply that does not end
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the server was asked."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Response:
    """What the server shall answer. `pieces` are sent one by one behind the body.

    Attributes:
        held: behind so many pieces nothing more is said until the server is told to go on or the client has left.
        endless: the last piece is sent again and again until the client has left.
        cut: the connection is cut behind everything, without the rest that was announced.
        stall: nothing is answered until the server ends.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: tuple[bytes, ...] = ()
    held: int | None = None
    endless: bool = False
    cut: bool = False
    stall: bool = False


Answering = Callable[[Request], Response]


def completion(content: Any, *, finish: str | None = "stop", usage: Any = USAGE, refusal: str | None = None) -> bytes:
    """The body of a whole reply."""
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if refusal:
        message["refusal"] = refusal
    body: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
    }
    return json.dumps(body | ({"usage": usage} if usage else {})).encode()


def events(
    *pieces: str, finish: str | None = "stop", usage: Any = USAGE, breaks: bool = False, refusal: str | None = None
) -> tuple[bytes, ...]:
    """The events of a streamed reply; one that breaks ends behind its text."""
    deltas: list[dict[str, Any]] = [{"content": piece} for piece in pieces]
    if refusal:
        deltas.append({"refusal": refusal})
    found = [_chunk(delta) for delta in deltas] + ([] if breaks or finish is None else [_chunk({}, finish)])
    if usage and not breaks:
        found.append({**_chunk({}), "choices": [], "usage": usage})
    lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in found]
    return tuple(lines if breaks else [*lines, b"data: [DONE]\n\n"])


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


class OpenAIServer:
    """The script of the server and what happened so far. A request beyond the script is answered with status 418.

    Attributes:
        most_sent: bytes of the largest body that a client has taken.
        models: what it lists.
        left_early: how many clients left before the end of what they were sent.
        go_on: set, what is held is sent.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.script: deque[Response | Answering] = deque()
        self.requests: list[Request] = []
        self.left_early = 0
        self.most_sent = 0
        self.models = ["some-model"]
        self.go_on = threading.Event()
        self.ended = threading.Event()

    def will_answer(
        self, content: str | None, *, finish: str = "stop", usage: Any = USAGE, refusal: str | None = None
    ) -> None:
        """Queues a completion in the form that is asked for, whole or streamed."""

        def answer(request: Request) -> Response:
            if not request.body.get("stream"):
                return _json(completion(content, finish=finish, usage=usage, refusal=refusal))
            text = content or ""
            half = len(text) // 2
            parts = [part for part in (text[:half], text[half:]) if part]
            return _stream(events(*parts, finish=finish, usage=usage, refusal=refusal))

        self.script.append(answer)

    def will_break_off(self, content: str) -> None:
        """Queues a completion whose connection is cut in its middle, whole or streamed."""

        def answer(request: Request) -> Response:
            if request.body.get("stream"):
                return Response(
                    headers={"Content-Type": "text/event-stream"}, pieces=events(content, breaks=True), cut=True
                )
            return Response(body=completion(content)[:-40], headers={"Content-Length": "100000"}, cut=True)

        self.script.append(answer)

    def will_say(self, content: str | None, *, finish: str = "stop", usage: bool = True) -> None:
        """Queues a whole completion; its usage is 7 tokens read and 3 written."""
        self.script.append(_json(completion(content, finish=finish, usage=USAGE if usage else None)))

    def will_stream(
        self,
        *pieces: str,
        finish: str | None = "stop",
        usage: bool = True,
        breaks: bool = False,
        held: int | None = None,
    ) -> None:
        """Queues a completion in pieces; `breaks` cuts the connection behind them, `held` waits behind so many."""
        sent = events(*pieces, finish=finish, usage=USAGE if usage else None, breaks=breaks)
        self.script.append(_stream(sent, held=held))

    def will_drip(self, *pieces: str, held: int | None = None) -> None:
        """Queues a completion whose last piece comes again and again; `held` waits behind so many pieces before."""
        self.script.append(_stream(events(*pieces, breaks=True), held=held, endless=True))

    def will_fail(self, status: int, message: str = "no", *, code: str | None = None, **headers: str) -> None:
        """Queues an error; `retry_after` as a keyword is the header Retry-After."""
        body = json.dumps({"error": {"message": message, "type": "error", "param": None, "code": code}}).encode()
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.script.append(Response(status=status, headers=named, body=body))

    def will_send(self, body: bytes, *, content_type: str = "application/json") -> None:
        """Queues a body as it is, with status 200."""
        self.script.append(Response(headers={"Content-Type": content_type}, body=body))

    def will_flood(self, megabytes: int) -> None:
        """Queues a completion whose text does not end before so many megabytes."""

        def answer(request: Request) -> Response:
            start = b"data: " * bool(request.body.get("stream")) + completion("FLOOD").partition(b"FLOOD")[0]
            kind = "text/event-stream" if request.body.get("stream") else "application/json"
            return Response(headers={"Content-Type": kind}, pieces=(start, *[b"x" * 2**20] * megabytes))

        self.script.append(answer)

    def will_inflate(self, mebibytes: int, *, encoding: str = "gzip") -> None:
        """Queues a compressed body of zeros that expands a thousandfold: one block, again and again."""
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        start, block = (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        self.script.append(Response(headers=headers, pieces=(start, *[block] * (mebibytes - 1))))

    def will_hang_up(self) -> None:
        """Queues a connection that is cut before any answer."""
        self.script.append(Response(status=0))

    def will_hang(self) -> None:
        """Queues a request that is never answered."""
        self.script.append(Response(stall=True))


def _json(body: bytes) -> Response:
    return Response(headers={"Content-Type": "application/json"}, body=body)


def _stream(pieces: tuple[bytes, ...], *, held: int | None = None, endless: bool = False) -> Response:
    return Response(headers={"Content-Type": "text/event-stream"}, pieces=pieces, held=held, endless=endless)


class _Handler(BaseHTTPRequestHandler):
    script: OpenAIServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(path=self.path, headers=headers, body=body)
        self.script.requests.append(request)
        queued = self.script.script.popleft() if self.script.script else Response(status=418, body=b"{}")
        self._answer(queued if isinstance(queued, Response) else queued(request))

    def do_GET(self) -> None:
        """The list of models, for who looks whether a server is there."""
        body = json.dumps(
            {"object": "list", "data": [{"id": name, "object": "model"} for name in self.script.models]}
        ).encode()
        self._answer(Response(body=body) if self.path.endswith("/models") else Response(status=404, body=b"{}"))

    def _answer(self, response: Response) -> None:
        if response.stall:
            self.script.ended.wait()
        if response.status == 0 or response.stall:
            self._cut()
            return
        self.send_response(response.status)
        for key, value in {"Content-Type": "application/json", **response.headers}.items():
            self.send_header(key, value)
        if not response.pieces and "Content-Length" not in response.headers:
            self.send_header("Content-Length", str(len(response.body)))
        sent = 0
        try:
            self.end_headers()
            for number, piece in enumerate((response.body, *response.pieces)):
                self.wfile.write(piece)
                self.wfile.flush()
                sent += len(piece)
                self.script.most_sent = max(self.script.most_sent, sent)
                if number == response.held:
                    wait_until(lambda: self.script.go_on.is_set() or self.script.ended.is_set() or self._has_left())
                    if self._has_left():
                        raise BrokenPipeError
            while response.endless and not self.script.ended.wait(_DRIP):
                self.wfile.write(response.pieces[-1])
        except OSError:
            self.script.left_early += 1
            return
        if response.cut:
            self._cut()

    def _has_left(self) -> bool:
        """Whether the client has closed the connection; it sends nothing else while it is answered."""
        return bool(select.select([self.connection], [], [], 0)[0])

    def _cut(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keeps standard error for the program that is tested."""


@contextmanager
def serving() -> Iterator[OpenAIServer]:
    """A server until the block ends."""

    class Handler(_Handler):
        """Each server has its own script."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.script = script = OpenAIServer(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield script
        finally:
            script.ended.set()
            server.shutdown()
            thread.join()
