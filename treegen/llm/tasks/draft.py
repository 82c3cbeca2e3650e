"""Draft and revise: the requests, and one conversation until the tree has no errors."""

import math
from collections.abc import Sequence
from typing import Any, Final

from treegen.config.class_notes import notes_of
from treegen.config.domain import Domain
from treegen.errors import InputError
from treegen.history.score_document import Diagnosis
from treegen.llm.chat.interface import Chat, Message, OnText, ResponseSchema
from treegen.llm.prompting.languages import language_of
from treegen.llm.prompting.response_schemas import PATCH, REVISED_TREE, WHOLE_TREE
from treegen.llm.prompting.templates import render
from treegen.llm.tasks.attempts import Attempt, Conversation, Listener, Reader
from treegen.llm.tasks.conversation import WHOLE, RepairLoop
from treegen.llm.tasks.repair import repair_request, tree_reader
from treegen.tree.document import compact, content_of, content_text
from treegen.tree.feedback_target import Feedback
from treegen.tree.model import Tree
from treegen.tree.validation.problems import Problem, errors_of

__all__ = [
    "DEFAULT_TRIES",
    "Attempt",
    "Conversation",
    "Listener",
    "draft",
    "draft_request",
    "revise",
    "revision_request",
]

DEFAULT_TRIES: Final = 4
_NUMBERS: Final = "zero one two three four five six seven eight nine ten eleven twelve".split()


def draft(
    domain: Domain,
    chat: Chat,
    *,
    tries: int = DEFAULT_TRIES,
    descriptions: dict[str, str] | None = None,
    leave_cut: bool = False,
    on_attempt: Listener | None = None,
    on_text: OnText | None = None,
) -> Conversation:
    """Request a first tree of the domain and have its problems repaired.

    Args:
        domain: its folder may override the templates.
        chat: the language model.
        tries: most replies.
        descriptions: what a model saw in pictures of the classes.
        leave_cut: end the conversation at a reply that stays truncated: the caller requests less.
        on_attempt: called with each attempt, even failed and cancelled ones, as soon as it ends.
        on_text: called with each reply as it streams in; may raise `Cancelled`.

    Raises:
        ModelError: the model failed; the attempts before it were reported to `on_attempt`.
        Cancelled: `on_text` raised it.
    """
    loop = RepairLoop(domain, chat, on_attempt, on_text)
    request = draft_request(domain, descriptions)
    return _until_sound(loop, "draft", request, tree_reader(domain), WHOLE_TREE, tries, leave_cut)


def draft_request(domain: Domain, descriptions: dict[str, str] | None = None) -> tuple[Message, ...]:
    """Return the first messages of `draft`."""
    values: dict[str, Any] = {
        "name": domain.name,
        "noun": domain.noun,
        "description": domain.description,
        "hints": list(domain.hints),
        "classes": list(domain.classes),
        "descriptions": descriptions or {},
        **groups_in_words(len(domain.classes)),
    }
    notes = notes_of(domain, domain.classes)
    return _request(domain, render("draft", domain.folder, **values, **notes, **language_of(domain)))


def wanted_groups(classes: int) -> tuple[int, int]:
    """Return how many groups a tree needs at least and at most.

    One group fewer than the halvings that single out one class, and twice as many at most: a group has more than two
    options, but none separates perfectly.

    >>> wanted_groups(16), wanted_groups(80), wanted_groups(1000)
    ((3, 6), (6, 12), (9, 18))
    """
    least = max(2, math.ceil(math.log2(max(2, classes))) - 1)
    return least, 2 * least


def groups_in_words(classes: int) -> dict[str, str]:
    """Return the wanted numbers of groups as templates name them: `least` and `most`."""
    words = dict(enumerate(_NUMBERS))
    least, most = (words.get(number, str(number)) for number in wanted_groups(classes))
    return {"least": least, "most": most}


def revise(
    domain: Domain,
    tree: Tree,
    feedback: str | Feedback,
    chat: Chat,
    *,
    problems: Sequence[Problem] = (),
    diagnosis: Diagnosis | None = None,
    tries: int = DEFAULT_TRIES,
    on_attempt: Listener | None = None,
    on_text: OnText | None = None,
) -> Conversation:
    """Request a tree that follows the reviewer's feedback; for a long tree, a JSON Patch.

    Args:
        domain: as for `draft`.
        tree: the current tree.
        feedback: the reviewer's feedback.
        chat: the language model.
        problems: those of the current tree.
        diagnosis: the score's `dev` entry; never anything from the test split.
        tries: most replies.
        on_attempt: as for `draft`.
        on_text: as for `draft`.

    Raises:
        InputError: the feedback is blank.
        ModelError: the model failed.
        Cancelled: `on_text` raised it.
    """
    loop = RepairLoop(domain, chat, on_attempt, on_text)
    reader = tree_reader(domain, _plain(tree), may_be_alike=False)
    for patch in (True,) if _is_long(tree) else (False, True):
        request = revision_request(domain, tree, feedback, problems=problems, diagnosis=diagnosis, patch=patch)
        wire = PATCH if patch else REVISED_TREE
        conversation = _until_sound(loop, "revise", request, reader, wire, tries, leave_cut=not patch)
        if conversation.tree or not conversation.attempts[-1].cut:
            break
    return conversation


def _plain(tree: Tree) -> dict[str, Any]:
    return {key: value for key, value in content_of(tree).items() if key != "domain"}


def _is_long(tree: Tree) -> bool:
    return len(content_text(tree)) > WHOLE


def revision_request(
    domain: Domain,
    tree: Tree,
    feedback: str | Feedback,
    *,
    problems: Sequence[Problem] = (),
    diagnosis: Diagnosis | None = None,
    patch: bool | None = None,
) -> tuple[Message, ...]:
    """Return the first messages of `revise`; `patch` requests a JSON Patch, the default for a long tree.

    Raises:
        InputError: the feedback is blank.
    """
    feedback = Feedback(text=feedback) if isinstance(feedback, str) else feedback
    if not feedback.text.strip():
        raise InputError("the feedback is empty", 'describe the change: -m "distinguish the two by their background"')
    text = render(
        "revise",
        domain.folder,
        name=domain.name,
        noun=domain.noun,
        description=domain.description,
        classes=list(domain.classes),
        **notes_of(domain, domain.classes),
        tree=content_text(tree),
        looks=bool(tree.looks),
        problems=list(problems),
        diagnosis=diagnosis,
        feedback=feedback.text.strip(),
        locks=feedback.locked_words,
        decisions=list(feedback.decisions),
        comments=list(feedback.comments),
        target="" if feedback.target.kind == "tree" else feedback.target.words,
        patch=_is_long(tree) if patch is None else patch,
        **language_of(domain),
    )
    return _request(domain, text)


def _request(domain: Domain, text: str) -> tuple[Message, ...]:
    return Message(role="system", content=render("system", domain.folder)), Message(role="user", content=text)


def _until_sound(
    loop: RepairLoop,
    purpose: str,
    request: Sequence[Message],
    reader: Reader,
    wire: ResponseSchema,
    tries: int,
    leave_cut: bool,
) -> Conversation:
    def following(attempt: Attempt) -> tuple[tuple[Message, ...] | None, ResponseSchema, Reader]:
        """Request a short tree again as a whole, of a long one only the failing places; accept a patch for both."""
        if not attempt.data:
            return None, wire, reader
        patch_reader = tree_reader(loop.domain, attempt.data, may_be_alike=purpose == "draft")
        short = len(attempt.text) <= WHOLE
        if short and len(compact(attempt.data)) <= WHOLE:
            return None, wire, patch_reader
        if short and any(problem.code.startswith("TG5") for problem in errors_of(attempt.problems)):
            return None, PATCH, patch_reader  # the reply is invalid, not the tree: the request still stands
        return repair_request(loop.domain, attempt.data, attempt.problems), PATCH, patch_reader

    attempt, stopped = loop.until_sound(purpose, request, reader, wire, tries, following, leave_cut=leave_cut)
    if stopped:
        return Conversation(attempts=tuple(loop.attempts), tree=None, stopped=stopped, draft=attempt.data or None)
    return Conversation(attempts=tuple(loop.attempts), tree=attempt.tree)
