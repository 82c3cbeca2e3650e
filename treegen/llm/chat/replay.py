"""Replay a recorded conversation, for demonstrations and tests: a JSON Lines file of requests and replies."""

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final

from treegen.errors import InputError, ModelError
from treegen.files import read_text
from treegen.llm.chat.interface import Message, OnText, Reply, ResponseSchema
from treegen.remote.tidying import amount, token_count
from treegen.text import counted

_Comparable = tuple[str, str, tuple[str, ...]]  # role, text, pictures
#: measured figures in a request, which may differ in the last digit from run to run
MEASURED: Final = re.compile(r"<measured>.*?</measured>", re.DOTALL)


class ReplayChat:
    """A chat that gives the recorded reply to a recorded request.

    Each line of the file is `{"messages": [...], "reply": "...", "model": "...", ...}`. A request matches a line if
    all messages are equal, including pictures, apart from text between `<measured>` and `</measured>`: those figures
    depend on the machine. A request with several matching lines gets their replies in turn. Figures that cannot be
    right are unknown. Thread-safe.
    """

    def __init__(self, path: Path) -> None:
        """Read the recording.

        Raises:
            InputError: the file is missing or a line is not a recorded call.
        """
        self.name = f"replay/{path.name}"
        self._path = path
        self._lines = _read(path)
        self._used: set[int] = set()
        self._lock = Lock()

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """Return the recorded reply; `on_text` is called once with all of it.

        Raises:
            ModelError: no line of the recording matches this request; the message shows the first difference.
        """
        request = [_comparable_message(m.as_stored()) for m in messages]
        matching = [i for i, line in enumerate(self._lines) if _request_of(line) == request]
        if not matching:
            raise ModelError(
                f"{self._path}: no recorded request matches this one; {self._nearest(request)}",
                "the prompt, the domain or the feedback differs from the recording; use a real model with --model",
            )
        with self._lock:
            fresh = next((i for i in matching if i not in self._used), matching[-1])
            self._used.add(fresh)
        line = self._lines[fresh]
        if on_text:
            on_text(line["reply"])
        model, finish = line.get("model"), line.get("finish", "stop")
        return Reply(
            text=line["reply"],
            model=model if isinstance(model, str) else self.name,
            finish=finish if isinstance(finish, str) else None,
            prompt_tokens=token_count(line.get("prompt_tokens")),
            completion_tokens=token_count(line.get("completion_tokens")),
            cost=amount(line.get("cost")),
            seconds=amount(line.get("seconds")),
        )

    def _nearest(self, request: list[_Comparable]) -> str:
        """Describe where the request and the most similar recorded one diverge."""
        same_length = [i for i, line in enumerate(self._lines) if len(_request_of(line)) == len(request)]
        if not same_length:
            return f"it has no request of {counted(len(request), 'message')}"

        def likeness(i: int) -> float:
            recorded = _request_of(self._lines[i])[-1][1]
            return difflib.SequenceMatcher(None, recorded, request[-1][1], autojunk=False).quick_ratio()

        best = max(same_length, key=likeness)
        place_in_file = f"line {self._lines[best]['line']}"
        for number, (recorded, sent) in enumerate(zip(_request_of(self._lines[best]), request, strict=True), 1):
            if recorded[:2] == sent[:2] and recorded != sent:
                return f"nearest is {place_in_file}, message {number} ({sent[0]}): different pictures"
            if recorded != sent:
                place = next((k for k, (a, b) in enumerate(zip(recorded[1], sent[1], strict=False)) if a != b), None)
                place = min(len(recorded[1]), len(sent[1])) if place is None else place
                start = max(0, place - 20)
                was, now = recorded[1][start : place + 40], sent[1][start : place + 40]
                return f"nearest is {place_in_file}, message {number} ({sent[0]}): recorded {was!r}, sent {now!r}"
        return f"nearest is {place_in_file}"


def _comparable_text(text: str) -> str:
    return MEASURED.sub("<measured></measured>", text).strip()


def _comparable_message(message: dict[str, Any]) -> _Comparable:
    """Return what must match of a stored message."""
    return message["role"], _comparable_text(message["content"]), tuple(message.get("images") or ())


def _request_of(line: dict[str, Any]) -> list[_Comparable]:
    return [_comparable_message(m) for m in line["messages"]]


def _read(path: Path) -> list[dict[str, Any]]:
    lines = []
    for number, text in enumerate(read_text(path).split("\n"), 1):  # not splitlines: a text may contain U+2028
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", error)
            raise InputError(f"{path}, line {number}: not JSON: {reason}", "record the conversation again") from None
        if not _is_call(line):
            message = "expected an object with messages (role, content) and reply"
            raise InputError(f"{path}, line {number}: {message}", "record the conversation again")
        lines.append({**line, "line": number})
    return lines


def _is_call(line: Any) -> bool:
    return (
        isinstance(line, dict)
        and isinstance(line.get("reply"), str)
        and isinstance(line.get("messages"), list)
        and all(isinstance(m, dict) for m in line["messages"])
        and all(isinstance(m.get(key), str) for m in line["messages"] for key in ("role", "content"))
        and all(_are_texts(m.get("images", [])) for m in line["messages"])
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
