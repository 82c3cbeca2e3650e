"""Shared by all conversations with a language model: report progress, record calls, extract the resulting tree."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treegen.errors import ModelError, ProblemsError
from treegen.files import is_there, open_regular, write_atomically
from treegen.history.store import Call, Store
from treegen.progress import Progress
from treegen.text import counted, quoted
from treegen.tree.document import content_of, dump
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.folding import fold
from treegen.tree.validation.problems import errors_of

if TYPE_CHECKING:
    from treegen.llm.chat.interface import Chat, Message, OnText, Reply, ResponseSchema
    from treegen.llm.tasks.attempts import Attempt, Conversation

Listener = Callable[["Attempt"], None]
_UNREAD = "unread"  # the purpose of a call until its reply was read


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


class Recorder:
    """Puts every call into the history: the reply as soon as it has arrived, and what was found in it afterwards.

    A reply is paid for before it is read, and whatever happens while it is read must not lose it. Thread-safe.

    Attributes:
        calls: the numbers of the stored calls.
        trees: the attempts that gave groups and rules, with errors or without.
        failed: how many attempts had errors.
        unfinished: how many attempts at the present step have been made; 0 where the last one was sound.
    """

    def __init__(self, store: Store, chat: "Chat", on_attempt: Listener | None = None) -> None:
        """Record the calls of a chat, which becomes one itself; `on_attempt` is called with each attempt.

        Raises:
            InputError: the history cannot be written.
        """
        store.require_writable()
        self.name = chat.name
        self.calls: list[int] = []
        self.trees: list[Attempt] = []
        self.failed = self.unfinished = 0
        self._store, self._chat, self._on_attempt = store, chat, on_attempt
        self._unread: dict[int, int] = {}  # identity of a reply -> number of its call
        self._lock = threading.Lock()

    def complete(
        self, messages: "Sequence[Message]", on_text: "OnText | None" = None, *, wire: "ResponseSchema | None" = None
    ) -> "Reply":
        """Forward to the wrapped chat and store the reply."""
        reply = self._chat.complete(messages, on_text, wire=wire)
        number = self._store.add_call(_call(_UNREAD, self.name, messages, reply))
        with self._lock:
            self._unread[id(reply)] = number
            self.calls.append(number)
        return reply

    def record(self, attempt: "Attempt") -> None:
        """Store what was found in a reply, or why there is none."""
        with self._lock:
            number = self._unread.pop(id(attempt.reply), None)
        found = tuple(p.as_json() for p in attempt.problems)
        found = found or (({"failure": attempt.failure},) if attempt.failure else ())
        if number is None:
            call = _call(attempt.purpose, self.name, attempt.messages, attempt.reply)
            self.calls.append(self._store.add_call(replace(call, problems=found, repaired=attempt.repaired)))
        else:
            self._store.complete_call(number, purpose=attempt.purpose, problems=found, repaired=attempt.repaired)
        wrong = bool(errors_of(attempt.problems))
        self.failed += wrong
        self.unfinished = self.unfinished + 1 if wrong else 0
        if isinstance(attempt.data, dict) and "classification_groups" in attempt.data:
            self.trees.append(attempt)
        if self._on_attempt:
            self._on_attempt(attempt)

    def complete_last(self, purpose: str, problems: "Sequence[dict[str, Any]]") -> None:
        """Record what was found in the last reply, for a conversation without attempts."""
        with self._lock:
            number = self.calls[-1]
            self._unread = {reply: call for reply, call in self._unread.items() if call != number}
        self._store.complete_call(number, purpose=purpose, problems=problems)


def _call(purpose: str, model: str, messages: "Sequence[Message]", reply: "Reply | None") -> Call:
    return Call(
        purpose=purpose,
        model=reply.model if reply else model,
        reply=reply.text if reply else None,
        messages=tuple(m.as_stored() for m in messages),
        finish=reply.finish if reply else "failed",
        prompt_tokens=reply.prompt_tokens if reply else None,
        completion_tokens=reply.completion_tokens if reply else None,
        cost=reply.cost if reply else None,
        seconds=reply.seconds if reply else None,
        requests=reply.requests if reply else None,
        cached=bool(reply and reply.cached),
    )


def forget_failed(store: Store, attempts: "Sequence[Attempt]") -> None:
    """Take replies with errors out of the cache, so that the next run asks again instead of failing again."""
    keys = {a.reply.key for a in attempts if a.reply and a.reply.key and errors_of(a.problems)}
    with store.writing() as db:
        db.executemany("DELETE FROM answer WHERE key=?", [(key,) for key in keys])


def result_of(conversation: "Conversation", path: Path, store: Store, domain: str, base: Tree | None = None) -> Tree:
    """Return the tree of a conversation.

    Args:
        conversation: with all its attempts.
        path: the tree file, which is not touched; the best attempt is written beside it.
        store: its cache loses the replies that failed.
        domain: its name.
        base: what was to be revised; an attempt that leaves it as it is is not written.

    Raises:
        ProblemsError: it produced none; the message has the last problems, those of one kind as one.
    """
    if conversation.tree is not None:
        return conversation.tree
    forget_failed(store, conversation.attempts)
    draft = _write_new(path, domain, conversation.draft, base)
    listed = "".join(f"\n  {p.code} {p.pointer or '/'}: {p.message}" for p in fold(errors_of(conversation.problems)))
    log = f"`treegen log {quoted(path)} --calls` shows all replies, and the same command asks again"
    tip = f"nothing was written; {log}"
    if draft:
        tip = f"the best attempt is in {draft}, with its errors: `treegen review {quoted(draft)}` opens it; {log}"
    replies = counted(len(conversation.attempts), "reply", "replies")
    raise ProblemsError(f"no usable tree after {replies}, {conversation.stopped}{listed}", tip)


def with_best(error: ModelError, recorder: Recorder, path: Path, domain: str, base: Tree | None = None) -> ModelError:
    """Write the best attempt before the model failed, if there is one, and say where it is."""
    from treegen.llm.tasks.conversation import best_of

    file = _write_new(path, domain, best_of(recorder.trees).data, base) if recorder.trees else None
    if file is None:
        return error
    tip = f"the best attempt so far is in {file}, with its errors: `treegen review {quoted(file)}` opens it"
    return ModelError(error.message, f"{error.tip}; {tip}" if error.tip else tip, code=error.code)


def _write_new(path: Path, domain: str, content: dict[str, Any] | None, base: Tree | None) -> Path | None:
    """Write groups and rules with errors, unless there are none or they are those of the base."""
    before = content_of(base) if base else {}
    if not content or (base and all(content.get(key) == before[key] for key in ("classification_groups", "rules"))):
        return None
    return write_draft(path, domain, content)


def write_draft(path: Path, domain: str, content: dict[str, Any]) -> Path:
    """Write a tree that has errors beside the tree file, and never over an earlier one.

    Args:
        path: of the tree file.
        domain: its name.
        content: groups and rules as plain data, of the right types or not.

    Returns:
        The file: NAME.draft.json, or NAME.draft-2.json and so on.
    """
    data = {"domain": domain, **{key: value for key, value in content.items() if key != "alike"}}
    document = check_data(data).document
    text = dump(document.tree) if document else json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    encoded = text.encode(errors="replace")
    file, number = path.with_name(f"{path.stem}.draft.json"), 1
    while file.is_symlink() or (is_there(file) and not _holds(file, encoded)):
        number += 1
        file = path.with_name(f"{path.stem}.draft-{number}.json")
    write_atomically(file, encoded)
    return file


def _holds(file: Path, content: bytes) -> bool:
    try:
        with open_regular(file) as opened:
            return opened.read(len(content) + 1) == content
    except OSError:  # a folder or a pipe, for example
        return False
