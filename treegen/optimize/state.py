"""What a run with a language model keeps in the store, so that it can be killed at any moment and resumed.

A run depends on nothing but its start and the replies. So only these are kept: a resumed run repeats its steps, which
costs seconds, and takes each reply that it had from the store.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from treegen.errors import InputError, ModelError
from treegen.history.checkpoints import Checkpoints
from treegen.history.store import Store
from treegen.progress import Cancelled
from treegen.remote.budget import CAP, Bill, Budget, Limits
from treegen.text import counted

if TYPE_CHECKING:
    from treegen.llm.chat.interface import Chat, Message, OnText, Reply, ResponseSchema

_RUN: Final = "optimize run"
_REPLY: Final = "optimize reply"


class OutOfTimeError(Cancelled):
    """The time of the run is used up."""


class RunState:
    """The state of one tree file's run.

    Attributes:
        resumed: whether an earlier process began it.
        budget: counts what all of its processes spent.
        requested: keys of the requests that its replies answered, for the cache.
    """

    def __init__(
        self,
        store: Store,
        start: Mapping[str, str],
        *,
        limits: Limits,
        seconds: float | None = None,
        fresh: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin a run, or resume the one that is not finished.

        Args:
            store: of the tree file.
            start: all that the run depends on: what it is, in words -> its value.
            limits: the caps of the whole run.
            seconds: the most that it may last, in all processes together.
            fresh: begin a new one.
            clock: seconds from any moment.

        Raises:
            InputError: the run that is not finished began otherwise, or nothing can be stored.
        """
        store.require_writable()
        self._store, self._checkpoints, self._clock = store, Checkpoints(store), clock
        self._start, self._longest = dict(start), seconds
        earlier = None if fresh else self._earlier()
        self.resumed = earlier is not None
        if earlier is None:
            with store.writing() as db:
                db.execute("DELETE FROM part WHERE file=? AND name LIKE 'optimize %'", (store.file,))
        bill = Bill(**earlier["bill"]) if earlier else Bill()
        self._before = float(earlier["seconds"]) if earlier else 0.0
        self._began = clock()
        self._finished = bool(earlier and earlier["finished"])
        self.requested: set[str] = set()
        self.budget = Budget(limits, spent=bill, on_change=self._keep)
        self._keep(bill)

    def _earlier(self) -> dict[str, Any] | None:
        """Return the record of the run to resume; `None` if there is none.

        Raises:
            InputError: it began otherwise.
        """
        text = self._checkpoints.get(_RUN, ())
        record: dict[str, Any] | None = json.loads(text) if text else None
        if record is None or record["start"] == self._start:
            return record
        if record["finished"]:
            return None
        other = [name for name, value in self._start.items() if record["start"].get(name) != value]
        message = f"the run that was interrupted has another {', another '.join(other)}"
        raise InputError(message, "resume it with what it began with, or begin a new one with --fresh")

    @property
    def seconds(self) -> float:
        """How long the run has lasted, in all processes together."""
        return self._before + self._clock() - self._began

    @property
    def seconds_left(self) -> float | None:
        """How long it may last; `None` without a limit."""
        return None if self._longest is None else max(0.0, self._longest - self.seconds)

    def check_time(self) -> None:
        """Raise if the time is used up.

        Raises:
            OutOfTimeError: it is.
        """
        if self.seconds_left == 0:
            raise OutOfTimeError

    def finish(self) -> None:
        """Record that the run has come to its own end: the next one may begin otherwise."""
        self._finished = True
        self._keep(self.budget.bill)

    def pause(self) -> None:
        """Record the time that was spent."""
        self._keep(self.budget.bill)

    def _keep(self, bill: Bill) -> None:
        record = {"start": self._start, "bill": asdict(bill), "seconds": self.seconds, "finished": self._finished}
        self._checkpoints.put(_RUN, (), json.dumps(record))

    def reply(self, number: int, messages: "Sequence[Message]") -> "Reply | None":
        """Return the reply to a request of an earlier process, if it was the same apart from measured figures."""
        from treegen.llm.chat.interface import Reply

        text = self._checkpoints.get(f"{_REPLY} {number}", self._request(messages))
        return Reply(**json.loads(text)) if text else None

    def keep_reply(self, number: int, messages: "Sequence[Message]", reply: "Reply") -> None:
        """Store a reply as soon as it has arrived."""
        self._checkpoints.put(f"{_REPLY} {number}", self._request(messages), json.dumps(asdict(reply)))

    def _request(self, messages: "Sequence[Message]") -> list[str]:
        from treegen.llm.chat.replay import MEASURED

        texts = [MEASURED.sub("", message.content) for message in messages]
        return [json.dumps(self._start, sort_keys=True), *texts]


class ResumedChat:
    """A chat that answers from the store what an earlier process of the run requested.

    Attributes:
        number: replies so far.
        reused: those that came from the store.
    """

    def __init__(self, chat: "Chat", state: RunState, key: "Callable[..., str]") -> None:
        """Wrap a chat; `key` returns the key of a request in the cache."""
        self.name = chat.name
        self.number = self.reused = 0
        self._chat, self._state, self._key = chat, state, key

    def complete(
        self, messages: "Sequence[Message]", on_text: "OnText | None" = None, *, wire: "ResponseSchema | None" = None
    ) -> "Reply":
        """Return the stored reply, or the chat's own.

        Raises:
            ModelError: a cap is reached, or the model failed.
            OutOfTimeError: the time of the run is used up.
        """
        if stored := self._state.reply(self.number + 1, messages):
            self.number += 1
            self.reused += 1
            self._state.requested.add(self._key(messages, wire))
            return replace(stored, cached=True, requests=0)
        self._check_caps()
        reply = self._chat.complete(messages, self._timed(on_text), wire=wire)
        self.number += 1
        self._state.keep_reply(self.number, messages, reply)
        return reply

    def _check_caps(self) -> None:
        """Refuse a request over the caps that hold for a chat without a bill too: a person, or a recording."""
        self._state.check_time()
        most = self._state.budget.limits.max_calls
        has_no_bill = self.name == "manual" or self.name.startswith("replay/")
        if has_no_bill and most is not None and self.number >= most:
            message = f"--max-calls {most} is used up; so far: {counted(self.number, 'reply', 'replies')}"
            raise ModelError(message, "raise it to continue", code=CAP)

    def _timed(self, on_text: "OnText | None") -> "OnText | None":
        if self._state.seconds_left is None:
            return on_text

        def hear(text: str) -> None:
            self._state.check_time()
            if on_text:
                on_text(text)

        return hear
