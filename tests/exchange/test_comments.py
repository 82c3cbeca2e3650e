"""Which comment belongs to which value."""

import pytest

from treegen.exchange.comments import answer_of, check_comments, option_of, remarks_in
from treegen.tree.model import ClassRule, Group, Tree

TREE = Tree(
    domain="pond",
    groups=(Group(name="colour", prompt="{}", options=("white", "pale brown", "green")),),
    rules=(
        ClassRule(name="Swan", answers=(("colour", 0),)),
        ClassRule(name="Newt, small", answers=(("colour", 1),)),
        ClassRule(name="Frog", answers=(("colour", None),)),
    ),
)
OPTIONS = (
    'x = {{"classification_cot": {{"colour": {{"prompt": "{{}}", '
    '"options": ["white", {0}\n"pale brown", {1}\n"green"]}}}},'
)
RULES = '"pond_rules": {{"Swan": {{"colour": 0{0}\n}}, "Newt, small": {{"colour": 1{1}\n}}}}}}'


@pytest.mark.parametrize(
    ("comment", "contradictions", "agreed", "unchecked"),
    [
        ("# 1", 0, 1, 0),
        ("# option 1", 0, 1, 0),
        ("// #1", 0, 1, 0),
        ("# 1: Newt, small", 1, 0, 1),  # divided at its commas, no part is a class
        ("# Newt, small", 0, 1, 0),
        ("# 0", 1, 0, 0),
        ("# Pale Brown", 0, 1, 0),
        ("# green", 1, 0, 0),
        ("# Swan", 1, 0, 0),
        ("# Frog and Swan", 2, 0, 0),
        ("# a nice colour", 0, 0, 1),
        ("# 0, a nice one", 1, 0, 1),
    ],
)
def test_a_comment_beside_an_option(comment: str, contradictions: int, agreed: int, unchecked: int) -> None:
    found = check_comments(TREE, OPTIONS.format("", comment) + RULES.format("", ""))
    expected = (0 if comment == "# 1: Newt, small" else contradictions, agreed, unchecked)
    assert (len(found.contradictions), found.agreed, len(found.unchecked)) == expected


@pytest.mark.parametrize(("comment", "told"), [("# green", "option 2"), ("# 2", "says 2"), ("# Swan", '"white"')])
def test_a_comment_beside_an_answer(comment: str, told: str) -> None:
    found = check_comments(TREE, OPTIONS.format("", "") + RULES.format("", f", {comment}"))
    assert [told in c and "line 4" in c and '"Newt, small"' in c for c in found.contradictions] == [True]


def test_a_comment_beside_several_values_belongs_to_none() -> None:
    text = '{"rules": {"a": {"colour": 0, "form": 1}},  # 0\n "classification_groups": {}}'
    assert [(r.line, r.path, r.comment) for r in remarks_in(text)] == [(1, (), "0")]


def test_paths() -> None:
    assert option_of(("x", "classification_cot", "colour", "options", 2)) == ("colour", 2)
    assert option_of(("rules", "a", "colour")) is None
    assert answer_of(("x", "pond_rules", "Swan", "colour")) == ("Swan", "colour")
    assert answer_of(("colour", "options", 2)) is None
