"""The record of a conversation with a language model: every request, and its outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from treegen.llm.chat.interface import Message, Reply
from treegen.tree.model import Tree
from treegen.tree.validation.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a reply says.

    Attributes:
        problems: everything found in it.
        data: its plain data, as far as it could be read.
        tree: the tree of the reply if its types are those of a tree, with errors or without.
        repaired: the reply was neither JSON nor Python and was read as JSON5.
        notes: what was repaired without a request, and what was left out because nobody asked for it.
    """

    problems: tuple[Problem, ...] = ()
    data: Any = None
    tree: Tree | None = None
    repaired: bool = False
    notes: tuple[str, ...] = ()


#: reads a reply: takes its text and the provider's finish reason
Reader = Callable[[str, str | None], Read]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request and what became of it.

    Attributes:
        number: from 1.
        purpose: `draft`, `revise`, `repair`, `continue`, `describe`, or a part: `draft-groups`, `draft-rules`,
            `draft-twins`.
        messages: the whole request.
        reply: what came back; `None` if the model failed.
        text: of a reply that continues another, both together; else that of the reply.
        problems: everything found in the reply.
        data: what the reply says, as plain data.
        tree: the tree of the reply if its types are those of a tree, with errors or without.
        repaired: the reply was neither JSON nor Python and was read as JSON5.
        notes: what was repaired without a request, and what was left out because nobody asked for it.
        failure: why there is no reply, or no whole one.
    """

    number: int
    purpose: str
    messages: tuple[Message, ...]
    reply: Reply | None
    text: str = ""
    problems: tuple[Problem, ...] = ()
    data: Any = None
    tree: Tree | None = None
    repaired: bool = False
    notes: tuple[str, ...] = ()
    failure: str = ""

    @property
    def cut(self) -> bool:
        """Whether the reply was truncated at the token limit."""
        return self.reply is not None and self.reply.finish == "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """All attempts and their result.

    Attributes:
        attempts: in the order in which they ended.
        tree: the first without errors, if there is one.
        stopped: if there is none, why there was no further attempt.
        found: everything found in a tree that was assembled from several replies.
        taken: number of its steps that an earlier run had finished.
        draft: if there is none, groups and rules as plain data, as far as they came; `None` if no reply could be read.
    """

    attempts: tuple[Attempt, ...]
    tree: Tree | None
    stopped: str = ""
    found: tuple[Problem, ...] | None = None
    taken: int = 0
    draft: dict[str, Any] | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems of the tree, or of the last attempt."""
        if self.found is not None:
            return self.found
        return self.attempts[-1].problems if self.attempts else ()


Listener = Callable[[Attempt], None]
