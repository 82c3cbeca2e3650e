"""The report as text, Markdown and JSON."""

import json

import pytest

from tests.exchange.conftest import ARTICLE, PETS, Write
from treegen.config.domain import Domain
from treegen.exchange.importing import make_tree
from treegen.exchange.report import Report, as_json, as_markdown, as_text, counts


@pytest.fixture
def report(write: Write) -> Report:
    path = write("pets.json", {**PETS, "Pugs": PETS["Pug"]})
    domain = Domain(
        folder=path.parent, name="pets", noun="pet", classes=("Siamese", "Persian", "beagle", "Boxr", "Tabby")
    )
    return make_tree(path, domain=domain, domain_from="--domain pets").report


def test_the_text_names_everything_and_the_counts_add_up(report: Report) -> None:
    text = as_text(report, None)
    assert report.grouped is not None
    n = counts(report.grouped)
    assert n["read"] == n["placed"] + n["dropped"] + n["unplaced"] == 33
    for told in (
        "pets.json: a list of phrases for each class",
        "domain pets (from --domain pets), 7 classes",
        "33 phrases read",
        "lexical embedding",
        "Group eyes: A photo of a pet with {}.",
        "Contradictions (",
        "Names in phrases (",
        "/Persian/3: Persian: 'a Persian face' holds 'a Persian'; 'face' is left",
        "/Pug/4: Pug: null: null",
        "Classes without any answer (1)\n  Boxer",
        "Pug = Pugs",
        "Boxer; is Boxr meant?",
        "Beagle as beagle",
        "  Tabby",
        "error TG203 /rules/Boxer",
        "kept apart",
    ):
        assert told in text, told


def test_the_text_can_be_cut(report: Report) -> None:
    assert "and 3 more" in as_text(report, 1)
    assert len(as_text(report, 1)) < len(as_text(report, None))


def test_json_holds_all_of_it(report: Report) -> None:
    told = json.loads(json.dumps(as_json(report)))
    assert told["phrases"]["read"] == 33
    assert len(told["unplaced"]) == told["phrases"]["unplaced"]
    assert told["unknown_classes"][0] == {"class": "Persian", "meant": None} or told["unknown_classes"]
    assert told["renamed_classes"] == [{"class": "Beagle", "as": "beagle"}]
    assert {p["code"] for p in told["problems"]} >= {"TG203", "TG201", "TG204"}


def test_markdown_escapes_what_markdown_obeys(write: Write) -> None:
    path = write("a_b.json", {"x*": {"size": "<b>big</b>", "age": None}, "y": {"size": "`small`|"}})
    text = as_markdown(make_tree(path).report)
    assert text.startswith("# Import of a\\_b.json\n\n## Read\n\n- a\\_b.json: ")
    assert "\\<b\\>big\\</b\\>" in text
    assert "\\`small\\`" in text


def test_a_tree_shows_its_comments_and_no_phrases(write: Write) -> None:
    report = make_tree(write("a.md", ARTICLE)).report
    assert "comments: 2 agree with the data, 2 contradictions" in as_text(report)
    assert as_json(report)["phrases"] is None
