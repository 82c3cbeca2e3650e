"""The report as text, Markdown and JSON."""

import json

import pytest

from tests.exchange.conftest import ARTICLE, Write
from treegen.config.domain import Domain
from treegen.exchange.importing import make_tree
from treegen.exchange.report import Report, as_json, as_markdown, as_text


@pytest.fixture
def report(write: Write) -> Report:
    path = write("pond.md", ARTICLE.replace('"Eel": {"colour": 1, "legs": 0}', '"Eel": {"colour": 1, "legs": 2}'))
    domain = Domain(folder=path.parent, name="pond", classes=("newts", "Swann", "Eel", "Frog"))
    return make_tree(path, domain=domain, domain_from="--domain pond").report


def test_the_text_names_everything(report: Report) -> None:
    text = as_text(report, None)
    for told in (
        "pond.md: a tree in Python or fenced JSON",
        "domain pond (from --domain pond), 3 classes",
        "comments: 2 agree with the data, 2 contradictions",
        "Contradictions (2)",
        "Comments that were not checked (1)\n  line 21: as birds have",
        "newts = Eel",
        "Swan; did you mean Swann?",
        "Newt as newts",
        "  Frog",
        "error TG203 /rules/Swan",
    ):
        assert told in text, told


def test_the_text_can_be_cut(report: Report) -> None:
    assert "and 1 more" in as_text(report, 1)
    assert len(as_text(report, 1)) < len(as_text(report, None))


def test_json_holds_all_of_it(report: Report) -> None:
    told = json.loads(json.dumps(as_json(report)))
    assert (told["classes"], told["groups"], len(told["contradictions"])) == (3, 2, 2)
    assert told["unknown_classes"] == [{"class": "Swan", "meant": "Swann"}]
    assert told["renamed_classes"] == [{"class": "Newt", "as": "newts"}]
    assert {p["code"] for p in told["problems"]} >= {"TG203", "TG201", "TG204"}


def test_markdown_escapes_what_markdown_obeys(write: Write) -> None:
    path = write(
        "a_b.md", ARTICLE.replace("Swan", "<b>Swan</b>").replace("Newt", "`Newt`|").replace('"legs": 2', '"legs": 0')
    )
    text = as_markdown(make_tree(path).report)
    assert text.startswith("# Import of a\\_b.md\n\n## Read\n\n- a\\_b.md: ")
    assert "\\<b\\>Swan\\</b\\>" in text
    assert "\\`Newt\\`\\|" in text
