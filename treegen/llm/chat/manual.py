"""A person with a chat window: write out the messages and read the answer from a file, the clipboard or stdin."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from treegen.errors import InputError, ModelError
from treegen.files import read_text, write_atomically
from treegen.llm.chat.interface import Message, OnText, Reply, ResponseSchema

END: Final = "."
_END_LINE: Final = re.compile(rb"^[ \t]*\.[ \t\r]*\n|\x04", re.MULTILINE)  # or Ctrl-D


class ManualChat:
    """A chat that writes each request to a file or the terminal and reads the answer.

    Answers come from the given files, one per request. Without files they come from the terminal (pasted, ended by a
    line with a single full stop) or, if standard input is not a terminal, from all of standard input, once.
    """

    name = "manual"

    def __init__(self, *, answers: tuple[Path, ...] = (), messages: Path | None = None) -> None:
        """Take the arguments of `treegen.llm.chat.open_chat`."""
        self._answers = list(answers)
        self._by_file = bool(answers)
        self._messages = messages
        self._stdin_read = False
        self._typed_ahead = b""

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """Return the person's answer; `on_text` is called once with all of it.

        Raises:
            ModelError: there is no further answer; the request is kept in the messages file.
            InputError: an answer file cannot be read, or the messages file holds something else.
        """
        reply = self._answer(messages)
        if on_text:
            on_text(reply.text)
        return reply

    def _answer(self, messages: Sequence[Message]) -> Reply:
        text = as_text(messages)
        if self._messages:
            self._check_overwrite(self._messages, messages[0])
            write_atomically(self._messages, text)
            print(f"messages written to {self._messages}", file=sys.stderr)
        if self._answers:
            answer = self._answers.pop(0)
            if self._messages and not answer.exists():
                tip = f"put the reply to {self._messages} in this file and run the same command again"
                raise InputError(f"{answer}: does not exist yet", tip)
            return self._reply(read_text(answer))
        if self._by_file:
            where = f"it is in {self._messages}" if self._messages else "write it out with --messages FILE"
            message = "the answer files are used up, but another request needs an answer"
            raise ModelError(message, f"{where}; put the reply in a file and add it with another --answer")
        if not self._messages:
            print(text, file=sys.stderr)
        return self._reply(self._read_terminal())

    @staticmethod
    def _check_overwrite(path: Path, first: Message) -> None:
        """Allow replacing only an earlier messages file, which starts with the first line of the system prompt."""
        line = first.content.partition("\n")[0]
        if path.exists() and not read_text(path).startswith((f"{line}\n", f"## {first.role}\n\n{line}\n")):
            raise InputError(f"{path} exists and is not a messages file", "name another file with --messages")

    def _read_terminal(self) -> str:
        if not sys.stdin.isatty():
            if self._stdin_read:
                raise ModelError("standard input held one answer, but another is needed", "pass files with --answer")
            self._stdin_read = True
            try:
                return sys.stdin.read()
            except UnicodeDecodeError as error:
                raise InputError(f"standard input: not UTF-8 at byte {error.start}", "send UTF-8") from None
        terminal = sys.stdin.fileno()
        with _whole_lines(terminal):
            print(
                f"Paste the answer and end it with a line that contains only {END!r}, or with Ctrl-D:", file=sys.stderr
            )
            pasted, self._typed_ahead = _read_pasted(terminal, self._typed_ahead)
        try:
            return pasted.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"the answer: not UTF-8 at byte {error.start}", "paste UTF-8, or use --answer") from None

    def _reply(self, text: str) -> Reply:
        if not text.strip():
            tip = "paste the whole reply of the language model"
            if self._messages:
                tip = f"the messages are in {self._messages}; put the reply in a file and run again with --answer FILE"
            raise InputError("the answer is empty", tip)
        return Reply(text=text, model=self.name)


def as_text(messages: Sequence[Message]) -> str:
    """Return a conversation as one text to paste into a chat window; a single exchange needs no headings."""
    if [m.role for m in messages] == ["system", "user"]:
        return f"{messages[0].content}\n\n{messages[1].content}\n"
    return "\n".join(f"## {m.role}\n\n{m.content}\n" for m in messages)


@contextmanager
def _whole_lines(terminal: int) -> Iterator[None]:
    """Allow lines of any length: a terminal in line mode cuts them at 4,096 bytes (1,024 on macOS)."""
    import termios

    before = termios.tcgetattr(terminal)
    by_character = [*before[:3], before[3] & ~termios.ICANON, *before[4:6], [*before[6]]]
    by_character[6][termios.VMIN], by_character[6][termios.VTIME] = 1, 0
    termios.tcsetattr(terminal, termios.TCSANOW, by_character)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)


def _read_pasted(terminal: int, ahead: bytes) -> tuple[bytes, bytes]:
    """Read up to a line that holds only `END`; return what came before and after that line."""
    data, line = bytearray(ahead), 0
    while not (end := _END_LINE.search(data, line)):
        line = data.rfind(b"\n") + 1
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the terminal was closed
            chunk = b""
        if not chunk:
            return bytes(data), b""
        data += chunk
    return bytes(data[: end.start()]), bytes(data[end.end() :])
