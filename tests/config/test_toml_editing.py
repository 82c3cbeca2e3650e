"""A table is written and nothing else of the text changes."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treegen.config.toml_editing import Value, with_table
from treegen.errors import InputError

TEXT = """# The pond.
name = "pond"      # short
classes = ["Newt", "Swan"]

[decision]         # chosen in May
# the plain one
rule = "sum"       # the article's
encoder = "old"

[split]
dev = 0.5
"""
VALUES: dict[str, Value] = {"rule": "weighted", "parameters": {"colour": 1.25, "main form": 0.75}}


def test_a_table_that_is_not_there_comes_at_the_end() -> None:
    text = 'name = "pond"\n[split]\ndev = 0.5'
    shown = '[decision]\nrule = "weighted"\nparameters = { colour = 1.25, "main form" = 0.75 }\n'
    assert with_table(text, "decision", VALUES) == f"{text}\n\n{shown}"
    assert with_table("", "decision", VALUES) == shown


def test_a_table_that_is_there_keeps_its_comments_and_place() -> None:
    assert with_table(TEXT, "decision", VALUES) == TEXT.replace(
        'rule = "sum"       # the article\'s\nencoder = "old"\n',
        'rule = "weighted"       # the article\'s\nparameters = { colour = 1.25, "main form" = 0.75 }\n',
    )


def test_the_same_values_again_change_nothing() -> None:
    once = with_table(TEXT, "decision", VALUES)
    assert with_table(once, "decision", VALUES) == once


def test_line_ends_of_windows_stay() -> None:
    text = with_table(TEXT.replace("\n", "\r\n"), "decision", VALUES)
    assert text.count("\r\n") == text.count("\n")
    assert tomllib.loads(text)["decision"] == VALUES


def test_a_hash_inside_a_text_is_no_comment() -> None:
    text = '[decision]\nrule = "a # b" # c\n'
    assert with_table(text, "decision", {"rule": "x"}) == '[decision]\nrule = "x" # c\n'


@pytest.mark.parametrize(
    "text",
    [
        'decision = { rule = "sum" }\n',
        'decision.rule = "sum"\n',
        '[decision]\nrule = """\nsum"""\n',
        '[decision]\nparameters = [\n 1,\n]\nrule = "sum"\n',
    ],
)
def test_what_cannot_be_edited_by_line_is_said_with_what_to_write(text: str) -> None:
    with pytest.raises(InputError, match="cannot be edited") as caught:
        with_table(text, "decision", VALUES)
    assert 'rule = "weighted"' in caught.value.tip


keys = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F), max_size=6)


@given(st.dictionaries(keys, st.floats(allow_nan=False, allow_infinity=False), max_size=3), st.booleans())
def test_any_names_and_numbers_come_back_as_they_were(parameters: dict[str, float], there: bool) -> None:
    values: dict[str, Value] = {"rule": "weighted", "parameters": parameters}
    found = tomllib.loads(with_table(TEXT if there else "", "decision", values))
    assert found["decision"] == values
