"""A server that records what reaches it and fails every request, possibly by a redirect."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: str


@dataclass(kw_only=True)
class RecordingServer:
    """What reached the server, and what it answers."""

    address: str = ""
    requests: list[Received] = field(default_factory=list)
    status: int = 400
    location: str = ""
    body: str = '{"error": {"message": "no"}}'


@contextmanager
def recording(location: str = "", status: int = 400) -> Iterator[RecordingServer]:
    """Run a server on a free port of this machine."""
    state = RecordingServer(location=location, status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
            state.requests.append(Received(path=self.path, headers=dict(self.headers), body=body))
            self.send_response(state.status)
            if state.location:
                self.send_header("Location", state.location)
            content = state.body.encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
