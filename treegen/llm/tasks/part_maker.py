"""Request the steps of a large draft, one after the other or several at a time.

Each step is checked and repaired on its own and stored at once: a killed run never repeats a finished request.
"""

import json
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from treegen.config.domain import Domain
from treegen.llm.chat.interface import Chat, Message, OnText, ResponseSchema
from treegen.llm.reading.batch_parser import Plain
from treegen.llm.tasks.attempts import Attempt, Listener, Reader
from treegen.llm.tasks.conversation import RepairLoop
from treegen.progress import Cancelled

_PULSE: Final = 0.1  # seconds between calls of the listener


class PartStore(Protocol):
    """Storage for finished steps; see `treegen.history.checkpoints.Checkpoints`."""

    def get(self, name: str, request: Sequence[str]) -> str | None:
        """Return the stored value of a step with this request."""

    def put(self, name: str, request: Sequence[str], value: str) -> None:
        """Store a step's value."""


@dataclass(slots=True, kw_only=True)
class InMemoryParts:
    """Storage for steps in memory only."""

    parts: dict[tuple[str, ...], str] = field(default_factory=dict)

    def get(self, name: str, request: Sequence[str]) -> str | None:
        """Return the stored value of a step with this request."""
        return self.parts.get((name, *request))

    def put(self, name: str, request: Sequence[str], value: str) -> None:
        """Store a step's value."""
        self.parts[name, *request] = value


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One step that is requested on its own.

    Attributes:
        name: it is stored under this name and its request.
        purpose: its name in the history.
        request: the messages.
        wire: the schema of the answer.
        reader: reads the answer; its `data` is stored.
        split: returns smaller steps that together replace this one, for replies truncated at the token limit.
    """

    name: str
    purpose: str
    request: tuple[Message, ...]
    wire: ResponseSchema
    reader: Reader
    split: "Callable[[], tuple[Part, ...]] | None" = None

    @property
    def key(self) -> list[str]:
        """The key by which the step is stored; includes pictures."""
        return [text for m in self.request for text in (m.role, m.content, *m.images)]


class Stopped(Exception):  # noqa: N818 - not an error: the conversation says why
    """A step could not be completed."""


class PartMaker:
    """Requests steps, sequentially or several at a time.

    Attributes:
        taken: how many were finished already.
        stopped: which step could not be completed, and why.
        results: name of a step -> what it gave, also of the one that could not be completed.
    """

    def __init__(
        self,
        domain: Domain,
        chat: Chat,
        *,
        tries: int,
        store: PartStore,
        concurrency: int = 1,
        on_attempt: Listener | None = None,
        on_text: OnText | None = None,
        before: int = 0,
    ) -> None:
        """Take the arguments of `draft_in_parts`; `before` attempts were made already."""
        self.domain = domain
        self._chat, self._tries, self._finished, self._concurrency = chat, tries, store, concurrency
        self._on_attempt, self._on_text = on_attempt, on_text
        self.loop = RepairLoop(domain, chat, on_attempt, on_text, before)
        self.taken = 0
        self.stopped = ""
        self.results: dict[str, Any] = {}

    def make(self, parts: Sequence[Part], on_done: Callable[[int], None] = lambda _: None) -> list[Any]:
        """Return the data of the steps, in order; stored ones are not requested again.

        Args:
            parts: the steps.
            done: called with the index of each finished step.

        Raises:
            Stopped: a step still had errors after all tries; `stopped` says which and why.
            ModelError: the model failed.
            Cancelled: the listener raised it.
        """
        data_by_place: dict[int, Any] = {}
        for place, part in enumerate(parts):
            # keyed by the request: a changed domain, prompt or earlier step makes the stored value obsolete
            value = self._finished.get(part.name, part.key)
            if value is not None:
                data_by_place[place] = self.results[part.name] = json.loads(value)
                self.taken += 1
                on_done(place)
        open_parts = [(place, part) for place, part in enumerate(parts) if place not in data_by_place]
        together = self._concurrency > 1 and len(open_parts) > 1
        # `closing` runs the generator's cleanup even if this loop raises: it stores replies that are still pending
        with closing((self._concurrently if together else self._sequentially)(open_parts)) as results:
            for place, (data, stopped) in results:
                if stopped:
                    self.stopped = f"{parts[place].name}: {stopped}"
                    raise Stopped
                data_by_place[place] = data
                on_done(place)
        return [data_by_place[place] for place in range(len(parts))]

    def _sequentially(self, parts: Sequence[tuple[int, Part]]) -> Generator[tuple[int, tuple[Any, str]], None, None]:
        for place, part in parts:
            outcome = self._run_step(self.loop, part)
            self._store(part, outcome)
            yield place, outcome

    def _run_step(self, loop: RepairLoop, part: Part) -> tuple[Any, str]:
        """Return the data of a step, or why there is none."""
        request = part.purpose, part.request, part.reader, part.wire, self._tries
        attempt, stopped = loop.until_sound(*request, leave_cut=part.split is not None)
        if not (stopped and attempt.cut and part.split):
            return attempt.data, stopped
        # truncated despite continuations: retrying would fail the same way, so request halves
        combined: Plain = {"rules": {}, "alike": [], "looks": {}}
        for smaller in part.split():
            data, stopped = self._run_step(loop, smaller)
            if isinstance(data, dict) and isinstance(data["rules"], dict):
                combined = {
                    "rules": combined["rules"] | data["rules"],
                    "alike": combined["alike"] + data["alike"],
                    "looks": combined["looks"] | data.get("looks", {}),
                }
            if stopped:
                return combined, stopped
        return combined, ""

    def _store(self, part: Part, outcome: tuple[Any, str]) -> None:
        data, stopped = outcome
        if data:
            self.results[part.name] = data
        if not stopped:
            self._finished.put(part.name, part.key, json.dumps(data))

    def _concurrently(self, parts: Sequence[tuple[int, Part]]) -> Generator[tuple[int, tuple[Any, str]], None, None]:
        """Send several requests at a time. Attempts are reported, and steps stored, on the caller's own thread."""
        # workers only enqueue: the history's connection and the display belong to the caller's thread
        attempts: queue.Queue[Attempt] = queue.Queue()
        cancelled = threading.Event()
        texts: dict[int, str] = {}  # thread -> the text so far of its step

        def receive(text: str) -> None:
            if cancelled.is_set():
                raise Cancelled
            texts[threading.get_ident()] = text

        def run(part: Part) -> tuple[Any, str]:
            try:
                return self._run_step(loop, part)
            finally:
                texts.pop(threading.get_ident(), None)

        loop = RepairLoop(self.domain, self._chat, attempts.put, receive, len(self.loop.attempts))
        with ThreadPoolExecutor(self._concurrency, "parts") as pool:
            running = {pool.submit(run, part): (place, part) for place, part in parts}
            try:
                while running:
                    self._listen(attempts, texts)
                    for future in [f for f in running if f.done()]:
                        place, part = running.pop(future)
                        self._store(part, future.result())
                        yield place, future.result()
            except BaseException as error:
                for future in running:
                    future.cancel()
                if isinstance(error, Cancelled | KeyboardInterrupt):  # else let pending answers finish and store them
                    cancelled.set()
                raise
            finally:
                # a step failed or the run was cancelled: replies that arrived since are paid for, so store them
                for future, (_, part) in running.items():
                    if not future.cancelled() and not future.exception():
                        self._store(part, future.result())
                self._report(attempts, wait=False)
                self.loop.take_over(loop)  # last, so that attempts made during the cleanup are counted

    def _listen(self, attempts: "queue.Queue[Attempt]", texts: dict[int, str]) -> None:
        """Report finished attempts, and the text of the pending reply that started first; wait briefly."""
        self._report(attempts, wait=True)
        if self._on_text:
            self._on_text(next((text for text in list(texts.values()) if text), ""))

    def _report(self, attempts: "queue.Queue[Attempt]", *, wait: bool) -> None:
        with suppress(queue.Empty):
            attempt = attempts.get(timeout=_PULSE) if wait else attempts.get_nowait()
            while True:
                if self._on_attempt:
                    self._on_attempt(attempt)
                attempt = attempts.get_nowait()
