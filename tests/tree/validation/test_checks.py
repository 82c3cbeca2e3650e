"""Checks of whole trees beyond the example files: with a domain, at size, with hostile names; and the fixes."""

import copy
import json
from pathlib import Path
from typing import Any, Literal

import pytest

from treegen.errors import InputError
from treegen.tree.document import digest_of, dump, tree_from
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_data, check_file, check_text, fix_all
from treegen.tree.validation.fixes import apply_fixes
from treegen.tree.validation.problems import Edit, Place, Problem

CLASSES = ("Newt", "Swan", "Eel")
HOSTILE = "\x1b[31m\x07\x7f\x9b\u202e\u2028\nrm"


def places(problems: tuple[Problem, ...]) -> list[tuple[str, str]]:
    return sorted((p.code, p.pointer) for p in problems)


def message_of(problems: tuple[Problem, ...], code: str) -> str:
    (message,) = [p.message for p in problems if p.code == code]
    return message


def test_data_without_problems_gives_the_tree_and_an_empty_list(content: dict[str, Any]) -> None:
    checked = check_data(content, classes=CLASSES, domain="pond")
    assert checked.problems == ()
    assert checked.document is not None
    assert checked.document.tree == tree_from(content)


def test_a_class_of_the_domain_without_a_rule_is_named(content: dict[str, Any]) -> None:
    problems = check_data(content, classes=(*CLASSES, "Olm", "Frog")).problems
    assert places(problems) == [("TG201", "/rules"), ("TG201", "/rules")]
    assert [p.message for p in problems] == [
        f'the class "{name}" has no rule; give its option in every group' for name in ("Olm", "Frog")
    ]


def test_a_rule_for_a_class_that_the_domain_lacks_names_the_class_that_is_meant(content: dict[str, Any]) -> None:
    content["rules"]["Sawn"] = content["rules"].pop("Swan")
    problems = check_data(content, classes=CLASSES).problems
    assert places(problems) == [("TG201", "/rules"), ("TG203", "/rules/Sawn")]
    assert message_of(problems, "TG203") == 'the domain has no class "Sawn"; did you mean "Swan"?'


def test_no_class_is_proposed_that_has_its_rule_already(content: dict[str, Any]) -> None:
    content["rules"]["Sawn"] = {"colour": None, "legs": None}
    problems = check_data(content, classes=CLASSES).problems
    assert message_of(problems, "TG203") == 'the domain has no class "Sawn"'


def test_a_tree_of_another_domain_is_an_error_at_its_name(content: dict[str, Any]) -> None:
    (problem,) = check_data(content, domain="lake").problems
    assert (problem.code, problem.pointer, problem.severity) == ("TG304", "/domain", "error")
    assert problem.message == 'the tree is for the domain "pond", not "lake"'


@pytest.mark.parametrize("data", [None, [], "tree", 5, 1.5, True, {}])
def test_anything_but_a_tree_gives_problems_and_no_document(data: Any) -> None:
    checked = check_data(data, classes=CLASSES, domain="pond")
    assert checked.document is None
    assert {p.code for p in checked.problems} <= {"TG103", "TG104"}
    assert checked.problems


def test_wrong_types_do_not_hide_what_names_alone_show(content: dict[str, Any]) -> None:
    content["rules"] = {"Newt": {"colour": True, "legs": 2}, "Swan": {"colour": 0, "Legs": 1}, "Toad": [0, 1]}
    checked = check_data(content, classes=CLASSES, domain="lake")
    assert places(checked.problems) == [
        ("TG103", "/rules/Newt/colour"),
        ("TG103", "/rules/Toad"),
        ("TG201", "/rules"),
        ("TG202", "/rules/Swan/Legs"),
        ("TG203", "/rules/Toad"),
        ("TG304", "/domain"),
    ]


def test_an_unknown_key_hides_nothing_and_gives_no_document_that_would_drop_it(content: dict[str, Any]) -> None:
    content["reviewer"] = "Ana"
    content["rules"]["Newt"] = content["rules"]["Eel"]
    checked = check_data(content)
    assert checked.document is None
    assert places(checked.problems) == [
        ("TG105", "/reviewer"),
        ("TG204", "/rules/Eel"),
        ("TG205", "/classification_groups/legs/options/2"),
    ]


def test_a_broken_review_leaves_the_rest_of_the_tree_usable(content: dict[str, Any]) -> None:
    content["review"] = {"status": "approved", "by": 5}
    checked = check_data(content)
    assert checked.document is not None
    assert checked.document.tree == tree_from({k: v for k, v in content.items() if k != "review"})
    assert checked.data["review"] == {"status": "approved", "by": 5}


def test_half_a_surrogate_pair_is_a_problem_wherever_the_data_comes_from(content: dict[str, Any]) -> None:
    content["classification_groups"]["legs"]["options"][0] = "\ud83e"
    expected = [("TG107", "/classification_groups/legs/options/0")]
    assert places(check_data(content).problems) == expected
    assert places(check_text(json.dumps(content)).problems) == expected
    assert check_data(content).document is None


def test_the_digest_counts_only_for_what_came_from_a_file(content: dict[str, Any]) -> None:
    assert check_data(content).problems == ()
    assert places(check_text(json.dumps(content)).problems) == [("TG301", "/digest")]


def test_no_message_holds_anything_that_a_terminal_obeys(content: dict[str, Any]) -> None:
    text = json.dumps(content).replace("colour", "C").replace("white", "W").replace("Newt", "N").replace("pond", "P")
    data = json.loads(text.replace('"C"', json.dumps(HOSTILE)).replace('"W"', json.dumps("A" + HOSTILE)))
    data["classification_groups"][HOSTILE]["options"] += ["the a" + HOSTILE, " " + HOSTILE]
    data["rules"][HOSTILE + "1"] = {HOSTILE: 0, HOSTILE + "2": 0}
    data["rules"][HOSTILE + "3"] = {HOSTILE: 0, "legs": None}
    data["rules"][HOSTILE + "4"] = {HOSTILE: 0, "legs": None}
    data["rules"][HOSTILE + "5"] = {HOSTILE: 99}
    data["rules"][HOSTILE + "6"] = {}
    data["digest"] = "sha256:" + "0" * 64
    data["review"] = {"status": "approved", "by": HOSTILE, "at": "2026-11-21T10:00:00Z", "digest": data["digest"]}
    problems = check_text(json.dumps(data), classes=(HOSTILE,), domain=HOSTILE).problems
    codes = "TG111 TG112 TG113 TG201 TG202 TG203 TG204 TG205 TG206 TG302 TG303 TG304"
    assert {p.code for p in problems} == set(codes.split())
    assert [p.message for p in problems if not p.message.isprintable()] == []


def test_schema_messages_hold_nothing_that_a_terminal_obeys(content: dict[str, Any]) -> None:
    content |= {HOSTILE: 1, "$schema": HOSTILE, "digest": HOSTILE, "domain": [HOSTILE]}
    content["classification_groups"][HOSTILE] = {"prompt": HOSTILE, "options": [HOSTILE], HOSTILE: 1}
    content["rules"]["\n"] = {"legs": HOSTILE}
    twice = json.dumps({HOSTILE + "2": 1})[1:-1]
    problems = check_text(f"{{{twice}, {twice}, {json.dumps(content)[1:]}").problems
    assert {p.code for p in problems} >= {"TG102", "TG103", "TG105", "TG106", "TG110"}
    assert [p.message for p in problems if not p.message.isprintable()] == []


@pytest.fixture(scope="module")
def large() -> dict[str, Any]:
    """10,000 classes, told apart by two groups of 100 options."""
    options = [f"shade {i} of a hundred" for i in range(100)]
    group = {"prompt": "This creature is {}.", "options": options}
    rules = {f"Creature {i}": {"tens": i // 100, "ones": i % 100} for i in range(10_000)}
    return {"domain": "large", "classification_groups": {"tens": group, "ones": group}, "rules": rules}


@pytest.mark.slow
def test_one_wrong_index_among_ten_thousand_classes_is_found_at_its_place(large: dict[str, Any]) -> None:
    data = copy.deepcopy(large)
    data["rules"]["Creature 9876"]["ones"] = 100
    checked = check_data(data, classes=tuple(large["rules"]), domain="large")
    assert places(checked.problems) == [("TG112", "/rules/Creature 9876/ones")]


def test_ten_thousand_classes_of_another_domain_are_all_told(large: dict[str, Any]) -> None:
    problems = check_data(large, classes=[f"Machine {i}" for i in range(10_000)]).problems
    assert [p.code for p in problems] == ["TG201"] * 10_000 + ["TG203"] * 10_000


def test_ten_thousand_rules_for_one_class_are_told_once_for_each_twin(large: dict[str, Any]) -> None:
    data = {**large, "rules": {name: {"tens": 0, "ones": 0} for name in large["rules"]}}
    problems = check_data(data).problems
    assert sum(p.code == "TG204" for p in problems) == 9_999
    assert sum(p.code == "TG205" for p in problems) == 198


def test_a_group_written_differently_is_renamed_by_its_fix(content: dict[str, Any]) -> None:
    content["rules"]["Newt"] = {"The Colour": 1, "legs": 2}
    (problem,) = check_data(content).problems
    assert problem.message.endswith('which the tree does not have; did you mean "colour"?')
    fixed, count = apply_fixes(content, [problem])
    assert count == 1
    assert fixed["rules"]["Newt"] == {"legs": 2, "colour": 1}
    assert content["rules"]["Newt"] == {"The Colour": 1, "legs": 2}
    assert check_data(fixed).problems == ()


@pytest.mark.parametrize(
    ("groups", "answers"),
    [
        (("colour",), {"Colours": 0, "the colour": 1}),  # which of the two answers counts?
        (("colour",), {"colour": 0, "Colours": 1}),
        (("colour", "Colours"), {"COLOUR": 0}),  # which of the two groups is meant?
        (("colour",), {"tint": 0}),
    ],
)
def test_an_answer_for_an_unknown_group_has_no_fix_where_none_is_certain(
    content: dict[str, Any], groups: tuple[str, ...], answers: dict[str, int]
) -> None:
    content["classification_groups"] = dict.fromkeys(groups, content["classification_groups"]["colour"])
    content["rules"] = {"Newt": answers}
    unknown = [p for p in check_data(content).problems if p.code == "TG202"]
    assert [p.pointer for p in unknown] == [f"/rules/Newt/{name}" for name in answers if name not in groups]
    assert [p.fix for p in unknown] == [None] * len(unknown)


def test_a_close_name_of_an_unknown_group_is_asked_about(content: dict[str, Any]) -> None:
    content["rules"]["Newt"] = {"color": 1, "legs": 2}
    told = message_of(check_data(content).problems, "TG202")
    assert told == '"Newt" has an answer for the group "color", which the tree does not have; did you mean "colour"?'


def test_fixes_apply_at_escaped_places_and_in_lists(content: dict[str, Any]) -> None:
    content["classification_groups"]["a/b~c"] = {"prompt": " {} ", "options": ["x ", "y"]}
    for rule in content["rules"].values():
        rule["a/b~c"] = 0
    problems = [p for p in check_data(content).problems if p.code == "TG113"]
    fixed, count = apply_fixes(content, problems)
    assert count == 2
    assert fixed["classification_groups"]["a/b~c"] == {"prompt": "{}", "options": ["x", "y"]}


def test_the_fix_of_a_digest_is_the_digest_of_the_content(content: dict[str, Any], tree: Tree) -> None:
    cases: list[tuple[str | None, Literal["add", "replace"]]] = [(None, "add"), ("sha256:" + "0" * 64, "replace")]
    for written, op in cases:
        data = {**content, **({"digest": written} if written else {})}
        (problem,) = check_data(data, stored=True).problems
        assert problem.fix is not None
        assert problem.fix.edits == (Edit(op=op, pointer="/digest", value=digest_of(tree)),)


def test_rules_of_nulls_alone_are_each_told_once_and_are_no_twins(content: dict[str, Any]) -> None:
    """They answer nothing (TG201); that they also answer the same is no second problem."""
    content["rules"]["Swan"] = content["rules"]["Eel"] = {"colour": None, "legs": None}
    found = [(p.code, p.pointer) for p in check_data(content).problems if p.severity == "error"]
    assert found == [("TG201", "/rules/Swan"), ("TG201", "/rules/Eel")]
    assert "TG204" not in [p.code for p in check_data(content).problems]


def test_fixing_gives_a_tree_with_the_problems_that_are_left(content: dict[str, Any]) -> None:
    content["classification_groups"]["legs"]["options"] += [" six "]
    tree, fixed = fix_all(check_data(content, classes=CLASSES), classes=CLASSES)
    assert tree is not None
    assert fixed
    left = check_text(dump(tree), classes=CLASSES)
    assert places(left.problems) == [("TG205", "/classification_groups/legs/options/3")]
    assert tree.groups[1].options[3] == "six"


@pytest.mark.parametrize(
    "extra", ['"reviewer": "Ana"', '"review": []', '"review": {"by": "Ana"}', '"domain": "pond"', '"a": "\\ud83e"']
)
def test_fixing_leaves_a_file_alone_of_which_something_would_be_lost(content: dict[str, Any], extra: str) -> None:
    assert fix_all(check_text(json.dumps(content)[:-1] + f", {extra}}}")) == (None, ())


def test_a_file_that_cannot_be_read_is_an_input_error_and_no_problem(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(b"\xff")
    for name in ("t.json", "none.json"):
        with pytest.raises(InputError, match=name):
            check_file(tmp_path / name)


def test_markers_of_git_are_told_with_their_line_and_the_way_out() -> None:
    text = '{\n  "domain": "d",\n<<<<<<< ours\n  "digest": "a"\n=======\n  "digest": "b"\n>>>>>>> theirs\n}\n'
    (problem,) = check_text(text).problems
    assert (problem.code, problem.place) == ("TG101", Place(line=3, column=1))
    assert "the file contains git conflict markers, from line 3" in problem.message
    assert "`treegen git-setup`, then `git checkout --merge FILE`" in problem.message


@pytest.mark.parametrize("text", ['{"a": "\n <<<<<<< "}', "<<<<<<<\n", '{"a": "<<<<<<< "'])
def test_what_only_looks_like_markers_is_not_json_as_any_other(text: str) -> None:
    (problem,) = check_text(text).problems
    assert "not JSON at line" in problem.message
