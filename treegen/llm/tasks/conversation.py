"""One conversation with a language model: requests, continued replies, and repair until there are no errors."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from treegen.config.domain import Domain
from treegen.errors import InputError, ModelError, WaitingError
from treegen.llm.chat.interface import Chat, Message, OnText, Reply, ResponseSchema
from treegen.llm.prompting.templates import render
from treegen.llm.reading.continuation import joined, stem_of
from treegen.llm.tasks.attempts import Attempt, Listener, Read, Reader
from treegen.progress import Cancelled
from treegen.tree.validation.folding import fold
from treegen.tree.validation.problems import Problem, errors_of

logger = logging.getLogger(__name__)
MOST_CONTINUED: Final = 4  # continuations of one reply
WHOLE: Final = 8000  # characters: a longer tree is not sent and requested again as a whole

#: the request after an attempt with errors: messages (`None`: the conversation so far), schema, reader
Next = Callable[[Attempt], tuple[tuple[Message, ...] | None, ResponseSchema | None, Reader]]


class RepairLoop:
    """The chat and its listeners. Attempts are numbered across all requests."""

    def __init__(
        self, domain: Domain, chat: Chat, on_attempt: Listener | None, on_text: OnText | None, before: int = 0
    ) -> None:
        """Take the arguments of `treegen.llm.tasks.draft.draft`; `before` attempts were made already."""
        self.domain = domain
        self.attempts: list[Attempt] = []
        self._chat, self._on_text = chat, on_text
        self._report = on_attempt or (lambda _: None)
        self._lock = threading.Lock()
        self._number = before

    def take_over(self, other: "RepairLoop") -> None:
        """Add the attempts of another loop, which started after those of this one."""
        with self._lock:
            self.attempts += other.attempts
            self._number = max(self._number, other._number)

    def until_sound(
        self,
        purpose: str,
        request: Sequence[Message],
        reader: Reader,
        wire: ResponseSchema | None,
        tries: int,
        following: Next | None = None,
        *,
        leave_cut: bool = False,
    ) -> tuple[Attempt, str]:
        """Send requests until a reply has no errors.

        Args:
            purpose: of the first request; later ones are `repair` and `continue`.
            request: the messages.
            reader: reads the reply.
            wire: the reply's schema.
            tries: most replies; a continued one counts once.
            following: the request after a reply with errors; by default a repair message in the same conversation.
            leave_cut: return a truncated reply at once: the caller requests less.

        Returns:
            The first attempt without errors and an empty text; or the best one, and why there was no further one.
        """
        messages, earlier = tuple(request), list[tuple[Problem, ...]]()
        made: list[Attempt] = []
        next_purpose = purpose
        for _ in range(tries):
            attempt = self.ask(next_purpose, messages, reader, wire)
            made.append(attempt)
            errors = errors_of(attempt.problems)
            if not errors:
                return attempt, ""
            if leave_cut and attempt.cut:
                return attempt, "the reply was cut at the token limit"
            # the model is going round in circles: more tries would only cost more
            if any(_same(errors, other) for other in earlier):
                return best_of(made), "the same problems came back"
            earlier.append(errors)
            next_purpose = "repair"
            new_messages, wire, reader = following(attempt) if following else (None, wire, reader)
            messages = new_messages or self._with_repair(tuple(request), messages, attempt, errors)
        return best_of(made), f"{tries} tries were not enough"

    def _with_repair(
        self,
        request: tuple[Message, ...],
        messages: tuple[Message, ...],
        attempt: Attempt,
        errors: tuple[Problem, ...],
    ) -> tuple[Message, ...]:
        """Append the problems to the conversation. A long reply is not sent back: it is requested again."""
        repair = render("repair", self.domain.folder, problems=list(fold(errors, most=None)))
        if len(attempt.text) > WHOLE:  # it would be paid for twice: as input, and again as output
            return (*request[:-1], replace(request[-1], content=f"{request[-1].content}\n\n{repair}"))
        return (
            *messages,
            Message(role="assistant", content=attempt.text),
            Message(role="user", content=repair),
        )

    def ask(self, purpose: str, messages: Sequence[Message], reader: Reader, wire: ResponseSchema | None) -> Attempt:
        """Get one reply, continuing it after truncation for as long as it makes progress."""
        attempt = self._once(purpose, tuple(messages), reader, wire)
        stem = ""
        for _ in range(MOST_CONTINUED):
            # resume at the last comma: half a text or number cannot be continued; stop if the stem no longer grows
            before, stem = stem, stem_of(attempt.text)
            if not attempt.cut or len(stem) <= len(before):
                break
            more = Message(role="user", content=render("continue", self.domain.folder))
            extended = (*messages, Message(role="assistant", content=stem), more)
            # without a schema: a strict mode would force a new object instead of the rest of this one
            attempt = self._once("continue", extended, reader, None, stem)
        return attempt

    def _once(
        self, purpose: str, messages: tuple[Message, ...], reader: Reader, wire: ResponseSchema | None, stem: str = ""
    ) -> Attempt:
        """Send one request; read, check and report the reply, whatever happens."""
        with self._lock:  # numbered when sent, not when answered: concurrent attempts may end in another order
            self._number += 1
            attempt = Attempt(number=self._number, purpose=purpose, messages=messages, reply=None)
        listener = _Heard(self._on_text, stem)
        try:
            reply = self._chat.complete(messages, listener if self._on_text else None, wire=wire)
        except WaitingError:  # nothing was asked of anybody yet
            raise
        except (ModelError, InputError) as error:  # a failed request belongs in the history, too
            self._record(replace(attempt, failure=error.message))
            raise
        except Cancelled:
            cut = Reply(text=listener.so_far, model=self._chat.name, finish="cancelled")
            self._record(replace(attempt, reply=cut, text=cut.text, failure="cancelled before the reply was complete"))
            raise
        text, read = _read(reader, stem, reply)
        attempt = replace(
            attempt,
            reply=reply,
            text=text,
            problems=read.problems,
            data=read.data,
            tree=read.tree,
            repaired=read.repaired,
            notes=read.notes,
        )
        self._record(attempt)
        return attempt

    def _record(self, attempt: Attempt) -> None:
        with self._lock:
            self.attempts.append(attempt)
        self._report(attempt)


def _read(reader: Reader, stem: str, reply: Reply) -> tuple[str, Read]:
    """Read a reply; one that continues another may also have started over."""
    if not stem:
        return reply.text, _guarded(reader, reply.text, reply.finish)
    # try it alone first: many models ignore the request to continue and give the whole object again
    restarted = _guarded(reader, reply.text, reply.finish)
    if restarted.data is not None and not errors_of(restarted.problems):
        return reply.text, restarted
    text = joined(stem, reply.text)
    return text, _guarded(reader, text, reply.finish)


def _guarded(reader: Reader, text: str, finish: str | None) -> Read:
    """Read a text that a stranger wrote: what no reader foresaw is a problem of the reply, and never ends the run."""
    try:
        return reader(text, finish)
    except Exception as error:
        logger.exception("a reply could not be read")
        message = f"the reply cannot be read ({type(error).__name__}); answer with one plain JSON object"
        return Read(problems=(Problem(code="TG501", pointer="", message=message),))


class _Heard:
    """Remembers the text so far, in case no more arrives, and reports it after what came before."""

    def __init__(self, on_text: OnText | None, stem: str) -> None:
        self.so_far = ""
        self._on_text, self._stem = on_text, stem

    def __call__(self, text: str) -> None:
        self.so_far = text
        if self._on_text:
            self._on_text(self._stem + text if self._stem else text)


def best_of(attempts: Sequence[Attempt]) -> Attempt:
    """Return the attempt with the fewest errors among those that say something; the last one if none does."""
    readable = [attempt for attempt in attempts if attempt.data]
    return min(reversed(readable), key=lambda attempt: len(errors_of(attempt.problems)), default=attempts[-1])


def _same(one: Sequence[Problem], other: Sequence[Problem]) -> bool:
    return {(p.code, p.pointer, p.message) for p in one} == {(p.code, p.pointer, p.message) for p in other}
