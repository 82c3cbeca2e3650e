"""Records a conversation as it happens, in the format that `replay/FILE` reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from treegen.errors import InputError
from treegen.files import open_regular, refuse_broken_link
from treegen.llm.chat.interface import Chat, Message, OnText, Reply, ResponseSchema
from treegen.remote.secrets import scrub

_FIGURES = ("model", "finish", "prompt_tokens", "completion_tokens", "cost", "seconds")


class RecordingChat:
    """A chat whose calls are appended to a file, one line each, as soon as the reply has arrived.

    So calls before a failure are recorded. Keys are not: see `treegen.remote.secrets`.
    """

    def __init__(self, chat: Chat, path: Path) -> None:
        """Open the file.

        Raises:
            InputError: it cannot be written, or holds something else.
        """
        self.name = chat.name
        self._chat, self._path, self._lock = chat, path, Lock()
        try:
            self._check_overwrite()
            refuse_broken_link(path)
            with path.open("a", encoding="utf-8"):
                pass
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror or error}", "name another file") from None

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """Forward to the chat and record the reply."""
        reply = self._chat.complete(messages, on_text, wire=wire)
        figures = {name: value for name in _FIGURES if (value := getattr(reply, name)) is not None}
        line = {"messages": [m.as_stored() for m in messages], "reply": reply.text, **figures}
        text = json.dumps(line, ensure_ascii=False)
        if text != text.encode(errors="replace").decode():  # half a surrogate pair
            text = json.dumps(line)
        try:
            with self._lock, self._path.open("a", encoding="utf-8") as file:
                file.write(scrub(text) + "\n")
        except OSError as error:
            message = f"{self._path}: cannot be written: {error.strerror or error}"
            raise InputError(message, "the reply is in the history: `treegen log TREE --calls`") from None
        return reply

    def _check_overwrite(self) -> None:
        """Allow appending to recordings only."""
        if not self._path.exists():
            return
        with open_regular(self._path) as file:
            if (line := file.readline(80)) and not line.startswith(b'{"messages"'):
                raise InputError(f"{self._path} exists and is not a recording", "name another file with --record")
