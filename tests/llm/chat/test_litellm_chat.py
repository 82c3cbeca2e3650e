"""litellm against a real server on this machine: what is sent, how often, and what the user is told."""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.llm.chat.server import OpenAIServer
from treegen.config.settings import LlmSettings
from treegen.errors import ModelError
from treegen.llm.chat import open_chat
from treegen.llm.chat.interface import Message
from treegen.llm.chat.litellm_chat import LitellmChat
from treegen.llm.reading.parser import parse_reply
from treegen.remote.failures import explain
from treegen.remote.litellm import key_for, load_litellm, price_of

pytestmark = pytest.mark.litellm

KEY = "sk-a-secret-key"
REQUEST = [Message(role="system", content="You build trees."), Message(role="user", content="Build one, é.")]


@dataclass(frozen=True, kw_only=True)
class Client:
    """A chat whose waiting is written down instead of done."""

    chat: LitellmChat
    waits: list[float]

    def failure(self) -> str:
        """Message and tip of the error that the request must give."""
        with pytest.raises(ModelError) as raised:
            self.chat.complete(REQUEST)
        return f"{raised.value.message} | {raised.value.tip}"


Connect = Callable[..., Client]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for OpenAI and for no other provider, no other addresses, no proxy before this machine."""
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def connect(openai_server: OpenAIServer) -> Connect:
    def make(**settings: Any) -> Client:
        chosen = {"model": "openai/some-model", "api_base": openai_server.url, **settings}
        chat, waits = LitellmChat(LlmSettings(**chosen)), list[float]()
        chat._sleep, chat._draw = waits.append, lambda: 1.0
        return Client(chat=chat, waits=waits)

    return make


def test_a_good_reply_has_its_text_and_usage(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_say("a tree, é")
    reply = connect().chat.complete(REQUEST)
    assert (reply.text, reply.model, reply.finish) == ("a tree, é", "openai/some-model", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 3)
    assert reply.seconds is not None
    assert reply.seconds > 0


def test_the_request_holds_model_messages_and_what_is_set(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_say("x")
    connect(max_tokens=50, temperature=0.25).chat.complete(REQUEST)
    (request,) = openai_server.requests
    assert request.path == "/v1/chat/completions"
    assert request.body == {
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "You build trees."},
            {"role": "user", "content": "Build one, é."},
        ],
        "max_tokens": 50,
        "temperature": 0.25,
    }
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_what_is_not_set_is_left_to_the_provider(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_say("x")
    connect().chat.complete(REQUEST)
    assert sorted(openai_server.requests[0].body) == ["messages", "model"]


def test_a_reply_cut_at_the_token_limit_says_so(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_say('{"classification_groups": {}', finish="length")
    reply = connect().chat.complete(REQUEST)
    assert reply.finish == "length"
    assert [p.code for p in parse_reply(reply.text, finish=reply.finish).problems] == ["TG503"]


def test_usage_that_the_server_does_not_tell_is_none_and_not_0(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_say("x", usage=False)
    reply = connect().chat.complete(REQUEST)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cost) == (None, None, None)


@pytest.mark.parametrize(
    ("header", "waited"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0"}, 0.0),
        ({}, 2.0),
        ({"retry_after": "Wed, 21 Oct 2020 07:28:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, 2.0),
    ],
    ids=["7", "0", "none", "date", "word"],
)
def test_too_many_requests_is_tried_again_after_the_time_the_server_asks_for(
    openai_server: OpenAIServer, connect: Connect, header: dict[str, str], waited: float
) -> None:
    openai_server.will_fail(429, **header)
    openai_server.will_say("x")
    client = connect()
    assert client.chat.complete(REQUEST).text == "x"
    assert client.waits == [waited]
    assert len(openai_server.requests) == 2
    assert openai_server.requests[0].body == openai_server.requests[1].body


def test_a_server_error_is_tried_again_with_growing_waits(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_fail(500)
    openai_server.will_fail(500)
    openai_server.will_say("x")
    client = connect()
    assert client.chat.complete(REQUEST).text == "x"
    assert client.waits == [2.0, 4.0]
    assert len(openai_server.requests) == 3


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (429, "is limiting the rate of requests (429)"),
        (500, "failed (500)"),
        (502, "failed (502)"),
        (503, "failed (503)"),
        (529, "failed (529)"),
        (408, "did not answer within 300 s"),
    ],
)
def test_a_lasting_failure_ends_after_4_requests(
    openai_server: OpenAIServer, connect: Connect, status: int, told: str
) -> None:
    for _ in range(9):
        openai_server.will_fail(status)
    client = connect()
    assert told in client.failure()
    assert client.waits == [2.0, 4.0, 8.0]
    assert len(openai_server.requests) == 4


def test_a_broken_connection_is_tried_again(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_hang_up()
    openai_server.will_say("x")
    assert connect().chat.complete(REQUEST).text == "x"
    assert len(openai_server.requests) == 2


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "did not accept the request (400)"),
        (401, "refused the key (401)"),
        (402, "requires payment (402)"),
        (403, "does not allow this key"),
        (404, "does not know this model (404)"),
        (409, "failed (409)"),
        (413, "failed (413)"),
        (422, "did not accept the request"),
    ],
)
def test_what_would_fail_again_is_asked_once(
    openai_server: OpenAIServer, connect: Connect, status: int, told: str
) -> None:
    openai_server.will_fail(status)
    client = connect()
    assert told in client.failure()
    assert client.waits == []
    assert len(openai_server.requests) == 1


def test_a_request_longer_than_the_context_is_told_as_that(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_fail(
        400, "This model's maximum context length is 4097 tokens, 9000 were given.", code="context_length_exceeded"
    )
    assert "longer than the model's context | use a larger model" in connect().failure()
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize(
    ("finish", "told"),
    [
        ("stop", "the reply is empty (finish reason stop)"),
        ("content_filter", "content filter stopped the reply"),
        ("length", "the token limit was reached before the first word"),
    ],
)
@pytest.mark.parametrize("content", ["", None])
def test_an_empty_reply_is_an_error_with_its_finish_reason(
    openai_server: OpenAIServer, connect: Connect, content: str | None, finish: str, told: str
) -> None:
    openai_server.will_say(content, finish=finish)
    assert told in connect().failure()


def test_a_reply_without_a_choice_is_an_error(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_send(b'{"id": "1", "object": "chat.completion", "model": "m", "choices": []}')
    assert "the reply is empty" in connect().failure()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"<html>a proxy</html>", "text/html"), (b'{"choices": [', "application/json"), (b"null", "application/json")],
    ids=["html", "half", "null"],
)
def test_a_body_that_is_no_completion_is_an_error(
    openai_server: OpenAIServer, connect: Connect, body: bytes, content_type: str
) -> None:
    openai_server.will_send(body, content_type=content_type)
    assert f"the response from {openai_server.url} is not a chat completion" in connect().failure()
    assert len(openai_server.requests) == 1


def test_a_server_that_is_not_there_is_told_at_once(openai_server: OpenAIServer, connect: Connect) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        client = connect(api_base=url)
        told = client.failure()
    assert f"{url} cannot be reached" in told
    assert "--api-base" in told
    assert client.waits == []


def test_an_address_that_is_none_is_told_at_once(connect: Connect) -> None:
    client = connect(api_base="not an address")
    assert "not an address cannot be reached" in client.failure()
    assert client.waits == []


@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_a_key_no_request_is_made(
    openai_server: OpenAIServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", openai_server.url)
    if value is None:
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", value)
    client = connect(api_base=None)
    told = client.failure()
    assert "no key in OPENAI_API_KEY" in told
    assert "--model manual" in told
    assert client.waits == []
    assert openai_server.requests == []


def test_a_server_of_ones_own_needs_no_key(
    openai_server: OpenAIServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    openai_server.will_say("x")
    assert connect().chat.complete(REQUEST).text == "x"
    assert KEY not in json.dumps(openai_server.requests[0].headers)


@pytest.mark.parametrize("model", ["anthropic/some-model", "ollama_chat/some-model"])
def test_the_key_of_one_provider_is_never_sent_to_another(
    openai_server: OpenAIServer, connect: Connect, model: str
) -> None:
    openai_server.will_fail(401)
    assert "refused the key (401)" in connect(model=model).failure()
    (request,) = openai_server.requests
    assert KEY not in json.dumps(request.headers)


def test_a_provider_gets_its_own_key_at_another_address(
    openai_server: OpenAIServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    openai_server.will_fail(401)
    assert "sk-ant-secret" not in connect(model="anthropic/some-model").failure()
    assert openai_server.requests[0].headers["x-api-key"] == "sk-ant-secret"


def test_a_local_provider_with_a_default_address_needs_no_setting(
    openai_server: OpenAIServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_BASE", openai_server.url.removesuffix("/v1"))
    for _ in range(4):  # litellm may ask for the model's description first
        openai_server.will_fail(401)
    assert "refused the key" in connect(model="ollama_chat/some-model", api_base=None).failure()
    assert openai_server.requests[-1].path == "/api/chat"
    monkeypatch.delenv("OLLAMA_API_BASE")
    assert key_for(load_litellm(), "ollama_chat/some-model") == {}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_no_message_repeats_the_key(
    openai_server: OpenAIServer, connect: Connect, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(4):
        openai_server.will_fail(status, f"Incorrect API key provided: {KEY}")
    assert KEY not in connect().failure()
    out, err = capfd.readouterr()
    assert KEY not in out + err
    assert out == ""


def test_a_name_without_a_provider_is_told_with_an_example(connect: Connect) -> None:
    assert "a litellm model name such as openai/gpt-4o-mini" in connect(model="nobodys-model", api_base=None).failure()


def test_a_parameter_that_the_model_does_not_take_is_told(openai_server: OpenAIServer, connect: Connect) -> None:
    assert "temperature" in connect(model="openai/gpt-5", temperature=0.3).failure()
    assert openai_server.requests == []


@pytest.mark.parametrize("model", ["openai/some-model", "gpt-4o-mini", "openai/gpt-4o-mini"])
def test_the_cost_of_an_unknown_price_is_none(openai_server: OpenAIServer, connect: Connect, model: str) -> None:
    """A server of one's own has its own prices, whatever its models are called."""
    openai_server.will_say("x")
    assert connect(model=model).chat.complete(REQUEST).cost is None


@pytest.mark.parametrize("model", ["gpt-4o-mini", "openai/gpt-4o-mini"])
def test_a_known_price_gives_the_cost_of_the_tokens(
    openai_server: OpenAIServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", openai_server.url)
    openai_server.will_say("x")
    price = load_litellm().model_cost["gpt-4o-mini"]
    expected = 7 * price["input_cost_per_token"] + 3 * price["output_cost_per_token"]
    cost = connect(model=model, api_base=None).chat.complete(REQUEST).cost
    assert cost == pytest.approx(expected)
    assert cost is not None
    assert cost > 0


@pytest.mark.parametrize("model", ["github/gpt-4o-mini", "lm_studio/gpt-4o-mini", "no/gpt-4o-mini", "azure/container"])
def test_a_price_of_another_provider_or_none_in_the_list_is_no_price(model: str) -> None:
    assert price_of(load_litellm(), model, 7, 3) is None


def test_any_other_model_name_is_opened_as_litellms(tmp_path: Path) -> None:
    chat = open_chat(LlmSettings(model="openai/some-model"), tmp_path)
    assert isinstance(chat, LitellmChat)
    assert chat.name == "openai/some-model"


def test_litellm_is_kept_from_the_network_and_from_dotenv_files(openai_server: OpenAIServer, connect: Connect) -> None:
    openai_server.will_say("x")
    connect().chat.complete(REQUEST)
    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
    assert os.environ["LITELLM_MODE"] == "PRODUCTION"
    assert load_litellm().suppress_debug_info is True


def test_a_password_in_the_address_is_in_no_message() -> None:
    """Messages are kept in the history: `user:password@` of --api-base never gets into one."""
    address = "http://me:planted-secret@127.0.0.1:1/v1"
    failure = explain(ConnectionRefusedError(), model="openai/x", api_base=address)
    assert "planted-secret" not in failure.message + failure.tip
    assert "http://127.0.0.1:1/v1" in failure.message
