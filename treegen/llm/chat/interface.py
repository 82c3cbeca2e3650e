"""The protocol that every way of answering implements."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: who speaks.
        content: the text.
        images: pictures that go with it, each as a data URL (`data:image/png;base64,...`), in order, after the text.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    images: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The provider's form: the content is a string, or a list of parts where there are images."""
        if not self.images:
            return {"role": self.role, "content": self.content}
        pictures = [{"type": "image_url", "image_url": {"url": url}} for url in self.images]
        return {"role": self.role, "content": [{"type": "text", "text": self.content}, *pictures]}

    def as_kept(self) -> dict[str, Any]:
        """What is written down of it: of pictures, which are on the disk already, the kind and the SHA-256."""
        if not self.images:
            return {"role": self.role, "content": self.content}
        shown = [
            f"{url.partition(';')[0].removeprefix('data:')} sha256:{hashlib.sha256(url.encode()).hexdigest()}"
            for url in self.images
        ]
        return {"role": self.role, "content": self.content, "images": shown}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSchema:
    """The form that a reply is asked to have, for models that can be held to one.

    It is small on purpose: providers refuse large schemas, and the full check is made here, of every reply.

    Attributes:
        name: letters, digits and underscores, at most 64.
        schema: a JSON Schema of an object, in the part of the language that providers share.
    """

    name: str
    schema: dict[str, Any]


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
        requests: how many were sent for it.
        cached: it was asked before and kept; nothing was sent.
    """

    text: str
    model: str
    finish: str | None = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    requests: int | None = None
    cached: bool = False


#: is told the reply as far as it has come, again and again; may raise `treegen.progress.Cancelled`
OnText = Callable[[str], None]


class Chat(Protocol):
    """Something that answers a conversation."""

    name: str

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """The reply to the conversation.

        Args:
            messages: all of it, the last from the user.
            on_text: is told the reply while it comes; of a second try, from its beginning again.
            wire: the form to ask for, of models that take one; the reply may still have another.

        Raises:
            Cancelled: `on_text` raised it.
            ModelError: no reply could be had; the message says why and what to do.
        """
        ...
