"""Units of a proposal: any choice that is closed under needs can be made, all of them give the proposed tree."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thorough import examples
from tests.tree.strategies import changed, trees, wild_trees
from treegen.errors import InputError
from treegen.tree.changes import (
    Change,
    ChangeError,
    ClassAdded,
    ClassRemoved,
    ClassRenamed,
    GroupAdded,
    GroupRemoved,
    GroupRenamed,
    OptionAdded,
    OptionRemoved,
    OptionRenamed,
    RuleChanged,
    apply,
)
from treegen.tree.changes.difference import difference
from treegen.tree.document import content_of, tree_from
from treegen.tree.feedback_target import WHOLE, Target, lock_of, target_of
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.problems import errors_of
from treegen.workflow.proposal_units import ChangeGroup, alone, closure, take, units_of


@pytest.fixture
def tree() -> Tree:
    return tree_from(
        {
            "domain": "pond",
            "classification_groups": {
                "colour": {"prompt": "This creature is mainly {}.", "options": ["white", "brown"]},
                "legs": {"prompt": "This creature has {} legs.", "options": ["no", "two", "four"]},
            },
            "rules": {
                "Newt": {"colour": 1, "legs": 2},
                "Swan": {"colour": 0, "legs": 1},
                "Eel": {"colour": 1, "legs": 0},
            },
        }
    )


def proposed(tree: Tree, *, target: Target = WHOLE, locks: Collection[str] = ()) -> tuple[ChangeGroup, ...]:
    """Units of: brown -> gray for Newt, brown gone, legs reworded, a new class with a new option, Swan renamed."""
    colour, legs = tree.groups
    new = replace(
        tree,
        groups=(replace(colour, options=("white", "gray", "green")), replace(legs, prompt="It walks on {} legs.")),
        rules=(
            ClassRule(name="Newt", answers=(("colour", 1), ("legs", 2))),
            ClassRule(name="Swans", answers=(("colour", 0), ("legs", 1))),
            ClassRule(name="Eel", answers=(("colour", 0), ("legs", 0))),
            ClassRule(name="Frog", answers=(("colour", 2), ("legs", 2))),
        ),
    )
    return units_of(tree, difference(tree, new), target=target, locks=locks)


def unit(units: tuple[ChangeGroup, ...], words: str) -> ChangeGroup:
    (found,) = [u for u in units if any(words in s for s in u.sentences)]
    return found


def test_what_a_change_needs_comes_with_it_and_nothing_else(tree: Tree) -> None:
    units = proposed(tree)
    assert [len(u.changes) for u in units] == [1] * len(units)
    frog, green = unit(units, 'class "Frog" added'), unit(units, 'option "green" added')
    assert frog.needs == {green.number}
    assert unit(units, "the prompt").needs == frozenset()
    result = apply(tree, take(tree, units, closure(units, [frog.number])))
    assert (result.classes, result.groups[0].options) == (("Newt", "Swan", "Eel", "Frog"), ("white", "brown", "green"))


def test_a_removed_option_needs_all_its_classes_moved_first(tree: Tree) -> None:
    colour, rules = replace(tree.groups[0], options=("white", "gray")), []
    for rule, index in zip(tree.rules, (0, 1, 0), strict=True):
        rules.append(replace(rule, answers=(("colour", index), rule.answers[1])))
    new = replace(tree, groups=(colour, tree.groups[1]), rules=tuple(rules))
    units = units_of(tree, difference(tree, new))
    newt, eel = unit(units, '"Newt" in "colour"'), unit(units, '"Eel" in "colour"')
    assert unit(units, '"brown" removed').needs == {newt.number, eel.number}


def test_a_choice_that_is_not_closed_is_refused_with_what_is_missing(tree: Tree) -> None:
    units = proposed(tree)
    frog = unit(units, 'class "Frog" added')
    with pytest.raises(ChangeError, match='requires what is not accepted: in group "colour" the option "green" added'):
        take(tree, units, [frog.number])


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(500))
@given(st.data())
def test_every_closed_choice_fits_and_all_units_give_the_proposed_tree(data: st.DataObject) -> None:
    """Of a tree with errors too: the proposed one never has any, or it would have been sent back."""
    old = data.draw(trees() | wild_trees())
    new = data.draw(trees() | changed(old, most=6).map(lambda branch: branch.tree))
    if any(len(set(g.options)) < len(g.options) for g in new.groups) or not _sound(new):
        return
    changes = difference(old, new)
    units = units_of(old, changes)
    assert sorted(p for u in units for p in u.places) == list(range(len(changes)))
    assert all(changes[p] == c for u in units for p, c in zip(u.places, u.changes, strict=True))
    assert apply(old, take(old, units, range(len(units)))) == new
    chosen = closure(units, data.draw(st.sets(st.integers(0, max(0, len(units) - 1))) if units else st.just(set())))
    part = apply(old, take(old, units, chosen))
    if _sound(old):
        assert _sound(part)
    for each in units:
        apply(old, take(old, units, closure(units, [each.number])))
    assert len(alone(old, units)) == len(units)


@settings(deadline=None, max_examples=examples(500))
@given(st.data())
@pytest.mark.slow
def test_needs_are_those_that_comparing_every_pair_of_changes_gives(data: st.DataObject) -> None:
    """Of trees with errors on both sides too: bare indices, groups replaced, units that need each other in a circle."""
    old = data.draw(trees() | wild_trees())
    new = data.draw(trees() | wild_trees() | changed(old, most=12).map(lambda branch: branch.tree))
    units = units_of(old, difference(old, new))
    assert [u.needs for u in units] == slow_needs(units)


def slow_needs(units: Sequence[ChangeGroup]) -> list[frozenset[int]]:
    """Every change compared with each one before it, then every unit's needs followed from the start."""
    placed = sorted(
        ((place, u.number, change) for u in units for place, change in zip(u.places, u.changes, strict=True)),
        key=lambda each: each[0],
    )
    direct = [set[int]() for _ in units]
    for place, number, change in placed:
        direct[number] |= {other for _, other, earlier in placed[:place] if slow_need(change, earlier)} - {number}
    needs = []
    for number in range(len(units)):
        found, left = set[int](), [number]
        while left:
            more = direct[left.pop()] - found
            found |= more
            left += more
        needs.append(frozenset(found - {number}))
    return needs


def slow_need(change: Change, earlier: Change) -> bool:
    """Whether a change speaks of something that an earlier one made, or removes what an earlier one freed."""
    group, name = change.about
    if isinstance(change, GroupRenamed | ClassRenamed):
        return False
    answers = dict(change.answers) if isinstance(change, ClassAdded) else {}
    if isinstance(earlier, GroupRenamed | GroupAdded | GroupRemoved):
        made = earlier.new if isinstance(earlier, GroupRenamed) else earlier.group
        return group == made or (made in answers and not isinstance(earlier, GroupRemoved))
    if isinstance(earlier, ClassRenamed | ClassAdded):
        made = earlier.new if isinstance(earlier, ClassRenamed) else earlier.class_name
        return name == made or (isinstance(change, GroupAdded) and made in dict(change.answers))
    if isinstance(change, OptionRemoved):
        if isinstance(earlier, RuleChanged):
            return earlier.group == group and earlier.old == change.option
        return isinstance(earlier, ClassRemoved) and dict(earlier.answers).get(change.group) == change.option
    if isinstance(change, RuleChanged) and any(isinstance(answer, int) for answer in (change.old, change.new)):
        return earlier.about[0] == group
    if isinstance(earlier, OptionAdded | OptionRenamed):
        word = earlier.new if isinstance(earlier, OptionRenamed) else earlier.option
        if isinstance(change, RuleChanged):
            return group == earlier.group and word in (change.old, change.new)
        return answers.get(earlier.group) == word
    return False


def _sound(tree: Tree) -> bool:
    """Every class has an answer in every group and none elsewhere, in range."""
    sizes = {g.name: len(g.options) for g in tree.groups}
    return all(
        set(dict(r.answers)) == set(sizes) and all(i is None or 0 <= i < sizes[g] for g, i in r.answers)
        for r in tree.rules
    )


def test_a_new_group_leaves_no_class_without_an_answer_that_the_proposal_removed(tree: Tree) -> None:
    wings = Group(name="wings", prompt="It has {} wings.", options=("no", "two"))
    rules = tuple(replace(r, answers=(*r.answers, ("wings", int(r.name == "Swan")))) for r in tree.rules[:2])
    new = replace(tree, groups=(*tree.groups, wings), rules=rules)
    units = units_of(tree, difference(tree, new))
    part = apply(tree, take(tree, units, [unit(units, 'group "wings" added').number]))
    assert part.rules[2].get("wings") is None
    assert errors_of(check_data(content_of(part)).problems) == ()


@pytest.mark.parametrize(
    ("about", "inside"),
    [
        ("tree", None),
        ("group legs", ["the prompt"]),
        ("class Eel", ['"Eel" in "colour"']),
        ("class Swan", ['class "Swan" renamed']),
        ("option colour: brown", ['"brown" became', '"Eel" in "colour"']),
    ],
)
def test_what_was_not_asked_for_is_marked(tree: Tree, about: str, inside: list[str] | None) -> None:
    units = proposed(tree, target=target_of(about, tree))
    found = [u.sentences[0] for u in units if not u.outside]
    if inside is None:
        assert len(found) == len(units)
    else:
        assert len(found) == len(inside), found
        assert all(any(words in s for s in found) for words in inside)


def test_a_new_option_of_a_class_that_was_asked_about_is_not_outside(tree: Tree) -> None:
    new = replace(
        tree,
        groups=(replace(tree.groups[0], options=("white", "brown", "black")), tree.groups[1]),
        rules=(*tree.rules[:2], replace(tree.rules[2], answers=(("colour", 2), ("legs", 0)))),
    )
    units = units_of(tree, difference(tree, new), target=Target(kind="class", class_name="Eel"))
    assert [u.outside for u in units] == [False, False]
    units = units_of(tree, difference(tree, new), target=Target(kind="class", class_name="Newt"))
    assert [u.outside for u in units] == [True, True]


def test_what_touches_a_lock_is_refused_and_what_needs_it_as_well(tree: Tree) -> None:
    units = proposed(tree, locks={"group colour", "class Swan"})
    refused = {u.sentences[0]: u.refused for u in units if u.refused}
    assert refused[unit(units, "Swans").sentences[0]] == 'the class "Swan" is locked'
    assert refused[unit(units, '"green" added').sentences[0]] == 'the group "colour" is locked'
    frog = unit(units, 'class "Frog" added')
    assert frog.refused == 'it requires another change, and the group "colour" is locked'
    assert not unit(units, "the prompt").refused
    with pytest.raises(ChangeError, match="is locked"):
        take(tree, units, closure(units, [frog.number]))
    assert alone(tree, units)[frog.number] == ()


def test_a_locked_class_keeps_its_answer_in_a_group_that_would_go(tree: Tree) -> None:
    less = replace(tree, groups=tree.groups[:1], rules=tuple(replace(r, answers=r.answers[:1]) for r in tree.rules))
    (only,) = units_of(tree, difference(tree, less), locks={"class Eel"})
    assert only.refused == 'the class "Eel" is locked'


def test_locks_hold_under_a_new_name(tree: Tree) -> None:
    """Later changes speak of the group as the proposal calls it."""
    colour, legs = tree.groups
    tint = replace(colour, name="tint", prompt="Mostly {}.")
    rules = tuple(replace(r, answers=(("tint", r.answers[0][1]), r.answers[1])) for r in tree.rules)
    units = units_of(tree, difference(tree, replace(tree, groups=(tint, legs), rules=rules)), locks={"group colour"})
    assert [u.refused for u in units] == ['the group "colour" is locked'] * 2


def test_orders_of_answers_are_one_unit(tree: Tree) -> None:
    turned = replace(tree, rules=tuple(replace(r, answers=r.answers[::-1]) for r in tree.rules))
    (only,) = units_of(tree, difference(tree, turned))
    assert len(only.changes) == 3


@pytest.mark.parametrize("text", ["colour", "group color", "class newt", "option colour: pink", "option brown", ""])
def test_a_target_that_is_not_there_is_told(tree: Tree, text: str) -> None:
    with pytest.raises(InputError, match="the tree has no"):
        target_of(text, tree)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("group color", "group colour"), ("class newt", "class Newt"), ("option colour: brwn", "option colour: brown")],
)
def test_what_a_target_may_mean_is_suggested(tree: Tree, text: str, meant: str) -> None:
    with pytest.raises(InputError, match=f'did you mean "{meant}"'):
        target_of(text, tree)


def test_only_groups_and_classes_are_locked(tree: Tree) -> None:
    assert [lock_of(x, tree) for x in ("group colour", "class Eel")] == ["group colour", "class Eel"]
    with pytest.raises(InputError, match="cannot be locked"):
        lock_of("option colour: brown", tree)


def test_names_with_colons_are_found(tree: Tree) -> None:
    odd = replace(tree, groups=(replace(tree.groups[0], name="a: b"), tree.groups[1]))
    assert target_of("option a: b: brown", odd) == Target(kind="option", group="a: b", option="brown")
    assert target_of("group a: b", odd).words == 'the group "a: b"'
