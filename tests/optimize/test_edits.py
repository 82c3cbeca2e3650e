"""The changes of a reply: each kind, what cannot be applied, what is locked, and what is left out."""

from typing import Any

import pytest

from tests.optimize.test_search import TREE
from treegen.optimize.edits import MOST, Edited, edit, prune
from treegen.tree.model import Tree


def words(tree: Tree, name: str) -> dict[str, str | None]:
    rule = next(rule for rule in tree.rules if rule.name == name)
    return {group.name: tree.word(rule, group.name) for group in tree.groups}


def edited(*edits: Any, **options: Any) -> Tree:
    result = edit(TREE, edits, **options)
    assert not result.refused
    return result.tree(result.allowed)


def test_every_kind_of_change_is_made() -> None:
    tree = edited(
        {"do": "reword", "group": "colour", "option": "red", "to": "crimson"},
        {"do": "prompt", "group": "form", "to": "this is a {}"},
        {"do": "answer", "class": "c0", "group": "form", "option": "box"},
        {"do": "answer", "class": "c1", "group": "mark", "option": None},
        {"do": "add option", "group": "colour", "option": "gold", "classes": ["c1"]},
        {"do": "remove option", "group": "mark", "option": "a hat", "into": "a hole"},
        {"do": "add group", "group": "size", "prompt": "a {} thing", "options": ["big"], "answers": {"c2": "small"}},
    )
    assert words(tree, "c0") == {"colour": "crimson", "form": "box", "mark": "spots", "size": None}
    assert words(tree, "c1") == {"colour": "gold", "form": "box", "mark": None, "size": None}
    assert words(tree, "c2")["size"] == "small"
    assert words(tree, "c3")["mark"] == "a hole"
    assert [group.name for group in tree.groups] == ["colour", "form", "mark", "size"]
    assert tree.groups[1].prompt == "this is a {}"
    assert tree.groups[3].options == ("big", "small")
    assert [group.name for group in edited({"do": "remove group", "group": "mark"}).groups] == ["colour", "form"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"do": "fly"}, "`do` must be one of"),
        ({}, "`do` must be one of"),
        ("reword", "`do` must be one of"),
        (None, "`do` must be one of"),
        ({"do": "reword", "group": "shape", "option": "x", "to": "y"}, 'the tree has no group "shape"'),
        ({"do": "reword", "group": "colour", "option": "pink", "to": "y"}, 'the option "pink" is not in'),
        ({"do": "reword", "group": "colour", "option": "red", "to": 7}, '"to" must be a text'),
        ({"do": "answer", "class": "c9", "group": "colour", "option": "red"}, 'no class "c9"'),
        ({"do": "answer", "class": "c0", "group": "colour", "option": "pink"}, 'the option "pink" is not in'),
        ({"do": "add option", "group": "colour", "option": "pink", "classes": "c0"}, '"classes" must be a list'),
        ({"do": "add group", "group": "size", "prompt": "a {}", "answers": ["c0"]}, '"answers" must be an object'),
        ({"do": "add group", "group": "size", "prompt": "a {}", "answers": {"c0": 3}}, "must be texts"),
        ({"do": "add group", "group": "size", "prompt": "a {}", "answers": {"c9": "x"}}, 'no class "c9"'),
        ({"do": "add group", "group": "colour", "prompt": "a {}", "answers": {"c0": "x"}}, "colour"),
    ],
)
def test_what_cannot_be_applied_is_left_out_and_said(given: Any, reason: str) -> None:
    result = edit(TREE, [given, {"do": "reword", "group": "colour", "option": "red", "to": "crimson"}])
    assert len(result.refused) == 1
    assert result.refused[0].startswith("change 1: ")
    assert reason in result.refused[0]
    assert words(result.tree(result.allowed), "c0")["colour"] == "crimson"


def test_the_last_group_stays_and_a_flood_of_changes_is_cut() -> None:
    everything = [{"do": "remove group", "group": group.name} for group in TREE.groups]
    result = edit(TREE, everything)
    assert result.refused == ("change 3: the last group cannot be removed",)
    flood = [{"do": "prompt", "group": "form", "to": f"number {number} {{}}"} for number in range(MOST + 5)]
    result = edit(TREE, flood)
    assert result.refused == (f"only the first {MOST} changes were read",)
    assert result.tree(result.allowed).groups[1].prompt == f"number {MOST - 1} {{}}"


def test_locks_hold_and_so_does_leaving_rules_alone() -> None:
    edits = [
        {"do": "reword", "group": "colour", "option": "red", "to": "crimson"},
        {"do": "answer", "class": "c0", "group": "form", "option": "box"},
        {"do": "answer", "class": "c1", "group": "form", "option": "ball"},
        {"do": "add group", "group": "size", "prompt": "a {} thing", "answers": {"c2": "small", "c3": "big"}},
    ]
    result = edit(TREE, edits, locks=["group colour", "class c0"])
    tree = result.tree(result.allowed)
    assert words(tree, "c0") == {**words(TREE, "c0"), "size": None}
    assert words(tree, "c1")["form"] == "ball"
    assert sorted(reason.rpartition(": ")[2] for reason in result.refused) == [
        'the class "c0" is locked',
        'the group "colour" is locked',
    ]
    kept = edit(TREE, edits, rule_edits=False)
    tree = kept.tree(kept.allowed)
    for name in TREE.classes:
        before = {**words(TREE, name), "size": words(tree, name)["size"]}
        assert words(tree, name) == {k: "crimson" if v == "red" else v for k, v in before.items()}
    assert words(tree, "c3")["size"] == "big"


def value_by(harm: dict[str, float], result: Edited, chosen: frozenset[int]) -> float:
    text = " ".join(sentence for n in chosen for sentence in result.units[n].sentences)
    return sum(worth for word, worth in harm.items() if word in text)


def test_pruning_leaves_out_what_harms_and_all_that_needs_it() -> None:
    edits = [
        {"do": "reword", "group": "form", "option": "ball", "to": "sphere"},
        {"do": "add option", "group": "colour", "option": "pink", "classes": ["c0"]},
        {"do": "reword", "group": "mark", "option": "spots", "to": "dots"},
    ]
    result = edit(TREE, edits)
    worth = {"sphere": 1.0, "pink": -2.0, "dots": 0.0}
    chosen = prune(result, result.allowed, lambda each: value_by(worth, result, each))
    kept = " ".join(sentence for n in chosen for sentence in result.units[n].sentences)
    assert "sphere" in kept
    assert "dots" in kept  # neither better nor worse: as it was proposed
    assert "pink" not in kept
    assert result.tree(chosen).groups[0].options == TREE.groups[0].options
