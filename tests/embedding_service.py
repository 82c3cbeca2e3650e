"""An embedding service on this machine that speaks the request and the reply that Jina documents for jina-clip.

POST /v1/embeddings {"model", "input": ["text" or {"text": ...} or {"image": base64}]} with a bearer token gives
{"model", "object": "list", "usage": {"total_tokens"}, "data": [{"object", "index", "embedding"}]}. What it embeds is
colour: of a picture its mean, of a text those that it names.
"""

import base64
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Lock, Thread
from typing import Any

from PIL import Image

KEY = "a-key-of-the-test"
COLOURS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0), "white": (1.0, 1.0, 1.0)}
TOKENS = {"text": 5, "image": 40}


def embed(item: Any, turned: bool = False) -> list[float]:
    """4 numbers, not of length 1; `turned` is another model: it has its axes elsewhere."""
    if isinstance(item, dict) and "image" in item:
        picture = Image.open(BytesIO(base64.b64decode(item["image"], validate=True)))
        mean = [value / 255 for value in picture.resize((1, 1), Image.Resampling.BOX).tobytes()]
    else:
        text = item["text"] if isinstance(item, dict) else item
        named = [COLOURS[word] for word in text.lower().replace(".", "").split() if word in COLOURS] or [
            (0.2, 0.2, 0.2)
        ]
        mean = [sum(values) / len(named) for values in zip(*named, strict=True)]
        mean[0] += len(text) / 1000  # so that no two texts are quite the same
    vector = [*mean, 0.3]
    return [-vector[3], vector[0], -vector[1], vector[2]] if turned else vector


class EmbeddingService:
    """What was asked, and what is to go wrong.

    Attributes:
        requests: bodies, in the order of their arrival.
        faults: one for each of the next requests: a status, (status, headers), or a name of `Handler.spoil`.
        turned: the model behind the name is another one.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.faults: list[Any] = []
        self.turned = False
        self.lock = Lock()
        self.address = ""

    @property
    def items(self) -> list[Any]:
        """All inputs of all requests."""
        return [item for body in self.requests for item in body["input"]]


@contextmanager
def serving() -> Iterator[EmbeddingService]:
    """Runs a service until the block ends."""
    service = EmbeddingService()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with service.lock:
                service.requests.append(body)
                fault = service.faults.pop(0) if service.faults else None
            if self.path != "/v1/embeddings":
                self.answer(404, {"detail": "no such path"})
            elif self.headers["Authorization"] != f"Bearer {KEY}":
                self.answer(401, {"detail": "Invalid API key"})
            elif isinstance(fault, int | tuple):
                status, headers = fault if isinstance(fault, tuple) else (fault, {})
                self.answer(status, {"detail": f"failed on purpose, {KEY}"}, headers)
            else:
                self.answer(200, self.spoil(fault, body, self.reply(body)))

        def reply(self, body: dict[str, Any]) -> dict[str, Any]:
            kinds = ["image" if isinstance(item, dict) and "image" in item else "text" for item in body["input"]]
            data = [
                {"object": "embedding", "index": place, "embedding": embed(item, service.turned)}
                for place, item in enumerate(body["input"])
            ]
            usage = {"total_tokens": sum(TOKENS[kind] for kind in kinds)}
            return {"model": body["model"], "object": "list", "usage": usage, "data": data}

        def spoil(self, fault: str | None, body: dict[str, Any], reply: dict[str, Any]) -> Any:
            data = reply["data"]
            if fault == "one too few":
                reply["data"] = data[:-1]
            elif fault == "index twice":
                data[-1]["index"] = 0
            elif fault == "out of order":
                reply["data"] = data[::-1]
            elif fault == "first not a number":
                data[0]["embedding"] = [math.nan] * 4
            elif fault == "none are numbers":
                reply["data"] = [each | {"embedding": [None] * 4} for each in data]
            elif fault == "wider":
                reply["data"] = [each | {"embedding": [*each["embedding"], 0.5]} for each in data]
            elif fault == "untold":
                del reply["usage"]
            elif fault == "a page":
                return "<html>the company's proxy</html>"
            return reply

        def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.address = f"http://127.0.0.1:{server.server_port}/v1"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
