from tests.tree.changes.conftest import Made, Refused
from treegen.tree.changes import (
    ABSENT,
    GroupAdded,
    GroupRemoved,
    GroupRenamed,
    GroupsReordered,
    MutableTree,
    PromptChanged,
    apply,
)
from treegen.tree.changes.interface import whole_group
from treegen.tree.model import Tree

WINGS = GroupAdded(
    group="wings",
    prompt="It has {} wings.",
    options=("no", "two"),
    after="colour",
    answers=(("Newt", "no"), ("Swan", "two"), ("Eel", None)),
)


def test_a_new_group_stands_behind_another_with_its_answers_in_the_same_place(made: Made) -> None:
    after = made(WINGS)
    assert [g.name for g in after.groups] == ["colour", "wings", "legs"]
    assert [r.answers for r in after.rules] == [
        (("colour", 1), ("wings", 0), ("legs", 2)),
        (("colour", 0), ("wings", 1), ("legs", 1)),
        (("colour", 1), ("wings", None), ("legs", 0)),
    ]


def test_a_new_group_is_told_with_prompt_options_and_the_first_classes() -> None:
    assert WINGS.sentence == (
        'group "wings" added after "colour": "It has {} wings." with "no" ("Newt"), "two" ("Swan")'
    )
    many = tuple((name, "no") for name in "abcde")
    crowded = GroupAdded(group="g", prompt="p", options=("no", "two"), after=None, answers=many)
    assert crowded.sentence == 'group "g" added at the front: "p" with "no" ("a", "b", "c" and 2 more), "two"'


def test_a_class_that_a_new_group_does_not_answer_gets_no_answer_at_all(tree: Tree) -> None:
    partly = GroupAdded(group="wings", prompt="{}", options=("no", "two"), after=None, answers=(("Eel", "no"),))
    after = MutableTree(apply(tree, (partly,)))
    assert (after.answer("Eel", "wings"), after.answer("Newt", "wings")) == ("no", ABSENT)


def test_an_answer_of_a_class_that_is_gone_does_not_hinder_a_new_group(tree: Tree) -> None:
    stale = GroupAdded(group="wings", prompt="{}", options=("no", "two"), after=None, answers=(("Olm", "no"),))
    assert [g.name for g in apply(tree, (stale,)).groups] == ["wings", "colour", "legs"]


def test_a_group_that_is_there_or_an_answer_that_is_no_option_is_refused(refused: Refused) -> None:
    twice = GroupAdded(group="legs", prompt="{}", options=("no",), after=None, answers=())
    assert refused(twice) == 'the tree already has a group "legs"'
    wild = GroupAdded(group="wings", prompt="{}", options=("no",), after=None, answers=(("Eel", "six"),))
    assert 'the option "six" is not in the group' in refused(wild)


def test_a_removed_group_takes_its_answers_with_it(tree: Tree, made: Made) -> None:
    gone = GroupRemoved(**whole_group(MutableTree(tree), "colour"))
    after = made(gone)
    assert [g.name for g in after.groups] == ["legs"]
    assert {key for rule in after.rules for key, _ in rule.answers} == {"legs"}
    assert gone.sentence == 'group "colour" removed: "This creature is mainly {}."'


def test_a_group_that_is_not_there_cannot_be_removed_renamed_or_reworded(refused: Refused) -> None:
    changes = (
        GroupRemoved(group="wings", prompt="", options=(), answers=(), after=None),
        GroupRenamed(old="wings", new="fins"),
        PromptChanged(group="wings", old="a", new="b"),
    )
    assert {refused(change) for change in changes} == {'the tree has no group "wings"'}


def test_the_rules_follow_a_renamed_group_in_their_places(made: Made) -> None:
    renamed = GroupRenamed(old="colour", new="hue")
    after = made(renamed)
    assert [g.name for g in after.groups] == ["hue", "legs"]
    assert {tuple(key for key, _ in rule.answers) for rule in after.rules} == {("hue", "legs")}
    assert (renamed.sentence, renamed.about) == ('group "colour" renamed to "hue"', ("colour", None))


def test_a_group_is_not_renamed_to_one_that_is_there_or_that_a_rule_names(tree: Tree, refused: Refused) -> None:
    assert "already" in refused(GroupRenamed(old="colour", new="legs"))
    assert "already" in refused(GroupRenamed(old="colour", new="colour"))
    draft = MutableTree(tree)
    draft.set_answer("Eel", "wings", 0)
    stray = draft.frozen(tree)
    assert 'there is already a group "wings", or an answer for one' in _refusal(
        stray, GroupRenamed(old="legs", new="wings")
    )


def _refusal(tree: Tree, change: GroupRenamed) -> str:
    try:
        apply(tree, (change,))
    except Exception as error:
        return str(error)
    return ""


def test_groups_in_another_order_take_the_keys_of_the_rules_along(made: Made) -> None:
    turned = GroupsReordered(old=("colour", "legs"), new=("legs", "colour"))
    after = made(turned)
    assert [g.name for g in after.groups] == ["legs", "colour"]
    assert {tuple(key for key, _ in rule.answers) for rule in after.rules} == {("legs", "colour")}
    assert turned.sentence == 'groups moved: "legs" at the front'


def test_a_rule_in_an_order_of_its_own_keeps_it(tree: Tree) -> None:
    draft = MutableTree(tree)
    draft.rules["Eel"] = {"legs": 0, "colour": 1}
    after = apply(draft.frozen(tree), (GroupsReordered(old=("colour", "legs"), new=("legs", "colour")),))
    assert {tuple(key for key, _ in rule.answers) for rule in after.rules} == {("legs", "colour")}
    back = apply(after, (GroupsReordered(old=("legs", "colour"), new=("colour", "legs")),))
    assert {tuple(key for key, _ in rule.answers) for rule in back.rules} == {("colour", "legs")}


def test_a_prompt_gets_another_wording(made: Made) -> None:
    change = PromptChanged(group="legs", old="This creature has {} legs.", new="{} legs")
    assert made(change).groups[1].prompt == "{} legs"
    assert change.sentence == 'in group "legs" the prompt "This creature has {} legs." became "{} legs"'


def test_a_prompt_that_is_another_meanwhile_is_left(refused: Refused) -> None:
    told = refused(PromptChanged(group="legs", old="Legs: {}", new="{}"))
    assert told == 'the prompt of "legs" is now "This creature has {} legs."'
