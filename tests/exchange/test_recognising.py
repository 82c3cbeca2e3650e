"""Every shape of descriptor list, and odd entries in each."""

from typing import Any

import pytest

from tests.exchange.conftest import PETS, Write
from treegen.errors import InputError
from treegen.exchange.descriptors import Descriptors
from treegen.exchange.recognising import recognise
from treegen.exchange.sources import read_source


def read(write: Write, content: Any, name: str = "a.json", classes: tuple[str, ...] = ()) -> Descriptors:
    return recognise(read_source(write(name, content)), classes)


def said(found: Descriptors) -> list[tuple[str, str | None, str]]:
    return [(p.owner, p.kind, p.text) for p in found.phrases]


PHRASES = [("robin", None, "red breast"), ("robin", None, "thin beak"), ("wren", None, "brown breast")]
TYPED = [("robin", "breast", "red"), ("robin", "legs", "thin"), ("wren", "breast", "brown")]


@pytest.mark.parametrize(
    ("form", "content", "name"),
    [
        ("DCLIP", {"robin": ["red breast", "thin beak"], "wren": ["brown breast"]}, "a.json"),
        ("DCLIP", {"run": {"robin": ["red breast", "thin beak"], "wren": ["brown breast"]}}, "a.json"),
        (
            "DCLIP",
            {"model": "x", "class2concepts": {"robin": ["red breast", "thin beak"], "wren": ["brown breast"]}},
            "a.json",
        ),
        ("one text", {"robin": "red breast; thin beak", "wren": "brown breast"}, "a.json"),
        (
            "records with phrases",
            [
                {"class": "robin", "descriptors": ["red breast", "thin beak"]},
                {"Label": "wren", "descriptors": "brown breast"},
            ],
            "a.json",
        ),
        (
            "records with phrases",
            '{"name": "robin", "text": "red breast; thin beak"}\n{"name": "wren", "text": "brown breast"}',
            "a.jsonl",
        ),
        ("rows", [["robin", "red breast", "thin beak"], ["wren", "brown breast"]], "a.json"),
        ("iCM", "['robin: red breast, thin beak', 'wren: brown breast']", "a.txt"),
        ("iCM", "robin: red breast, thin beak\nwren: brown breast\n", "a.txt"),
        ("class and phrase", "class,descriptor\nrobin,red breast\nrobin,thin beak\nwren,brown breast\n", "a.csv"),
        ("class and phrase", "robin,red breast\nrobin,thin beak\nwren,brown breast\n", "a.csv"),
        ("class and phrase", "label\tphrases\nrobin\tred breast; thin beak\nwren\tbrown breast\n", "a.tsv"),
    ],
)
def test_shapes_with_phrases(write: Write, form: str, content: Any, name: str) -> None:
    found = read(write, content, name)
    assert form in found.form
    assert said(found) == PHRASES
    assert found.dropped == ()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"robin": {"breast": "red", "legs": ["thin"]}, "wren": {"breast": "brown"}}, "a.json"),
        ([{"class": "robin", "breast": "red", "legs": "thin"}, {"class": "wren", "breast": "brown"}], "a.json"),
        (
            [
                {"class": "robin", "attribute": "breast", "value": "red"},
                {"class": "robin", "attribute": "legs", "value": "thin"},
                {"class": "wren", "attribute": "breast", "value": "brown"},
            ],
            "a.json",
        ),
        (
            {"robin": [{"attribute": "breast", "value": "red"}, {"legs": "thin"}], "wren": [{"breast": "brown"}]},
            "a.json",
        ),
        ("class,breast,legs\nrobin,red,thin\nwren,brown,\n", "a.csv"),
        ("class;attribute;value\nrobin;breast;red\nrobin;legs;thin\nwren;breast;brown\n", "a.csv"),
        ('"species";"breast";"legs"\n"robin";"red";"thin"\n"wren";"brown";""\n', "a.csv"),
    ],
)
def test_shapes_with_attribute_types(write: Write, content: Any, name: str) -> None:
    assert said(read(write, content, name)) == TYPED


def test_pairs_with_attribute_types_number_their_classes(write: Write) -> None:
    pairs = {
        "0_2": {"classes": [0, 2], "prompt_pairs": [{"attr_type": "color", "prompt_pair": ["red", "blue"]}]},
        "0_9": {"classes": [0, 9], "prompt_pairs": [{"attr_type": " ", "prompt_pair": ["long", None]}, {"x": 1}]},
        "broken": {"classes": "0", "prompt_pairs": []},
    }
    found = read(write, pairs, classes=("robin", "wren", "tit"))
    assert "FuDD" in found.form
    assert said(found) == [("robin", "color", "red"), ("tit", "color", "blue"), ("robin", None, "long")]
    assert [(d.owner, d.reason.split()[0]) for d in found.dropped] == [("9", "null"), ("robin, 9", "not"), ("", "not")]
    assert read(write, pairs).classes == ("0", "2", "9")


@pytest.mark.parametrize("wrapped", [False, True])
def test_one_pair_alone_is_no_wrapper(write: Write, wrapped: bool) -> None:
    pairs = {"0_1": {"classes": [0, 1], "prompt_pairs": [{"attr_type": "color", "prompt_pair": ["red", "blue"]}]}}
    found = read(write, {"run": pairs} if wrapped else pairs, classes=("robin", "wren"))
    assert "FuDD" in found.form
    assert said(found) == [("robin", "color", "red"), ("wren", "color", "blue")]


def test_odd_entries_are_dropped_with_reason_and_place(write: Write) -> None:
    found = read(write, {**PETS, " ": ["lost"], "Cat": [True, "?!", "{} eyes", ["inner list"]]})
    assert {(d.owner, d.place): d.reason for d in found.dropped} == {
        ("Persian", "/Persian/4"): "blank",
        ("Pug", "/Pug/4"): "null",
        ("Poodle", "/Poodle/6/a"): "an object inside an attribute: nested too deeply for a descriptor",
        ("", "/ /0"): "its class has no name",
        ("Cat", "/Cat/0"): "not a text",
        ("Cat", "/Cat/1"): "no letter and no digit",
        ("Cat", "/Cat/2"): "holds {}, which prompts keep for their option",
    }
    assert "Boxer" in found.classes
    assert ("Cat", None, "inner list") in said(found)


def test_sentences_and_subclasses_are_told_from_phrases(write: Write) -> None:
    assert "CuPL" in read(write, {"robin": ["The robin has a red breast."], "wren": ["A wren is a tiny bird."]}).form
    found = read(write, {"pie": ["apple pie", "plum pie"], "salad": ["egg salad", "beet salad"]})
    assert "CHiLS" in found.form
    assert "little of such a file can be used" in found.notes[0]


def test_notes_on_class_names(write: Write) -> None:
    found = read(
        write, [{"class": "robin", "text": "red"}, {"class": "Robins", "text": "x"}, {"class": "robin", "text": "y"}]
    )
    assert found.notes == (
        'the class "robin" stands twice: its entries were joined',
        'classes that differ in spelling alone were kept apart: "robin", "Robins"',
    )


def test_rows_with_other_numbers_of_cells_than_the_head_are_told(write: Write) -> None:
    found = read(write, "class,breast,legs\nrobin,red,thin\nwren\ntit,blue,thin,x\nfinch,red,thin\n", "a.csv")
    assert found.notes == (
        "line 3 has 1 cell, the head has 3: the missing ones were taken for empty",
        "line 4 has 4 cells, the head has 3: the last ones were left out",
    )


def test_commas_in_brackets_divide_nothing(write: Write) -> None:
    found = read(write, "['robin: breast (red, orange), thin beak', 'wren: x']", "a.txt")
    assert [p.text for p in found.phrases] == ["breast (red, orange)", "thin beak", "x"]
    found = read(write, "['robin: a, breast (red, orange, b', 'wren: x), y']", "a.txt")
    assert [p.text for p in found.phrases] == ["a", "breast (red", "orange", "b", "x)", "y"]


def test_the_apostrophe_of_a_guarded_cell_is_taken_off(write: Write) -> None:
    found = read(write, "class,sign\nrobin,'=1+1\nwren,'tis\n", "a.csv")
    assert [p.text for p in found.phrases] == ["=1+1", "'tis"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (5, "unknown shape"),
        ("hello", "neither"),
        (["a", "b"], "unknown shape"),
        ([], "unknown shape"),
        ({}, "none of its 0"),
        ({"a": [], "b": [None]}, "none of its 1 entries"),
        ({"a": 1.5, "b": True}, ""),
    ],
)
def test_unknown_shapes(write: Write, content: Any, told: str) -> None:
    if told:
        with pytest.raises(InputError, match=told):
            read(write, content)
    else:
        assert [d.reason for d in read(write, content).dropped] == ["not a text"]
