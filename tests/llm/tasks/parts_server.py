"""A server that speaks OpenAI's protocol and really answers what it reads in the prompt's data block."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_CLASS = re.compile(r'^\s*- ("(?:[^"\\]|\\.)*")(?:[:;].*)?$', re.MULTILINE)
_GROUP = re.compile(r'^- ("(?:[^"\\]|\\.)*"): ("(?:[^"\\]|\\.)*")\n((?:  \d+: .*\n)+)', re.MULTILINE)
_SHOWN = re.compile(r'^- pictures? \d+(?: to \d+)?: ("(?:[^"\\]|\\.)*")', re.MULTILINE)
COLOURS = ("red", "green", "blue", "white", "brown", "yellow", "pink", "violet")
FORMS = ("a ball", "a cube", "a cone", "a ring", "a star", "a cross", "a rod")


def data_of(prompt: str) -> str:
    return prompt.partition("<data>\n")[2].partition("</data>")[0]


def classes_of(prompt: str) -> list[str]:
    """Those that the data block lists."""
    listed = re.split(r"^classes[^\n]*:\n", data_of(prompt), maxsplit=1, flags=re.MULTILINE)[-1]
    return [json.loads(found[1]) for found in _CLASS.finditer(listed)]


def number_of(name: str) -> int:
    digits = re.sub(r"\D", "", name)
    return int(digits) if digits else sum(map(ord, name))


@dataclass
class Honest:
    """Answers like a model that knows the classes: its answers follow from a class's number, and repeat after 280.

    Attributes:
        slips: how often each kind of mistake is made: `index` in a first batch, `prompt` in the groups, `prose`, `cut`.
        log: the purpose of each request with what it was about.
    """

    slips: dict[str, int] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)

    def slip(self, kind: str) -> bool:
        left = self.slips.get(kind, 0)
        self.slips[kind] = left - 1
        return left > 0

    def __call__(self, messages: list[dict[str, Any]]) -> tuple[str, str]:
        """Reply and finish reason."""
        content = next(m["content"] for m in messages if m["role"] == "user")
        prompt = content if isinstance(content, str) else content[0]["text"]
        pictures = 0 if isinstance(content, str) else len(content) - 1
        about = {"repair": len(messages) > 2, "pictures": pictures}
        if prompt.startswith("Plan a classification tree"):
            self.log.append({"asked": "groups", "classes": len(classes_of(prompt)), **about})
            return self.groups(), "stop"
        if prompt.startswith("Give the rules"):
            self.log.append({"asked": "rules", "classes": classes_of(prompt), **about})
            return self.rules(prompt)
        if prompt.startswith("Some classes"):
            self.log.append({"asked": "apart", "classes": classes_of(prompt), **about})
            return self.apart(prompt), "stop"
        if prompt.startswith("Look at pictures"):
            names = [json.loads(found[1]) for found in _SHOWN.finditer(data_of(prompt))]
            self.log.append({"asked": "pictures", "classes": names, **about})
            return json.dumps({"descriptions": {name: f"like number {number_of(name)}" for name in names}}), "stop"
        self.log.append({"asked": "other", "prompt": prompt[:80], **about})
        return "I do not know what you mean.", "stop"

    def groups(self) -> str:
        prompt = "The thing is {} and {}." if self.slip("prompt") else "The thing is {}."
        groups = {
            "colour": {"prompt": prompt, "options": list(COLOURS)},
            "form": {"prompt": "The thing looks like {}.", "options": list(FORMS)},
            "size": {"prompt": "The thing is {}.", "options": ["tiny", "small", "large", "huge"]},
            "edge": {
                "prompt": "The thing has {} edge.",
                "options": ["a sharp", "a soft", "a torn", "a dotted", "a wavy"],
            },
        }
        return "Here they are:\n```json\n" + json.dumps({"classification_groups": groups}, indent=1) + "\n```"

    def rules(self, prompt: str) -> tuple[str, str]:
        if self.slip("prose"):
            return "Certainly! These classes are all lovely.", "stop"
        sizes = [found[3].count("\n") for found in _GROUP.finditer(data_of(prompt))]
        names = [json.loads(found[1]) for found in _GROUP.finditer(data_of(prompt))]
        rules = {}
        for name in classes_of(prompt):
            number, rule = number_of(name), {}
            for group, size in zip(names, sizes, strict=True):
                rule[group] = number % size
            rules[name] = rule
        if self.slip("index"):
            rules[next(iter(rules))][names[0]] = 99
        text = json.dumps({"rules": rules})
        return (text[: len(text) // 2], "length") if self.slip("cut") else (text, "stop")

    def apart(self, prompt: str) -> str:
        names = classes_of(prompt.replace("classes with the same answers:", "classes (all):"))
        options = [f"{n} dots" for n in range(2, 12)]
        group = {"dots": {"prompt": "The thing shows {}.", "options": options}}
        rules = {name: {"dots": options[(number_of(name) // 280) % len(options)]} for name in names}
        return json.dumps({"classification_groups": group, "rules": rules})


Answer = Callable[[list[dict[str, Any]]], tuple[str, str]]


class _Handler(BaseHTTPRequestHandler):
    answer: Answer
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            text, finish = self.answer(body["messages"])
        usage = {"prompt_tokens": 10, "completion_tokens": len(text) // 4, "total_tokens": 10 + len(text) // 4}
        shared = {"id": "1", "created": 1, "model": "m"}
        if body.get("stream"):
            pieces = [text[i : i + 400] for i in range(0, len(text), 400)]
            choices: list[dict[str, object]] = [
                {"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in pieces
            ]
            choices.append({"index": 0, "delta": {}, "finish_reason": finish})
            events = [{**shared, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
            events.append({**shared, "object": "chat.completion.chunk", "choices": [], "usage": usage})
            sent = b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events) + b"data: [DONE]\n\n"
            kind = "text/event-stream"
        else:
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "finish_reason": finish, "message": message}
            whole = {**shared, "object": "chat.completion", "choices": [choice], "usage": usage}
            sent, kind = json.dumps(whole).encode(), "application/json"
        try:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)
        except OSError:  # who asked is gone
            return

    def log_message(self, format: str, *args: object) -> None:
        """Keeps standard error for the program that is tested."""


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a server that answers so; it stops when the block ends."""
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()
