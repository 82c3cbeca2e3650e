"""Syntax: JSON, JSON Lines, Python, fences, CSV and lines of text, and everything that is none of these."""

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.exchange.conftest import Write
from treegen.errors import InputError
from treegen.exchange.recognising import recognise
from treegen.exchange.sources import Table, read_source


@pytest.mark.parametrize(
    ("name", "content", "syntax"),
    [
        ("a.json", {"robin": ["red breast"]}, "JSON"),
        ("a.json", b'\xef\xbb\xbf{"robin": ["red breast"]}', "JSON"),
        ("a.jsonl", '{"class": "robin"}\n\n{"class": "wren"}\n', "JSON Lines"),
        ("a.py", "d = {'robin': ['red breast',],  # yes\n}", "Python literals"),
        ("a.md", 'Sure:\n```json\n{"robin": ["red breast"],}\n```\nbye', "Python literals"),
        ("a.txt", "['Robin: red, brown', 'Wren: brown']", "Python literals"),
        ("a.txt", "Robin: red, brown\nWren: brown\n", "lines of text"),
        ("a.csv", "class,colour\nrobin,red\n", "CSV divided by ','"),
        ("a.csv", "class;colour\nrobin;red, brown\n", "CSV divided by ';'"),
        ("a.tsv", "class\tcolour\nrobin\tred\n", "CSV divided by 'tab'"),
    ],
)
def test_each_syntax_is_told(write: Write, name: str, content: object, syntax: str) -> None:
    source = read_source(write(name, content))
    assert (source.syntax, source.is_tree) == (syntax, False)


def test_a_list_whose_key_stands_twice_is_joined_and_told(write: Write) -> None:
    source = read_source(write("a.json", '{"robin": ["red"], "wren": ["brown"], "robin": ["thin beak"]}'))
    assert source.data == {"robin": ["red", "thin beak"], "wren": ["brown"]}
    assert source.notes == ('the key "robin" stands twice: its lists were joined',)


def test_a_table_keeps_the_lines_of_its_rows(write: Write) -> None:
    data = read_source(write("a.csv", 'class,text\r\nrobin,"a\nb"\r\n\r\nwren,c\r\n')).data
    assert isinstance(data, Table)
    assert data == Table(rows=(("class", "text"), ("robin", "a\nb"), ("wren", "c")), lines=(1, 2, 5))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", "", "is empty"),
        ("a.json", " \n", "is empty"),
        ("a.json", "null", "holds null"),
        ("a.json", '{"robin": ["red", "thi', "line 1, column 19"),
        ("a.json", '{"robin": "red", "robin": "blue"}', 'the key "robin" stands twice with different values'),
        ("a.json", "[" * 500 + "]" * 500, "nested deeper than 100 levels"),
        ("a.json", '{"a": [NaN]}', "NaN"),
        ("a.json", '{"a": ["\\ud800"]}', "/a/0"),
        ("a.json", '{"robin": ["café"]}'.encode("latin-1"), "not UTF-8 at byte 15"),
        ("a.json", '{"a": 1}'.encode("utf-16"), "UTF-16"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + Random(1).randbytes(50), "a PNG image"),
        ("a.json", b"\xff\xd8\xff" + Random(1).randbytes(50), "a JPEG image"),
        ("a.txt", b"abc\0def", "a zero byte at 3"),
        ("a.jsonl", '{"class": "a"}\n\n{"class": }\n', "JSON Lines: not JSON at line 3, column 11: "),
        (
            "a.jsonl",
            '{"class": "a"}\n{"class": "b"}\n  {"class": "c", "te',
            "JSON Lines: not JSON at line 3, column 18: ",
        ),
        ("a.jsonl", '["a", "x"]\n["b", "y"]\nrubbish\n', "JSON Lines: not JSON at line 3, column 1: "),
        ("a.jsonl", '{"a": 1}\n{"b": 1}\n5\n', "line 3: neither an object nor a list"),
        ("a.jsonl", '{"a": 1}\n{"b": 1, "b": 2}\n', 'line 2, /b: the key "b" stands twice'),
        ("a.jsonl", '{"a": NaN}\n{"b": 1}\n', "line 1, /a: not JSON: NaN"),
        ("a.json", '{"a": ["x"],\n "b": ["y"', "not JSON at line 2, column 11"),
        (
            "a.json",
            f'{{"a": ["x"],\n "b": [{"1" * 5000}]}}',
            "a number of 5000 digits at line 2, column 8; at most 4300",
        ),
        ("a.jsonl", f'{{"a": ["x"]}}\n{{"b": [{"1" * 5000}]}}', "a number of 5000 digits at line 2, column 8; at most"),
        ("a.json", f'{{"classification_groups": {"1" * 5000}}}', "a number of 5000 digits at line 1, column 27"),
        ("a.csv", "class,x\na,b\nc,d,e\nf\ng,h,i\n", "line 3 has 3 cells, the head has 2; 2 more differ from it"),
        ("a.txt", "Once upon a time.\nThe end.\n", "neither an object nor a list"),
        ("a.csv", 'class,x\n"robin,red\n', "not CSV"),
        ("a.json", '{"classification_groups": {"a": {"options": ["b"', "TG503"),
        ("a.json", '{"classification_cot": {}, "classification_groups": {}, "rules": {}}', "two keys for the groups"),
        ("a.py", '{"classification_cot": {...}, "rules": {}}', "TG504"),
    ],
)
def test_what_cannot_be_read_is_one_message_with_file_and_place(
    write: Write, name: str, content: object, told: str
) -> None:
    path = write(name, content)
    with pytest.raises(InputError) as found:
        read_source(path)
    assert told in found.value.message
    assert str(path) in found.value.message
    assert found.value.tip


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["{", "[", '"', ",", "a: b,", "a,b\n", "```\n", "{'a':1}", "# ", "(", "a: (b, ", "\\", "'x',"]
)
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.json"])
def test_repetition_costs_no_more_than_its_length(write: Write, text: str, name: str) -> None:
    """A quadratic reader would take hours here; what becomes of it does not matter."""
    path = write(name, text * (300_000 // len(text)))
    with suppress(InputError):
        assert recognise(read_source(path)).form


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_source(tmp_path / "none.json")
    with pytest.raises(InputError, match="directory"):
        read_source(tmp_path)
