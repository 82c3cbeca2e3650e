"""What can go wrong with a language model's server: the script of each case, and what a user sees of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.conftest import TREE
from tests.llm.chat.server import OpenAIServer

KEY: Final = "sk-a-planted-secret-key"
GOOD: Final = TREE
WRONG: Final = TREE.replace('"blue"]', '"blue", "Blue"]')
OTHER: Final = TREE.replace('"tiny"', '"small"')
USAGE: Final = {"prompt_tokens": 2000, "completion_tokens": 500, "total_tokens": 2500}
PRICE_IN, PRICE_OUT = 1.0, 4.0  # USD per million tokens
DRAFTED: Final = "draft (reply 1 of openai/some-model"
M: Final = "openai/some-model: "
COST: Final = 2000 * PRICE_IN / 1e6 + 500 * PRICE_OUT / 1e6  # of one reply with that usage: 0.004


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing that a server does.

    Attributes:
        name: in words; it stands in the documentation.
        script: what the server is told to do.
        code: the exit code of `treegen draft`.
        told: what the user sees, with {server} for the address.
        requests: how many reach the server.
        paid: for how many of them the usage was told.
        settings: further lines of [llm].
        arguments: further arguments of the command, with {server} for the address.
        key: in OPENAI_API_KEY; `None` if it is not set.
        addressed: the domain names the server's address; a server of one's own needs no key.
    """

    name: str
    script: Callable[[OpenAIServer], None]
    code: int
    told: str
    requests: int
    paid: int
    settings: str = ""
    arguments: tuple[str, ...] = ()
    key: str | None = KEY
    addressed: bool = True

    @property
    def row(self) -> str:
        """The row of the table in the documentation."""
        cost = f"${self.paid * COST:.3f}" if self.paid else "-"
        seen = self.told.removeprefix(M).replace("{server}", "SERVER").replace("{secure}", "SERVER")
        if self.code == 0:
            seen = "the tree" if self.told == DRAFTED else f"{seen}; then the tree"
        return f"| {self.name} | {seen} | {self.code} | {self.requests} | {cost} |"


def good(server: OpenAIServer) -> None:
    server.will_answer(GOOD, usage=USAGE)


def says(*replies: str | None, **more: str) -> Callable[[OpenAIServer], None]:
    """Each reply in turn."""

    def script(server: OpenAIServer) -> None:
        for reply in replies:
            server.will_answer(reply, usage=USAGE, **more)

    return script


def fails(
    status: int, times: int = 1, *, then_good: bool = False, message: str = "no", **headers: str
) -> Callable[[OpenAIServer], None]:
    """An error, so many times."""

    def script(server: OpenAIServer) -> None:
        for _ in range(times):
            server.will_fail(status, message, **headers)
        if then_good:
            good(server)

    return script


def does(*steps: Callable[[OpenAIServer], None]) -> Callable[[OpenAIServer], None]:
    """One step behind the other."""

    def script(server: OpenAIServer) -> None:
        for step in steps:
            step(server)

    return script


def hangs(server: OpenAIServer) -> None:
    server.will_hang()


def hangs_up(server: OpenAIServer) -> None:
    server.will_hang_up()


def breaks_off(server: OpenAIServer) -> None:
    server.will_break_off(GOOD[:200])


def floods(server: OpenAIServer) -> None:
    server.will_flood(100)


def inflates(server: OpenAIServer) -> None:
    server.will_inflate(10 * 1024)


def compresses_twice(server: OpenAIServer) -> None:
    server.will_inflate(1, encoding="gzip, gzip")


def page(server: OpenAIServer) -> None:
    server.will_send(b"<html><title>Sign in</title></html>", content_type="text/html")


def nothing(server: OpenAIServer) -> None:
    """The server is not reached."""


def cut_short(server: OpenAIServer) -> None:
    server.will_answer(GOOD[: len(GOOD) // 2], finish="length", usage=USAGE)


CASES: Final = (
    Case(name="a good reply", script=good, code=0, told=DRAFTED, requests=1, paid=1),
    Case(
        name="no key is set",
        script=nothing,
        code=3,
        told=M + "no key in OPENAI_API_KEY",
        requests=0,
        paid=0,
        key=None,
        addressed=False,
    ),
    Case(
        name="the key that is set is blank",
        script=nothing,
        code=3,
        requests=0,
        paid=0,
        key=" ",
        addressed=False,
        told=M + "no key in OPENAI_API_KEY, which is set but blank",
    ),
    Case(
        name="no key is set for a server of one's own", script=good, code=0, told=DRAFTED, requests=1, paid=1, key=None
    ),
    Case(
        name="401, the key is wrong",
        script=fails(401),
        code=3,
        told=M + "{server} refused the key (401)",
        requests=1,
        paid=0,
    ),
    Case(
        name="402, no credit",
        script=fails(402),
        code=3,
        told=M + "{server} requires payment (402)",
        requests=1,
        paid=0,
    ),
    Case(
        name="403, the key may not",
        script=fails(403),
        code=3,
        told=M + "{server} does not allow this key to use the model (403)",
        requests=1,
        paid=0,
    ),
    Case(
        name="404, no such model",
        script=fails(404),
        code=3,
        told=M + "{server} does not know this model (404)",
        requests=1,
        paid=0,
    ),
    Case(
        name="400, the request is longer than the context",
        code=3,
        requests=1,
        paid=0,
        script=fails(400, message="This model's maximum context length is 4097 tokens."),
        told=M + "the request is longer than the model's context",
    ),
    Case(
        name="400, a content filter before the model",
        code=3,
        requests=1,
        paid=0,
        script=fails(400, message="The prompt triggered our content management policy."),
        told=M + "{server} refused the content",
    ),
    Case(
        name="429 with Retry-After, then good",
        script=fails(429, then_good=True, retry_after="7"),
        code=0,
        told=DRAFTED,
        requests=2,
        paid=1,
    ),
    Case(
        name="429 with a Retry-After of an hour",
        script=fails(429, retry_after="3600"),
        code=3,
        told=M + "{server} is limiting the rate of requests (429) and asks to wait 3600 s",
        requests=1,
        paid=0,
    ),
    Case(name="500 twice, then good", script=fails(500, 2, then_good=True), code=0, told=DRAFTED, requests=3, paid=1),
    Case(
        name="500 again and again",
        script=fails(500, 4),
        code=3,
        told=M + "{server} failed (500), 4 times",
        requests=4,
        paid=0,
    ),
    Case(
        name="no answer at all",
        script=does(hangs, hangs),
        code=3,
        settings="timeout = 0.4\nretries = 1\n",
        told=M + "{server} did not answer within 0.4 s, 2 times",
        requests=2,
        paid=0,
    ),
    Case(
        name="the connection is cut before the reply, then good",
        script=does(hangs_up, good),
        code=0,
        told=DRAFTED,
        requests=2,
        paid=1,
    ),
    Case(
        name="the connection is cut within the reply, then good",
        script=does(breaks_off, good),
        code=0,
        told=DRAFTED,
        requests=2,
        paid=1,
    ),
    Case(
        name="400 on response_format, then good",
        code=0,
        requests=2,
        paid=1,
        script=fails(400, then_good=True, message="'response_format' of type 'json_schema' is not supported"),
        told=DRAFTED,
    ),
    Case(
        name="400 on any response_format, then good",
        code=0,
        requests=3,
        paid=1,
        script=fails(400, 2, then_good=True, message="unknown field response_format"),
        told=DRAFTED,
    ),
    Case(
        name="the schema is ignored, then good",
        script=says("I would ask about the colour first.", GOOD),
        code=0,
        told="TG501 /: the reply holds no JSON object",
        requests=2,
        paid=2,
    ),
    Case(
        name="prose again and again",
        script=says("Of course!", "Here you are."),
        code=1,
        told="no usable tree after 2 replies, the same problems came back",
        requests=2,
        paid=2,
    ),
    Case(
        name="the tree behind a <think> block",
        script=says(f"<think>Is {{}} one?</think>\n{GOOD}"),
        code=0,
        told=DRAFTED,
        requests=1,
        paid=1,
    ),
    Case(
        name="two different trees in a reply, then good",
        script=says(f"{GOOD}\nor rather\n{OTHER}", GOOD),
        code=0,
        told="TG502 /: the reply holds 2 different trees",
        requests=2,
        paid=2,
    ),
    Case(name="a tree with an error, then good", script=says(WRONG, GOOD), code=0, told="TG111", requests=2, paid=2),
    Case(
        name="the reply is cut at the token limit, then good",
        script=does(cut_short, good),
        code=0,
        told="TG503 /: the reply was cut at the token limit",
        requests=2,
        paid=2,
    ),
    Case(
        name="the model refuses",
        script=says(None, refusal="I cannot help with that."),
        code=3,
        told=M + "the model refuses: I cannot help with that.",
        requests=1,
        paid=1,
    ),
    Case(
        name="the content filter stops the reply",
        script=says("{", finish="content_filter"),
        code=3,
        told=M + "the provider's content filter stopped the reply",
        requests=1,
        paid=1,
    ),
    Case(
        name="an empty reply",
        script=says(None),
        code=3,
        told=M + "the reply is empty (finish reason stop)",
        requests=1,
        paid=1,
    ),
    Case(
        name="a proxy's page instead of a reply",
        script=page,
        code=3,
        told=M + "the response from {server} is not a chat completion",
        requests=1,
        paid=0,
    ),
    Case(
        name="a reply of 100 MB",
        script=floods,
        code=3,
        told=M + "{server} sent more than a reply may contain, and was cut off",
        requests=1,
        paid=0,
    ),
    Case(
        name="a compressed reply that expands to 10 GB",
        script=inflates,
        code=3,
        told=M + "{server} sent more than a reply may contain, and was cut off",
        requests=1,
        paid=0,
    ),
    Case(
        name="a reply that is compressed twice",
        script=compresses_twice,
        code=3,
        told=M + "the response from {server} is not a chat completion",
        requests=1,
        paid=0,
    ),
    Case(
        name="nothing listens there",
        script=nothing,
        code=3,
        arguments=("--api-base", "http://127.0.0.1:9/v1"),
        told=M + "http://127.0.0.1:9/v1 cannot be reached: it refused the connection",
        requests=0,
        paid=0,
    ),
    Case(
        name="no such host",
        script=nothing,
        code=3,
        arguments=("--api-base", "http://nowhere.invalid/v1"),
        told=M + "http://nowhere.invalid/v1 cannot be reached: there is no such host name",
        requests=0,
        paid=0,
    ),
    Case(
        name="https to a server that speaks http",
        script=nothing,
        code=3,
        arguments=("--api-base", "{secure}"),
        told=M + "no secure connection to {secure}",
        requests=0,
        paid=0,
    ),
    Case(
        name="a name without a provider",
        script=nothing,
        code=3,
        arguments=("--model", "nobodys-model"),
        told="nobodys-model: the name does not say which provider",
        requests=0,
        paid=0,
    ),
    Case(
        name="a parameter that the model does not take",
        script=nothing,
        code=3,
        requests=0,
        paid=0,
        settings="temperature = 0.3\n",
        arguments=("--model", "openai/gpt-5"),
        told="openai/gpt-5: the model does not accept temperature or max_tokens",
    ),
)
