"""What is cached next to a tree about its language models: answers, and the response format that worked for a model."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock

from treegen.config.settings import LlmSettings
from treegen.history.store import Store, now
from treegen.llm.chat.interface import Chat, Message, OnText, Reply, ResponseSchema
from treegen.remote.addresses import without_credentials
from treegen.remote.secrets import scrub


class ResponseCache:
    """Answers and response formats in a tree's store, which is opened per use, as requests run on several threads."""

    def __init__(self, tree_path: Path) -> None:
        self._path = tree_path

    def form(self, model: str, server: str) -> str | None:
        """Return the response format that worked last."""
        with Store(self._path) as store:
            if store.damaged_rows("form", "model=? AND server=?", (model, server)):
                return None  # it is found out again
            rows = store.rows("SELECT form FROM form WHERE model=? AND server=?", (model, server))
        return str(rows[0][0]) if rows else None

    def keep_form(self, model: str, server: str, form: str) -> None:
        """Store the response format to try first from now on."""
        with Store(self._path) as store, store.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO form(model, server, form, created) VALUES (?,?,?,?)",
                (model, server, form, now()),
            )
            store.add_checksum("form", "model=? AND server=?", (model, server))

    def forget_form(self, model: str, server: str) -> None:
        """Make the next request start with the strictest response format again."""
        with Store(self._path) as store, store.writing() as db:
            db.execute("DELETE FROM form WHERE model=? AND server=?", (model, server))

    def answer(self, key: str) -> Reply | None:
        """Return the cached answer to a request, if any."""
        with Store(self._path) as store:
            if store.damaged_rows("answer", "key=?", (key,)):
                return None  # it is asked again
            rows = store.rows("SELECT reply FROM answer WHERE key=?", (key,))
        try:
            reply = Reply(**json.loads(rows[0][0])) if rows else None
        except (TypeError, ValueError):  # damaged, or of a newer treegen
            return None
        return reply if reply and isinstance(reply.text, str) and isinstance(reply.model, str) else None

    def keep_answer(self, key: str, reply: Reply) -> None:
        """Store an answer, replacing an earlier one."""
        text = json.dumps(asdict(reply))  # ASCII: half a surrogate pair cannot be stored otherwise
        with Store(self._path) as store, store.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO answer(key, model, reply, created) VALUES (?,?,?,?)",
                (key, reply.model, scrub(text), now()),
            )
            store.add_checksum("answer", "key=?", (key,))


class CachedChat:
    """A chat that caches answers from one run to the next.

    Not within a run: a request that is repeated after an unusable answer needs a different answer.
    """

    def __init__(
        self,
        chat: Chat,
        settings: LlmSettings,
        responses: ResponseCache,
        *,
        fresh: bool = False,
        requested: set[str] | None = None,
    ) -> None:
        """Set up the cache.

        Args:
            chat: answers what is not cached.
            settings: of the model.
            responses: the cached answers.
            fresh: store answers, but request each of them again.
            requested: keys of what an earlier part of this run requested, to which this adds.
        """
        self.name = chat.name
        self._chat, self._settings, self._responses, self._fresh = chat, settings, responses, fresh
        self._requested = set[str]() if requested is None else requested
        self._lock = Lock()

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """Return the cached answer, marked as such and free of charge, or the chat's own."""
        key = request_key(self._settings, messages, wire)
        with self._lock:
            repeated = key in self._requested
            self._requested.add(key)
        if not repeated and not self._fresh and (cached_reply := self._responses.answer(key)):
            if on_text:
                on_text(cached_reply.text)
            return replace(
                cached_reply,
                key=key,
                cached=True,
                requests=0,
                prompt_tokens=0,
                completion_tokens=0,
                cost=0.0,
                seconds=0.0,
            )
        reply = self._chat.complete(messages, on_text, wire=wire)
        if reply.finish == "length":
            return reply
        self._responses.keep_answer(key, reply)
        return replace(reply, key=key)


def request_key(settings: LlmSettings, messages: Sequence[Message], wire: ResponseSchema | None) -> str:
    """Return the SHA-256 of everything that an answer depends on; pictures by content, keys not at all."""
    request = {
        "model": settings.model,
        "api_base": without_credentials(settings.api_base),
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
        "messages": [m.as_stored() for m in messages],
        "wire": [wire.name, wire.schema] if wire else None,
    }
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
