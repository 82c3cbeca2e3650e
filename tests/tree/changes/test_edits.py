"""What a reviewer does to a tree: the tree after it, and that rules keep their words."""

from collections.abc import Callable
from typing import Any

import pytest

from treegen.tree.changes import Change, ChangeError, apply, edits
from treegen.tree.document import content_of, tree_from
from treegen.tree.merge.disputes import changes_of
from treegen.tree.merge.three_way import merge
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_data

Make = Callable[[Tree], tuple[Change, ...]]


def words(tree: Tree) -> dict[tuple[str, str], str | None]:
    return {(rule.name, group.name): tree.word(rule, group.name) for rule in tree.rules for group in tree.groups}


@pytest.mark.parametrize(
    ("make", "changed"),
    [
        (lambda t: edits.add_option(t, "legs", "six", "no"), {}),
        (lambda t: edits.add_option(t, "legs", "six", None), {}),
        (lambda t: edits.rename_option(t, "legs", "two", "a pair of"), {("Swan", "legs"): "a pair of"}),
        (lambda t: edits.delete_option(t, "legs", "two", {"Swan": "four"}), {("Swan", "legs"): "four"}),
        (lambda t: edits.delete_option(t, "legs", "no", {"Eel": None}), {("Eel", "legs"): None}),
        (lambda t: edits.merge_options(t, "legs", "no", "four"), {("Eel", "legs"): "four"}),
        (lambda t: edits.split_option(t, "colour", "brown", "olive", ["Eel"]), {("Eel", "colour"): "olive"}),
        (lambda t: edits.split_option(t, "colour", "brown", "olive", ["Swan"]), {}),
        (lambda t: edits.move_option(t, "legs", "no", 2), {}),
        (lambda t: edits.move_option(t, "legs", "four", -1), {}),
        (lambda t: edits.move_group(t, "colour", 1), {}),
        (lambda t: edits.move_class(t, "Newt", 99), {}),
        (lambda t: edits.change_prompt(t, "legs", " Legs: {}. "), {}),
        (lambda t: edits.point_rule(t, "Newt", "legs", "two"), {("Newt", "legs"): "two"}),
        (lambda t: edits.point_rule(t, "Newt", "legs", None), {("Newt", "legs"): None}),
    ],
)
def test_every_answer_that_is_not_meant_keeps_its_word(
    tree: Tree, make: Make, changed: dict[tuple[str, str], str | None]
) -> None:
    after = apply(tree, make(tree))
    assert after != tree or not make(tree)
    assert words(after) == {**words(tree), **changed}


@pytest.mark.parametrize(
    ("make", "groups", "classes"),
    [
        (lambda t: edits.add_group(t, "tail", "A {} tail.", ["long"], "colour"), "colour tail legs", "Newt Swan Eel"),
        (lambda t: edits.rename_group(t, "colour", "hue"), "hue legs", "Newt Swan Eel"),
        (lambda t: edits.delete_group(t, "legs"), "colour", "Newt Swan Eel"),
        (lambda t: edits.move_group(t, "legs", -1), "legs colour", "Newt Swan Eel"),
        (lambda t: edits.add_class(t, "Toad", "Newt", "Swan"), "colour legs", "Newt Toad Swan Eel"),
        (lambda t: edits.add_class(t, "Toad", None), "colour legs", "Toad Newt Swan Eel"),
        (lambda t: edits.rename_class(t, "Swan", "Goose"), "colour legs", "Newt Goose Eel"),
        (lambda t: edits.delete_class(t, "Newt"), "colour legs", "Swan Eel"),
        (lambda t: edits.move_class(t, "Eel", -2), "colour legs", "Eel Newt Swan"),
    ],
)
def test_groups_and_classes_come_go_and_move(tree: Tree, make: Make, groups: str, classes: str) -> None:
    after = apply(tree, make(tree))
    assert " ".join(g.name for g in after.groups) == groups
    assert " ".join(after.classes) == classes
    kept = set(groups.split()) & {"colour", "legs"}
    for rule in tree.rules:
        if rule.name in after.classes:
            found = next(r for r in after.rules if r.name == rule.name)
            assert all(after.word(found, g) == tree.word(rule, g) for g in kept)


def test_a_class_gets_the_answers_of_the_one_it_is_like(tree: Tree) -> None:
    after = words(apply(tree, edits.add_class(tree, "Toad", "Newt", "Swan")))
    assert (after["Toad", "colour"], after["Toad", "legs"]) == ("white", "two")


@pytest.mark.parametrize(
    "make",
    [
        lambda t: edits.rename_option(t, "legs", "two", " two "),
        lambda t: edits.rename_group(t, "legs", "legs"),
        lambda t: edits.rename_class(t, "Newt", "Newt"),
        lambda t: edits.change_prompt(t, "legs", t.groups[1].prompt),
        lambda t: edits.point_rule(t, "Newt", "legs", "four"),
        lambda t: edits.move_option(t, "legs", "no", -1),
        lambda t: edits.move_group(t, "legs", 5),
        lambda t: edits.move_class(t, "Newt", -1),
    ],
)
def test_what_changes_nothing_is_no_change(tree: Tree, make: Make) -> None:
    assert make(tree) == ()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda t: edits.add_option(t, "legs", " ", None), "blank"),
        (lambda t: edits.add_option(t, "legs", "two", None), "already"),
        (lambda t: edits.add_option(t, "wings", "two", None), "no group"),
        (lambda t: edits.delete_option(t, "legs", "two", {}), "Swan"),
        (lambda t: edits.delete_option(t, "legs", "two", {"Swan": "nine"}), "is not in the group"),
        (lambda t: edits.rename_group(t, "legs", "colour"), "already"),
        (lambda t: edits.add_class(t, "", None), "blank"),
        (lambda t: edits.rename_class(t, "Newt", "Swan"), "already"),
    ],
)
def test_what_does_not_fit_says_why(tree: Tree, make: Make, told: str) -> None:
    with pytest.raises(ChangeError, match=told):
        apply(tree, make(tree))


def test_a_certain_fix_is_made_and_others_are_not(content: dict[str, Any]) -> None:
    content["classification_groups"]["legs"]["options"] = ["no", "two", "four", "four"]
    content["rules"]["Newt"]["legs"] = 3
    tree = tree_from(content)
    problem = next(p for p in check_data(content_of(tree)).problems if p.code == "TG111")
    after = apply(tree, edits.fix_problem(tree, problem))
    assert after.groups[1].options == ("no", "two", "four")
    assert words(after)["Newt", "legs"] == "four"
    other = next(p for p in check_data(content_of(tree)).problems if p.fix is None)
    assert edits.fix_problem(tree, other) == ()


@pytest.mark.parametrize(("side", "prompt"), [("ours", "A {} one."), ("theirs", "It looks {}."), ("file", "A {} one.")])
def test_what_a_merge_left_is_decided_by_a_side(tree: Tree, side: Any, prompt: str) -> None:
    ours = apply(tree, edits.change_prompt(tree, "colour", "A {} one."))
    theirs = apply(tree, edits.change_prompt(tree, "colour", "It looks {}."))
    merged = merge(tree, ours, theirs).tree
    assert changes_of(merged.conflicts[0], "theirs")
    decided = apply(merged, edits.decide(merged, 0, side))
    assert decided.conflicts == ()
    assert decided.groups[0].prompt == prompt
