from dataclasses import FrozenInstanceError

import pytest

from treegen.tree.model import ClassRule, Group, Tree


def test_filling_puts_each_option_where_the_braces_are_in_the_order_of_the_options() -> None:
    group = Group(name="g", prompt="Mainly {}, it seems.", options=("red", "blue"))
    assert group.fill() == ("Mainly red, it seems.", "Mainly blue, it seems.")


def test_an_option_that_holds_braces_itself_is_put_in_as_it_stands() -> None:
    assert Group(name="g", prompt="A {} b", options=("{}", "{0}", "%s")).fill() == ("A {} b", "A {0} b", "A %s b")


def test_all_prompts_stand_group_after_group(tree: Tree) -> None:
    first, second = tree.groups
    assert tree.prompts() == (*first.fill(), *second.fill())
    assert len(tree.prompts()) == 5


def test_classes_and_groups_are_found_by_name_in_the_order_of_the_tree(tree: Tree) -> None:
    assert tree.classes == ("Newt", "Swan", "Eel")
    assert tree.group("legs") is tree.groups[1]
    assert tree.group("wings") is None


def test_a_rule_gives_none_for_null_and_for_a_group_it_does_not_name() -> None:
    rule = ClassRule(name="A", answers=(("colour", 0), ("legs", None)))
    assert [rule.get(g) for g in ("colour", "legs", "wings")] == [0, None, None]


def test_a_tree_cannot_be_changed_in_place(tree: Tree) -> None:
    with pytest.raises(FrozenInstanceError):
        tree.domain = "other"  # type: ignore[misc]
    assert hash(tree) == hash(tree)


@pytest.mark.parametrize(("index", "word"), [(0, "white"), (1, "brown"), (2, None), (-1, None), (None, None)])
def test_an_index_out_of_range_has_no_word(tree: Tree, index: int | None, word: str | None) -> None:
    assert tree.word(ClassRule(name="X", answers=(("colour", index),)), "colour") == word
    assert tree.word(ClassRule(name="X", answers=(("colour", index),)), "wings") is None
