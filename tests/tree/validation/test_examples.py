"""The example files: valid ones are canonical and clean, invalid ones give exactly the problems they state."""

import json
from pathlib import Path

import pytest

from treegen.tree.document import dump
from treegen.tree.validation.checks import check_file, check_text
from treegen.tree.validation.problems import CODES

TREES = Path(__file__).parents[2] / "data" / "trees"
VALID = sorted((TREES / "valid").glob("*.json"))
STATED = sorted((TREES / "invalid").glob("*.expected.json"))
INVALID = sorted(set((TREES / "invalid").glob("*.json")) - set(STATED))
NEEDS_A_DOMAIN = {"TG203", "TG304"}


def expectation(path: Path) -> list[list[str]]:
    stated: list[list[str]] = json.loads(path.with_name(f"{path.stem}.expected.json").read_text(encoding="utf-8"))
    return stated


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_saving_a_valid_example_would_change_no_byte(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")
    document = check_text(text).document
    assert document is not None
    assert dump(document.tree) == text


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_a_valid_example_has_no_problem(path: Path) -> None:
    assert check_file(path).problems == ()


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_an_invalid_example_gives_exactly_the_problems_it_states(path: Path) -> None:
    found = sorted([p.code, p.pointer] for p in check_file(path).problems)
    assert found == expectation(path)


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_every_problem_of_an_example_is_told_in_one_clean_line(path: Path) -> None:
    messages = [p.message for p in check_file(path).problems]
    assert messages
    assert all(m.isprintable() and len(m) > 10 for m in messages), messages


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_an_example_with_types_that_are_not_a_trees_gives_no_document(path: Path) -> None:
    outside_review = [code for code, pointer in expectation(path) if not f"{pointer}/".startswith("/review/")]
    broken = any(code in {"TG101", "TG103", "TG104", "TG105", "TG107", "TG207"} for code in outside_review)
    assert (check_file(path).document is None) == broken


def test_there_are_examples_of_both_kinds_and_each_invalid_one_states_its_problems() -> None:
    assert len(VALID) >= 5
    assert len(INVALID) >= 30
    assert [p.name for p in STATED] == [f"{p.stem}.expected.json" for p in INVALID]


def test_the_examples_show_every_code_that_a_tree_alone_can_give() -> None:
    shown = {code for path in INVALID for code, _ in expectation(path)}
    trees = {c for c in CODES if c[2] in "123"} - NEEDS_A_DOMAIN - {"TG108", "TG120"}  # of megabytes; needs an encoder
    assert shown == trees
