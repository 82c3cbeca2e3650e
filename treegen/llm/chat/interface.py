"""The protocol that every chat implements."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: the author.
        content: the text.
        images: attached pictures, each as a data URL (`data:image/png;base64,...`), in order, after the text.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    images: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the provider's form: the content is a string, or a list of parts if there are images."""
        if not self.images:
            return {"role": self.role, "content": self.content}
        pictures = [{"type": "image_url", "image_url": {"url": url}} for url in self.images]
        return {"role": self.role, "content": [{"type": "text", "text": self.content}, *pictures]}

    def as_stored(self) -> dict[str, Any]:
        """Return the form to store: pictures, which are on disk already, are reduced to media type and SHA-256."""
        if not self.images:
            return {"role": self.role, "content": self.content}
        shown = [
            f"{url.partition(';')[0].removeprefix('data:')} sha256:{hashlib.sha256(url.encode()).hexdigest()}"
            for url in self.images
        ]
        return {"role": self.role, "content": self.content, "images": shown}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSchema:
    """The response schema to request, for models that support one.

    It is small on purpose: providers refuse large schemas, and every reply is fully validated here anyway.

    Attributes:
        name: letters, digits and underscores, at most 64.
        schema: a JSON Schema of an object, within the subset that providers share.
    """

    name: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply. Values that the provider does not report are `None`, never 0.

    Attributes:
        text: the reply.
        model: the model that answered.
        finish: the provider's finish reason; `length` means that the reply was truncated.
        prompt_tokens: tokens read.
        completion_tokens: tokens written.
        cost: in USD.
        seconds: from request to reply.
        requests: how many were sent to get it.
        cached: taken from the cache; nothing was sent.
        key: under which it is cached; empty if it is not.
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
    key: str = ""


#: called repeatedly with the reply so far; may raise `treegen.progress.Cancelled`
OnText = Callable[[str], None]


class Chat(Protocol):
    """Something that replies to a conversation."""

    name: str

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """Return the reply to the conversation.

        Args:
            messages: the whole conversation, the last message from the user.
            on_text: called with the reply as it streams in; starts over on a retry.
            wire: the schema to request, if the model supports one; the reply may still differ.

        Raises:
            Cancelled: `on_text` raised it.
            ModelError: there is no reply; the message says why and what to do.
        """
        ...
