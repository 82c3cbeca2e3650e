from dataclasses import replace

import pytest

from treegen.tree.changes import ABSENT, Change, ChangeError, DomainChanged, MutableTree, OptionAdded, PromptChanged
from treegen.tree.changes.interface import Swap, describe_answer, whole_class, whole_group
from treegen.tree.model import ClassRule, Conflict, Group, Review, Tree


def broken(tree: Tree) -> Tree:
    """The pond with a class whose answers are null, out of range, for an unknown group, and missing."""
    bad = ClassRule(name="Bad", answers=(("colour", 9), ("wings", 3)))
    null = ClassRule(name="Null", answers=(("colour", None), ("legs", -1)))
    return replace(tree, rules=(*tree.rules, bad, null))


def test_a_draft_that_nobody_touched_is_the_tree_again(tree: Tree) -> None:
    for one in (tree, broken(tree)):
        assert MutableTree(one).frozen(one) == one


def test_the_sign_off_comes_from_the_tree_that_is_named_and_conflicts_from_the_draft(tree: Tree) -> None:
    review = Review(status="approved", by="A", at="2026-01-01T00:00:00Z", digest="sha256:" + "0" * 64)
    signed = replace(tree, review=review, conflicts=(Conflict(what="w"),))
    assert MutableTree(tree).frozen(signed) == replace(signed, conflicts=())
    assert MutableTree(signed).frozen(tree) == replace(signed, review=None)


def test_changing_a_draft_leaves_the_tree_as_it_is(tree: Tree) -> None:
    draft = MutableTree(tree)
    draft.options["colour"].append("gray")
    draft.set_answer("Eel", "colour", "gray")
    assert tree.groups[0].options == ("white", "brown")
    assert MutableTree(tree).answer("Eel", "colour") == "brown"


def test_answers_are_words_where_there_is_one(tree: Tree) -> None:
    draft = MutableTree(broken(tree))
    assert draft.answer("Eel", "colour") == "brown"
    assert draft.answer("Null", "colour") is None
    assert draft.answer("Bad", "legs") is ABSENT


def test_an_index_without_a_word_of_its_own_stays_a_number(tree: Tree) -> None:
    draft = MutableTree(broken(tree))
    assert (draft.answer("Bad", "colour"), draft.answer("Bad", "wings"), draft.answer("Null", "legs")) == (9, 3, -1)
    draft.options["colour"] = ["white", "white"]
    assert draft.answer("Swan", "colour") == 0


def test_an_answer_is_set_by_word_number_null_or_taken_away(tree: Tree) -> None:
    draft = MutableTree(tree)
    for answer in ("four", None, 7, ABSENT, "no"):
        draft.set_answer("Eel", "legs", answer)
        assert draft.answer("Eel", "legs") == answer


def test_an_answer_that_comes_stands_in_the_order_of_the_groups(tree: Tree) -> None:
    draft = MutableTree(tree)
    draft.set_answer("Eel", "colour", ABSENT)
    draft.set_answer("Eel", "colour", "white")
    assert list(draft.rules["Eel"]) == ["colour", "legs"]
    draft.set_answer("Eel", "unknown", 1)
    draft.set_answer("Eel", "legs", ABSENT)
    draft.set_answer("Eel", "legs", "no")
    assert list(draft.rules["Eel"]) == ["colour", "unknown", "legs"]


def test_what_is_not_there_is_named(tree: Tree) -> None:
    draft = MutableTree(tree)
    for ask, name in (
        (lambda: draft.need_group("wings"), 'no group "wings"'),
        (lambda: draft.need_class("Olm"), 'no class "Olm"'),
        (lambda: draft.place_of("colour", "gray"), '"gray" is not in the group "colour"'),
        (lambda: draft.set_answer("Olm", "colour", "white"), 'no class "Olm"'),
        (lambda: draft.set_answer("Eel", "wings", "white"), 'no group "wings"'),
    ):
        with pytest.raises(ChangeError, match=name):
            ask()


def test_an_option_that_stands_twice_has_no_place(tree: Tree) -> None:
    draft = MutableTree(tree)
    draft.options["colour"] = ["white", "white"]
    with pytest.raises(ChangeError, match="is a duplicate"):
        draft.place_of("colour", "white")


def test_indices_move_with_their_options_and_null_stays(tree: Tree) -> None:
    draft = MutableTree(broken(tree))
    draft.shift_indices("colour", 1, 1)
    assert [rule.get("colour") for rule in draft.rules.values()] == [2, 0, 2, 10, None]
    draft.map_indices("colour", [5, 6, 7])
    assert [rule.get("colour") for rule in draft.rules.values()] == [7, 5, 7, 10, None]
    draft.map_indices("legs", [2, 1, 0])
    assert [rule.get("legs") for rule in draft.rules.values()] == [0, 1, 2, None, -1]


def test_users_are_the_classes_with_that_index_in_that_group(tree: Tree) -> None:
    draft = MutableTree(broken(tree))
    assert draft.users("colour", 1) == ["Newt", "Eel"]
    assert draft.users("colour", 5) == []


def test_a_whole_group_names_the_one_before_it_and_the_classes_that_answer(tree: Tree) -> None:
    whole = whole_group(MutableTree(broken(tree)), "legs")
    assert (whole["after"], whole["options"]) == ("colour", ("no", "two", "four"))
    assert whole["answers"] == (("Newt", "four"), ("Swan", "two"), ("Eel", "no"), ("Null", -1))
    assert whole_group(MutableTree(tree), "colour")["after"] is None


def test_a_whole_class_has_its_answers_in_words(tree: Tree) -> None:
    whole = whole_class(MutableTree(broken(tree)), "Bad", "Eel")
    assert whole == {"class_name": "Bad", "answers": (("colour", 9), ("wings", 3)), "after": "Eel"}


def test_every_answer_has_words() -> None:
    assert [describe_answer(a) for a in (None, ABSENT, "a\n", 3)] == [
        "no answer",
        "nothing at all",
        '"a\\n"',
        "option 3, which does not exist or is a duplicate",
    ]


def test_a_change_knows_its_group_and_its_class() -> None:
    assert PromptChanged(group="g", old="a", new="b").about == ("g", None)
    assert DomainChanged(old="a", new="b").about == (None, None)


def test_a_change_as_json_has_its_kind_its_sentence_and_its_fields() -> None:
    assert OptionAdded(group="g", option="red", after=None).as_json() == {
        "kind": "option_added",
        "sentence": 'in group "g" the option "red" added at the front',
        "group": "g",
        "option": "red",
        "after": None,
    }


def test_a_change_that_lacks_a_part_says_so(tree: Tree) -> None:
    bare = Swap(old=1, new=2)
    assert bare.inverse() == Swap(old=2, new=1)
    with pytest.raises(NotImplementedError):
        _ = bare.sentence
    with pytest.raises(NotImplementedError):
        bare.make(MutableTree(tree))
    with pytest.raises(NotImplementedError):
        Change().inverse()


def test_a_group_without_options_can_be_drafted() -> None:
    empty = Tree(domain="d", groups=(Group(name="g", prompt="", options=()),), rules=())
    assert MutableTree(empty).frozen(empty) == empty
