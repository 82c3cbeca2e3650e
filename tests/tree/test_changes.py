from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treegen.tree.changes import answer_word, difference
from treegen.tree.document import digest_of
from treegen.tree.model import ClassRule, Group, Tree

WORDS = ("red", "blue", "green", "gold", "gray")


def sentences(old: Tree, new: Tree) -> list[str]:
    return [change.sentence for change in difference(old, new)]


def with_colours(tree: Tree, *options: str, **rules: int | None) -> Tree:
    """The tree with other options in `colour` and other answers there for the classes named."""
    colour, legs = tree.groups
    return replace(
        tree,
        groups=(replace(colour, options=options), legs),
        rules=tuple(
            replace(r, answers=(("colour", rules[r.name]), r.answers[1])) if r.name in rules else r for r in tree.rules
        ),
    )


def test_a_tree_does_not_differ_from_itself(tree: Tree) -> None:
    assert difference(tree, tree) == ()


def test_another_domain_is_a_change(tree: Tree) -> None:
    assert sentences(tree, replace(tree, domain="lake")) == ['the domain "pond" became "lake"']


def test_an_option_inserted_before_others_with_its_indices_moved_changes_no_rule(tree: Tree) -> None:
    new = with_colours(tree, "gray", "white", "brown", Newt=2, Swan=1, Eel=2)
    assert sentences(tree, new) == ['in group "colour" the option "gray" added']


def test_an_option_inserted_without_moving_the_indices_changes_the_rules(tree: Tree) -> None:
    new = with_colours(tree, "gray", "white", "brown")
    assert sentences(tree, new) == [
        'in group "colour" the option "gray" added',
        '"Newt" in "colour": "brown" became "white"',
        '"Swan" in "colour": "white" became "gray"',
        '"Eel" in "colour": "brown" became "white"',
    ]


def test_an_option_renamed_in_its_place_is_one_change_and_not_one_for_each_class(tree: Tree) -> None:
    (change,) = difference(tree, with_colours(tree, "white", "dark brown"))
    assert (change.kind, change.group, change.class_name) == ("option_renamed", "colour", None)
    assert change.sentence == 'in group "colour" the option "brown" became "dark brown"'


def test_a_class_moved_away_from_a_renamed_option_is_a_change_of_its_own(tree: Tree) -> None:
    new = with_colours(tree, "white", "dark brown", Eel=0)
    assert sentences(tree, new) == [
        'in group "colour" the option "brown" became "dark brown"',
        '"Eel" in "colour": "brown" became "white"',
    ]


def test_options_swapped_with_their_indices_are_only_reordered(tree: Tree) -> None:
    new = with_colours(tree, "brown", "white", Newt=0, Swan=1, Eel=0)
    (change,) = difference(tree, new)
    assert change.kind == "options_reordered"


def test_an_option_replaced_in_another_place_is_removed_and_added(tree: Tree) -> None:
    new = with_colours(tree, "gray", "white", Newt=0, Swan=1, Eel=0)
    assert [c.kind for c in difference(tree, new)] == ["option_removed", "option_added", "rule_changed", "rule_changed"]


def test_an_answer_taken_away_is_told(tree: Tree) -> None:
    assert sentences(tree, with_colours(tree, "white", "brown", Eel=None)) == [
        '"Eel" in "colour": "brown" became no answer'
    ]


def test_an_answer_where_there_was_none_and_an_index_without_an_option_are_told(tree: Tree) -> None:
    silent = with_colours(tree, "white", "brown", Eel=None)
    assert sentences(silent, tree) == ['"Eel" in "colour": no answer became "brown"']
    broken = with_colours(tree, "white", "brown", Eel=7)
    assert sentences(tree, broken) == ['"Eel" in "colour": "brown" became option 7, which does not exist']


def test_groups_added_removed_reworded_and_reordered_are_each_told(tree: Tree) -> None:
    colour, legs = tree.groups
    wings = Group(name="wings", prompt="It has {} wings.", options=("no", "two"))
    assert sentences(tree, replace(tree, groups=(colour,))) == ['group "legs" removed']
    assert sentences(tree, replace(tree, groups=(*tree.groups, wings))) == [
        'group "wings" added: "It has {} wings." with "no", "two"'
    ]
    assert sentences(tree, replace(tree, groups=(replace(colour, prompt="Mainly {}."), legs))) == [
        'in group "colour" the prompt "This creature is mainly {}." became "Mainly {}."'
    ]
    assert sentences(tree, replace(tree, groups=(legs, colour))) == ['groups now in the order "legs", "colour"']


def test_classes_added_removed_and_reordered_are_each_told(tree: Tree) -> None:
    newt, swan, eel = tree.rules
    olm = ClassRule(name="Olm", answers=(("colour", 0), ("legs", None)))
    assert sentences(tree, replace(tree, rules=(newt, swan))) == ['class "Eel" removed']
    assert sentences(tree, replace(tree, rules=(*tree.rules, olm))) == [
        'class "Olm" added: "colour" "white", "legs" no answer'
    ]
    assert sentences(tree, replace(tree, rules=(swan, newt, eel))) == ["classes now in another order"]


def test_no_sentence_holds_anything_that_a_terminal_obeys(tree: Tree) -> None:
    bad = "\x1b[31m\n"
    colour, legs = tree.groups
    newt, swan, _ = tree.rules
    evil = Group(name=bad, prompt=f"{{}} {bad}", options=(bad, f"{bad}2"))
    new = replace(
        tree, domain=bad, groups=(legs, replace(colour, prompt=bad, options=("white", bad)), evil),
        rules=(swan, newt, ClassRule(name=bad, answers=((bad, 0),))),
    )  # fmt: skip
    told = sentences(tree, new) + sentences(new, tree)
    assert len(told) >= 12
    assert [s for s in told if not s.isprintable()] == []


@pytest.mark.parametrize(("index", "word"), [(0, "white"), (1, "brown"), (2, None), (-1, None), (None, None)])
def test_an_index_out_of_range_has_no_word(tree: Tree, index: int | None, word: str | None) -> None:
    assert answer_word(tree, ClassRule(name="X", answers=(("colour", index),)), "colour") == word
    assert answer_word(tree, ClassRule(name="X", answers=(("colour", index),)), "wings") is None


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Small valid trees from few words, so that two of them share much."""
    names = draw(st.lists(st.sampled_from(["g", "h"]), min_size=1, unique=True))
    several = st.lists(st.sampled_from(WORDS), min_size=2, max_size=4, unique=True)
    groups = tuple(
        Group(name=n, prompt=draw(st.sampled_from(["a {}", "b {}"])), options=tuple(draw(several))) for n in names
    )
    classes = draw(st.lists(st.sampled_from("ABC"), min_size=1, unique=True))
    rules = tuple(
        ClassRule(
            name=c,
            answers=tuple((g.name, draw(st.none() | st.integers(0, len(g.options) - 1))) for g in groups),
        )
        for c in classes
    )
    return Tree(domain="d", groups=groups, rules=rules)


@settings(deadline=None, max_examples=200)
@given(trees(), trees())
def test_two_trees_differ_exactly_if_their_digests_do(old: Tree, new: Tree) -> None:
    assert bool(difference(old, new)) == (digest_of(old) != digest_of(new))


@settings(deadline=None, max_examples=200)
@given(trees(), trees())
def test_every_change_of_an_answer_in_words_is_told_or_explained_by_a_renamed_option(old: Tree, new: Tree) -> None:
    changes = difference(old, new)
    renamed = {
        (c.group, *c.sentence.removeprefix(f'in group "{c.group}" the option "').rstrip('"').split('" became "'))
        for c in changes
        if c.kind == "option_renamed"
    }
    told = {(c.class_name, c.group) for c in changes if c.kind == "rule_changed"}
    before = {r.name: r for r in old.rules}
    for rule in new.rules:
        for group in new.groups:
            if rule.name in before and old.group(group.name):
                words = answer_word(old, before[rule.name], group.name), answer_word(new, rule, group.name)
                assert words[0] == words[1] or (rule.name, group.name) in told or (group.name, *words) in renamed
