"""A reply that is read while it comes, from a real server: the same text, figures and failures as one that is not."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.llm.chat.server import OpenAIServer
from tests.llm.chat.test_litellm_chat import REQUEST, Client, connect, environment
from tests.waiting import wait_until
from treegen.config.settings import LlmSettings
from treegen.errors import ModelError
from treegen.llm.chat.estimate import Estimate, estimate
from treegen.llm.chat.interface import Message
from treegen.progress import Cancelled
from treegen.remote.litellm import load_litellm

pytestmark = pytest.mark.litellm

Connect = Callable[..., Client]
__all__ = ["connect", "environment"]  # fixtures


class Listener:
    """Keeps what it is told; ends the reply when `until` holds."""

    def __init__(self, until: Callable[[str], bool] = lambda text: False) -> None:
        self.told: list[str] = []
        self.until = until

    def __call__(self, text: str) -> None:
        self.told.append(text)
        if self.until(text):
            raise Cancelled


def test_the_text_grows_and_the_figures_are_those_of_a_whole_reply(
    openai_server: OpenAIServer, connect: Connect
) -> None:
    openai_server.will_stream("a ", "tree, ", "é")
    openai_server.will_say("a tree, é")
    heard = Listener()
    client = connect()
    streamed, whole = client.chat.complete(REQUEST, heard), client.chat.complete(REQUEST)
    assert [t for t in dict.fromkeys(heard.told) if t] == ["a ", "a tree, ", "a tree, é"]
    for name in ("text", "model", "finish", "prompt_tokens", "completion_tokens", "cost"):
        assert getattr(streamed, name) == getattr(whole, name)
    assert streamed.seconds is not None
    body = openai_server.requests[0].body
    assert body == {**openai_server.requests[1].body, "stream": True, "stream_options": {"include_usage": True}}


def test_a_known_price_gives_the_same_cost(
    openai_server: OpenAIServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", openai_server.url)
    openai_server.will_stream("x")
    openai_server.will_say("x")
    chat = connect(model="gpt-4o-mini", api_base=None).chat
    streamed, whole = chat.complete(REQUEST, Listener()).cost, chat.complete(REQUEST).cost
    assert whole is not None
    assert streamed == whole > 0


def test_usage_that_the_server_does_not_tell_is_not_guessed(openai_server: OpenAIServer, connect: Connect) -> None:
    """litellm counts tokens by itself then, with a tokenizer that need not be the model's."""
    openai_server.will_stream("Hel", "lo", usage=False)
    reply = connect().chat.complete(REQUEST, Listener())
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens, reply.cost) == ("Hello", None, None, None)


def test_a_reply_cut_at_the_token_limit_says_so(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_stream("{", finish="length")
    assert connect().chat.complete(REQUEST, Listener()).finish == "length"


def test_a_stream_that_breaks_off_is_tried_again_from_its_beginning(
    openai_server: OpenAIServer, connect: Connect
) -> None:
    openai_server.will_stream("half a ", breaks=True)
    openai_server.will_stream("whole")
    heard, client = Listener(), connect()
    assert client.chat.complete(REQUEST, heard).text == "whole"
    assert sum(client.waits) == pytest.approx(2.0)
    assert heard.told.index("half a ") < heard.told.index("whole")
    assert "half a whole" not in heard.told


def test_a_server_that_never_gives_a_finish_reason_is_believed_the_second_time(
    openai_server: OpenAIServer, connect: Connect
) -> None:
    for _ in range(2):
        openai_server.will_stream("a tree", finish=None)
    reply = connect().chat.complete(REQUEST, Listener())
    assert (reply.text, reply.finish) == ("a tree", None)
    assert len(openai_server.requests) == 2


@pytest.mark.parametrize(
    ("status", "told", "requests"),
    [
        (429, "is limiting the rate of requests (429)", 4),
        (500, "failed (500)", 4),
        (401, "refused the key (401)", 1),
        (404, "does not know this model", 1),
    ],
)
def test_failures_are_told_and_tried_again_as_without_streaming(
    openai_server: OpenAIServer, connect: Connect, status: int, told: str, requests: int
) -> None:
    for _ in range(requests):
        openai_server.will_fail(status)
    client = connect()
    with pytest.raises(ModelError) as raised:
        client.chat.complete(REQUEST, Listener())
    assert told in raised.value.message
    assert len(openai_server.requests) == requests
    assert sum(client.waits) == pytest.approx({4: 14.0, 1: 0.0}[requests])


def test_an_empty_stream_is_an_error(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_stream(finish="content_filter")
    with pytest.raises(ModelError, match="content filter stopped the reply"):
        connect().chat.complete(REQUEST, Listener())


def test_a_cancelled_reply_stops_between_two_chunks_and_the_server_is_left(
    openai_server: OpenAIServer, connect: Connect
) -> None:
    """The server would go on for ever."""
    openai_server.will_drip("word ", "word ", "word ", held=3)
    openai_server.will_stream("x")
    heard, client = Listener(lambda text: text.count("word") >= 3), connect()
    with pytest.raises(Cancelled):
        client.chat.complete(REQUEST, heard)
    assert heard.told[-1].count("word") == 3
    openai_server.go_on.set()
    assert client.chat.complete(REQUEST, Listener()).text == "x"
    wait_until(lambda: openai_server.left_early == 1)


def test_a_server_that_says_nothing_can_be_left(openai_server: OpenAIServer, connect: Connect) -> None:
    """Models think for minutes before their first word: this one would go on only if it were told to."""
    openai_server.will_stream("x", "y", held=0)
    heard = Listener(lambda text: bool(openai_server.requests))
    with pytest.raises(Cancelled):
        connect().chat.complete(REQUEST, heard)
    assert not any(heard.told)


def test_waiting_for_another_try_can_be_cancelled(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_fail(429, retry_after="60")
    client, heard = connect(), Listener()
    heard.until = lambda text: len(client.waits) == 3
    with pytest.raises(Cancelled):
        client.chat.complete(REQUEST, heard)
    assert len(openai_server.requests) == 1


LONG = [Message(role="user", content="one two three four " * 100)]


def settings(**more: Any) -> LlmSettings:
    return LlmSettings(**{"model": "openai/gpt-4o-mini", **more})


def test_an_estimate_counts_tokens_and_knows_the_price() -> None:
    price = load_litellm().model_cost["gpt-4o-mini"]
    found = estimate(settings(), LONG, answer="one two")
    assert 400 <= (found.prompt_tokens or 0) <= 420
    assert found.completion_tokens == 2
    wanted = (found.prompt_tokens or 0) * price["input_cost_per_token"] + 2 * price["output_cost_per_token"]
    assert found.cost == pytest.approx(wanted)
    assert found.words.startswith(f"about {found.prompt_tokens} + about 2 tokens, $0.0")


@pytest.mark.parametrize("more", [{"model": "openai/nobodys"}, {"api_base": "http://127.0.0.1:1/v1"}])
def test_an_unknown_price_is_unknown_and_not_0(more: dict[str, str]) -> None:
    found = estimate(settings(**more), LONG, answer="x")
    assert found.cost is None
    assert "cost unknown" in found.words
    assert (found.prompt_tokens or 0) > 400


@pytest.mark.parametrize("model", ["manual", "replay/conversation.jsonl", None])
def test_where_no_model_is_asked_nothing_is_estimated(model: str | None) -> None:
    assert estimate(settings(model=model), LONG) == Estimate()
    assert Estimate().words == "tokens and cost unknown"


def test_counting_tokens_of_a_llama_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """litellm would fetch the tokenizer, with retries that take 23 s where there is no network."""
    asked: list[object] = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError("no network")

    load_litellm()
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    assert (estimate(settings(model="replicate/meta/llama-2-70b-chat"), LONG).prompt_tokens or 0) > 300
    assert asked == []
