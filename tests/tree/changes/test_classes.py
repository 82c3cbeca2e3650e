from tests.tree.changes.conftest import Made, Refused
from treegen.tree.changes import (
    ABSENT,
    AnswersReordered,
    ClassAdded,
    ClassesReordered,
    ClassRemoved,
    ClassRenamed,
    DomainChanged,
    MutableTree,
    RuleChanged,
    apply,
)
from treegen.tree.changes.interface import whole_class
from treegen.tree.model import Tree

OLM = ClassAdded(class_name="Olm", answers=(("colour", "white"), ("legs", None)), after="Newt")


def test_the_domain_gets_another_name(made: Made) -> None:
    change = DomainChanged(old="pond", new="lake")
    assert made(change).domain == "lake"
    assert change.sentence == 'the domain "pond" became "lake"'


def test_a_domain_that_is_another_meanwhile_is_left(refused: Refused) -> None:
    assert refused(DomainChanged(old="sea", new="lake")) == 'the domain is now "pond", not "sea"'


def test_a_new_class_stands_behind_another_with_its_answers(made: Made) -> None:
    after = made(OLM)
    assert after.classes == ("Newt", "Olm", "Swan", "Eel")
    assert after.rules[1].answers == (("colour", 0), ("legs", None))
    assert OLM.sentence == 'class "Olm" added after "Newt": "colour" "white", "legs" no answer'


def test_a_new_class_at_the_front_or_behind_the_last_has_its_place(tree: Tree) -> None:
    for behind, place in ((None, 0), ("Eel", 3), ("gone", 3)):
        added = ClassAdded(class_name="Olm", answers=OLM.answers, after=behind)
        assert apply(tree, (added,)).classes.index("Olm") == place


def test_the_answers_of_a_new_class_stand_as_they_are_written(tree: Tree) -> None:
    turned = ClassAdded(class_name="Olm", answers=OLM.answers[::-1], after=None)
    assert apply(tree, (turned,)).rules[0].answers == (("legs", None), ("colour", 0))


def test_a_class_that_is_there_or_an_answer_that_is_no_option_is_refused(refused: Refused) -> None:
    assert refused(ClassAdded(class_name="Eel", answers=(), after=None)) == 'the tree already has a class "Eel"'
    wild = ClassAdded(class_name="Olm", answers=(("colour", "pink"),), after=None)
    assert 'the option "pink" is not in the group' in refused(wild)
    lost = ClassAdded(class_name="Olm", answers=(("wings", "two"),), after=None)
    assert refused(lost) == 'the tree has no group "wings"'


def test_a_class_goes_with_its_rule(tree: Tree, made: Made) -> None:
    gone = ClassRemoved(**whole_class(MutableTree(tree), "Swan", "Newt"))
    assert made(gone).classes == ("Newt", "Eel")
    assert gone.sentence == 'class "Swan" removed'


def test_a_class_that_is_not_there_cannot_be_removed_renamed_or_changed(refused: Refused) -> None:
    changes = (
        ClassRemoved(class_name="Olm", answers=(), after=None),
        ClassRenamed(old="Olm", new="Proteus"),
        RuleChanged(class_name="Olm", group="legs", old="no", new="two"),
        AnswersReordered(class_name="Olm", old=(), new=()),
    )
    assert {refused(change) for change in changes} == {'the tree has no class "Olm"'}


def test_a_renamed_class_keeps_its_place_and_its_answers(tree: Tree, made: Made) -> None:
    change = ClassRenamed(old="Swan", new="Mute swan")
    after = made(change)
    assert after.classes == ("Newt", "Mute swan", "Eel")
    assert after.rules[1].answers == tree.rules[1].answers
    assert (change.sentence, change.about) == ('class "Swan" renamed to "Mute swan"', (None, "Swan"))


def test_a_class_is_not_renamed_to_one_that_is_there(refused: Refused) -> None:
    assert refused(ClassRenamed(old="Swan", new="Eel")) == 'the tree already has a class "Eel"'


def test_classes_in_another_order_keep_their_rules(tree: Tree, made: Made) -> None:
    change = ClassesReordered(old=tree.classes, new=("Eel", "Newt", "Swan"))
    after = made(change)
    assert after.classes == ("Eel", "Newt", "Swan")
    assert {r.name: r.answers for r in after.rules} == {r.name: r.answers for r in tree.rules}
    assert change.sentence == 'classes moved: "Eel" at the front'


def test_an_answer_becomes_another_word_null_or_nothing(made: Made) -> None:
    for new in ("two", None, ABSENT, 7):
        change = RuleChanged(class_name="Eel", group="legs", old="no", new=new)
        assert MutableTree(made(change)).answer("Eel", "legs") == new
        assert change.about == ("legs", "Eel")
    assert RuleChanged(class_name="Eel", group="legs", old="no", new=None).sentence == (
        '"Eel" in "legs": "no" became no answer'
    )


def test_an_answer_that_is_another_meanwhile_is_left(refused: Refused) -> None:
    told = refused(RuleChanged(class_name="Eel", group="legs", old="two", new="four"))
    assert told == '"Eel" in "legs" now has "no", not "two"'
    assert "is not in the group" in refused(RuleChanged(class_name="Eel", group="legs", old="no", new="six"))


def test_the_answers_of_a_rule_are_written_in_another_order(made: Made) -> None:
    change = AnswersReordered(class_name="Eel", old=("colour", "legs"), new=("legs", "colour"))
    assert made(change).rules[2].answers == (("legs", 0), ("colour", 1))
    assert change.sentence == 'the answers of "Eel" are written in another order'
