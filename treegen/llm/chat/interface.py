"""The protocol that every way of answering implements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str

    def as_dict(self) -> dict[str, str]:
        """The provider's form."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. What the model does not tell is `None`, never 0.

    Attributes:
        text: the reply.
        model: who answered.
        finish: the provider's finish reason; `length` means that the reply was cut.
        prompt_tokens: tokens read.
        completion_tokens: tokens written.
        cost: in USD.
        seconds: from request to reply.
    """

    text: str
    model: str
    finish: str | None = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None


#: is told the reply as far as it has come, again and again; may raise `treegen.progress.Cancelled`
OnText = Callable[[str], None]


class Chat(Protocol):
    """Something that answers a conversation."""

    name: str

    def complete(self, messages: Sequence[Message], on_text: OnText | None = None) -> Reply:
        """The reply to the conversation.

        Args:
            messages: all of it, the last from the user.
            on_text: is told the reply while it comes; of a second try, from its beginning again.

        Raises:
            Cancelled: `on_text` raised it.
            ModelError: no reply could be had; the message says why and what to do.
        """
        ...
