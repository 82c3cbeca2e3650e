"""Which form a reply is asked for, and when one is given up; against a real server."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.llm.chat.server import OpenAIServer, Request, Response, completion
from tests.llm.chat.test_litellm_chat import REQUEST, environment
from tests.waiting import PATIENCE
from treegen.config.settings import LlmSettings
from treegen.errors import ModelError
from treegen.llm.chat.estimate import Estimate, count_tokens
from treegen.llm.chat.interface import Message, ResponseSchema
from treegen.llm.chat.litellm_chat import LitellmChat
from treegen.llm.chat.response_cache import CachedChat, ResponseCache, request_key
from treegen.llm.chat.structured_output import response_format
from treegen.progress import Cancelled
from treegen.remote.budget import Limits
from treegen.remote.litellm import load_litellm

pytestmark = pytest.mark.litellm

__all__ = ["environment"]  # a fixture

CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "array", "items": {"type": "string"}}},
    "required": ["a"],
    "additionalProperties": False,
}
WIRE = ResponseSchema(name="tree", schema=CLOSED)


def chat_with(server: OpenAIServer, responses: ResponseCache | None = None, **more: Any) -> LitellmChat:
    settings = LlmSettings(model="openai/some-model", api_base=server.url, **more)
    chat = LitellmChat(settings, responses=responses)
    chat._sleep = lambda seconds: None
    return chat


def forms(server: OpenAIServer) -> list[str]:
    return [request.body.get("response_format", {}).get("type", "text") for request in server.requests]


def test_a_schema_is_strict_only_where_every_object_is_closed() -> None:
    """OpenAI refuses others as strict; they are sent all the same."""
    strict = response_format("json_schema", WIRE)["response_format"]["json_schema"]
    assert strict == {"name": "tree", "schema": CLOSED, "strict": True}
    opened: list[dict[str, object]] = [{"additionalProperties": {"type": "integer"}}, {"required": []}]
    for change in opened:
        loose = response_format("json_schema", ResponseSchema(name="tree", schema={**CLOSED, **change}))
        assert "strict" not in loose["response_format"]["json_schema"]
    nested = {**CLOSED, "properties": {"a": {"type": "object"}}}
    assert (
        "strict"
        not in response_format("json_schema", ResponseSchema(name="n", schema=nested))["response_format"]["json_schema"]
    )
    assert response_format("text", WIRE) == {}


def test_without_a_wire_no_form_is_asked_for(openai_server: OpenAIServer) -> None:
    openai_server.will_answer("{}")
    chat_with(openai_server).complete(REQUEST)
    assert forms(openai_server) == ["text"]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "response_format is not supported"),
        (422, "body -> response_format: extra fields not permitted"),
        (400, "Invalid schema for response_format: additionalProperties"),
        (500, "failed to compile grammar"),
        (400, "The compiled grammar is too large"),
    ],
)
def test_a_refused_form_is_given_up_at_once_and_for_good(
    openai_server: OpenAIServer, status: int, message: str
) -> None:
    """It is no failure to the user, and counts as a request."""
    openai_server.will_fail(status, message)
    for _ in range(2):
        openai_server.will_answer("{}")
    chat = chat_with(openai_server)
    assert chat.complete(REQUEST, wire=WIRE).requests == 2
    assert chat.complete(REQUEST, wire=WIRE).requests == 1
    assert forms(openai_server) == ["json_schema", "json_object", "json_object"]


@pytest.mark.parametrize(("status", "message"), [(400, "bad request"), (401, "response_format"), (404, "no model")])
def test_other_failures_are_told_and_the_form_stays(openai_server: OpenAIServer, status: int, message: str) -> None:
    openai_server.will_fail(status, message)
    openai_server.will_answer("{}")
    chat = chat_with(openai_server)
    with pytest.raises(ModelError, match=str(status)):
        chat.complete(REQUEST, wire=WIRE)
    chat.complete(REQUEST, wire=WIRE)
    assert forms(openai_server) == ["json_schema", "json_schema"]


@pytest.mark.parametrize(
    ("text", "finish", "next_form"),
    [
        ("Of course!", "stop", "json_object"),
        ("<think>{}</think> Of course!", "stop", "json_object"),
        ("Of course! {}", "stop", "json_schema"),
        ("Of cou", "length", "json_schema"),
    ],
)
def test_a_schema_that_is_ignored_is_given_up_for_the_next_request(
    openai_server: OpenAIServer, text: str, finish: str, next_form: str
) -> None:
    """The reply itself is returned: what is wrong with it can be told to the model."""
    openai_server.will_answer(text, finish=finish)
    openai_server.will_answer("{}")
    chat = chat_with(openai_server)
    chat.complete(REQUEST, wire=WIRE)
    chat.complete(REQUEST, wire=WIRE)
    assert forms(openai_server)[1] == next_form


def test_what_worked_is_remembered_for_this_model_at_this_server_alone(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    """Without the password of the address."""
    responses = ResponseCache(tmp_path / "tree.json")
    address = openai_server.url.replace("//", "//me:secret@")
    settings = LlmSettings(model="openai/some-model", api_base=address)
    openai_server.will_fail(400, "json_schema")
    openai_server.will_answer("{}")
    LitellmChat(settings, responses=responses).complete(REQUEST, wire=WIRE)
    assert responses.form("openai/some-model", openai_server.url) == "json_object"
    assert responses.form("openai/other", openai_server.url) is None
    assert responses.form("openai/some-model", "") is None
    assert b"secret" not in b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())


def test_no_more_requests_run_at_a_time_than_are_allowed(openai_server: OpenAIServer) -> None:
    """Six threads ask; the server never sees more than two of them at once."""
    lock, running, most = threading.Lock(), [0], [0]

    def slow(request: Request) -> Response:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.05)
        with lock:
            running[0] -= 1
        return Response(body=completion("x"))

    openai_server.script.extend([slow] * 6)
    chat = chat_with(openai_server, concurrency=2)
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: chat.complete(REQUEST), range(6)))
    assert [reply.text for reply in replies] == ["x"] * 6
    assert most[0] == 2


def test_waiting_for_a_place_can_be_cancelled(openai_server: OpenAIServer) -> None:
    openai_server.will_hang()
    chat = chat_with(openai_server, concurrency=1, retries=0)
    chat._slots.acquire()

    def ended(text: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        chat.complete(REQUEST, ended)
    assert openai_server.requests == []


def test_pictures_count_for_the_key_by_their_content_and_in_the_estimate(openai_server: OpenAIServer) -> None:
    """And go to the server as they are."""

    def asked(*images: str) -> list[Message]:
        return [Message(role="user", content="look", images=images)]

    settings = LlmSettings(model="openai/some-model")
    keys = {
        request_key(settings, asked(*images), None) for images in ((), ("data:a",), ("data:b",), ("data:a", "data:b"))
    }
    assert len(keys) == 4
    openai_server.will_answer("x")
    expected = list[Estimate]()
    chat = LitellmChat(LlmSettings(model="openai/m", api_base=openai_server.url), on_request=expected.append)
    chat.complete(asked("data:image/png;base64,AAAA", "data:image/png;base64,BBBB"))
    sent = openai_server.requests[0].body["messages"][0]["content"]
    assert [part["type"] for part in sent] == ["text", "image_url", "image_url"]
    (estimate,) = expected
    assert estimate.prompt_tokens is not None
    assert estimate.prompt_tokens > 1600


def test_within_a_run_an_identical_request_is_asked_anew(openai_server: OpenAIServer, tmp_path: Path) -> None:
    """Else a model that gave a useless answer would give it for ever; the last answer is responses for the next run."""
    for text in ("first", "second"):
        openai_server.will_answer(text)
    chat, responses = chat_with(openai_server), ResponseCache(tmp_path / "tree.json")
    settings = LlmSettings(model="openai/some-model", api_base=openai_server.url)
    run = CachedChat(chat, settings, responses)
    assert [run.complete(REQUEST).text, run.complete(REQUEST).text] == ["first", "second"]
    later = CachedChat(chat, settings, responses).complete(REQUEST)
    assert (later.text, later.cached, later.cost, later.requests) == ("second", True, 0.0, 0)


def test_a_cut_answer_is_not_kept(openai_server: OpenAIServer, tmp_path: Path) -> None:
    openai_server.will_answer("{", finish="length")
    openai_server.will_answer("{}")
    chat, responses = chat_with(openai_server), ResponseCache(tmp_path / "tree.json")
    settings = LlmSettings(model="openai/some-model", api_base=openai_server.url)
    texts = [CachedChat(chat, settings, responses).complete(REQUEST).text for _ in range(2)]
    assert texts == ["{", "{}"]


@pytest.mark.parametrize("content", [None, 5, [{"type": "image", "text": "x"}], {"a": 1}, True])
def test_content_that_is_no_text_is_told(openai_server: OpenAIServer, content: object) -> None:
    openai_server.script.append(Response(body=completion(content)))
    with pytest.raises(ModelError):
        chat_with(openai_server).complete(REQUEST)
    assert len(openai_server.requests) == 1


def test_a_tool_call_instead_of_an_answer_is_told(openai_server: OpenAIServer) -> None:
    openai_server.will_answer(None, finish="tool_calls")
    with pytest.raises(ModelError, match="a tool was called instead"):
        chat_with(openai_server).complete(REQUEST)


def test_text_in_small_pieces_is_cut_off_too(openai_server: OpenAIServer) -> None:
    """Every piece is within the limits, all of them together are not."""
    openai_server.will_stream(*["x" * 2**18] * 40)
    with pytest.raises(ModelError, match="cut off"):
        chat_with(openai_server).complete(REQUEST, lambda text: None)
    assert len(openai_server.requests) == 1


def test_a_server_that_drips_is_left_when_the_time_is_over(openai_server: OpenAIServer) -> None:
    """Each piece comes soon enough; the whole does not."""
    openai_server.will_drip("x")
    with pytest.raises(ModelError, match="incomplete after 1 s"):
        chat_with(openai_server, timeout=PATIENCE, total_timeout=1.0, retries=0).complete(REQUEST, lambda text: None)


def test_a_request_is_not_paid_for_an_answer_of_a_few_tokens(openai_server: OpenAIServer) -> None:
    """Where a cap leaves more, the answer is asked to be no longer than that."""
    tokens = count_tokens(load_litellm(), "openai/some-model", REQUEST)
    with pytest.raises(ModelError, match="leave 10 tokens for an answer"):
        chat_with(openai_server, caps=Limits(max_tokens=tokens + 10)).complete(REQUEST)
    assert openai_server.requests == []
    openai_server.will_answer("{}")
    chat_with(openai_server, caps=Limits(max_tokens=tokens + 100)).complete(REQUEST)
    assert openai_server.requests[0].body["max_tokens"] == 100


def test_with_a_cap_on_tokens_requests_go_one_at_a_time(openai_server: OpenAIServer) -> None:
    """Else each would be given all that is left."""
    for _ in range(4):
        openai_server.will_answer("{}", usage={"prompt_tokens": 10, "completion_tokens": 1000, "total_tokens": 1010})
    chat = chat_with(openai_server, concurrency=4, caps=Limits(max_tokens=2100))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: _ended(chat), range(4)))
    assert sorted(found) == ["refused", "refused", "{}", "{}"]
    assert len(openai_server.requests) == 2


def _ended(chat: LitellmChat) -> str:
    try:
        return chat.complete(REQUEST).text
    except ModelError:
        return "refused"
