"""A domain in another language: prompts and options in it, instructions and feedback in the reviewer's."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run, calls_of
from tests.llm.chat.server import OpenAIServer
from tests.llm.conftest import FakeChat
from treegen.config.domain import load_domain
from treegen.llm.prompting.languages import in_words, is_foreign
from treegen.llm.tasks.draft import draft, revise
from treegen.tree.validation.checks import check_file
from treegen.tree.validation.normalise import normalise

GERMAN: dict[str, dict[str, Any]] = {
    "classification_groups": {
        "farbe": {"prompt": "Der Bauch des Vogels ist überwiegend {}.", "options": ["weiß", "gelb", "rötlich"]},
        "lage": {"prompt": "Der Vogel sitzt {}.", "options": ["an der Wand", "auf der Wand", "im Gras"]},
        "größe": {"prompt": "Der Vogel ist {}.", "options": ["klein", "groß"]},
    },
    "rules": {
        "Zaunkönig": {"farbe": 0, "lage": 2, "größe": 0},
        "Kohlmeise": {"farbe": 1, "lage": 0, "größe": 0},
        "Rotkehlchen": {"farbe": 2, "lage": 1, "größe": 1},
    },
}
DOMAIN = """
name = "vögel"
noun = "Vogel"
language = "de"
description = "Heimische Vögel."
classes = ["Zaunkönig", "Kohlmeise", "Rotkehlchen"]
"""


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("de", "German (de)"),
        ("pt-BR", "Portuguese (pt-BR)"),
        ("zh_Hant", "Chinese (zh_Hant)"),
        ("en", "en"),
        ("en-GB", "en-GB"),
        ("tlh", "tlh"),
        ("German", "German"),
        ("English", "English"),
        ("the Swiss German of Bern", "the Swiss German of Bern"),
    ],
)
def test_a_language_is_named_in_words(code: str, words: str) -> None:
    assert in_words(code) == words
    assert is_foreign(code) == (not code.casefold().startswith("en"))


@pytest.mark.litellm
def test_a_german_domain_is_drafted_from_end_to_end(
    birds: Path, run: Run, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply of a real server, checked, written as it is, and read again."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    openai_server.will_say("Gerne! Hier ist der Baum:\n```json\n" + json.dumps(GERMAN) + "\n```")
    done = run("draft", birds, "--model", "openai/m", "--api-base", openai_server.url)
    assert done.code == 0, done.err
    checked = check_file(birds / "tree.json", classes=list(GERMAN["rules"]), domain="vögel")
    assert checked.problems == ()
    text = (birds / "tree.json").read_text(encoding="utf-8")
    assert "Der Bauch des Vogels ist überwiegend {}." in text
    prompt = openai_server.requests[0].body["messages"][1]["content"]
    assert 'in the language "German (de)"' in prompt
    assert '"Vogel" may be declined' in prompt
    assert calls_of(birds / "tree.json")[0].purpose == "draft"


def test_any_language_is_named_by_its_name(birds: Path) -> None:
    """The text of domain.toml is what the model reads; a quotation mark in it stays within its own."""
    (birds / "domain.toml").write_text(DOMAIN.replace('"de"', "'Bairisch (\"Boarisch\")'"), encoding="utf-8")
    chat = FakeChat(json.dumps(GERMAN))
    assert draft(load_domain(birds), chat).tree is not None
    assert 'in the language "Bairisch (\\"Boarisch\\")"' in chat.requests[0][1].content


@pytest.mark.parametrize("said", ["Bitte das Gefieder genauer!", "鳥の色をもっと詳しく", "اللون أدق", "हरा नहीं 🐦"])
def test_feedback_goes_through_in_any_script(birds: Path, said: str) -> None:
    domain = load_domain(birds)
    chat = FakeChat(json.dumps(GERMAN), json.dumps(GERMAN))
    tree = draft(domain, chat).tree
    assert tree is not None
    revise(domain, tree, said, chat)
    request = chat.requests[1][1].content
    assert f"<feedback>\n{said}\n</feedback>" in request
    assert 'Prompts and options are in "German (de)", whatever the language of the feedback' in request


def test_an_english_domain_is_told_nothing_of_other_languages(birds: Path) -> None:
    (birds / "domain.toml").write_text(DOMAIN.replace('language = "de"\n', ""), encoding="utf-8")
    chat = FakeChat(json.dumps(GERMAN))
    draft(load_domain(birds), chat)
    assert "declined" not in chat.requests[0][1].content


@pytest.mark.parametrize(
    "options",
    [
        ["rot", "rötlich", "rosa", "rostrot"],
        ["Gras", "Moos", "Eis", "Reisig"],
        ["ein Horn", "zwei Hörner", "kein"],
        ["an der Wand", "auf der Wand", "vor der Wand"],
        ["Streifen", "Punkte", "Flecken", "Karos"],
        ["groß", "klein", "größer als ein Haus"],
        ["Maus", "Laus", "Haus"],
        ["schön", "schon"],
        ["赤", "赤い線", "青", "青緑"],
        ["はね", "ばね", "ハネ"],
        ["がく", "かく"],
        ["丸い", "丸くて平たい"],
        ["красный", "красная полоса", "синий"],
        ["เขียว", "เขา"],
        ["गोल", "गोला"],
        ["أبيض", "أسود"],
        ["gris", "gros", "gras"],
        ["à rayures", "rayures fines"],
        ["ışık", "isik"],
    ],
)
def test_options_of_other_languages_are_not_taken_for_the_same(options: list[str]) -> None:
    assert len({normalise(option) for option in options}) == len(options)


@pytest.mark.parametrize(
    ("one", "other"), [("WEISS", "weiß"), ("ﾊﾈ", "ハネ"), ("ＲＯＴ", "rot"), ("größe", "gro\u0308ße")]
)
def test_what_is_only_written_otherwise_is_the_same_in_every_language(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)
