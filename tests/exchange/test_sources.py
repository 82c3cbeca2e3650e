"""Files that `import` reads: trees in JSON, Python and fences. Everything that is not a tree is one message."""

import json
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.conftest import TREE
from tests.exchange.conftest import ARTICLE, Write
from treegen.errors import InputError
from treegen.exchange.sources import read_source

DATA = json.loads(TREE)


@pytest.mark.parametrize(
    ("name", "content", "syntax"),
    [
        ("a.json", DATA, "JSON"),
        ("a.json", b"\xef\xbb\xbf" + TREE.encode(), "JSON"),
        ("a.json", [DATA], "JSON"),
        ("a.json", {"pond_system": DATA}, "JSON"),
        ("a.py", f"tree = {DATA!r}  # drawn", "Python or fenced JSON"),
        ("a.md", f"Sure:\n```json\n{TREE}\n```\nbye", "Python or fenced JSON"),
        ("a.txt", TREE.rstrip().removesuffix("}") + ",}", "Python or fenced JSON"),
    ],
)
def test_each_syntax_is_told(write: Write, name: str, content: object, syntax: str) -> None:
    source = read_source(write(name, content))
    assert source.syntax == syntax
    assert source.data["rules"] == DATA["rules"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "null"),
        ("a.json", {"robin": ["red breast"]}),
        ("a.json", [{"class": "robin", "descriptors": ["red breast"]}]),
        ("a.json", ["Robin: red, brown", "Wren: brown"]),
        ("a.json", '{"robin": "red", "robin": "blue"}'),
        ("a.json", '{"robin": ["red", "thi'),
        ("a.jsonl", '{"class": "robin"}\n{"class": "wren"}\n'),
        ("a.py", "d = {'robin': ['red breast',],  # yes\n}"),
        ("a.py", "# c\ndraft_1 = {'dog': 'a long tail'}\ndraft_2 = {'dog': 'brown fur'}"),
        ("a.txt", "Robin: red, brown\nWren: brown\n"),
        ("a.txt", "1. dark bands\n2. a thick mane\n"),
        ("a.txt", "Once upon a time, there was a bird.\nIt was red, and it sang.\n"),
        ("a.csv", "class,colour\nrobin,red\n"),
        ("a.tsv", "class\tcolour\nrobin\tred\n"),
    ],
)
def test_what_is_not_a_tree_is_one_sentence_that_names_notes(write: Write, name: str, content: object) -> None:
    path = write(name, content)
    with pytest.raises(InputError) as found:
        read_source(path)
    assert found.value.message == f'{path}: not a tree: the key "classification_groups" is not in it'
    assert found.value.tip.endswith(f"`treegen draft DOMAIN --notes {path}`")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", "", "is empty"),
        ("a.json", " \n", "is empty"),
        ("a.json", "[" * 500 + "]" * 500, "nested deeper than 100 levels"),
        ("a.json", TREE.replace('"tiny"', '"\\ud800"'), "TG107 /classification_groups/"),
        ("a.json", '{"robin": ["café"]}'.encode("latin-1"), "not UTF-8 at byte 15"),
        ("a.json", '{"a": 1}'.encode("utf-16"), "UTF-16"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + Random(1).randbytes(50), "a PNG image"),
        ("a.json", b"\xff\xd8\xff" + Random(1).randbytes(50), "a JPEG image"),
        ("a.txt", b"abc\0def", "a zero byte at offset 3"),
        (
            "a.json",
            f'{{"a": ["x"],\n "b": [{"1" * 5000}]}}',
            "a number of 5000 digits at line 2, column 8; at most 4300",
        ),
        ("a.json", f'{{"classification_groups": {"1" * 5000}}}', "a number of 5000 digits at line 1, column 27"),
        ("a.json", '{"classification_groups": {"a": {"options": ["b"', "TG503"),
        ("a.json", '{"classification_cot": {}, "classification_groups": {}, "rules": {}}', "two keys for the groups"),
        ("a.json", '{"classification_groups": {}, "rules": {}, "rules": {}}', "TG102 /rules: "),
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
@pytest.mark.parametrize("text", ["{", "[", '"', ",", "a: b,", "a,b\n", "```\n", "{'a':1}", "# ", "(", "\\", "'x',"])
def test_repetition_costs_no_more_than_its_length(write: Write, text: str) -> None:
    """A quadratic reader would take hours here; what becomes of it does not matter."""
    path = write("a.txt", "classification_groups" + text * (300_000 // len(text)))
    with suppress(InputError):
        assert read_source(path).data


def test_prose_with_a_brace_before_the_tree_is_no_crash(write: Write) -> None:
    """Reasoning may hold braces; the comments behind it are then left unchecked."""
    from treegen.exchange.importing import make_tree

    assert make_tree(write("a.md", f'<think>hm {{"</think>{TREE}')).tree.classes == tuple(DATA["rules"])


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_source(tmp_path / "none.json")
    with pytest.raises(InputError, match="a folder, not a file"):
        read_source(tmp_path)


def test_the_article_is_a_tree(write: Write) -> None:
    assert list(read_source(write("a.md", ARTICLE)).data) == ["classification_groups", "rules"]
