"""Draft, repair and revise: one conversation with a language model until its tree has no errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from treegen.domain import Domain
from treegen.errors import InputError, ModelError
from treegen.llm.chat.interface import Chat, Message, Reply
from treegen.llm.parsing import parse_reply
from treegen.llm.templates import render
from treegen.tree.document import content_text
from treegen.tree.model import Tree
from treegen.tree.problems import Problem, errors_of
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
        failure: why there is no reply.
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
    domain: Domain, chat: Chat, *, tries: int = DEFAULT_TRIES, on_attempt: Listener | None = None
) -> Conversation:
    """Asks for a first tree of the domain and has its problems repaired.

    Args:
        domain: its folder may override the templates.
        chat: who answers.
        tries: most requests.
        on_attempt: is told of each attempt, failed ones too, as soon as it is over.

    Raises:
        ModelError: the model failed; the attempts before it were reported to `on_attempt`.
    """
    values: dict[str, Any] = {
        "name": domain.name, "noun": domain.noun, "description": domain.description, "hints": list(domain.hints),
        "language": domain.language, "classes": list(domain.classes), "notes": dict(domain.notes),
    }  # fmt: skip
    request = render("draft", domain.folder, **values)
    return _converse("draft", request, domain, chat, tries, on_attempt)


def revise(
    domain: Domain,
    tree: Tree,
    feedback: str,
    chat: Chat,
    *,
    problems: Sequence[Problem] = (),
    diagnosis: dict[str, Any] | None = None,
    tries: int = DEFAULT_TRIES,
    on_attempt: Listener | None = None,
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

    Raises:
        InputError: the feedback is blank.
        ModelError: the model failed.
    """
    if not feedback.strip():
        raise InputError("the feedback is empty", 'say what to change: -m "tell the two by their background"')
    request = render(
        "revise", domain.folder,
        name=domain.name, noun=domain.noun, description=domain.description, language=domain.language,
        classes=list(domain.classes), notes=dict(domain.notes), tree=content_text(tree), problems=list(problems),
        diagnosis=diagnosis, feedback=feedback.strip(),
    )  # fmt: skip
    return _converse("revise", request, domain, chat, tries, on_attempt)


def _converse(
    purpose: str, request: str, domain: Domain, chat: Chat, tries: int, on_attempt: Listener | None
) -> Conversation:
    """The repair loop: bounded by `tries`, ended early when the problems of an earlier attempt come back."""
    messages = [Message(role="system", content=render("system", domain.folder)), Message(role="user", content=request)]
    attempts: list[Attempt] = []
    for number in range(1, tries + 1):
        attempt = _attempt(number, purpose if number == 1 else "repair", tuple(messages), domain, chat, on_attempt)
        attempts.append(attempt)
        errors = errors_of(attempt.problems)
        if not errors:
            return Conversation(attempts=tuple(attempts), tree=attempt.tree)
        if any(_same(errors, errors_of(earlier.problems)) for earlier in attempts[:-1]):
            return Conversation(attempts=tuple(attempts), tree=None, stopped="the same problems came back")
        repair = render("repair", domain.folder, problems=list(errors))
        messages += [
            Message(role="assistant", content=attempt.reply.text if attempt.reply else ""),
            Message(role="user", content=repair),
        ]
    return Conversation(attempts=tuple(attempts), tree=None, stopped=f"{tries} tries were not enough")


def _attempt(
    number: int, purpose: str, messages: tuple[Message, ...], domain: Domain, chat: Chat, on_attempt: Listener | None
) -> Attempt:
    """One request, read and checked, reported whatever happens."""
    report = on_attempt or (lambda _: None)
    try:
        reply = chat.complete(messages)
    except (ModelError, InputError) as error:
        report(Attempt(number=number, purpose=purpose, messages=messages, reply=None, failure=error.message))
        raise
    parsed = parse_reply(reply.text, finish=reply.finish)
    problems, tree = parsed.problems, None
    if parsed.data is not None:
        data = {k: v for k, v in parsed.data.items() if k not in ("$schema", "digest", "review", "domain")}
        checked = check_data({"domain": domain.name, **data}, classes=domain.classes)
        problems, tree = checked.problems, checked.document.tree if checked.document else None
    attempt = Attempt(
        number=number, purpose=purpose, messages=messages, reply=reply, problems=problems, tree=tree,
        repaired=parsed.repaired,
    )  # fmt: skip
    report(attempt)
    return attempt


def _same(one: Sequence[Problem], other: Sequence[Problem]) -> bool:
    return {(p.code, p.pointer, p.message) for p in one} == {(p.code, p.pointer, p.message) for p in other}
