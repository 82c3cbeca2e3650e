"""From phrases to groups: each phrase has one fate, and the counts add up."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.exchange.conftest import PETS, Write
from treegen.errors import TreegenError
from treegen.exchange.descriptors import Gathering, add_mapping
from treegen.exchange.importing import Made, make_tree
from treegen.exchange.procedure import Grouped, group_phrases
from treegen.exchange.recognising import recognise
from treegen.exchange.report import as_json as report_json
from treegen.exchange.sources import read_source


def grouped(data: dict[str, Any], **options: Any) -> Grouped:
    into = Gathering()
    return group_phrases(into.result(add_mapping(into, data, "")), noun="pet", **options)


def test_parts_become_groups() -> None:
    found = grouped(PETS)
    assert {"coat", "eyes", "ears", "tail"} <= {g.name for g in found.groups}
    eyes = next(g for g in found.groups if g.name == "eyes")
    assert (eyes.prompt, eyes.typed) == ("A photo of a pet with {}.", False)
    assert {o.text: set(o.classes) for o in eyes.options}["large, round eyes"] == {"Persian", "Pug"}
    assert found.answers["Poodle"].keys() == {g.name for g in found.groups} & found.answers["Poodle"].keys()
    assert "lexical" in found.method


def test_a_second_phrase_of_a_class_is_a_contradiction_and_a_name_a_leak() -> None:
    found = grouped(PETS)
    assert [(c.owner, c.text) for c in found.contradictions] == [("Beagle", "short, floppy ears")]
    assert [(x.owner, x.text, x.left) for x in found.leaks] == [
        ("Persian", "a Persian face", "face"),
        ("Pug", "Pug", ""),
    ]
    reasons = {(d.owner, d.text): d.reason for d in found.dropped}
    assert reasons[("Pug", "Pug")] == "nothing is left without the class's name"
    assert reasons[("Poodle", "curly coats")] == "stands twice for its class"


def test_attribute_types_are_groups_whatever_their_words() -> None:
    found = grouped(
        {
            "robin": {"Size": "small", "Eye colors": "dark"},
            "crow": {"size": "big", "eye color": "dark"},
            "owl": {"size": ["big", "huge"], "eye color": "yellow"},
        }
    )
    assert {g.name: [o.text for o in g.options] for g in found.groups} == {
        "size": ["small", "big"],
        "eye_color": ["dark", "yellow"],
    }
    assert [c.text for c in found.contradictions] == ["huge"]
    assert found.method == "2 attribute types of the file"


def test_groups_limits_their_number() -> None:
    found = grouped(PETS, groups=2)
    assert len(found.groups) == 2
    assert any("--groups" in u.reason for u in found.unplaced)


class Embedder:
    """Embeds by the first letter: phrases of one letter are near."""

    name, logit_scale, logit_bias, context_length, device, precision = "letters", 1.0, None, 77, "cpu", "fp32"
    fingerprint, preprocessing = "sha256:0", dict[str, Any]()

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        rows = torch.zeros(len(texts), 26)
        for row, text in zip(rows, texts, strict=True):
            row[ord(text[0]) - ord("a")] = 1
        return rows


def test_an_encoder_groups_by_its_own_likeness() -> None:
    found = grouped({"x": ["apple", "boat"], "y": ["ant", "bee"], "z": ["axe", "bus"]}, encoder=Embedder())
    assert [sorted(o.text for o in g.options) for g in found.groups] == [
        ["ant", "apple", "axe"],
        ["bee", "boat", "bus"],
    ]
    assert "letters" in found.method


def check_counts(found: Grouped, read: int) -> None:
    assert found.placed + len(found.dropped) + len(found.unplaced) == read
    assert found.placed == sum(len(rule) for rule in found.answers.values())
    assert found.placed == sum(len(o.classes) for g in found.groups for o in g.options)
    assert all(len(g.options) >= 2 for g in found.groups)


def entries(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(entries, value))
    return 1


WORDS = st.sampled_from(
    ["red", "round", "eyes", "tail", "Pug", "the", "of", "", "long", "4", "coat", "(x", "—", "Owl."]
)
TEXTS = st.lists(WORDS, max_size=7).map(" ".join)
ENTRIES = st.one_of(TEXTS, st.none(), st.integers(), st.booleans(), st.lists(TEXTS, max_size=2), st.text(max_size=5))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["Pug", "Owl", "red", "", "a b", "Owls"]), st.lists(ENTRIES, max_size=8)))
def test_placed_dropped_and_unplaced_add_up_to_what_was_read(data: dict[str, Any]) -> None:
    check_counts(grouped(data), sum(map(entries, data.values())))


def test_it_is_deterministic() -> None:
    assert grouped(PETS) == grouped(PETS)


def made_or_refused(path: Path) -> Made | None:
    try:
        return make_tree(path)
    except TreegenError as error:
        assert_told(error, path)
        return None


def assert_told(error: TreegenError, path: Path) -> None:
    assert str(path) in error.message
    assert error.tip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False) | st.text(max_size=8) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(
                [
                    "class",
                    "rules",
                    "x_rules",
                    "classification_groups",
                    "options",
                    "prompt",
                    "prompt_pairs",
                    "classes",
                    "value",
                    "attribute",
                    "domain",
                    "prompt_pair",
                    "attr_type",
                    "descriptors",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON)
def test_any_json_is_a_tree_or_one_error(write: Write, data: Any) -> None:
    """Whatever the values: a tree whose counts add up, or a TreegenError."""
    made = made_or_refused(write("any.json", data))
    assert made is None or made.tree.groups
    if made and made.report.grouped:
        check_counts(made.report.grouped, report_json(made.report)["phrases"]["read"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=60) | st.lists(st.sampled_from(list("{}[]\"':,ab1#\n;|=()")), max_size=40).map("".join),
    st.sampled_from(["a.txt", "a.csv", "a.json"]),
)
def test_any_text_is_a_tree_or_one_error(write: Write, text: str, name: str) -> None:
    made = made_or_refused(write(name, text.encode(errors="replace")))
    assert made is None or made.tree.groups


FOLDER = os.environ.get("TREEGEN_DESCRIPTORS")


@pytest.mark.skipif(not FOLDER, reason="TREEGEN_DESCRIPTORS names no folder with real descriptor files")
@pytest.mark.parametrize("path", sorted(Path(FOLDER or ".").glob("*_*.*")), ids=lambda p: p.name)
def test_real_files(path: Path) -> None:
    """Every file becomes a tree, and every phrase has its fate."""
    found = recognise(read_source(path))
    made = make_tree(path)
    assert made.report.grouped is not None
    check_counts(made.report.grouped, len(found.phrases) + len(found.dropped))
    assert made.report.groups >= 10
