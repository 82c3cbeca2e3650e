"""Certain repairs: each by itself, many at once, and that none changes what a tree says."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treegen.tree.document import dump
from treegen.tree.validation.checks import check_data, check_text, fix_all
from treegen.tree.validation.fixes import apply_fixes, rename_fix, with_merge_fix
from treegen.tree.validation.normalise import normalise
from treegen.tree.validation.problems import Problem

CLASSES = ("Newt", "Swan", "Eel")


def fixable(data: Any, code: str, **options: Any) -> list[Problem]:
    return [p for p in check_data(data, **options).problems if p.code == code and p.fix]


def test_a_class_written_differently_gets_its_name_and_keeps_its_place(content: dict[str, Any]) -> None:
    content["rules"] = {{"Swan": "the swans"}.get(name, name): rule for name, rule in content["rules"].items()}
    (problem,) = fixable(content, "TG203", classes=CLASSES)
    assert problem.fix == rename_fix("the swans", "Swan")
    assert problem.fix.summary == 'rename it to "Swan"'
    fixed, _ = apply_fixes(content, [problem])
    assert list(fixed["rules"]) == ["Newt", "Swan", "Eel"]
    assert check_data(fixed, classes=CLASSES).problems == ()


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (("Newt", "Swan", "Eel"), ("Newt", "Swam", "Eel")),  # only close
        (("Newt", "Swan", "Eel"), ("SWAN", "swans", "Eel")),  # which of the two is Swan?
        (("Newt", "Swan", "swan"), ("Newt", "SWAN", "Eel")),  # which of the two is meant?
        (("Newt", "Swan", "swan"), ("Newt", "Swan", "SWAN")),
        (("Newt", "Swan", "Eel"), ("Swan", "SWAN", "Eel")),  # it has its rule
    ],
)
def test_a_class_has_no_fix_where_none_is_certain(
    content: dict[str, Any], classes: tuple[str, ...], names: tuple[str, ...]
) -> None:
    content["rules"] = dict(zip(names, content["rules"].values(), strict=True))
    assert "TG203" in {p.code for p in check_data(content, classes=classes).problems}
    assert fixable(content, "TG203", classes=classes) == []


def test_an_option_that_stands_twice_goes_and_its_classes_follow(content: dict[str, Any]) -> None:
    content["classification_groups"]["legs"]["options"] = ["no", "two", "no", "four", "two"]
    answers = {"Newt": 3, "Swan": 4, "Eel": 2}
    for name, index in answers.items():
        content["rules"][name]["legs"] = index
    problems = fixable(content, "TG111")
    assert [p.pointer[-1] for p in problems] == ["2", "4"]
    assert problems[1].fix is not None
    assert problems[1].fix.summary == "remove it; its classes get the identical option 1"
    for order in (problems, problems[::-1]):
        fixed, count = apply_fixes(content, order)
        assert count == 2
        assert fixed["classification_groups"]["legs"]["options"] == ["no", "two", "four"]
        assert [fixed["rules"][name]["legs"] for name in answers] == [2, 1, 0]
    assert content["rules"]["Newt"]["legs"] == 3


@pytest.mark.parametrize("options", [["No", "two", "no"], ["the two", "two", "four"], ["no", "no"], ["no", "no", "no"]])
def test_options_have_no_fix_if_their_text_differs_or_one_would_be_left(
    content: dict[str, Any], options: list[str]
) -> None:
    """`No` and `no` are the same to CLIP, but which spelling stays is for a person to say."""
    content["classification_groups"]["legs"]["options"] = options
    content["rules"] = {name: {**rule, "legs": 0} for name, rule in content["rules"].items()}
    assert "TG111" in {p.code for p in check_data(content).problems}
    assert fixable(content, "TG111") == []


def test_an_index_out_of_range_stays_out_of_range(content: dict[str, Any]) -> None:
    content["classification_groups"]["legs"]["options"] += ["two"]
    content["rules"]["Newt"]["legs"] = 4
    content["rules"]["Eel"]["legs"] = None
    fixed, _ = apply_fixes(content, check_data(content).problems)
    assert fixed["rules"]["Newt"]["legs"] == 3
    assert fixed["rules"]["Eel"]["legs"] is None
    assert "TG112" in {p.code for p in check_data(fixed).problems}


def test_a_place_that_no_pointer_can_name_has_no_fix(content: dict[str, Any]) -> None:
    problem = Problem(code="TG111", pointer="/classification_groups/none/options/1", message="m")
    assert with_merge_fix(problem, content) == problem


def test_fixes_for_names_texts_and_options_compose_whatever_their_order(content: dict[str, Any]) -> None:
    content["classification_groups"]["legs"]["options"] = ["no", "two", "two", " four"]
    content["rules"] = {
        "newt": {"Colours": 1, "legs": 3},
        "Swan": {"colour": 0, "Legs": 2},
        "EEL": {"colour": 1, "legs": 0},
    }
    problems = [p for p in check_data(content, classes=CLASSES).problems if p.fix]
    assert {p.code for p in problems} == {"TG111", "TG113", "TG202", "TG203"}
    for order in (problems, problems[::-1]):
        fixed, _ = apply_fixes(content, order)
        assert check_data(fixed, classes=CLASSES).problems == ()
        assert fixed["classification_groups"]["legs"]["options"] == ["no", "two", "four"]
        assert {name: rule["legs"] for name, rule in fixed["rules"].items()} == {"Newt": 2, "Swan": 1, "Eel": 0}


def test_texts_that_are_the_same_without_their_white_space_are_merged_in_one_run(
    content: dict[str, Any],
) -> None:
    content["classification_groups"]["legs"]["options"] += [" two", "two "]
    content["rules"]["Newt"]["legs"], content["rules"]["Swan"]["legs"] = 3, 4
    tree, _ = fix_all(check_data(content, classes=CLASSES), classes=CLASSES)
    assert tree is not None
    assert not any(p.fix for p in check_text(dump(tree), classes=CLASSES).problems)
    assert tree.groups[1].options == ("no", "two", "four")
    assert [rule.get("legs") for rule in tree.rules] == [1, 1, 0]


WORDS = st.sampled_from(["red", " red", "red ", "blue", "  blue", "fins", "a fin", "RED"])
NAMES = ("Newt", "Swan", "Eel", "Olm")
MESSY = {name: st.sampled_from([name, name.lower(), f"the {name}s"]) for name in NAMES}
GROUPS = {name: st.sampled_from([name, name.upper(), f"the {name}"]) for name in ("hue", "limb")}


@st.composite
def messy_trees(draw: st.DrawFn) -> dict[str, Any]:
    """Trees with white space, options twice, and names of groups and classes written differently."""
    groups = {
        name: {
            "prompt": "A {}." + draw(st.sampled_from(["", " "])),
            "options": draw(st.lists(WORDS, min_size=3, max_size=7)),
        }
        for name in GROUPS
    }
    rules = {}
    for written in MESSY.values():
        answers = {}
        for name, spelling in GROUPS.items():
            highest = len(groups[name]["options"]) - 1
            answers[draw(spelling)] = draw(st.none() | st.integers(0, highest))
        rules[draw(written)] = answers
    return {"domain": "pond", "classification_groups": groups, "rules": rules}


def meaning(data: dict[str, Any]) -> list[tuple[str, dict[str, str | None]]]:
    """What each rule says, in words without spelling."""
    options = {name: group["options"] for name, group in data["classification_groups"].items()}
    said = []
    for name, rule in data["rules"].items():
        answers = {}
        for group, index in rule.items():
            (own,) = [g for g in options if normalise(g) == normalise(group)]
            answers[own] = None if index is None else options[own][index].strip()
        said.append((normalise(name), answers))
    return said


@pytest.mark.slow
@settings(deadline=None)
@given(messy_trees(), st.randoms())
def test_any_fixes_keep_the_meaning_and_a_second_round_ends(data: dict[str, Any], random: Any) -> None:
    before, rounds = copy.deepcopy(data), 0
    fixed = data
    while problems := [p for p in check_data(fixed, classes=NAMES).problems if p.fix]:
        random.shuffle(problems)
        fixed, _ = apply_fixes(fixed, problems)
        assert meaning(fixed) == meaning(before)
        rounds += 1
    assert rounds <= 2
    assert data == before
    assert set(fixed["rules"]) == set(NAMES)
    for group in fixed["classification_groups"].values():
        assert group["prompt"] == "A {}."
        distinct = set(group["options"])
        assert len(distinct) == len(group["options"]) or len(distinct) < 2


@settings(deadline=None, max_examples=30)
@given(data=messy_trees())
def test_a_tree_that_was_fixed_is_not_fixed_again(data: dict[str, Any]) -> None:
    tree, _ = fix_all(check_data(data, classes=NAMES), classes=NAMES)
    assert tree is not None
    left = check_text(dump(tree), classes=NAMES)
    assert [p for p in left.problems if p.fix] == []
    assert fix_all(left, classes=NAMES) == (tree, ())
