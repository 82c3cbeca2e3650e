"""Files with notes about classes: every shape that is read, and every fault as one sentence with its place."""

import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from treegen.config.notes_files import MOST_BYTES, clean, read_notes
from treegen.errors import InputError

SAMPLES = Path(__file__).parents[1] / "data" / "notes"
CLASSES = ("Newt", "Swan", "Eel", "swans")


def entries(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    return [(entry.name, entry.texts) for entry in read_notes(path, lambda name: name in CLASSES).entries]


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    if not isinstance(content, bytes):
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        content = text.encode()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "phrases.json",
            [
                ("Newt", ("brown back", "four short legs", "a tail like a leaf")),
                ("swans", ("white feathers", "a long, curved neck")),
                ("Eel", ()),
            ],
        ),
        (
            "texts.json",
            [
                ("Newt", ("A small brown animal. It has four legs and a tail.",)),
                ("Swan", ("White, with a long neck.",)),
                ("Heron", ("Gray, on long legs.",)),
            ],
        ),
        (
            "attributes.json",
            [
                ("Newt", ("back: brown", "legs: 4", "seen in: ponds, wet grass", "poisonous: false")),
                ("Eel", ("body: long and thin",)),
            ],
        ),
        (
            "records.jsonl",
            [
                ("Newt", ("brown back", "four short legs", "size: small")),
                ("Swan", ("neck: long",)),
                ("Swan", ("feathers: white",)),
            ],
        ),
        (
            "semicolons.csv",
            [
                ("Newt", ("Farbe: braun, oben dunkler", "Merkmal: ein Schwanz wie ein Blatt; vier Beine")),
                ("Swan", ("Farbe: weiß",)),
            ],
        ),
        ("tabs.tsv", [("Newt", ("brown back", "four legs")), ("Swan", ("white", "long neck"))]),
        (
            "commas.csv",
            [("Newt", ("colour: brown", 'small, with "wet" skin')), ("Swan", ("colour: =white",))],
        ),
        ("python_dict.py", [("Newt", ("brown back", "four short legs")), ("Swan", ("white feathers",))]),
        ("lines.txt", [("Newt", ("brown back, four short legs",)), ("Swan", ("white feathers",))]),
    ],
)
def test_each_shape_is_read(name: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert entries(SAMPLES / name) == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{"Newt": ["brown",],}'),
        ("a.json", "{'Newt': ['brown']}"),
        ("a.json", b'\xef\xbb\xbf{"Newt": "brown"}'),
        ("a.json", [{"label": "Newt", "text": "brown"}]),
        ("a.json", [{"id": "7", "nom": "Newt", "": "brown"}]),
        ("a.jsonl", '{"class": "Newt", "text": "brown"}'),
        ("a.txt", '\n\nnotes: dict[str, str] = {"Newt": "brown"}'),
        ("a.csv", "sep_id,class,note\n1,Newt,brown\n"),
    ],
)
def test_small_variants_are_read(tmp_path: Path, name: str, content: Any) -> None:
    (entry,) = entries(write(tmp_path, name, content))
    assert entry[0] == "Newt"
    assert entry[1][-1] == "brown"


def test_the_class_key_is_the_one_whose_values_are_classes(tmp_path: Path) -> None:
    """In any language, and rather than a key that is only called so."""
    path = write(tmp_path, "a.csv", "name,編號,顏色\nsmall newt,Newt,褐色\nmute swan,Swan,白\n")
    assert entries(path) == [("Newt", ("name: small newt", "顏色: 褐色")), ("Swan", ("name: mute swan", "顏色: 白"))]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", "", "the file is empty"),
        ("a.csv", " \r\n\r\n", "the file is empty"),
        ("a.json", "{}", None),
        ("a.json", "[]", "[] contains no notes"),
        ("a.json", "null", "neither JSON, nor a Python dict, nor CSV with a header"),
        ("a.json", '"brown"', "neither JSON, nor a Python dict, nor CSV with a header"),
        ("a.json", '{"Newt": "x"}'.encode("utf-16"), "UTF-16 text, not UTF-8 text"),
        ("a.csv", "class,text\nNewt,x\n".encode("utf-16-le"), "a zero byte at offset 1"),
        ("a.csv", "class;text\nNewt;groß\n".encode("latin-1"), "not UTF-8 at byte 19 (line 2, column 9)"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + Random(1).randbytes(50), "a PNG image"),
        ("a.xlsx", b"PK\x03\x04" + Random(1).randbytes(50), "a ZIP archive (or an office document)"),
        ("a.json", '{"Newt": "x", "Swan": "y", "Newt": "z"}', '/Newt: the key "Newt" is a duplicate'),
        ("a.py", "\n{'Newt': 'x',\n 'Newt': 'y'}", 'line 3: the key "Newt" is a duplicate'),
        ("a.json", {"Newt": {"bill": {"shape": "thin"}}}, "/Newt/bill: nested too deep"),
        ("a.json", {"Newt": [["brown"]]}, "/Newt: nested too deep"),
        ("a.json", "[" * 300 + "]" * 300, "nested deeper than 100 levels"),
        ("a.py", "x = " + "[" * 300 + "]" * 300, "not a Python dict: line 1: too many nested parentheses"),
        ("a.json", {"Newt": 5}, "/Newt: expected a string, found 5"),
        ("a.json", {"Newt": ["brown", 7]}, "/Newt/1: expected a string, found 7"),
        ("a.json", [1, 2], "/0: 1 is not an object with a class"),
        ("a.json", ["brown"], '/0: "brown" does not name a class'),
        ("a.json", [{"class": "Newt"}, "brown"], '/1: "brown" is not an object with a class'),
        ("a.json", [{"class": "Newt", "text": "x"}, {"text": "y"}], '/1: no class: "class" is null'),
        ("a.json", '{"Newt": NaN}', "/Newt: not JSON: NaN"),
        ("a.json", '{"Newt": ["brown", "fo', "not JSON at line 1, column 20"),
        ("a.py", "a = {'Newt': 'x'}\nb = {'Newt': 'y'}", "2 statements where one dict is expected"),
        ("a.py", "# nothing yet\n", "only comments where one dict is expected"),
        ("a.py", "{\n'Newt': open('x')}", "line 2: \"open('x')\" is not a string, a list or a dict"),
        ("a.py", "{{'Newt': 'x'}}", "line 1: \"{{'Newt': 'x'}}\" is not a string, a list or a dict"),
        ("a.py", "{'Newt': 'x',\n 3: 'y'}", "a key must be a string: 3"),
        ("a.py", "x = {'Newt': 'brown}", "not a Python dict: line 1: unterminated string"),
        ("a.jsonl", '{"class": "Newt"}\n\n{"class": }\n', "not JSON at line 3, column 11"),
        ("a.jsonl", '{"class": "Newt"}\n5\n', "line 2: 5 is not an object"),
        ("a.jsonl", '{"class": "Newt"}\n{"a": 1, "a": 2}\n', "line 2, /a: "),
        ("a.csv", 'class,text\nSwan,white\nNewt,"brown\nEel,thin\n', "line 3: a quotation mark is not closed"),
        ("a.csv", "class,text\nNewt,brown, small\n", "line 2 has 3 cells, and the header has 2"),
        ("a.csv", f"class,text\nNewt,{'x' * 200_000}\n", "line 2: field larger than field limit"),
        ("a.csv", "class,text\n,brown\n", 'line 2: no class: "class" is ""'),
        ("a.csv", "Newt,brown\nSwan,white\n", 'line 1: "Newt" is a class, where the header should name the columns'),
        ("a.csv", "colour,size\nbrown,small\n", 'no column or key names the classes; there are "colour", "size"'),
        ("a.txt", "1. brown back\n2. four legs\n", "neither JSON, nor a Python dict, nor CSV with a header"),
        ("a.txt", "Once upon a time, there was\na newt, and it was brown", "no column or key names the classes"),
    ],
)
def test_every_fault_is_one_sentence_with_its_place(tmp_path: Path, name: str, content: Any, told: str | None) -> None:
    path = write(tmp_path, name, content)
    if told is None:
        assert entries(path) == []
        return
    with pytest.raises(InputError) as found:
        entries(path)
    assert found.value.message.startswith(f"{path}: ")
    assert told in found.value.message
    assert "\n" not in found.value.message
    assert found.value.tip


def test_what_is_not_a_file_of_bounded_size_is_not_read(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes to, a file larger than any prompt, and one that is not there."""
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    for name, told in [
        (".", "a folder, not a file"),
        ("pipe", "not a regular file"),
        ("huge.json", "larger than 16 MiB"),
        ("none.json", "no such file"),
        ("x" * 300, "cannot be read"),
    ]:
        with pytest.raises(InputError, match=told):
            entries(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a\tb\r\n c\u2028d ", "a b c d"),
        ("\x1b[31mred\x00\x9b", "[31mred"),
        ("left\u202eright\u2066 a\u00adb \ufeff", "leftright ab"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("</data> <data> < /feedback>", "‹/data> ‹data> ‹ /feedback>"),
        ("< 5 cm, > 3", "< 5 cm, > 3"),
        ("\ud800 half", "half"),
        ("می\u200cخواهم 👩\u200d🎨", "می\u200cخواهم 👩\u200d🎨"),
    ],
)
def test_a_text_is_cleaned_of_what_nobody_sees(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.slow
def test_a_large_file_is_read_in_time_of_its_length(tmp_path: Path) -> None:
    lines = "".join(f'{{"class": "Newt", "text": "phrase {n}"}}\n' for n in range(10_000))
    assert len(entries(write(tmp_path, "a.jsonl", lines))) == 10_000
    table = "class," + ",".join(f"c{n}" for n in range(300)) + "\n" + ("Newt" + ",x" * 300 + "\n") * 300
    assert len(entries(write(tmp_path, "a.csv", table))) == 300
