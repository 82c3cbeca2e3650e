"""Objects are found in any text in linear time, and their lexemes say what they hold, in order."""

import pytest

from treegen.llm.reading.lexer import UnreadableError, keys_in, objects_in, refuse_unclear, scan
from treegen.llm.reading.parser import parse_reply


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("no braces", []),
        ("a {} and a {x}", []),
        ('say {"a": 1}, then {"b": {}}.', ['{"a": 1}', '{"b": {}}']),
        ('{"a": "}"}{"b": 1}', ['{"a": "}"}', '{"b": 1}']),
        ("{'a': 'it\\'s }'} x", ["{'a': 'it\\'s }'}"]),
        ('{"a": 1 // }\n} tail', ['{"a": 1 // }\n}']),
        ('{"a": [1, {"b": 2', ['{"a": [1, {"b": 2']),
        ("{open", ["{open"]),
        ('x = {"a": 1}', ['x = {"a": 1}']),
        ('so x = {"a": 1}', ['{"a": 1}']),
        ('x = {"a": 1}\n# then\ny: dict = {"b": 2}; tail', ['x = {"a": 1}\n# then\ny: dict = {"b": 2}']),
        ('let x = {"a": 1};\nprose\ny = {"b": 2}', ['let x = {"a": 1}', 'y = {"b": 2}']),
        ('[{"a": 1}, {"b": 2}]', ['{"a": 1}', '{"b": 2}']),
    ],
)
def test_the_outermost_objects_are_found_with_their_names(text: str, objects: list[str]) -> None:
    assert list(objects_in(text)) == objects


@pytest.mark.parametrize("rest", ["}", "\n}", ', "b": 2}', ", b: 2}", ", “b”: 2}"])
def test_an_object_that_goes_on_behind_its_last_brace_is_refused(rest: str) -> None:
    with pytest.raises(UnreadableError, match="line 2 of the object: it closes here and yet goes on"):
        list(objects_in(f'{{"a":\n1}}{rest}'))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a": "b" "c"}', "TG502"),
        ('{"a": ("b" "c", "d")}', "TG502"),
        ('{"a": ("b", "c" "d")}', "TG502"),
        ('{"a": 1 // b"\n}', "TG502"),
        ('{"a": [1}', "TG503"),
        ('{"a": "b', "TG503"),
        ('{"a": [1, ...]}', "TG504"),
        ('{"a": [1 # ... and so on\n]}', "TG504"),
        ("[" * 101 + "]" * 101, "TG501"),
    ],
)
def test_what_no_reader_could_be_sure_of_is_refused(text: str, code: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        refuse_unclear(text)
    assert raised.value.problem.code == code


def test_texts_in_parentheses_of_their_own_may_stand_together() -> None:
    refuse_unclear('{"a": ("b " "c"), "d": ["...", "e # f"]} # it\'s')


def test_scanning_keeps_comments_with_their_lines_and_refuses_nothing() -> None:
    found = [(one.kind, one.text, one.line) for one in scan('{\n"a": 1,  # one\n... // "x\n')]
    assert found[-3:] == [("comment", "# one", 2), ("dots", "...", 3), ("comment", '// "x', 3)]


def test_keys_are_found_in_what_cannot_be_read() -> None:
    assert keys_in("{\"a b\": {'c': ..., d : 1,\n“e”: [") == {"a b", "c", "d", "e"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "<think>",
        "</think>",
        "{",
        "}",
        "{}",
        '{"',
        "{'",
        "{/*",
        "{“",
        '"""',
        "```json\n",
        "{:} x = ",
        "{a:b}",
        "{\\",
        '{"a":',
        "[",
        "{#",
        "{x: a b ",
        "...",
        "{:}\n\n",
    ],
)
def test_a_model_that_repeats_itself_for_ever_costs_no_more_than_its_length(text: str) -> None:
    """A quadratic reader would take hours here."""
    assert len(parse_reply(text * (400_000 // len(text))).problems) == 1
