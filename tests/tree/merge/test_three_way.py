from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thorough import examples
from tests.tree.strategies import Branch, changed, trees
from treegen.errors import ProblemsError
from treegen.text import quote
from treegen.tree.changes import (
    ABSENT,
    Answer,
    Change,
    ClassAdded,
    ClassesReordered,
    ClassRemoved,
    ClassRenamed,
    DomainChanged,
    GroupAdded,
    GroupRemoved,
    GroupRenamed,
    GroupsReordered,
    MutableTree,
    OptionAdded,
    OptionRemoved,
    OptionRenamed,
    OptionsReordered,
    PromptChanged,
    RuleChanged,
    apply,
)
from treegen.tree.changes.interface import whole_class, whole_group
from treegen.tree.document import content_of, digest_of, tree_from
from treegen.tree.merge.disputes import Side, resolve, take_side
from treegen.tree.merge.three_way import EMPTY, MergeResult, merge
from treegen.tree.model import Conflict, Review, Tree
from treegen.tree.validation.checks import check_data


@st.composite
def branches(draw: st.DrawFn) -> tuple[Tree, Branch, Branch]:
    base = draw(trees())
    return base, draw(changed(base)), draw(changed(base))


def meaning(tree: Tree) -> dict[str, object]:
    """What a tree says, without any order."""
    draft = MutableTree(tree)
    return {
        "domain": draft.domain,
        "prompts": draft.prompts,
        "options": {group: set(options) for group, options in draft.options.items()},
        "looks": draft.look_of,
        "rules": {c: {g: draft.answer(c, g) for g in rule} for c, rule in draft.rules.items()},
    }


def names_of(name: str, own: dict[str, str], others: dict[str, str]) -> set[str]:
    """What something called `name` on one branch, or merged, may be called in the base or on another branch."""
    origin = own.get(name, name)
    return {name, origin} | {there for there, was in others.items() if was in (name, origin)}


def said(tree: Tree, classes: set[str], groups: set[str]) -> set[Answer]:
    draft = MutableTree(tree)
    return {draft.answer(c, g) for c in classes & set(draft.rules) for g in groups & set(draft.prompts)}


def is_told(tree: Tree, name: str, group: str) -> bool:
    """Whether a conflict speaks of this class in this group, of the class, or of the group."""
    pair, whole = (quote(name), quote(group)), (f"class {quote(name)}", f"group {quote(group)}")
    return any(all(p in c.what for p in pair) or c.what.startswith(whole) for c in tree.conflicts)


@pytest.mark.slow
@settings(max_examples=examples(600), deadline=None)
@given(branches())
def test_a_merge_never_gives_a_class_a_word_that_nobody_gave_it(case: tuple[Tree, Branch, Branch]) -> None:
    base, ours, theirs = case
    merged = merge(base, ours.tree, theirs.tree).tree
    draft = MutableTree(merged)
    for name, rule in draft.rules.items():
        for group in rule:
            heard: set[Answer] = set()
            for one, two in ((ours, theirs), (theirs, ours)):
                classes = names_of(name, one.classes, two.classes)
                groups = names_of(group, one.groups, two.groups)
                for tree in (base, ours.tree, theirs.tree):
                    heard |= said(tree, classes, groups)
            assert draft.answer(name, group) in heard or is_told(merged, name, group)


@st.composite
def plain_branches(draw: st.DrawFn) -> tuple[Tree, Tree, Tree]:
    """Branches on which no group and no class has another name."""
    base = draw(trees())
    return base, draw(changed(base, renames=False)).tree, draw(changed(base, renames=False)).tree


@pytest.mark.slow
@settings(max_examples=examples(800), deadline=None)
@given(plain_branches())
def test_each_word_is_what_one_side_made_of_it_or_the_bases_or_a_conflict(case: tuple[Tree, Tree, Tree]) -> None:
    base, ours, theirs = case
    merged = merge(base, ours, theirs)
    draft, sides = MutableTree(merged.tree), [MutableTree(t) for t in (base, ours, theirs)]
    for name in draft.rules:
        for group in draft.prompts:
            word = draft.answer(name, group)
            was, mine, other = (
                s.answer(name, group) if name in s.rules and group in s.prompts else ABSENT for s in sides
            )
            if mine == other or other == was:
                wanted = mine
            elif mine == was:
                wanted = other
            else:
                assert is_told(merged.tree, name, group)
                continue
            assert word == wanted or is_told(merged.tree, name, group)
    for name in set(ours.rows) | set(theirs.rows):
        there = name in ours.rows and name in theirs.rows
        new = name not in base.rows
        assert name in draft.rules or not (there or new)


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None)
@given(branches())
def test_merging_commutes_up_to_order(case: tuple[Tree, Branch, Branch]) -> None:
    base, ours, theirs = case
    one, two = merge(base, ours.tree, theirs.tree), merge(base, theirs.tree, ours.tree)
    assert len(one.tree.conflicts) == len(two.tree.conflicts)
    assert one.clean == two.clean
    if not one.tree.conflicts:
        assert meaning(one.tree) == meaning(two.tree)


@pytest.mark.slow
@settings(max_examples=examples(300), deadline=None)
@given(branches())
def test_merging_with_an_unchanged_side_gives_the_other(case: tuple[Tree, Branch, Branch]) -> None:
    base, ours, _ = case
    for merged in (merge(base, ours.tree, base), merge(base, base, ours.tree), merge(base, ours.tree, ours.tree)):
        assert meaning(merged.tree) == meaning(ours.tree)
        assert [r.name for r in merged.tree.rules] == [r.name for r in ours.tree.rules]
        assert merged.tree.groups == ours.tree.groups
        assert merged.clean


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None)
@given(branches(), st.sampled_from(["ours", "theirs"]))
def test_taking_one_side_throughout_ends_every_conflict(case: tuple[Tree, Branch, Branch], side: Side) -> None:
    base, ours, theirs = case
    tree = merge(base, ours.tree, theirs.tree).tree
    while tree.conflicts:
        tree = resolve(tree, len(tree.conflicts) - 1, side)
    assert not {"TG305", "TG112", "TG202"} & {p.code for p in check_data(content_of(tree)).problems}


# --- by example: the pond of `conftest`, and what two sides made of it


def merged(
    base: Tree, ours: Sequence[Change], theirs: Sequence[Change], *, follow_renames: bool = False
) -> MergeResult:
    """The merge of two lists of changes, of which the other order must tell the same."""
    one, two = apply(base, ours), apply(base, theirs)
    found = merge(base, one, two, follow_renames=follow_renames)
    turned = merge(base, two, one, follow_renames=follow_renames)
    assert len(found.tree.conflicts) == len(turned.tree.conflicts)
    assert found.clean == turned.clean
    return found


def words(tree: Tree) -> dict[str, list[Answer]]:
    """For each class what it says in every group."""
    draft = MutableTree(tree)
    return {name: [draft.answer(name, group) for group in draft.prompts] for name in draft.rules}


def told(found: MergeResult) -> list[str]:
    return [conflict.what for conflict in found.tree.conflicts]


def colour(name: str, old: Answer, new: Answer) -> RuleChanged:
    return RuleChanged(class_name=name, group="colour", old=old, new=new)


def added(name: str, *, after: str | None = "Eel", **answers: Answer) -> ClassAdded:
    return ClassAdded(class_name=name, answers=tuple(answers.items()), after=after)


def without(base: Tree, name: str) -> Change:
    """The removal of the group or class of that name."""
    draft = MutableTree(base)
    if name in draft.prompts:
        return GroupRemoved(**whole_group(draft, name))
    return ClassRemoved(**whole_class(draft, name, None))


WINGS = GroupAdded(
    group="wings",
    prompt="It has {} wings.",
    options=("no", "two"),
    after="legs",
    answers=(("Newt", "no"), ("Swan", "two"), ("Eel", "no")),
)


def test_an_option_inserted_here_and_a_class_added_there_keep_the_words_of_both(content: dict[str, Any]) -> None:
    """The case in which lines that merge without a conflict give classes another option."""
    content["classification_groups"]["colour"]["options"] = ["white", "brown", "green"]
    content["rules"]["Frog"] = {"colour": 2, "legs": 2}
    base = tree_from(content)
    ours = [OptionAdded(group="colour", option="gray", after="white"), colour("Eel", "brown", "gray")]
    found = merged(base, ours, [added("Toad", after="Frog", colour="green", legs="no")])
    assert found.clean
    assert found.tree.groups[0].options == ("white", "gray", "brown", "green")
    assert words(found.tree) == {
        "Newt": ["brown", "four"],
        "Swan": ["white", "two"],
        "Eel": ["gray", "no"],
        "Frog": ["green", "four"],
        "Toad": ["green", "no"],
    }
    assert [rule.get("colour") for rule in found.tree.rules] == [2, 0, 1, 3, 3]


def test_what_both_changed_in_the_same_way_is_no_conflict(tree: Tree) -> None:
    both: list[Change] = [
        DomainChanged(old="pond", new="lake"),
        PromptChanged(group="legs", old=tree.groups[1].prompt, new="{} legs"),
        OptionAdded(group="colour", option="gray", after=None),
        colour("Eel", "brown", "gray"),
        added("Olm", colour="gray", legs="four"),
        WINGS,
    ]
    found = merged(tree, both[:-1], both[:-1])
    assert (found.clean, found.tree, found.notes) == (True, apply(tree, both[:-1]), ())


def test_what_each_side_changed_alone_comes_together(tree: Tree) -> None:
    ours: list[Change] = [
        DomainChanged(old="pond", new="lake"),
        colour("Eel", "brown", "white"),
        OptionRenamed(group="legs", old="two", new="a pair of"),
    ]
    theirs: list[Change] = [
        PromptChanged(group="colour", old=tree.groups[0].prompt, new="Mainly {}."),
        without(tree, "Newt"),
        WINGS,
    ]
    found = merged(tree, ours, theirs)
    assert found.clean
    assert (found.tree.domain, found.tree.groups[0].prompt) == ("lake", "Mainly {}.")
    assert words(found.tree) == {"Swan": ["white", "a pair of", "two"], "Eel": ["white", "no", "no"]}


def test_two_wordings_of_one_prompt_and_of_the_domain_are_conflicts_that_keep_ours(tree: Tree) -> None:
    prompt = tree.groups[0].prompt
    one: list[Change] = [DomainChanged(old="pond", new="lake"), PromptChanged(group="colour", old=prompt, new="1 {}")]
    two: list[Change] = [DomainChanged(old="pond", new="sea"), PromptChanged(group="colour", old=prompt, new="2 {}")]
    found = merged(tree, one, two)
    assert told(found) == [
        'the domain: ours "lake", theirs "sea"',
        'the prompt of "colour": ours "1 {}", theirs "2 {}"',
    ]
    assert found.tree == replace(apply(tree, one), conflicts=found.tree.conflicts)
    assert take_side(found.tree, "theirs") == apply(tree, two)


def test_two_answers_for_one_class_are_a_conflict_that_keeps_ours(tree: Tree) -> None:
    legs = {"class_name": "Eel", "group": "legs", "old": "no"}
    found = merged(tree, [RuleChanged(**legs, new="two")], [RuleChanged(**legs, new="four")])
    assert told(found) == ['"Eel" in "legs": ours "two", theirs "four", before "no"']
    assert words(found.tree)["Eel"] == ["brown", "two"]
    assert words(take_side(found.tree, "theirs"))["Eel"] == ["brown", "four"]


def test_a_word_against_no_answer_is_a_conflict_too(tree: Tree) -> None:
    found = merged(tree, [colour("Eel", "brown", None)], [colour("Eel", "brown", "white")])
    assert told(found) == ['"Eel" in "colour": ours no answer, theirs "white", before "brown"']
    assert words(found.tree)["Eel"] == [None, "no"]


def test_an_option_that_one_removed_and_the_other_gave_to_a_class_stays_as_a_conflict(tree: Tree) -> None:
    ours = [colour("Swan", "white", "brown"), OptionRemoved(group="colour", option="white", after=None)]
    found = merged(tree, ours, [added("Egret", colour="white", legs="two")])
    assert told(found) == ['the option "white" in "colour": ours removed it, theirs uses it for "Egret"']
    assert words(found.tree)["Egret"] == ["white", "two"]
    assert words(take_side(found.tree, "theirs")) == words(replace(found.tree, conflicts=()))
    taken = take_side(found.tree, "ours")
    assert taken.groups[0].options == ("brown",)
    assert words(taken) == {
        "Newt": ["brown", "four"],
        "Swan": ["brown", "two"],
        "Eel": ["brown", "no"],
        "Egret": [None, "two"],
    }


def test_an_option_that_only_a_disputed_answer_keeps_goes_with_it(tree: Tree) -> None:
    theirs: list[Change] = [
        OptionAdded(group="colour", option="gray", after="brown"),
        colour("Eel", "brown", "gray"),
        colour("Swan", "white", "brown"),
        OptionRemoved(group="colour", option="white", after=None),
    ]
    found = merge(tree, apply(tree, [colour("Eel", "brown", "white")]), apply(tree, theirs))
    assert told(found) == ['"Eel" in "colour": ours "white", theirs "gray", before "brown"']
    assert take_side(found.tree, "theirs") == apply(tree, theirs)
    assert words(take_side(found.tree, "ours"))["Eel"] == ["white", "no"]


def test_an_option_that_both_removed_or_that_nobody_uses_any_more_goes(content: dict[str, Any]) -> None:
    content["classification_groups"]["colour"]["options"] += ["pink"]
    base = tree_from(content)
    gone = OptionRemoved(group="colour", option="pink", after="brown")
    for theirs in ([gone], [colour("Eel", "brown", "white")]):
        found = merged(base, [gone], theirs)
        assert found.clean
        assert found.tree.groups[0].options == ("white", "brown")


def test_an_option_renamed_here_and_given_to_a_class_there_is_a_conflict(tree: Tree) -> None:
    found = merged(
        tree, [OptionRenamed(group="colour", old="white", new="snow white")], [colour("Eel", "brown", "white")]
    )
    assert told(found) == ['the option "white" in "colour": ours renamed it to "snow white", theirs uses it for "Eel"']
    assert words(found.tree) == {"Newt": ["brown", "four"], "Swan": ["snow white", "two"], "Eel": ["white", "no"]}
    taken = take_side(found.tree, "ours")
    assert taken.groups[0].options == ("snow white", "brown")
    assert words(taken)["Eel"] == ["snow white", "no"]


def test_following_renames_gives_the_new_word_to_the_other_sides_classes(tree: Tree) -> None:
    ours = [OptionRenamed(group="colour", old="white", new="snow white")]
    theirs = [colour("Eel", "brown", "white"), added("Egret", colour="white", legs="two")]
    found = merged(tree, ours, theirs, follow_renames=True)
    assert found.clean
    assert found.tree.groups[0].options == ("snow white", "brown")
    assert words(found.tree) == {
        "Newt": ["brown", "four"],
        "Swan": ["snow white", "two"],
        "Eel": ["snow white", "no"],
        "Egret": ["snow white", "two"],
    }


def test_two_new_words_for_one_option_are_a_conflict_for_each_class_also_when_renames_are_followed(tree: Tree) -> None:
    ours = [OptionRenamed(group="colour", old="white", new="snow white")]
    theirs = [OptionRenamed(group="colour", old="white", new="pale")]
    for follow in (False, True):
        found = merged(tree, ours, theirs, follow_renames=follow)
        assert told(found) == ['"Swan" in "colour": ours "snow white", theirs "pale", before "white"']


@pytest.mark.parametrize("name", ["Eel", "legs"])
def test_what_one_removed_and_the_other_changed_stays_as_a_conflict(tree: Tree, name: str) -> None:
    change = RuleChanged(class_name="Eel", group="legs", old="no", new="two")
    found = merged(tree, [without(tree, name)], [change])
    what = "class" if name == "Eel" else "group"
    assert told(found) == [f'{what} "{name}": ours removed it, theirs changed it']
    assert words(found.tree) == words(apply(tree, [change]))
    assert take_side(found.tree, "ours") == apply(tree, [without(tree, name)])
    assert words(take_side(found.tree, "theirs")) == words(apply(tree, [change]))


@pytest.mark.parametrize(
    "change",
    [
        PromptChanged(group="legs", old="This creature has {} legs.", new="{} legs"),
        OptionAdded(group="legs", option="six", after=None),
        GroupRenamed(old="legs", new="feet"),
    ],
)
def test_any_change_of_a_group_hinders_its_removal(tree: Tree, change: Change) -> None:
    found = merged(tree, [without(tree, "legs")], [change])
    assert [what.partition(":")[2] for what in told(found)] == [" ours removed it, theirs changed it"]
    assert len(found.tree.groups) == 2


def test_a_renamed_class_is_not_removed_without_a_word(tree: Tree) -> None:
    found = merged(tree, [without(tree, "Eel")], [ClassRenamed(old="Eel", new="River eel")])
    assert told(found) == ['class "River eel": ours removed it, theirs changed it']


@pytest.mark.parametrize("name", ["Eel", "legs"])
def test_what_one_removed_and_the_other_left_as_it_was_goes(tree: Tree, name: str) -> None:
    found = merged(tree, [without(tree, name)], [DomainChanged(old="pond", new="lake")])
    assert found.clean or {p.code for p in found.problems} == {"TG204"}
    assert words(found.tree) == words(apply(tree, [without(tree, name)]))


def test_what_both_removed_goes(tree: Tree) -> None:
    gone = [without(tree, "Eel")]
    assert merged(tree, gone, gone).tree == apply(tree, gone)
    both = [without(tree, "colour")]
    assert merged(tree, both, both).tree == apply(tree, both)


def test_an_answer_that_goes_with_a_removed_group_is_noted(tree: Tree) -> None:
    found = merged(tree, [without(tree, "colour")], [added("Olm", colour="white", legs=None)])
    assert found.notes == ('"Olm" lost its answer "white" in "colour": ours removed the group',)
    assert words(found.tree)["Olm"] == [None]


def test_a_class_that_both_added_alike_is_there_once(tree: Tree) -> None:
    olm = added("Olm", colour="white", legs="four")
    found = merged(tree, [olm], [olm])
    assert found.clean
    assert found.tree == apply(tree, [olm])


def test_a_class_that_both_added_with_other_answers_is_a_conflict_in_those_alone(tree: Tree) -> None:
    found = merged(tree, [added("Olm", colour="white", legs="four")], [added("Olm", colour="white", legs="no")])
    assert told(found) == ['"Olm" in "legs": ours "four", theirs "no"']
    assert words(take_side(found.tree, "theirs"))["Olm"] == ["white", "no"]


def test_a_group_that_both_added_has_the_options_of_both(tree: Tree) -> None:
    theirs = GroupAdded(
        group="wings",
        prompt="It has {} wings.",
        options=("no", "four"),
        after="legs",
        answers=(("Newt", "no"), ("Swan", "four"), ("Eel", "no")),
    )
    found = merged(tree, [WINGS], [theirs])
    assert set(found.tree.groups[2].options) == {"no", "two", "four"}
    assert told(found) == ['"Swan" in "wings": ours "two", theirs "four"']


def test_a_class_of_one_side_has_no_answer_in_a_group_of_the_other(tree: Tree) -> None:
    found = merge(tree, apply(tree, [WINGS]), apply(tree, [added("Olm", colour="white", legs="four")]))
    assert told(found) == [
        '"Olm" in "wings": no answer, since only theirs has the class and only ours the group; '
        "taking either side writes null"
    ]
    assert found.problems == ()
    assert words(found.tree)["Olm"] == ["white", "four", ABSENT]
    for side in ("ours", "theirs"):
        assert words(take_side(found.tree, side))["Olm"] == ["white", "four", None]


def test_a_renamed_class_takes_the_other_sides_changes_along(tree: Tree) -> None:
    found = merged(tree, [ClassRenamed(old="Eel", new="River eel")], [colour("Eel", "brown", "white")])
    assert found.clean
    assert words(found.tree) == {"Newt": ["brown", "four"], "Swan": ["white", "two"], "River eel": ["white", "no"]}


def test_a_renamed_group_takes_the_other_sides_changes_along(tree: Tree) -> None:
    theirs = [
        OptionAdded(group="colour", option="gray", after=None),
        colour("Eel", "brown", "gray"),
        added("Olm", colour="gray", legs="four"),
    ]
    found = merged(tree, [GroupRenamed(old="colour", new="hue")], theirs)
    assert found.clean
    assert [g.name for g in found.tree.groups] == ["hue", "legs"]
    assert found.tree.groups[0].options == ("gray", "white", "brown")
    assert (words(found.tree)["Eel"], words(found.tree)["Olm"]) == (["gray", "no"], ["gray", "four"])


def test_a_class_of_which_two_that_came_may_be_the_new_name_counts_as_removed(tree: Tree) -> None:
    ours = [
        without(tree, "Swan"),
        added("Goose", colour="white", legs="two"),
        added("Gander", colour="white", legs="two"),
    ]
    found = merged(tree, ours, [colour("Swan", "white", "brown")])
    assert told(found) == ['class "Swan": ours removed it, theirs changed it']
    assert words(found.tree)["Goose"] == ["white", "two"]


def test_a_class_that_says_nothing_is_not_taken_for_another_that_says_nothing(tree: Tree) -> None:
    base = apply(tree, [added("Mist", colour=None, legs=None)])
    ours = [without(base, "Mist"), added("Fog", colour=None, legs=None)]
    found = merged(base, ours, [colour("Mist", None, "white")])
    assert told(found) == ['class "Mist": ours removed it, theirs changed it']
    assert words(found.tree)["Fog"] == [None, None]


def test_two_new_names_are_a_conflict_that_keeps_ours(tree: Tree) -> None:
    ours = [ClassRenamed(old="Eel", new="River eel"), GroupRenamed(old="colour", new="hue")]
    theirs = [ClassRenamed(old="Eel", new="Sea eel"), GroupRenamed(old="colour", new="tint")]
    found = merged(tree, ours, theirs)
    assert told(found) == [
        'group "colour": ours renamed it to "hue", theirs to "tint"',
        'class "Eel": ours renamed it to "River eel", theirs to "Sea eel"',
    ]
    assert take_side(found.tree, "ours") == apply(tree, ours)
    assert take_side(found.tree, "theirs") == apply(tree, theirs)


def test_two_things_that_became_one_name_are_not_mixed_without_a_word(tree: Tree) -> None:
    found = merged(tree, [ClassRenamed(old="Eel", new="Olm")], [added("Olm", colour="white", legs="four")])
    assert not found.clean
    assert any('"Olm"' in what for what in told(found))


def test_orders_come_from_the_side_that_changed_them(tree: Tree) -> None:
    ours: list[Change] = [
        ClassesReordered(old=tree.classes, new=("Eel", "Swan", "Newt")),
        GroupsReordered(old=("colour", "legs"), new=("legs", "colour")),
        OptionsReordered(group="legs", old=("no", "two", "four"), new=("four", "two", "no")),
    ]
    theirs: list[Change] = [
        added("Olm", after="Newt", colour="white", legs="four"),
        OptionAdded(group="legs", option="six", after="two"),
        WINGS,
    ]
    found = merge(tree, apply(tree, ours), apply(tree, theirs[:-1]))
    assert found.clean
    assert found.tree.classes == ("Eel", "Swan", "Newt", "Olm")
    assert [g.name for g in found.tree.groups] == ["legs", "colour"]
    assert found.tree.groups[0].options == ("four", "two", "six", "no")
    assert words(found.tree)["Newt"] == ["four", "brown"]
    turned = merge(tree, apply(tree, theirs[:-1]), apply(tree, ours))
    assert (turned.tree.classes, turned.tree.groups) == (found.tree.classes, found.tree.groups)


def test_of_two_new_orders_ours_stands(tree: Tree) -> None:
    one, two = ("Eel", "Newt", "Swan"), ("Swan", "Eel", "Newt")
    found = merged(tree, [ClassesReordered(old=tree.classes, new=one)], [ClassesReordered(old=tree.classes, new=two)])
    assert (found.clean, found.tree.classes) == (True, one)


def test_what_is_new_on_both_sides_keeps_its_place_on_each(tree: Tree) -> None:
    ours = [OptionAdded(group="legs", option="six", after="two"), added("Olm", after="Newt", colour="white", legs="no")]
    theirs = [
        OptionAdded(group="legs", option="eight", after=None),
        added("Toad", after=None, colour="white", legs="four"),
    ]
    found = merged(tree, ours, theirs)
    assert found.tree.groups[1].options == ("eight", "no", "two", "six", "four")
    assert found.tree.classes == ("Toad", "Newt", "Olm", "Swan", "Eel")


def review(tree: Tree, at: str) -> Review:
    return Review(status="approved", by=f"A at {at}", at=at, digest=digest_of(tree))


def test_the_sign_off_is_the_one_that_a_side_changed_or_the_later_one(tree: Tree) -> None:
    early, middle, late = (review(tree, f"2026-01-0{day}T00:00:00Z") for day in (1, 2, 3))
    for base, ours, theirs, wanted in (
        (None, None, None, None),
        (None, early, None, early),
        (None, None, early, early),
        (early, early, late, late),
        (early, late, early, late),
        (early, middle, late, late),
        (early, late, middle, late),
        (late, late, None, None),
        (late, None, late, None),
        (early, middle, None, middle),
        (early, None, middle, middle),
    ):
        found = merge(*(replace(tree, review=r) for r in (base, ours, theirs)))
        assert found.tree.review == wanted


def test_the_sign_offs_of_both_sides_do_not_cover_the_merge(tree: Tree) -> None:
    one = apply(tree, [colour("Eel", "brown", "white")])
    two = apply(tree, [RuleChanged(class_name="Swan", group="legs", old="two", new="four")])
    found = merge(
        tree,
        replace(one, review=review(one, "2026-01-01T00:00:00Z")),
        replace(two, review=review(two, "2026-01-02T00:00:00Z")),
    )
    assert found.clean
    assert found.tree.review is not None
    assert found.tree.review.at == "2026-01-02T00:00:00Z"
    assert found.tree.review.digest != digest_of(found.tree)


def test_two_new_files_have_no_base(tree: Tree) -> None:
    theirs = apply(tree, [colour("Eel", "brown", "white"), added("Olm", colour="white", legs="four")])
    found = merge(EMPTY, tree, theirs)
    assert told(found) == ['"Eel" in "colour": ours "brown", theirs "white"']
    assert words(found.tree) == {**words(tree), "Olm": ["white", "four"]}
    assert merge(EMPTY, tree, tree).tree == tree


def test_two_new_files_of_other_domains_are_a_conflict(tree: Tree) -> None:
    found = merge(EMPTY, tree, replace(tree, domain="lake"))
    assert told(found) == ['the domain: ours "pond", theirs "lake"']


def test_conflicts_that_a_side_still_has_stay_once(tree: Tree) -> None:
    one, two = Conflict(what="one"), Conflict(what="two")
    found = merge(tree, replace(tree, conflicts=(one,)), replace(tree, conflicts=(two, one)))
    assert found.tree.conflicts == (one, two)
    assert not found.clean


def test_a_conflict_that_one_side_resolved_does_not_come_back(tree: Tree) -> None:
    held = replace(tree, conflicts=(Conflict(what="one"), Conflict(what="two")))
    resolved = replace(tree, conflicts=(Conflict(what="two"),))
    for found in (merge(held, held, resolved), merge(held, resolved, held)):
        assert found.tree.conflicts == (Conflict(what="two"),)


@pytest.mark.parametrize("side", ["base", "ours", "theirs"])
@pytest.mark.parametrize("code", ["TG111", "TG112", "TG202"])
def test_a_side_whose_rules_have_no_words_is_refused(content: dict[str, Any], side: str, code: str) -> None:
    sound = tree_from(content)
    if code == "TG111":
        content["classification_groups"]["colour"]["options"] = ["white", "White"]
    elif code == "TG112":
        content["rules"]["Eel"]["colour"] = 2
    else:
        content["rules"]["Eel"]["wings"] = 0
    sides = {"base": sound, "ours": sound, "theirs": sound, side: tree_from(content)}
    with pytest.raises(ProblemsError, match=f"^{side} cannot be merged by name: {code} /") as raised:
        merge(sides["base"], sides["ours"], sides["theirs"])
    assert raised.value.tip == "fix it first, then merge again"


def test_a_side_with_other_errors_is_merged_and_they_are_not_the_merges(tree: Tree) -> None:
    ours = apply(tree, [PromptChanged(group="legs", old=tree.groups[1].prompt, new="no place")])
    found = merge(tree, ours, apply(tree, [colour("Eel", "brown", "white")]))
    assert found.clean
    assert {p.code for p in check_data(content_of(found.tree)).problems if p.severity == "error"} == {"TG110"}


def test_an_error_of_one_side_that_only_moved_is_not_the_merges(content: dict[str, Any]) -> None:
    content["classification_groups"]["colour"]["options"] = ["white", "brown", "{} gray"]
    base = tree_from(content)
    ours = apply(base, [OptionAdded(group="colour", option="black", after=None)])
    found = merge(base, ours, apply(base, [OptionAdded(group="colour", option="red", after=None)]))
    assert found.tree.groups[0].options[-1] == "{} gray"
    assert found.problems == ()


def test_classes_that_only_the_merge_makes_twins_are_a_problem(tree: Tree) -> None:
    ours = [colour("Swan", "white", "brown")]
    theirs = [RuleChanged(class_name="Swan", group="legs", old="two", new="four")]
    found = merged(tree, ours, theirs)
    assert told(found) == []
    assert [(p.code, p.pointer) for p in found.problems] == [("TG204", "/rules/Swan")]
    assert not found.clean


def test_a_class_that_the_merge_makes_the_twin_of_yet_another_is_a_problem(tree: Tree) -> None:
    ours = [added("Olm", after=None, colour="white", legs="two"), colour("Newt", "brown", "white")]
    theirs = [RuleChanged(class_name="Swan", group="legs", old="two", new="four")]
    found = merged(tree, ours, theirs)
    assert [(p.code, p.message) for p in found.problems] == [
        ("TG204", '"Swan" has the same answers as "Newt"; nothing can tell them apart')
    ]


def test_a_gap_is_a_conflict_and_no_problem_whatever_the_name_of_the_class(tree: Tree) -> None:
    olm = added("a/b~c", colour="white", legs="four")
    found = merge(tree, apply(tree, [WINGS]), apply(tree, [olm]))
    assert (len(found.tree.conflicts), found.problems) == (1, ())


def test_options_that_only_the_merge_brings_together_are_a_problem(tree: Tree) -> None:
    ours = [OptionAdded(group="colour", option="navy", after=None)]
    theirs = [OptionAdded(group="colour", option="Navy", after="brown")]
    found = merged(tree, ours, theirs)
    assert told(found) == []
    assert [(p.code, p.pointer) for p in found.problems] == [("TG111", "/classification_groups/colour/options/3")]
    assert not found.clean


def test_a_new_class_with_the_answers_of_one_that_went_does_not_inherit_what_the_other_side_made_of_it(
    tree: Tree,
) -> None:
    lookalike = [without(tree, "Eel"), added("Zubat", colour="brown", legs="no")]
    found = merged(tree, lookalike, [colour("Eel", "brown", "white")])
    assert words(found.tree)["Zubat"] == ["brown", "no"]
    assert told(found) == ['class "Eel": ours removed it, theirs changed it']


def test_what_goes_along_with_a_new_name_is_said(tree: Tree) -> None:
    found = merged(tree, [ClassRenamed(old="Eel", new="River eel")], [colour("Eel", "brown", "white")])
    assert words(found.tree)["River eel"] == ["white", "no"]
    assert found.notes == (
        'ours renamed the class "Eel" to "River eel"; the changes of theirs to it were carried over',
    )


def test_answers_to_a_question_that_the_other_side_reworded_are_said(tree: Tree) -> None:
    reworded = [PromptChanged(group="colour", old=tree.groups[0].prompt, new="The belly is {}.")]
    for ours, theirs, side in (
        (reworded, [colour("Eel", "brown", "white")], "theirs"),
        ([colour("Eel", "brown", "white")], reworded, "ours"),
    ):
        found = merged(tree, ours, theirs)
        assert found.clean
        (note,) = found.notes
        assert f'{side} answered the old one for "Eel"' in note


def test_a_conflict_about_a_class_goes_with_the_class(tree: Tree) -> None:
    horns = GroupAdded(group="horns", prompt="It has {}.", options=("one", "two"), answers=(), after=None)
    found = merged(tree, [without(tree, "Eel"), horns], [colour("Eel", "brown", "white")]).tree
    about_eel = [n for n, c in enumerate(found.conflicts, 1) if '"Eel"' in c.what]
    assert len(about_eel) == 2
    gone = take_side(found, "ours", about_eel[:1])
    assert "Eel" not in gone.classes
    assert [c.what for c in gone.conflicts if '"Eel"' in c.what] == []


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None)
@given(branches(), st.randoms(use_true_random=False))
def test_taking_now_one_side_and_now_the_other_ends_every_conflict(
    case: tuple[Tree, Branch, Branch], random: Random
) -> None:
    base, ours, theirs = case
    tree = merge(base, ours.tree, theirs.tree).tree
    while tree.conflicts:
        tree = resolve(tree, random.randrange(len(tree.conflicts)), random.choice(("ours", "theirs")))
    assert not {"TG305", "TG112", "TG202"} & {p.code for p in check_data(content_of(tree)).problems}


def test_classes_that_were_identical_before_are_not_the_merges_fault_in_whatever_order_they_are() -> None:
    """Ours names the last two classes by the first, which then changes: the pair that is left is not a new error."""

    def tree(names: str, **answers: int) -> Tree:
        rules = {name: {"g": None if name == "X" else 0, "h": answers.get(name)} for name in names}
        group = {"prompt": "a {}", "options": ["red"]}
        return tree_from({"domain": "d", "classification_groups": {"g": group, "h": group}, "rules": rules})

    base, ours, theirs = tree("XYZW"), tree("WZYX"), tree("XYZW", W=0)
    assert merge(base, ours, theirs).problems == merge(base, theirs, ours).problems == ()
