"""The fake Chat of the unit tests, and a real local server that speaks OpenAI's protocol."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.llm.chat.server import OpenAIServer, serving
from treegen.config.domain import Domain
from treegen.llm.chat.interface import Message, OnText, Reply, ResponseSchema


class FakeChat:
    """Answers from a queue, and keeps the requests: a text becomes a reply, an exception is raised."""

    name = "fake"

    def __init__(self, *queue: str | Reply | Exception) -> None:
        self.queue = deque(queue)
        self.requests: list[tuple[Message, ...]] = []

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        self.requests.append(tuple(messages))
        answer = self.queue.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(text=answer, model=self.name)


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A server on this machine that speaks OpenAI's chat completions; it stops when the test ends."""
    with serving() as server:
        yield server


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    """Three classes, one of them with a note; its folder may be given templates."""
    return Domain(
        folder=tmp_path,
        name="pond",
        noun="frogling",
        description="Small things of a pond.",
        hints=("back colour", "shape of the eyes"),
        language="en-GB",
        classes=("Abrosk", "Wendle", "Yaffin"),
        notes=(("Wendle", "its eyes may be shut"),),
    )
