"""Shared by all conversations with a language model: report progress, record attempts, extract the resulting tree."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from treegen.errors import ProblemsError
from treegen.history.store import Call, Store
from treegen.progress import Progress
from treegen.tree.model import Tree
from treegen.tree.validation.problems import errors_of

if TYPE_CHECKING:
    from treegen.llm.chat.interface import Chat, Message, OnText, Reply, ResponseSchema
    from treegen.llm.tasks.attempts import Attempt, Conversation

Listener = Callable[["Attempt"], None]


class ProgressChat:
    """A chat that reports waiting as progress, once for all concurrent requests; not for manual pasting."""

    def __init__(self, chat: "Chat", progress: Progress) -> None:
        self.name = chat.name
        self._chat, self._progress = chat, progress
        self._lock = threading.Lock()
        self._waiting = 0

    def complete(
        self, messages: "Sequence[Message]", on_text: "OnText | None" = None, *, wire: "ResponseSchema | None" = None
    ) -> "Reply":
        """Forward to the wrapped chat."""
        if self.name == "manual":
            return self._chat.complete(messages, on_text, wire=wire)
        self._wait(1)
        try:
            return self._chat.complete(messages, on_text, wire=wire)
        finally:
            self._wait(-1)

    def _wait(self, more: int) -> None:
        """Report progress when the first request starts waiting and when none is waiting any more."""
        with self._lock:
            before, self._waiting = self._waiting, self._waiting + more
            if 0 in (before, self._waiting):
                self._progress(f"waiting for {self.name}", int(more < 0), 1)


def recorder(store: Store, model: str, on_attempt: Listener | None) -> tuple[Listener, list[int]]:
    """Return a listener that stores every attempt before it is shown, and the list of stored call numbers."""
    store.require_writable()
    calls: list[int] = []

    def record(attempt: "Attempt") -> None:
        reply = attempt.reply
        problems = tuple(p.as_json() for p in attempt.problems)
        call = Call(
            purpose=attempt.purpose,
            model=reply.model if reply else model,
            reply=reply.text if reply else None,
            messages=tuple(m.as_kept() for m in attempt.messages),
            finish=reply.finish if reply else "failed",
            prompt_tokens=reply.prompt_tokens if reply else None,
            completion_tokens=reply.completion_tokens if reply else None,
            cost=reply.cost if reply else None,
            seconds=reply.seconds if reply else None,
            repaired=attempt.repaired,
            problems=problems or (({"failure": attempt.failure},) if attempt.failure else ()),
            requests=reply.requests if reply else None,
            cached=bool(reply and reply.cached),
        )
        calls.append(store.add_call(call))
        if on_attempt:
            on_attempt(attempt)

    return record, calls


def result_of(conversation: "Conversation", path: Path) -> Tree:
    """Return the tree of a conversation.

    Raises:
        ProblemsError: it produced none; the message lists the last problems.
    """
    if conversation.tree is not None:
        return conversation.tree
    errors = errors_of(conversation.problems)
    listed = "\n".join(f"  {p.code} {p.pointer or '/'}: {p.message}" for p in errors)
    tip = f"nothing was written; `treegen log {path} --calls` shows all attempts, and --fresh asks again"
    raise ProblemsError(
        f"no usable tree after {len(conversation.attempts)} replies, {conversation.stopped}\n{listed}", tip
    )
