"""A person with a chat window: write out the messages and read the answer from a file, the clipboard or stdin."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from treegen.errors import InputError, ModelError, WaitingError
from treegen.files import read_text, write_atomically
from treegen.llm.chat.clipboard import copy
from treegen.llm.chat.interface import Message, OnText, Reply, ResponseSchema

END: Final = "."


class AnswerNeededError(WaitingError):
    """A request was written out, and its answer is not there yet.

    Attributes:
        messages: the file that holds the request.
        given: the answers before it, in order.
        file: where the answer should go, if the user named a file.
    """

    def __init__(self, messages: Path, given: tuple[Path, ...], file: Path | None = None) -> None:
        self.messages, self.given, self.file = messages, given, file
        used_up = "" if file or not given else "the answers are used up: "
        message = f"{used_up}a request is waiting for its answer"
        super().__init__(message, self._steps(given), options=self._answers(given))

    def waiting(self, message: str, kept: tuple[Path, ...]) -> WaitingError:
        """Return this with another message, and the steps of a next run that must be given the answers in `kept`."""
        return WaitingError(message, self._steps(kept), options=self._answers(kept))

    def _steps(self, kept: tuple[Path, ...]) -> str:
        where = f"put the reply into {self.file or 'a new file'}"
        again = f"run the command again with {self._answers(kept)}"
        return f"copy all of {self.messages} into the chat window, {where}, and {again}"

    def _answers(self, kept: tuple[Path, ...]) -> str:
        return " ".join(f"--answer {shlex.quote(str(path))}" for path in (*kept, self.file or Path("FILE")))


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
        self._given: list[Path] = []
        self._by_file = bool(answers)
        self._messages = messages
        self._stdin_read = False
        self._typed_ahead = b""

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """Return the person's answer; `on_text` is called once with all of it.

        Raises:
            AnswerNeededError: there is no further answer yet; the request is in the messages file.
            ModelError: there is no further answer, and no messages file.
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
            if not self._messages.exists() or read_text(self._messages) != text:  # its time is that of the request
                write_atomically(self._messages, text)
            if self._pastes:
                self._hand_out(self._messages, text)
            else:
                print(f"messages written to {self._messages}", file=sys.stderr)
        if self._answers:
            answer = self._answers.pop(0)
            if self._messages and not answer.exists():
                raise AnswerNeededError(self._messages, tuple(self._given), answer)
            self._given.append(answer)
            return self._reply(read_text(answer))
        if self._by_file and self._messages:
            raise AnswerNeededError(self._messages, tuple(self._given))
        if self._by_file:
            message = "the answer files are used up, but another request needs an answer"
            tip = "write it out with --messages FILE; put the reply in a file and add it with another --answer"
            raise ModelError(message, tip)
        if not self._messages:
            print(text, file=sys.stderr)
        text = self._read_terminal()
        if self._messages and not text.strip() and not sys.stdin.isatty():  # a script's first step, which has no answer
            raise AnswerNeededError(self._messages, tuple(self._given))
        return self._reply(text)

    @property
    def _pastes(self) -> bool:
        """Whether a person at a terminal hands in the answers."""
        return not self._by_file and sys.stdin.isatty()

    def _hand_out(self, file: Path, text: str) -> None:
        """Copy a request that was written to a file to the clipboard too, and say what to do with it."""
        copied = "it is on the clipboard" if copy(text) else "it is on the clipboard if your terminal allows that"
        lines = (
            f"1. Paste all of {file} into a chat window ({copied}).",
            f"2. Paste the reply here, and end it with a line that contains only {END!r} or with Ctrl-D;",
            f"   or save it as {self._reply_file} and press Enter.",
        )
        print("\n".join(lines), file=sys.stderr)

    @property
    def _reply_file(self) -> Path | None:
        """Where a reply can be saved in place of pasting it: beside the request."""
        return self._messages.with_name("reply.txt") if self._messages else None

    def _saved_reply(self, typed: str) -> str | None:
        """Return the reply in the file that was typed, or after Enter alone in the file beside the request.

        That one counts only if it was saved since the request was written: an older one answers another request.
        """
        file = Path(typed.strip()) if typed.strip() else self._reply_file
        if file is None or not os.path.isfile(file):  # noqa: PTH113  # False for what no file can be called
            if file is not None and not typed.strip():
                print(f"{file} is not there yet", file=sys.stderr)
            return None
        if not typed.strip() and self._messages and file.stat().st_mtime_ns < self._messages.stat().st_mtime_ns:
            print(f"{file} is older than the request: save the new reply, then press Enter", file=sys.stderr)
            return None
        return read_text(file)

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
            if not self._messages:
                print(
                    f"Paste the answer and end it with a line that contains only {END!r}, or with Ctrl-D:",
                    file=sys.stderr,
                )
            pasted, self._typed_ahead = _read_pasted(terminal, self._typed_ahead, self._saved_reply)
        try:
            return pasted if isinstance(pasted, str) else pasted.decode()
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


def _read_pasted(terminal: int, ahead: bytes, saved: Callable[[str], str | None]) -> tuple[bytes | str, bytes]:
    """Read up to a line that holds only `END`; return what came before and after that line.

    A first line for which `saved` has a text ends it too, unless more came with it.
    """
    data, line = bytearray(ahead), 0
    while not (end := _END_LINE.search(data, line)):
        if data.endswith(b"\n") and data.count(b"\n") == 1:
            if (text := saved(data.decode(errors="replace"))) is not None:
                return text, b""
            if data.isspace():
                data.clear()
        line = data.rfind(b"\n") + 1
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the terminal was closed
            chunk = b""
        if not chunk:
            return bytes(data), b""
        data += chunk
    return bytes(data[: end.start()]), bytes(data[end.end() :])
