import pytest

from tests.tree.changes.conftest import Made, Refused
from treegen.tree.changes import MutableTree, OptionAdded, OptionRemoved, OptionRenamed, OptionsReordered, apply
from treegen.tree.model import Tree

CLASSES = ("Newt", "Swan", "Eel")


def colours(tree: Tree) -> list[object]:
    draft = MutableTree(tree)
    return [draft.answer(name, "colour") for name in CLASSES]


@pytest.mark.parametrize(
    ("after", "options", "indices"),
    [
        (None, ("gray", "white", "brown"), (2, 1, 2)),
        ("white", ("white", "gray", "brown"), (2, 0, 2)),
        ("brown", ("white", "brown", "gray"), (1, 0, 1)),
    ],
)
def test_a_new_option_moves_the_indices_behind_it_and_no_class(
    made: Made, after: str | None, options: tuple[str, ...], indices: tuple[int, ...]
) -> None:
    found = made(OptionAdded(group="colour", option="gray", after=after))
    assert found.groups[0].options == options
    assert tuple(rule.get("colour") for rule in found.rules) == indices
    assert colours(found) == ["brown", "white", "brown"]


def test_an_option_behind_one_that_is_gone_goes_to_the_end(tree: Tree) -> None:
    found = apply(tree, (OptionAdded(group="colour", option="gray", after="pink"),))
    assert found.groups[0].options == ("white", "brown", "gray")


def test_an_option_that_is_there_or_a_group_that_is_not_is_refused(refused: Refused) -> None:
    there = OptionAdded(group="colour", option="white", after=None)
    assert refused(there) == 'the group "colour" already has an option "white"'
    assert refused(OptionAdded(group="wings", option="two", after=None)) == 'the tree has no group "wings"'


def test_an_option_that_no_class_has_goes_and_the_indices_behind_it_follow(tree: Tree) -> None:
    wide = apply(tree, (OptionAdded(group="colour", option="gray", after=None),))
    gone = OptionRemoved(group="colour", option="gray", after=None)
    assert apply(wide, (gone,)) == tree
    assert apply(tree, (gone.inverse(),)) == wide
    assert gone.sentence == 'in group "colour" the option "gray" removed'


def test_an_option_in_use_is_refused_with_the_classes_that_have_it(refused: Refused) -> None:
    told = refused(OptionRemoved(group="colour", option="brown", after="white"))
    assert told == 'the option "brown" in "colour" is still the answer of "Newt", "Eel"'


def test_of_many_classes_that_have_an_option_three_are_named(tree: Tree, refused: Refused) -> None:
    draft = MutableTree(tree)
    draft.rules = {f"C{n}": {"colour": 0, "legs": 0} for n in range(4)}
    with pytest.raises(Exception, match='still the answer of "C0", "C1", "C2" and others'):
        apply(draft.frozen(tree), (OptionRemoved(group="colour", option="white", after=None),))
    assert "is not in the group" in refused(OptionRemoved(group="colour", option="gray", after=None))


def test_the_classes_follow_a_renamed_option(made: Made) -> None:
    change = OptionRenamed(group="colour", old="brown", new="dark brown")
    assert colours(made(change)) == ["dark brown", "white", "dark brown"]
    assert change.sentence == 'in group "colour" the option "brown" became "dark brown"'


def test_an_option_is_not_renamed_to_one_that_is_there(refused: Refused) -> None:
    assert "already" in refused(OptionRenamed(group="colour", old="brown", new="white"))
    assert "is not in the group" in refused(OptionRenamed(group="colour", old="gray", new="grey"))
    assert "no group" in refused(OptionRenamed(group="wings", old="gray", new="grey"))


def test_the_classes_follow_options_in_another_order(made: Made) -> None:
    change = OptionsReordered(group="legs", old=("no", "two", "four"), new=("four", "no", "two"))
    found = made(change)
    assert found.groups[1].options == ("four", "no", "two")
    assert [rule.get("legs") for rule in found.rules] == [0, 2, 1]
    assert change.sentence == 'in group "legs" options moved: "four" at the front'


def test_an_option_that_came_meanwhile_stays_behind_the_one_before_it(tree: Tree) -> None:
    wide = apply(tree, (OptionAdded(group="colour", option="gray", after="white"),))
    found = apply(wide, (OptionsReordered(group="colour", old=("white", "brown"), new=("brown", "white")),))
    assert found.groups[0].options == ("brown", "white", "gray")
    assert colours(found) == ["brown", "white", "brown"]


def test_options_of_which_one_stands_twice_have_no_order(tree: Tree) -> None:
    draft = MutableTree(tree)
    draft.options["colour"] = ["white", "white"]
    with pytest.raises(Exception, match='the group "colour" has a duplicate option'):
        apply(draft.frozen(tree), (OptionsReordered(group="colour", old=(), new=()),))
