"""Every case of the table, through the whole command, against a server that does wrong what servers do wrong."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run, calls_of
from tests.llm.chat.asked import sketchbook, waits, write_domain
from tests.llm.chat.cases import CASES, COST, Case
from tests.llm.chat.server import OpenAIServer
from tests.waiting import wait_until
from treegen.config.settings import LlmSettings
from treegen.tree.validation.schema import schema_problems

pytestmark = pytest.mark.litellm

__all__ = ["sketchbook", "waits"]  # fixtures


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_case_ends_as_the_table_says(
    case: Case,
    watched: bool,
    run: Run,
    sketchbook: Path,
    openai_server: OpenAIServer,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code, what is told, how many requests reach the server, and what they cost."""
    if watched:
        monkeypatch.setattr("treegen.cli.partial_reply.is_watched", lambda: True)
    case.script(openai_server)
    domain = write_domain(sketchbook, openai_server, case.settings)
    if not case.addressed:
        file = domain / "domain.toml"
        file.write_text(re.sub(r"api_base = .*\n", "", file.read_text(encoding="utf-8")), encoding="utf-8")
    if case.key is None:
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", case.key)
    arguments = [_addressed(argument, openai_server) for argument in case.arguments]
    done = run("draft", domain, "--no-score", *arguments)
    assert done.code == case.code, done.err
    assert _addressed(case.told, openai_server) in done.err
    wait_until(lambda: len(openai_server.requests) >= case.requests)  # one that was given up may still be read
    assert len(openai_server.requests) == case.requests
    assert not openai_server.script
    assert (f"spent: {case.requests} request" in done.err) == bool(case.requests)
    if case.paid:
        assert f"{2000 * case.paid} + {500 * case.paid} tokens" in done.err
        assert f"${case.paid * COST:.4f}" in done.err
    unknown = case.requests - case.paid
    assert ("cost of" in done.err) == bool(unknown)
    assert openai_server.most_sent < 40e6
    assert sum(c.cost or 0 for c in calls_of(domain / "tree.json")) <= case.paid * COST + 1e-9


def _addressed(text: str, server: OpenAIServer) -> str:
    return text.replace("{server}", server.url).replace("{secure}", server.url.replace("http:", "https:"))


def test_the_table_of_the_documentation_is_this_one() -> None:
    """One place knows what happens; `docs/language-models.md` shows it."""
    text = (ROOT / "docs" / "language-models.md").read_text(encoding="utf-8")
    table = "\n".join(case.row for case in CASES)
    assert table in text, f"put this into docs/language-models.md:\n{table}"


def test_the_settings_of_the_documentation_are_valid() -> None:
    """As they stand, in a domain."""
    text = (ROOT / "docs" / "language-models.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    data = {"name": "birds", "classes": ["Wren", "Robin"], **tomllib.loads(block)}
    assert schema_problems(data, "domain") == []
    assert set(data["llm"]) == {f.name for f in fields(LlmSettings)} - {"from_file"}
