"""How messages show values, numbers and names."""

from typing import Any

import pytest

from treegen.text import counted, did_you_mean, first_line, printable, quote, show


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", '"a"'),
        (None, "null"),
        (True, "true"),
        ("Évoli 🦎", '"Évoli 🦎"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("\x7f\x9b\u202e", '"\\u007f\\u009b\\u202e"'),
        ("\U000e0041", '"\\U000e0041"'),
        ("\ud83e", '"\\ud83e"'),
        ("x" * 100, '"' + "x" * 56 + "..."),
    ],
)
def test_a_value_is_shown_short_and_without_anything_a_terminal_obeys(value: Any, shown: str) -> None:
    assert show(value) == shown
    assert len(show(value)) <= 60
    assert quote(value) == show(value) or len(quote(value)) > 60


def test_kept_characters_are_obeyed_and_all_others_escaped() -> None:
    assert printable("a\n\x1b[2J\r", keep="\n") == "a\n\\u001b[2J\\u000d"
    assert printable(5) == "5"


def test_a_name_that_is_nearly_right_is_suggested_among_few() -> None:
    assert did_you_mean("Swam", ["Newt", "Swan"]) == '; did you mean "Swan"?'
    assert did_you_mean("Wolf", ["Newt", "Swan"]) == ""
    assert did_you_mean("Swam", ["Swan"] * 101) == ""


def test_numbers_have_their_nouns_and_texts_their_first_line() -> None:
    assert [counted(n, "error") for n in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]
    assert counted(2, "class", "classes") == "2 classes"
    assert [first_line(text) for text in ("\n  a \nb", "", ValueError("x\ny"))] == ["a", "", "x"]
