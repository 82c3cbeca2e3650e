"""What is not quite a tree is read as far as possible, and no part of it is lost without a word."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TREE
from treegen.tree.document import content_of, dump
from treegen.tree.feedback_target import Target
from treegen.tree.review_notes import option_target
from treegen.tree.validation.lenient import read_leniently, value_of
from treegen.vcs.versions import tree_of

Break = Callable[[dict[str, Any]], object]


def broken(change: Break) -> str:
    data = json.loads(TREE)
    change(data)
    return json.dumps(data)


def set_at(*path: str | int, value: Any) -> Break:
    def change(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        data[path[-1]] = value

    return change


def drop(*path: str) -> Break:
    def change(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        del data[path[-1]]

    return change


COLOURS = ("classification_groups", "colour", "options")
ANSWER = Target(kind="class", class_name="Abrosk", group="colour")


def test_a_tree_is_read_as_it_is() -> None:
    read = read_leniently(TREE)
    assert read.tree == tree_of(TREE, "tree")
    assert (read.readings, read.problems) == ((), ())


@pytest.mark.parametrize(
    ("change", "code", "pointer", "words", "target"),
    [
        (set_at(*COLOURS, 1, value=5), "TG103", "/classification_groups/colour/options/1", 'read as "5"', None),
        (
            set_at("rules", "Abrosk", "colour", value="White"),
            "TG103",
            "/rules/Abrosk/colour",
            'read as "white"',
            ANSWER,
        ),
        (set_at("rules", "Abrosk", "colour", value="1"), "TG103", "/rules/Abrosk/colour", "read as ", ANSWER),
        (set_at("rules", "Abrosk", "colour", value=True), "TG103", "/rules/Abrosk/colour", "read as no answer", ANSWER),
        (set_at("rules", "Abrosk", value=[1]), "TG103", "/rules/Abrosk", "without answers", None),
        (set_at("classification_groups", "form", value=3), "TG103", "/classification_groups/form", "without opt", None),
        (set_at("classification_groups", "form", "x", value=3), "TG105", "/classification_groups/form/x", "left", None),
        (
            set_at("classification_groups", "form", "prompt", value=3),
            "TG103",
            "/classification_groups/form/prompt",
            '"3"',
            None,
        ),
        (set_at("domain", value=3), "TG103", "/domain", 'read as "3"', None),
        (set_at("review", value={"by": 3}), "TG103", "/review/by", "left out", None),
        (set_at("conflicts", value=[3]), "TG103", "/conflicts/0", "left out", None),
        (set_at("rules", value=[3]), "TG103", "/rules", "left out", None),
    ],
)
def test_what_a_tree_cannot_hold_is_read_otherwise_and_said(
    change: Break, code: str, pointer: str, words: str, target: Target | None
) -> None:
    read = read_leniently(broken(change))
    assert read.tree is not None
    found = [r for r in read.readings if (r.problem.code, r.problem.pointer) == (code, pointer)] or list(read.readings)
    assert words in found[0].problem.message
    assert len({r.target for r in read.readings}) == 1
    assert target in (None, found[0].target)
    assert value_of(read.tree, found[0].target) == found[0].value
    assert tree_of(dump(read.tree), "saved") == read.tree, "what is saved is a tree"


@pytest.mark.parametrize(
    "change",
    [
        drop("rules"),
        drop("classification_groups"),
        drop("domain"),
        drop("rules", "Abrosk"),
        drop("classification_groups", "form", "options"),
        drop("classification_groups", "form", "prompt"),
        set_at("rules", "Abrosk", "colour", value=99),
        set_at("rules", "Abrosk", "colour", value=-1),
    ],
)
def test_what_is_only_missing_or_out_of_range_is_a_problem_of_the_tree(change: Break) -> None:
    read = read_leniently(broken(change))
    assert read.tree is not None
    assert read.readings == ()


def test_of_a_repeated_key_the_last_counts() -> None:
    text = TREE.replace('"rules": {', '"rules": {"Abrosk": {"colour": 3},', 1)
    read = read_leniently(text)
    assert read.tree == tree_of(TREE, "tree")
    assert [(r.problem.code, r.problem.pointer) for r in read.readings] == [("TG102", "/rules/Abrosk")]


def test_half_a_surrogate_pair_is_replaced() -> None:
    read = read_leniently(broken(set_at(*COLOURS, 1, value="\ud800x")))
    assert read.tree is not None
    assert read.tree.groups[0].options[1] == "\ufffdx"
    assert read.readings[0].target == option_target("colour", "\ufffdx")
    content_of(read.tree)


@pytest.mark.parametrize(
    ("text", "line"), [("", 1), ("[1]", 1), ('{\n"a": 1,\n]', 3), ("{\n<<<<<<< ours\n", 2), ('{"a":\nNaN}', 1)]
)
def test_what_cannot_be_parsed_has_a_place(text: str, line: int) -> None:
    read = read_leniently(text)
    assert read.tree is None
    assert read.problems[0].place
    assert read.problems[0].place.line == line


def test_every_broken_example_is_read_or_has_a_place() -> None:
    for path in Path(__file__).parents[2].joinpath("data", "trees", "invalid").glob("*.json"):
        if path.name.endswith(".expected.json"):
            continue
        read = read_leniently(path.read_text(encoding="utf-8", errors="replace"))
        assert read.tree is not None or all(problem.place for problem in read.problems), path.name
