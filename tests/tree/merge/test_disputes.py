import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thorough import examples
from tests.tree.strategies import changed, trees
from treegen.errors import InputError
from treegen.tree.changes import ABSENT, ChangeError, MutableTree, OptionAdded, RuleChanged, apply
from treegen.tree.document import compact, content_of, dump
from treegen.tree.merge.disputes import (
    Dispute,
    DomainDispute,
    GapDispute,
    NameDispute,
    OptionDispute,
    PresenceDispute,
    PromptDispute,
    RuleDispute,
    Side,
    changes_of,
    other,
    resolve,
    take_side,
)
from treegen.tree.merge.three_way import merge
from treegen.tree.model import Conflict, Tree
from treegen.tree.validation.checks import check_text


def holding(tree: Tree, *disputes: Dispute) -> Tree:
    """The tree with the conflicts of the disputes, as a merge leaves it."""
    draft = MutableTree(tree)
    return replace(tree, conflicts=tuple(d.conflict(draft) for d in disputes))


def sentences(tree: Tree, side: Side) -> list[str]:
    return [change.sentence for change in changes_of(tree.conflicts[0], side)]


def taken(tree: Tree, side: Side) -> Tree:
    """The tree after the side was taken throughout."""
    found = take_side(tree, side)
    assert found.conflicts == ()
    return found


def test_the_other_side_of_each_side() -> None:
    assert (other("ours"), other("theirs")) == ("theirs", "ours")


def test_a_kind_of_dispute_without_words_says_so(tree: Tree) -> None:
    with pytest.raises(NotImplementedError):
        Dispute().describe()
    with pytest.raises(NotImplementedError):
        Dispute().resolutions(MutableTree(tree))


def test_two_domains(tree: Tree) -> None:
    held = holding(tree, DomainDispute(ours="pond", theirs="lake"))
    assert held.conflicts[0].what == 'the domain: ours "pond", theirs "lake"'
    assert taken(held, "ours") == tree
    assert taken(held, "theirs").domain == "lake"


def test_two_names_for_one_class(tree: Tree) -> None:
    held = holding(tree, NameDispute(what="class", base="Bird", ours="Swan", theirs="Goose"))
    assert held.conflicts[0].what == 'class "Bird": ours renamed it to "Swan", theirs to "Goose"'
    assert taken(held, "ours") == tree
    assert taken(held, "theirs").classes == ("Newt", "Goose", "Eel")


def test_two_names_for_one_group(tree: Tree) -> None:
    held = holding(tree, NameDispute(what="group", base="hue", ours="colour", theirs="tint"))
    assert held.conflicts[0].what == 'group "hue": ours renamed it to "colour", theirs to "tint"'
    assert taken(held, "ours") == tree
    assert [g.name for g in taken(held, "theirs").groups] == ["tint", "legs"]


def test_two_prompts_for_one_group(tree: Tree) -> None:
    dispute = PromptDispute(group="colour", ours="This creature is mainly {}.", theirs="Mostly {}.")
    held = holding(tree, dispute)
    assert held.conflicts[0].what == ('the prompt of "colour": ours "This creature is mainly {}.", theirs "Mostly {}."')
    assert taken(held, "ours") == tree
    assert taken(held, "theirs").groups[0].prompt == "Mostly {}."


@pytest.mark.parametrize(("remover", "keeper"), [("ours", "theirs"), ("theirs", "ours")])
def test_a_group_that_one_removed_and_the_other_changed(tree: Tree, remover: Side, keeper: Side) -> None:
    held = holding(tree, PresenceDispute(what="group", name="legs", remover=remover))
    assert held.conflicts[0].what == f'group "legs": {remover} removed it, {keeper} changed it'
    assert taken(held, keeper) == tree
    assert [g.name for g in taken(held, remover).groups] == ["colour"]
    assert [r.answers for r in taken(held, remover).rules] == [(("colour", 1),), (("colour", 0),), (("colour", 1),)]


@pytest.mark.parametrize(("remover", "keeper"), [("ours", "theirs"), ("theirs", "ours")])
def test_a_class_that_one_removed_and_the_other_changed(tree: Tree, remover: Side, keeper: Side) -> None:
    for name, left in (("Newt", ("Swan", "Eel")), ("Swan", ("Newt", "Eel"))):
        held = holding(tree, PresenceDispute(what="class", name=name, remover=remover))
        assert held.conflicts[0].what == f'class "{name}": {remover} removed it, {keeper} changed it'
        assert taken(held, keeper) == tree
        assert taken(held, remover).classes == left


def test_an_option_that_one_removed_and_the_other_uses(tree: Tree) -> None:
    users = (("Newt", "white"), ("Eel", ABSENT))
    dispute = OptionDispute(group="colour", option="brown", remover="ours", users=users, renamed=None)
    held = holding(tree, dispute)
    assert held.conflicts[0].what == (
        'the option "brown" in "colour": ours removed it, theirs uses it for "Newt", "Eel"'
    )
    assert taken(held, "theirs") == tree
    assert sentences(held, "ours") == [
        '"Newt" in "colour": "brown" became "white"',
        '"Eel" in "colour": "brown" became no answer',
        'in group "colour" the option "brown" removed',
    ]
    found = MutableTree(taken(held, "ours"))
    assert found.options["colour"] == ["white"]
    assert [found.answer(name, "colour") for name in found.rules] == ["white", "white", None]


def test_an_option_that_one_renamed_and_the_other_uses_takes_its_classes_to_the_new_word(tree: Tree) -> None:
    dispute = OptionDispute(
        group="colour", option="brown", remover="theirs", users=(("Eel", ABSENT), ("Newt", "white")), renamed="white"
    )
    held = holding(tree, dispute)
    assert 'theirs renamed it to "white", ours uses it for "Eel", "Newt"' in held.conflicts[0].what
    assert [rule.get("colour") for rule in taken(held, "theirs").rules] == [0, 0, 0]


def test_an_option_whose_new_word_is_not_in_the_tree_leaves_no_answer(tree: Tree) -> None:
    dispute = OptionDispute(
        group="colour", option="white", remover="ours", users=(("Swan", "white"),), renamed="snow white"
    )
    found = taken(holding(tree, dispute), "ours")
    assert MutableTree(found).answer("Swan", "colour") is None
    assert found.groups[0].options == ("brown",)


def test_two_answers_for_one_class(tree: Tree) -> None:
    dispute = RuleDispute(class_name="Eel", group="legs", base="two", ours="no", theirs="four")
    held = holding(tree, dispute)
    assert held.conflicts[0].what == '"Eel" in "legs": ours "no", theirs "four", before "two"'
    assert taken(held, "ours") == tree
    assert taken(held, "theirs").rules[2].answers == (("colour", 1), ("legs", 2))


def test_two_answers_without_one_before_do_not_speak_of_it(tree: Tree) -> None:
    dispute = RuleDispute(class_name="Eel", group="legs", base=ABSENT, ours="no", theirs=None)
    held = holding(tree, dispute)
    assert held.conflicts[0].what == '"Eel" in "legs": ours "no", theirs no answer'
    assert taken(held, "theirs").rules[2].answers == (("colour", 1), ("legs", None))


def test_an_option_that_went_comes_back_with_the_answer_that_wants_it(tree: Tree) -> None:
    dispute = RuleDispute(class_name="Eel", group="colour", base="black", ours="brown", theirs="black")
    found = taken(holding(tree, dispute), "theirs")
    assert found.groups[0].options == ("white", "brown", "black")
    assert found.rules[2].answers == (("colour", 2), ("legs", 0))


def test_two_conflicts_may_bring_the_same_option_back(tree: Tree) -> None:
    disputes = (
        RuleDispute(class_name="Eel", group="colour", base="black", ours="brown", theirs="black"),
        RuleDispute(class_name="Newt", group="colour", base="black", ours="brown", theirs="black"),
    )
    held = holding(tree, *disputes)
    for order in ((0, 0), (1, 0)):
        found = held
        for number in order:
            found = resolve(found, number, "theirs")
        assert found.groups[0].options == ("white", "brown", "black")
        assert [rule.get("colour") for rule in found.rules] == [2, 0, 2]


def test_an_option_that_theirs_dropped_goes_with_the_last_answer_that_has_it(tree: Tree) -> None:
    disputes = (
        RuleDispute(class_name="Eel", group="colour", base="white", ours="brown", theirs="white", dropped=True),
        RuleDispute(class_name="Newt", group="colour", base="white", ours="brown", theirs="white", dropped=True),
    )
    held = holding(tree, *disputes)
    for order in ((0, 0), (1, 0)):
        found = resolve(held, order[0], "theirs")
        assert found.groups[0].options == ("white", "brown")
        found = resolve(found, order[1], "theirs")
        assert found.groups[0].options == ("white",)
        assert [rule.get("colour") for rule in found.rules] == [0, 0, 0]
    assert taken(held, "ours") == tree


def test_a_class_of_one_side_and_a_group_of_the_other_get_null_from_both(tree: Tree) -> None:
    draft = MutableTree(tree)
    draft.set_answer("Eel", "legs", ABSENT)
    dispute = GapDispute(class_name="Eel", group="legs", class_side="theirs")
    held = holding(draft.frozen(tree), dispute)
    told = held.conflicts[0].what
    assert told.startswith('"Eel" in "legs": no answer, since only theirs has the class and only ours the group')
    for side in ("ours", "theirs"):
        assert taken(held, side).rules[2].answers == (("colour", 1), ("legs", None))


def test_no_conflict_holds_anything_that_a_terminal_obeys(tree: Tree) -> None:
    bad = "\x1b[2J\n"
    disputes: tuple[Dispute, ...] = (
        DomainDispute(ours=bad, theirs=bad),
        NameDispute(what="class", base=bad, ours=bad, theirs=bad),
        PromptDispute(group=bad, ours=bad, theirs=bad),
        PresenceDispute(what="group", name=bad, remover="ours"),
        OptionDispute(group=bad, option=bad, remover="ours", users=((bad, bad),), renamed=bad),
        RuleDispute(class_name=bad, group=bad, base=bad, ours=bad, theirs=bad),
        GapDispute(class_name=bad, group=bad, class_side="ours"),
    )
    assert [d for d in disputes if not d.describe().isprintable()] == []


@pytest.fixture
def disputed(tree: Tree) -> Tree:
    """The pond with three conflicts that do not touch each other."""
    return holding(
        tree,
        DomainDispute(ours="pond", theirs="lake"),
        PromptDispute(group="legs", ours="This creature has {} legs.", theirs="{} legs"),
        RuleDispute(class_name="Eel", group="legs", base="two", ours="no", theirs="four"),
    )


def test_one_conflict_is_resolved_and_the_others_stay(disputed: Tree) -> None:
    found = resolve(disputed, 1, "theirs")
    assert found.conflicts == (disputed.conflicts[0], disputed.conflicts[2])
    assert (found.domain, found.groups[1].prompt) == ("pond", "{} legs")


def test_only_the_conflicts_of_the_numbers_are_resolved(disputed: Tree) -> None:
    found = take_side(disputed, "theirs", (3, 1, 3))
    assert found.conflicts == (disputed.conflicts[1],)
    assert (found.domain, found.groups[1].prompt) == ("lake", "This creature has {} legs.")
    assert found.rules[2].get("legs") == 2


def test_taking_the_file_drops_the_conflicts_and_nothing_else(disputed: Tree) -> None:
    assert take_side(disputed, "file") == replace(disputed, conflicts=())
    assert take_side(disputed, "file", (2,)).conflicts == (disputed.conflicts[0], disputed.conflicts[2])


@pytest.mark.parametrize("side", ["ours", "theirs", "file"])
@pytest.mark.parametrize("numbers", [(4,), (1, 99), (0,), (-1,), (2, -3)])
def test_a_number_of_no_conflict_is_refused(disputed: Tree, side: Side, numbers: tuple[int, ...]) -> None:
    wrong = next(n for n in numbers if not 1 <= n <= 3)
    with pytest.raises(InputError, match=f"there is no conflict {wrong}$") as raised:
        take_side(disputed, side, numbers)
    assert raised.value.tip == "the tree has 3"


def test_a_tree_without_conflicts_is_taken_as_it_is(tree: Tree) -> None:
    assert take_side(tree, "ours") == tree
    with pytest.raises(InputError, match="no conflict 1"):
        take_side(tree, "ours", (1,))


@pytest.mark.parametrize(
    "edited",
    [
        [{"kind": "nonsense"}],
        [{"kind": "rule_changed"}],
        [{"kind": "domain_changed", "old": 1, "new": 2}],
        [RuleChanged(class_name="Eel", group="legs", old="two", new="four").as_json()],
        [RuleChanged(class_name="Olm", group="legs", old="no", new="four").as_json()],
        [OptionAdded(group="wings", option="two", after=None).as_json()],
    ],
)
def test_a_conflict_that_was_edited_by_hand_is_a_change_error(tree: Tree, edited: list[object]) -> None:
    held = replace(tree, conflicts=(Conflict(what="w", ours_json=compact(edited)),))
    assert check_text(dump(held)).document is not None
    with pytest.raises(ChangeError):
        take_side(held, "ours")
    assert take_side(held, "theirs") == tree


def test_a_conflict_of_another_shape_is_no_tree(tree: Tree) -> None:
    held = json.loads(dump(holding(tree, DomainDispute(ours="pond", theirs="lake"))))
    whole: dict[str, object] = {"what": "w", "ours": [], "theirs": []}
    without_kind = {**whole, "theirs": [{"kind": []}]}
    shapes: list[object] = [[], None, {"what": "w"}, {**whole, "what": 1}, {**whole, "ours": {}}, without_kind]
    for broken in shapes:
        checked = check_text(json.dumps({**held, "conflicts": [broken]}))
        assert checked.document is None
        assert all(p.pointer.startswith("/conflicts/0") for p in checked.problems if p.severity == "error")


def test_a_name_that_was_taken_first_is_followed_by_the_conflicts_that_are_left(tree: Tree) -> None:
    held = holding(
        tree,
        NameDispute(what="class", base="Bird", ours="Swan", theirs="Goose"),
        NameDispute(what="group", base="feet", ours="legs", theirs="limbs"),
        RuleDispute(class_name="Swan", group="legs", base="no", ours="two", theirs="four"),
        PresenceDispute(what="class", name="Eel", remover="theirs"),
        PresenceDispute(what="group", name="colour", remover="theirs"),
    )
    found = held
    for _ in held.conflicts:
        found = resolve(found, 0, "theirs")
    assert found.classes == ("Newt", "Goose")
    assert found.rules[1].answers == (("limbs", 2),)


def test_a_removal_that_follows_a_name_can_be_taken_back(tree: Tree) -> None:
    held = holding(
        tree,
        NameDispute(what="class", base="Bird", ours="Swan", theirs="Goose"),
        PresenceDispute(what="class", name="Eel", remover="theirs"),
        PresenceDispute(what="group", name="legs", remover="theirs"),
    )
    found = resolve(held, 0, "theirs")
    (eel,), (legs,) = (changes_of(conflict, "theirs") for conflict in found.conflicts)
    for change in (eel, legs):
        assert apply(found, (change, change.inverse())) == found


def test_an_edited_conflict_does_not_hinder_another_that_renames(tree: Tree) -> None:
    edited = Conflict(what="w", theirs_json=compact([{"kind": "nonsense"}]))
    held = holding(tree, NameDispute(what="class", base="Bird", ours="Swan", theirs="Goose"))
    found = resolve(replace(held, conflicts=(*held.conflicts, edited)), 0, "theirs")
    assert found.conflicts == (edited,)


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(250))
@given(st.data())
def test_a_tree_with_the_conflicts_of_any_merge_is_read_as_it_was_written(data: st.DataObject) -> None:
    base = data.draw(trees())
    tree = merge(base, data.draw(changed(base)).tree, data.draw(changed(base)).tree).tree
    text = dump(tree)
    checked = check_text(text)
    if checked.document is None:  # an empty list of options, say: no text of a tree
        assert {p.code for p in checked.problems if p.severity == "error"} & {"TG103", "TG104", "TG107"}
        return
    assert checked.document.tree == tree
    assert dump(checked.document.tree) == text
    assert [p.pointer for p in checked.problems if p.code == "TG305"] == [
        f"/conflicts/{number}" for number in range(len(tree.conflicts))
    ]
    assert json.loads(text)["rules"] == content_of(tree)["rules"]
