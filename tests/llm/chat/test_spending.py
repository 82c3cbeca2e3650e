"""Caps, kept answers, recordings, and keys that reach no file: whole commands against a real server."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run, calls_of, trust_all
from tests.llm.chat.asked import KEY, sketchbook, waits, write_domain
from tests.llm.chat.cases import COST, GOOD, OTHER, USAGE, WRONG
from tests.llm.chat.server import OpenAIServer

__all__ = ["sketchbook", "waits"]  # fixtures
pytestmark = [pytest.mark.usefixtures("waits"), pytest.mark.litellm]


def test_three_calls_at_most_are_exactly_three_requests(
    run: Run, sketchbook: Path, openai_server: OpenAIServer
) -> None:
    """Failed ones count: two errors and a reply that has to be repaired use them up; the fourth is never sent."""
    openai_server.will_fail(500)
    openai_server.will_fail(429, retry_after="1")
    for reply in (WRONG, GOOD):
        openai_server.will_answer(reply, usage=USAGE)
    done = run("draft", write_domain(sketchbook, openai_server), "--no-score", "--max-calls", 3)
    assert done.code == 3
    assert len(openai_server.requests) == 3
    assert "--max-calls 3 is used up" in done.err
    assert "spent: 3 requests, 2000 + 500 tokens" in done.err
    assert not (sketchbook / "tree.json").exists()


@pytest.mark.parametrize(
    ("cap", "told", "requests"),
    [
        (("--max-tokens", 4000), "would exceed --max-tokens 4000", 1),
        (("--max-cost", "0.005"), "--max-cost 0.005", 1),
        (("--max-tokens", 10), "would exceed --max-tokens 10", 0),
        (("--max-tokens", 20000), "", 2),
        (("--max-cost", "1"), "", 2),
    ],
)
def test_a_run_stops_before_the_request_that_would_exceed_its_cap(
    cap: tuple[object, ...], told: str, requests: int, run: Run, sketchbook: Path, openai_server: OpenAIServer
) -> None:
    """The second request reads at least what the first read; where a cap leaves room for both, both are sent."""
    for reply in (WRONG, GOOD):
        openai_server.will_answer(reply, usage=USAGE)
    done = run("draft", write_domain(sketchbook, openai_server), "--no-score", *cap)
    assert (done.code, told in done.err) == (3 if told else 0, True)
    assert len(openai_server.requests) == requests


def test_an_answer_may_be_no_longer_than_what_a_cap_leaves(
    run: Run, sketchbook: Path, openai_server: OpenAIServer
) -> None:
    """The provider is told, and the domain's own limit counts where it is smaller."""
    openai_server.will_answer(GOOD, usage=USAGE)
    domain = write_domain(sketchbook, openai_server, "max_tokens = 9000\n[llm.caps]\ntokens = 5000\n")
    assert run("draft", domain, "--no-score").code == 0
    assert 3000 < openai_server.requests[0].body["max_tokens"] < 5000


def test_a_cap_on_the_cost_needs_a_price(run: Run, sketchbook: Path, openai_server: OpenAIServer) -> None:
    """An unknown price is not zero: nothing is sent."""
    domain = write_domain(sketchbook, openai_server)
    path = domain / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("price_", "#"), encoding="utf-8")
    done = run("draft", domain, "--no-score", "--max-cost", "5")
    assert done.code == 3
    assert "the price of the model is not known" in done.err
    assert "--max-tokens" in done.err
    assert openai_server.requests == []


def test_an_identical_request_is_answered_from_the_history(
    run: Run, sketchbook: Path, openai_server: OpenAIServer
) -> None:
    """Repairs too: the second run sends nothing; `--fresh` asks anew, and so does another temperature."""
    domain = write_domain(sketchbook, openai_server)
    draft = ("draft", domain, "--no-score", "--force")
    for reply in (WRONG, GOOD):
        openai_server.will_answer(reply, usage=USAGE)
    assert run(*draft).code == 0
    again = run(*draft)
    assert again.code == 0
    assert len(openai_server.requests) == 2
    assert again.err.count("reused from an earlier run") == 2
    assert "spent" not in again.err
    calls = calls_of(sketchbook / "tree.json")
    assert [(c.cached, c.cost, c.requests) for c in calls] == [
        (False, pytest.approx(COST), 1),
        (False, pytest.approx(COST), 1),
        (True, 0.0, 0),
        (True, 0.0, 0),
    ]
    openai_server.will_answer(OTHER, usage=USAGE)
    assert run(*draft, "--fresh").code == 0
    assert len(openai_server.requests) == 3
    path = domain / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("price_in", "temperature = 0.5\nprice_in"))
    openai_server.will_answer(OTHER, usage=USAGE)
    assert run(*draft).code == 0
    assert len(openai_server.requests) == 4


def test_a_form_that_a_model_refuses_is_asked_for_once(run: Run, sketchbook: Path, openai_server: OpenAIServer) -> None:
    """The next run begins with the form that worked; `--fresh` begins with the firmest again."""
    domain = write_domain(sketchbook, openai_server)
    draft = ("draft", domain, "--no-score", "--force")
    openai_server.will_fail(400, "json_schema is not supported")
    openai_server.will_answer(GOOD, usage=USAGE)
    openai_server.will_answer(GOOD, usage=USAGE)
    assert run(*draft).code == 0
    domain_file = domain / "domain.toml"
    text = domain_file.read_text(encoding="utf-8")
    domain_file.write_text(text.replace('noun = "creature"', 'noun = "beast"'), encoding="utf-8")
    assert run(*draft).code == 0
    openai_server.will_answer(GOOD, usage=USAGE)
    assert run(*draft, "--fresh").code == 0
    forms = [request.body["response_format"]["type"] for request in openai_server.requests]
    assert forms == ["json_schema", "json_object", "json_object", "json_schema"]


def test_a_recorded_conversation_can_be_played(run: Run, sketchbook: Path, openai_server: OpenAIServer) -> None:
    """Each call is a line, also of a run that fails later; `replay/FILE` gives the same tree without a server."""
    domain, recording = write_domain(sketchbook, openai_server), sketchbook / "said.jsonl"
    for reply in (WRONG, GOOD):
        openai_server.will_answer(reply, usage=USAGE)
    draft = ("draft", domain, "--no-score")
    assert run(*draft, "--record", recording).code == 0
    lines = [json.loads(line) for line in recording.read_text(encoding="utf-8").splitlines()]
    assert [(line["reply"], line["cost"]) for line in lines] == [
        (WRONG, pytest.approx(COST)),
        (GOOD, pytest.approx(COST)),
    ]
    tree = (sketchbook / "tree.json").read_bytes()
    played = run(*draft, "--force", "--model", "replay/said.jsonl")
    assert played.code == 0
    assert (sketchbook / "tree.json").read_bytes() == tree
    openai_server.will_answer(WRONG, usage=USAGE)
    openai_server.will_fail(401)
    failed = sketchbook / "failed.jsonl"
    assert run(*draft, "--force", "--fresh", "--record", failed).code == 3
    assert failed.read_text(encoding="utf-8").count("\n") == 1
    other = run(*draft, "--force", "--record", domain / "domain.toml")
    assert (other.code, "is not a recording" in other.err) == (2, True)


def test_no_file_of_a_run_holds_a_key(
    run: Run, sketchbook: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where a server repeats it in an error, and not where a model repeats it in its reply."""
    domain = write_domain(sketchbook, openai_server)
    password = "planted-password"
    path = domain / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("[llm]", '[llm]\nenv_file = "keys.env"'))
    env = sketchbook.parent / "keys.env"
    env.write_text("OTHER_API_KEY=sk-of-the-file-of-keys\n", encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("keys.env", "../keys.env"))
    trust_all(domain)
    monkeypatch.setenv("OTHER_API_KEY", "to be removed")
    monkeypatch.delenv("OTHER_API_KEY")
    address = openai_server.url.replace("//", f"//me:{password}@")
    told = f"{KEY} and sk-of-the-file-of-keys and {password}"
    openai_server.will_answer(f"I was called with {told}", usage=USAGE)
    openai_server.will_answer(GOOD, usage=USAGE)
    openai_server.will_answer(OTHER, usage=USAGE)
    openai_server.will_fail(401, f"Incorrect key: {told}")
    more = ("--api-base", address, "--record", sketchbook / "said.jsonl")
    first = run("draft", domain, "--no-score", *more)
    assert first.code == 0, first.err
    second = run("revise", sketchbook / "tree.json", "-m", "smaller", "--apply", *more)
    assert second.code == 0, second.err
    third = run("revise", sketchbook / "tree.json", "-m", "smaller still", *more)
    assert third.code == 3
    logs = [run("log", sketchbook / "tree.json", *form) for form in (("--calls",), ("--json",), ("--call", "1"))]
    printed = "".join(done.out + done.err for done in (first, second, third, *logs))
    written = b"".join(file.read_bytes() for file in sketchbook.rglob("*") if file.is_file())
    assert b"I was called with" in written
    assert openai_server.requests[0].headers["authorization"]
    for secret in (KEY, "sk-of-the-file-of-keys", password):
        assert secret not in printed
        assert secret.encode() not in written


@pytest.mark.parametrize("asked", [True, False], ids=["named", "not named"])
def test_keys_are_read_from_a_file_only_when_it_is_named(
    asked: bool, run: Run, sketchbook: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `.env` beside the domain is not read by itself; what the environment holds is not replaced."""
    monkeypatch.setenv("OPENAI_API_BASE", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-to-be-removed")
    monkeypatch.delenv("OPENAI_API_KEY")
    (sketchbook / ".env").write_text("export OPENAI_API_KEY='sk-of-the-file' # mine\nOPENAI_API_BASE=http://x\n")
    openai_server.will_answer(GOOD)
    named = ("--env-file", sketchbook / ".env") if asked else ()
    done = run("draft", sketchbook, "--no-score", "--model", "openai/some-model", *named)
    if asked:
        assert done.code == 0, done.err
        assert openai_server.requests[0].headers["authorization"] == "Bearer sk-of-the-file"
    else:
        assert "no key in OPENAI_API_KEY" in done.err
        assert openai_server.requests == []
