"""A person with a chat window next to a screen of ours: show the request to copy, accept the pasted answer later."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from treegen.errors import InputError
from treegen.llm.chat.interface import Message, OnText, Reply, ResponseSchema
from treegen.llm.chat.manual import as_text
from treegen.progress import Cancelled

_PULSE: Final = 0.1  # seconds between calls of the listener


class ManualExchange:
    """A chat whose `complete` blocks its thread until another thread supplies the answer or cancels.

    Attributes:
        name: the model's name in the history.
    """

    name = "manual"

    def __init__(self, on_request: Callable[[str], None] | None = None) -> None:
        """Call `on_request` with each request as one text, on the thread that waits for its answer."""
        self._on_request = on_request
        self._changed = threading.Condition()
        self._request: str | None = None
        self._answer: str | None = None
        self._cancelled = False

    @property
    def request(self) -> str | None:
        """The request awaiting an answer, as one text to paste into a chat window; `None` if there is none."""
        with self._changed:
            return self._request

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """Wait for the answer and return it.

        Raises:
            Cancelled: `cancel` was called, or `on_text`, which is called every 0.1 s, raised it.
            InputError: another request is already waiting.
        """
        text = as_text(messages)
        with self._changed:
            if self._request is not None:
                raise InputError("another request is waiting for its answer", "answer or cancel it first")
            self._request, self._answer, self._cancelled = text, None, False
        try:
            if self._on_request:
                self._on_request(text)
            answer = self._wait(on_text)
        finally:
            with self._changed:
                self._request = None
        if on_text:
            on_text(answer)
        return Reply(text=answer, model=self.name)

    def answer(self, text: str) -> None:
        """Supply what the person pasted.

        Raises:
            InputError: it is blank, or no request is waiting.
        """
        if not text.strip():
            raise InputError("the answer is empty", "paste the whole reply of the language model")
        with self._changed:
            if self._request is None or self._cancelled:
                raise InputError("no request is waiting for an answer", "send feedback first")
            self._answer = text
            self._changed.notify_all()

    def cancel(self) -> None:
        """Cancel the waiting request, if any."""
        with self._changed:
            self._cancelled = self._request is not None
            self._changed.notify_all()

    def _wait(self, on_text: OnText | None) -> str:
        while True:
            with self._changed:
                if self._answer is None and not self._cancelled:
                    self._changed.wait(_PULSE if on_text else None)
                if self._answer is not None:
                    return self._answer
                if self._cancelled:
                    raise Cancelled
            if on_text:
                on_text("")
