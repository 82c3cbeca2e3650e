"""Draft, repair and revise: one conversation with a language model until its tree has no errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from treegen.domain import Domain
from treegen.errors import InputError, ModelError
from treegen.llm.chat.interface import Chat, Message, OnText, Reply
from treegen.llm.parsing import parse_reply
from treegen.llm.templates import render
from treegen.progress import Cancelled
from treegen.tree.document import content_text
from treegen.tree.model import Tree
from treegen.tree.problems import Problem, errors_of
from treegen.tree.targets import Feedback
from treegen.tree.validation import check_data

DEFAULT_TRIES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request and what became of it.

    Attributes:
        number: from 1.
        purpose: `draft`, `repair` or `revise`.
        messages: the whole request.
        reply: what came back; `None` if the model failed.
        problems: everything found in the reply.
        tree: the tree of the reply if its types are those of a tree, with errors or without.
        repaired: json-repair had to mend the reply's syntax.
        failure: why there is no reply, or no whole one.
    """

    number: int
    purpose: str
    messages: tuple[Message, ...]
    reply: Reply | None
    problems: tuple[Problem, ...] = ()
    tree: Tree | None = None
    repaired: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """All attempts. `tree` is the first without errors; else `stopped` says why there was no further attempt."""

    attempts: tuple[Attempt, ...]
    tree: Tree | None
    stopped: str = ""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Those of the last attempt."""
        return self.attempts[-1].problems if self.attempts else ()


Listener = Callable[[Attempt], None]


def draft(
    domain: Domain,
    chat: Chat,
    *,
    tries: int = DEFAULT_TRIES,
    on_attempt: Listener | None = None,
    on_text: OnText | None = None,
) -> Conversation:
    """Asks for a first tree of the domain and has its problems repaired.

    Args:
        domain: its folder may override the templates.
        chat: who answers.
        tries: most requests.
        on_attempt: is told of each attempt, failed and cancelled ones too, as soon as it is over.
        on_text: is told each reply while it comes; may raise `Cancelled`.

    Raises:
        ModelError: the model failed; the attempts before it were reported to `on_attempt`.
        Cancelled: `on_text` raised it.
    """
    values: dict[str, Any] = {
        "name": domain.name, "noun": domain.noun, "description": domain.description, "hints": list(domain.hints),
        "language": domain.language, "classes": list(domain.classes), "notes": dict(domain.notes),
    }  # fmt: skip
    request = _request(domain, render("draft", domain.folder, **values))
    return _Conversing(domain, chat, on_attempt, on_text).until_sound("draft", request, tries)


def revise(
    domain: Domain,
    tree: Tree,
    feedback: str | Feedback,
    chat: Chat,
    *,
    problems: Sequence[Problem] = (),
    diagnosis: dict[str, Any] | None = None,
    tries: int = DEFAULT_TRIES,
    on_attempt: Listener | None = None,
    on_text: OnText | None = None,
) -> Conversation:
    """Asks for a tree that follows the reviewer's feedback.

    Args:
        domain: as for `draft`.
        tree: the current tree.
        feedback: what the reviewer says.
        chat: who answers.
        problems: those of the current tree.
        diagnosis: the score's `dev` part; never anything of the test part.
        tries: most requests.
        on_attempt: as for `draft`.
        on_text: as for `draft`.

    Raises:
        InputError: the feedback is blank.
        ModelError: the model failed.
        Cancelled: `on_text` raised it.
    """
    request = revision_request(domain, tree, feedback, problems=problems, diagnosis=diagnosis)
    return _Conversing(domain, chat, on_attempt, on_text).until_sound("revise", request, tries)


def revision_request(
    domain: Domain,
    tree: Tree,
    feedback: str | Feedback,
    *,
    problems: Sequence[Problem] = (),
    diagnosis: dict[str, Any] | None = None,
) -> tuple[Message, ...]:
    """The messages that `revise` begins with.

    Raises:
        InputError: the feedback is blank.
    """
    asked = Feedback(text=feedback) if isinstance(feedback, str) else feedback
    if not asked.text.strip():
        raise InputError("the feedback is empty", 'say what to change: -m "tell the two by their background"')
    text = render(
        "revise", domain.folder,
        name=domain.name, noun=domain.noun, description=domain.description, language=domain.language,
        classes=list(domain.classes), notes=dict(domain.notes), tree=content_text(tree), problems=list(problems),
        diagnosis=diagnosis, feedback=asked.text.strip(), locks=asked.locked_words, decisions=list(asked.decisions),
        target="" if asked.target.kind == "tree" else asked.target.words,
    )  # fmt: skip
    return _request(domain, text)


def _request(domain: Domain, text: str) -> tuple[Message, ...]:
    return Message(role="system", content=render("system", domain.folder)), Message(role="user", content=text)


class _Conversing:
    """One conversation: who answers, and who is told."""

    def __init__(self, domain: Domain, chat: Chat, on_attempt: Listener | None, on_text: OnText | None) -> None:
        self._domain, self._chat, self._on_text = domain, chat, on_text
        self._report = on_attempt or (lambda _: None)
        self._so_far = ""

    def until_sound(self, purpose: str, request: Sequence[Message], tries: int) -> Conversation:
        """The repair loop: bounded by `tries`, ended early when the problems of an earlier attempt come back."""
        messages, attempts = list(request), list[Attempt]()
        for number in range(1, tries + 1):
            attempt = self._attempt(number, purpose if number == 1 else "repair", tuple(messages))
            attempts.append(attempt)
            errors = errors_of(attempt.problems)
            if not errors:
                return Conversation(attempts=tuple(attempts), tree=attempt.tree)
            if any(_same(errors, errors_of(earlier.problems)) for earlier in attempts[:-1]):
                return Conversation(attempts=tuple(attempts), tree=None, stopped="the same problems came back")
            repair = render("repair", self._domain.folder, problems=list(errors))
            messages += [
                Message(role="assistant", content=attempt.reply.text if attempt.reply else ""),
                Message(role="user", content=repair),
            ]
        return Conversation(attempts=tuple(attempts), tree=None, stopped=f"{tries} tries were not enough")

    def _attempt(self, number: int, purpose: str, messages: tuple[Message, ...]) -> Attempt:
        """One request, read and checked, reported whatever happens."""
        attempt = Attempt(number=number, purpose=purpose, messages=messages, reply=None)
        self._so_far = ""
        try:
            reply = self._chat.complete(messages, self._heard if self._on_text else None)
        except (ModelError, InputError) as error:
            self._report(replace(attempt, failure=error.message))
            raise
        except Cancelled:
            cut = Reply(text=self._so_far, model=self._chat.name, finish="cancelled")
            self._report(replace(attempt, reply=cut, failure="cancelled before the reply was whole"))
            raise
        parsed = parse_reply(reply.text, finish=reply.finish)
        problems, tree = parsed.problems, None
        if parsed.data is not None:
            data = {k: v for k, v in parsed.data.items() if k not in ("$schema", "digest", "review", "domain")}
            checked = check_data({"domain": self._domain.name, **data}, classes=self._domain.classes)
            problems, tree = checked.problems, checked.document.tree if checked.document else None
        attempt = replace(attempt, reply=reply, problems=problems, tree=tree, repaired=parsed.repaired)
        self._report(attempt)
        return attempt

    def _heard(self, text: str) -> None:
        """Remembers what has come, in case it is all that comes."""
        self._so_far = text
        if self._on_text:
            self._on_text(text)


def _same(one: Sequence[Problem], other: Sequence[Problem]) -> bool:
    return {(p.code, p.pointer, p.message) for p in one} == {(p.code, p.pointer, p.message) for p in other}
