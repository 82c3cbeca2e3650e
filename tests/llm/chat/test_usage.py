"""Tokens in every shape in which servers report them, or do not; the bill counts what was written either way."""

import json
from typing import Any

import pytest

from tests.llm.chat.asked import waits
from tests.llm.chat.server import OpenAIServer, Response, completion, events
from treegen.config.settings import LlmSettings
from treegen.llm.chat.interface import Message
from treegen.llm.chat.litellm_chat import LitellmChat
from treegen.remote.budget import Budget

__all__ = ["waits"]  # a fixture
pytestmark = [pytest.mark.litellm, pytest.mark.usefixtures("waits")]
WORDS = [f"word{number} " for number in range(40)]
TEXT = "".join(WORDS)


def usage(prompt: Any, written: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": 0}


def stream(*chunks: tuple[str, Any]) -> Response:
    """Pieces of the text, each with the usage of its chunk."""
    lines = []
    for text, reported in chunks:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None if text else "stop"}
        event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        lines.append(b"data: " + json.dumps({**event, "usage": reported} if reported else event).encode() + b"\n\n")
    return Response(headers={"Content-Type": "text/event-stream"}, pieces=(*lines, b"data: [DONE]\n\n"))


SHAPES = {
    "cumulative in each chunk": stream(*((w, usage(70, 3 * n)) for n, w in enumerate(WORDS, 1)), ("", usage(70, 120))),
    "of the chunk alone": stream(*((w, usage(70, 3)) for w in WORDS), ("", None)),
    "zero at the end": stream(*((w, usage(70, 3 * n)) for n, w in enumerate(WORDS, 1)), ("", usage(0, 0))),
    "prompt first, reply last": stream((TEXT[:20], usage(70, 0)), (TEXT[20:], None), ("", usage(0, 120))),
    "in the last chunk": stream((TEXT, None), ("", usage(70, 120))),
    "as texts": stream((TEXT, None), ("", usage("70", "120"))),
}


def ask(server: OpenAIServer, *, streamed: bool) -> tuple[Any, Budget]:
    settings = LlmSettings(model="openai/m", api_base=server.url, price_in=1.0, price_out=4.0, retries=0)
    budget = Budget()
    chat = LitellmChat(settings, budget=budget)
    reply = chat.complete([Message(role="user", content="Hello")], (lambda _: None) if streamed else None)
    return reply, budget


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_gives_the_same_count(shape: str, openai_server: OpenAIServer) -> None:
    openai_server.script.append(SHAPES[shape])
    reply, budget = ask(openai_server, streamed=True)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == (TEXT, 70, 120)
    assert budget.bill.cost == pytest.approx((70 + 4 * 120) / 1e6)


BAD = [
    None,
    "free",
    [7],
    {},
    usage(-5, -3),
    usage(10**30, 10**30),
    usage("x", "y"),
    usage(None, None),
    usage(7.5, 1e400),
]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("reported", BAD, ids=str)
def test_what_cannot_be_believed_is_unknown_and_estimated(
    reported: Any, streamed: bool, openai_server: OpenAIServer
) -> None:
    """The reply is not lost, its cost is unknown, and the bill has an estimate for all that was written."""
    whole = Response(headers={"Content-Type": "application/json"}, body=completion(TEXT, usage=reported))
    parts = Response(headers={"Content-Type": "text/event-stream"}, pieces=events(TEXT, usage=reported))
    openai_server.script.append(parts if streamed else whole)
    reply, budget = ask(openai_server, streamed=streamed)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens, reply.cost) == (TEXT, None, None, None)
    bill = budget.bill
    assert (bill.cost, bill.unpriced, bill.unreported) == (0.0, 1, 1)
    assert 80 < bill.guessed_tokens < 200
    assert bill.guessed_cost > 4 * 80 / 1e6


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_content_in_parts_is_read_without_a_warning(
    streamed: bool, openai_server: OpenAIServer, capfd: pytest.CaptureFixture[str]
) -> None:
    content: Any = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    whole = Response(headers={"Content-Type": "application/json"}, body=completion(content))
    parts = Response(headers={"Content-Type": "text/event-stream"}, pieces=events(content))
    openai_server.script.append(parts if streamed else whole)
    assert ask(openai_server, streamed=streamed)[0].text == "one two"
    assert capfd.readouterr().err == ""
