"""Places of pointers, against a slow parser that remembers where everything stood."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.counting import assert_linear, lines_run
from treegen.tree.validation.locations import bracket_deeper_than, locate, place_at, problem_places
from treegen.tree.validation.problems import Place, Problem, pointer_to

TEXT = """{
  "a": {"b": [10, {"c": "x"}, [1, [2]]]},
  "a/b": 1, "m~n": 2,
  "\\u00e9t\\"": "é{]", "🦎": [true],
  "": {"": null},
  "deep": [[], {}, "}", {"x": "\\\\"}]
}
"""


def at(text: str, pointer: str) -> tuple[int, int]:
    place = locate(text, [pointer])[pointer]
    return place.line, place.column


@pytest.mark.parametrize(
    ("pointer", "line", "column"),
    [
        ("", 1, 1),
        ("/a", 2, 3),
        ("/a/b", 2, 9),
        ("/a/b/0", 2, 15),
        ("/a/b/1/c", 2, 20),
        ("/a/b/2/1/0", 2, 36),
        ("/a~1b", 3, 3),
        ("/m~0n", 3, 13),
        ('/ét"', 4, 3),
        ("/🦎/0", 4, 29),
        ("/", 5, 3),
        ("//", 5, 8),
        ("/deep/3/x", 6, 26),
        ("/deep/2", 6, 20),
        ("/deep/9", 6, 3),
        ("/a/b/1/none/deeper", 2, 19),
        ("/a/b/x", 2, 9),
        ("/none", 1, 1),
        ("/digest", 1, 1),
    ],
)
def test_a_pointer_is_at_its_key_or_its_value_or_else_at_its_nearest_parent(
    pointer: str, line: int, column: int
) -> None:
    assert at(TEXT, pointer) == (line, column)


def test_of_a_key_that_stands_twice_the_last_counts_with_all_that_is_in_it() -> None:
    text = '{"a": {"x": 1,\n"y": 2},\n"a": {"x": 3}}'
    assert at(text, "/a") == (3, 1)
    assert at(text, "/a/x") == (3, 7)
    assert at(text, "/a/y") == (3, 1)


def test_white_space_before_the_document_is_not_its_place() -> None:
    assert at('\r\n\t {"a": 1}', "") == (2, 3)
    assert at("", "/a") == (1, 1)
    assert at('"text"', "/a/b") == (1, 1)


@pytest.mark.parametrize("end", range(len(TEXT)))
def test_a_text_that_breaks_off_anywhere_is_still_read_to_its_end(end: int) -> None:
    text = TEXT[:end]
    pointers = ["/a/b/2/1/0", '/ét"', "/deep/3/x", "//"]
    found = locate(text, pointers)
    assert all(place.line <= text.count("\n") + 1 for place in found.values())


@given(st.text('{}[]",:\\ a1\n', max_size=30))
def test_any_text_can_be_searched(text: str) -> None:
    for place in locate(text, ["", "/a", "/a/1", "/1/1", "/"]).values():
        assert place.line >= 1
        assert place.column >= 1


def offsets(text: str, path: tuple[str | int, ...] = (), start: int = 0) -> dict[str, int]:
    """Pointer -> offset by Python's own parser, for a text that `json.dumps` wrote with single blanks."""
    value, _ = json.JSONDecoder().raw_decode(text, start)
    found: dict[str, int] = {}
    inner = start + 1
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, _ in members:
        found[pointer_to(*path, key)] = inner
        if isinstance(value, dict):
            inner = json.JSONDecoder().raw_decode(text, inner)[1] + 2
        found |= offsets(text, (*path, key), inner)
        inner = json.JSONDecoder().raw_decode(text, inner)[1] + 2
    return found


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@given(VALUES, st.booleans())
def test_every_place_of_any_document_is_found(data: Any, ascii_only: bool) -> None:
    text = json.dumps(data, ensure_ascii=ascii_only)
    expected = offsets(text)
    assert locate(text, expected) == {pointer: place_at(text, offset) for pointer, offset in expected.items()}
    for pointer in expected:
        assert locate(text, [pointer])[pointer] == place_at(text, expected[pointer])


def test_the_bracket_that_nests_too_deeply_is_found_past_those_in_texts() -> None:
    assert bracket_deeper_than('["[[", [1], [{}]]', 2) == 13
    assert bracket_deeper_than('["[[", [1], [{}]]', 3) == 0


def test_a_place_that_a_problem_brings_counts_before_its_pointer() -> None:
    own = Place(line=7, column=8)
    problems = [
        Problem(code="TG101", pointer="", message="m", place=own),
        Problem(code="TG205", pointer="/a", message="m"),
    ]
    assert problem_places(TEXT, problems) == [own, Place(line=2, column=3)]


@pytest.mark.parametrize(
    "text", ['{"a": "' + "x" * 2_000_000, '{"b": [' + "1," * 1_000_000 + "{", '{"b": {"' + "\\n" * 1_000_000]
)
def test_a_long_text_that_breaks_off_costs_one_pass(text: str) -> None:
    """One pass for each of its characters would have no end."""
    assert at(text, "/a/b")[0] == 1


@pytest.mark.slow
def test_what_no_pointer_asks_for_is_passed_over_whole() -> None:
    """A few lines for each class, and none for its thirty answers."""

    def find(count: int) -> None:
        rules = {f"Class {i}": {f"group {g}": g for g in range(30)} for i in range(count)}
        text = json.dumps({"rules": rules}, indent=1)
        assert at(text, f"/rules/Class {count - 1}/group 29") == (text.count("\n") - 2, 4)

    find(10_000)
    assert_linear(find, 1000)
    assert lines_run(lambda: find(1000)) < 60 * 1000
