"""The fake Chat of the unit tests, and a real local server that speaks OpenAI's protocol."""

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from treegen.domain import Domain
from treegen.llm.chat.interface import Message, OnText, Reply, Wire


class FakeChat:
    """Answers from a queue, and keeps the requests: a text becomes a reply, an exception is raised."""

    name = "fake"

    def __init__(self, *queue: str | Reply | Exception) -> None:
        self.queue = deque(queue)
        self.requests: list[tuple[Message, ...]] = []

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: Wire | None = None
    ) -> Reply:
        self.requests.append(tuple(messages))
        answer = self.queue.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(text=answer, model=self.name)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the server was asked."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Response:
    """What the server shall answer; status 0 breaks the connection. `pieces` are sent one by one instead of a body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: tuple[bytes, ...] = ()
    pause: float = 0.0


_USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


class OpenAIServer:
    """The script of the server and what happened so far. A request beyond the script is answered with status 418."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.script: deque[Response] = deque()
        self.requests: list[Request] = []
        self.left_early = 0

    def will_say(self, content: str | None, *, finish: str = "stop", usage: bool = True) -> None:
        """Queues a completion; its usage is 7 tokens read and 3 written."""
        message = {"role": "assistant", "content": content}
        body: dict[str, Any] = {
            "id": "1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        }  # fmt: skip
        if usage:
            body["usage"] = _USAGE
        self.will_send(json.dumps(body).encode())

    def will_stream(
        self, *pieces: str, finish: str | None = "stop", usage: bool = True, breaks: bool = False, pause: float = 0.0
    ) -> None:
        """Queues a completion in pieces; `breaks` cuts the connection behind them, `pause` comes between them."""
        parts: list[dict[str, Any]] = [{"content": piece} for piece in pieces]
        events = [_chunk(part) for part in parts] + ([] if breaks or finish is None else [_chunk({}, finish)])
        if usage and not breaks:
            events.append({**_chunk({}), "choices": [], "usage": _USAGE})
        lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
        pieces = tuple(lines if breaks else [*lines, b"data: [DONE]\n\n"])
        self.script.append(Response(headers={"Content-Type": "text/event-stream"}, pieces=pieces, pause=pause))

    def will_fail(self, status: int, message: str = "no", *, code: str | None = None, **headers: str) -> None:
        """Queues an error; `retry_after` as a keyword is the header Retry-After."""
        body = json.dumps({"error": {"message": message, "type": "error", "param": None, "code": code}}).encode()
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.script.append(Response(status=status, headers=named, body=body))

    def will_send(self, body: bytes, *, content_type: str = "application/json") -> None:
        """Queues a body as it is, with status 200."""
        self.script.append(Response(headers={"Content-Type": content_type}, body=body))

    def will_hang_up(self) -> None:
        """Queues a broken connection."""
        self.script.append(Response(status=0))


class _Handler(BaseHTTPRequestHandler):
    script: OpenAIServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.script.requests.append(Request(path=self.path, headers=headers, body=body))
        response = self.script.script.popleft() if self.script.script else Response(status=418, body=b"{}")
        if response.status == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(response.status)
        for key, value in {"Content-Type": "application/json", **response.headers}.items():
            self.send_header(key, value)
        if not response.pieces:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)
        for piece in response.pieces:
            try:
                self.wfile.write(piece)
                self.wfile.flush()
            except OSError:
                self.script.left_early += 1
                return
            time.sleep(response.pause)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps standard error for the program that is tested."""


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A server on this machine that speaks OpenAI's chat completions; it stops when the test ends."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.script = script = OpenAIServer(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    """Three classes, one of them with a note; its folder may be given templates."""
    return Domain(
        folder=tmp_path, name="pond", noun="frogling", description="Small things of a pond.",
        hints=("back colour", "shape of the eyes"), language="en-GB", classes=("Abrosk", "Wendle", "Yaffin"),
        notes=(("Wendle", "its eyes may be shut"),),
    )  # fmt: skip
