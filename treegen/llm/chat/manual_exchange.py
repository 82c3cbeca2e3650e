"""A person with a chat window beside a screen of ours: the request is shown to copy, the answer is pasted later."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from treegen.errors import InputError
from treegen.llm.chat.interface import Message, OnText, Reply, ResponseSchema
from treegen.llm.chat.manual import as_text
from treegen.progress import Cancelled

_PULSE: Final = 0.1  # seconds after which a listener is asked again


class ManualExchange:
    """`complete` waits, on a thread that may wait, until another thread hands in the answer or cancels.

    Attributes:
        name: as the model is called in the history.
    """

    name = "manual"

    def __init__(self, on_request: Callable[[str], None] | None = None) -> None:
        """`on_request` is told each request as one text, on the thread that waits for its answer."""
        self._on_request = on_request
        self._changed = threading.Condition()
        self._request: str | None = None
        self._answer: str | None = None
        self._cancelled = False

    @property
    def request(self) -> str | None:
        """The request that waits for an answer, as one text to paste into a chat window; `None` if none waits."""
        with self._changed:
            return self._request

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """The answer that is handed in.

        Raises:
            Cancelled: `cancel` was called, or `on_text`, which is asked every 0.1 s, raised it.
            InputError: another request waits already.
        """
        text = as_text(messages)
        with self._changed:
            if self._request is not None:
                raise InputError("another request waits for its answer", "answer or cancel it first")
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
        """Hands in what the person pasted.

        Raises:
            InputError: it is blank, or no request waits.
        """
        if not text.strip():
            raise InputError("the answer is empty", "paste the whole reply of the language model")
        with self._changed:
            if self._request is None or self._cancelled:
                raise InputError("no request waits for an answer", "send feedback first")
            self._answer = text
            self._changed.notify_all()

    def cancel(self) -> None:
        """Ends the waiting; nothing happens if nothing waits."""
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
