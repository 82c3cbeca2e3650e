import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treegen import files
from treegen.errors import InputError
from treegen.files import read_text
from treegen.tree.document import content_text, digest_of, dump, parse_json, tree_from, unwritable
from treegen.tree.model import ClassRule, Group, Review, Tree
from treegen.tree.validation.checks import check_text
from treegen.tree.validation.normalise import normalise
from treegen.tree.validation.problems import Place

HARMLESS = {"TG113", "TG204", "TG205"}  # white space, twins and unused options: random trees have them
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
wordings = texts.filter(lambda t: "{}" not in t)
halves = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda t: "{" not in t and "}" not in t)
prompts = st.tuples(halves, halves).map("{}".join)
options = st.lists(wordings, min_size=2, max_size=5, unique_by=normalise)
numbers = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
scores = st.dictionaries(texts, st.one_of(numbers, texts, st.lists(numbers, max_size=2)), max_size=3)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Trees without errors, with any names, options and answers."""
    names = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
    groups = tuple(Group(name=n, prompt=draw(prompts), options=tuple(draw(options))) for n in names)
    classes = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    first, *others = [st.integers(0, len(g.options) - 1) for g in groups]
    answers = [first, *(st.one_of(st.none(), a) for a in others)]  # a rule of nulls alone is an error
    rules = tuple(
        ClassRule(name=c, answers=tuple((g.name, draw(a)) for g, a in zip(groups, answers, strict=True)))
        for c in classes
    )
    tree = Tree(domain=draw(texts), groups=groups, rules=rules)
    if draw(st.booleans()):
        score = json.dumps(draw(scores), ensure_ascii=False, separators=(",", ":"))
        at = "2026-11-21T10:00:00Z"
        tree = replace(
            tree, review=Review(status="approved", by=draw(texts), at=at, digest=digest_of(tree), score_json=score)
        )
    return tree


@settings(deadline=None, max_examples=150)
@given(trees())
def test_the_text_of_any_tree_reads_back_as_the_same_tree_and_the_same_text(tree: Tree) -> None:
    text = dump(tree)
    checked = check_text(text)
    assert {p.code for p in checked.problems} <= HARMLESS
    assert checked.document is not None
    assert checked.document.tree == tree
    assert dump(checked.document.tree) == text


@settings(deadline=None)
@given(trees())
def test_the_text_has_one_option_a_line_and_one_class_a_line(tree: Tree) -> None:
    lines = dump(replace(tree, review=None)).split("\n")
    options_count = sum(len(g.options) for g in tree.groups)
    assert len(lines) == 10 + 5 * len(tree.groups) + options_count + len(tree.rules)
    assert lines[-1] == ""
    assert lines[3].startswith('  "digest": "sha256:')


@settings(deadline=None)
@given(trees(), trees())
def test_two_trees_share_a_digest_only_if_all_but_their_review_is_equal(one: Tree, other: Tree) -> None:
    assert digest_of(one) == digest_of(replace(one, review=other.review))
    assert (digest_of(one) == digest_of(other)) == (replace(one, review=None) == replace(other, review=None))


def changed(tree: Tree) -> dict[str, Tree]:
    """Trees that differ from the given one in a single thing."""
    colour, legs = tree.groups
    newt, swan, eel = tree.rules
    return {
        "domain": replace(tree, domain="lake"),
        "groups swapped": replace(tree, groups=(legs, colour)),
        "group renamed": replace(tree, groups=(replace(colour, name="Colour"), legs)),
        "prompt": replace(tree, groups=(replace(colour, prompt="Mainly {}."), legs)),
        "options swapped": replace(tree, groups=(replace(colour, options=("brown", "white")), legs)),
        "option renamed": replace(tree, groups=(replace(colour, options=("white", "Brown")), legs)),
        "option added": replace(tree, groups=(colour, replace(legs, options=(*legs.options, "six")))),
        "classes swapped": replace(tree, rules=(swan, newt, eel)),
        "class renamed": replace(tree, rules=(newt, swan, replace(eel, name="eel"))),
        "class removed": replace(tree, rules=(newt, swan)),
        "index": replace(tree, rules=(newt, swan, replace(eel, answers=(("colour", 0), ("legs", 0))))),
        "null": replace(tree, rules=(newt, swan, replace(eel, answers=(("colour", None), ("legs", 0))))),
        "answer removed": replace(tree, rules=(newt, swan, replace(eel, answers=(("legs", 0),)))),
    }


def test_any_change_of_content_or_order_changes_the_digest(tree: Tree) -> None:
    digests = {name: digest_of(each) for name, each in changed(tree).items()}
    assert digest_of(tree) not in digests.values()
    assert len(set(digests.values())) == len(digests)


def test_the_digest_of_a_known_tree_never_changes(tree: Tree) -> None:
    """Digests stand in committed files and approvals: another way of computing them would make all of those stale."""
    assert digest_of(tree) == "sha256:28ec2b1b1408024f011cfc3fc4c63900fbd72b3f000181c47037e585e1798e12"


def test_the_model_sees_json_with_one_line_a_group_and_a_class(tree: Tree, content: dict[str, Any]) -> None:
    text = content_text(tree)
    assert json.loads(text) == {k: v for k, v in content.items() if k != "domain"}
    assert len(text.splitlines()) == 6 + len(tree.groups) + len(tree.rules)


def test_a_tree_keeps_the_order_of_the_file(content: dict[str, Any]) -> None:
    content["rules"] = dict(reversed(content["rules"].items()))
    assert tree_from(content).classes == ("Eel", "Swan", "Newt")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1, column 1"),
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ('{"a": 1,\n "b": 2', "line 2, column 8"),
        ('{"a": "x\ty"}', "line 1, column 9"),
        ("{'a': 1}", "line 1, column 2"),
        ('{"a": 1}\n{}', "line 2, column 1"),
        ('{"a": tru}', "line 1, column 7"),
        ('{"a": 01}', "line 1, column 8"),
        ('{"a": "\\x"}', "line 1, column 8"),
    ],
)
def test_text_that_is_no_json_gives_one_problem_with_line_and_column(text: str, place: str) -> None:
    data, (problem,) = parse_json(text)
    assert data is None
    assert (problem.code, problem.pointer) == ("TG101", "")
    assert place in problem.message
    assert problem.place is not None
    assert f"line {problem.place.line}, column {problem.place.column}" == place


@pytest.mark.parametrize(("number", "name"), [("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e999", "Infinity")])
def test_a_number_that_json_does_not_have_is_a_problem_at_its_place(number: str, name: str) -> None:
    data, (problem,) = parse_json(f'{{"rules": {{"A": [0, {number}]}}}}')
    assert data is None
    assert (problem.code, problem.pointer) == ("TG101", "/rules/A/1")
    assert name in problem.message


def test_a_number_of_thousands_of_digits_is_a_problem() -> None:
    data, (problem,) = parse_json('{"a": ' + "1" * 5000 + "}")
    assert (data, problem.code) == (None, "TG101")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "[" * 101 + "]" * 101, '["]", ' * 101 + "1" + "]" * 101]
)
def test_deep_nesting_is_a_problem_and_no_crash(text: str) -> None:
    data, (problem,) = parse_json(text)
    assert data is None
    assert problem.message == "nested deeper than 100 levels"
    assert problem.place is not None
    assert text[: problem.place.column].replace('"]"', "").count(text[0]) == 101


def test_many_brackets_inside_a_text_are_no_nesting() -> None:
    text = json.dumps({"a": "[{" * 500 + '"\\' + "[" * 500})
    assert parse_json(text) == (json.loads(text), [])


def test_each_key_that_stands_twice_is_told_once_with_its_place() -> None:
    data, problems = parse_json('{"r": {"A/B": 1, "A/B": 2, "A/B": 3, "C": 1}, "r": {"\\u001b": 1, "\\u001b": 2}}')
    assert data == {"r": {"\x1b": 2}}
    assert [(p.code, p.pointer) for p in problems] == [("TG102", "/r"), ("TG102", "/r/\x1b")]
    assert problems[1].message == 'the key "\\u001b" is a duplicate; keep one'


def test_halves_of_surrogate_pairs_are_found_in_texts_and_keys_and_pairs_are_not() -> None:
    data = {"a": ["x", "\ud83e"], "b": {"\udd8e": 1, "c": "🦎"}}
    assert [(p.code, p.pointer) for p in unwritable(data)] == [("TG107", "/a/1"), ("TG107", "/b")]
    assert parse_json('"\\ud83e\\udd8e"') == ("🦎", [])


def test_reading_takes_utf_8_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes("é".encode("utf-8-sig"))
    assert read_text(path) == "é"
    path.write_bytes("é".encode())
    assert read_text(path) == "é"


@pytest.mark.parametrize(
    ("raw", "place"), [(b"abc\xff", "byte 3"), ("é".encode("latin-1"), "byte 0"), (b"\xfe{}", "byte 0")]
)
def test_a_file_that_is_not_utf_8_is_refused_with_the_place_of_the_byte(tmp_path: Path, raw: bytes, place: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=f"a.json: not UTF-8 at {place}") as caught:
        read_text(path)
    assert caught.value.tip == "save the file as UTF-8"


def test_a_file_that_cannot_be_opened_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"none.json: no such file"):
        read_text(tmp_path / "none.json")
    with pytest.raises(InputError, match="a folder, not a file"):
        read_text(tmp_path)
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        read_text(tmp_path / ("x" * 300))
    (tmp_path / "big.json").write_text("12345678901")
    monkeypatch.setattr(files, "MOST_BYTES", 10)
    with pytest.raises(InputError, match=r"big.json: larger than"):
        read_text(tmp_path / "big.json")


@pytest.mark.parametrize("before", ["", '"' + "1" * 5000 + '",', f"0.{'1' * 5000},", r'"\"", 12,'])
def test_a_number_that_python_does_not_read_is_placed_without_pythons_advice(before: str) -> None:
    data, (problem,) = parse_json(f"[\n  {before}{'7' * 4301}]")
    assert data is None
    assert (problem.code, problem.place) == ("TG101", Place(line=2, column=3 + len(before)))
    assert problem.message == f"a number of 4301 digits at line 2, column {3 + len(before)}; at most 4300 can be read"
