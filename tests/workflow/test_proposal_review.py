"""A proposal under review: units taken, left, worded otherwise, undone; and what the next request is told."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from treegen.history.store import Store
from treegen.tree.changes import ChangeError, ClassRemoved, GroupRenamed, OptionRenamed, PromptChanged, RuleChanged
from treegen.tree.changes.edits import rename_class
from treegen.tree.document import content_of, dump, tree_from
from treegen.tree.feedback_target import WHOLE, Target
from treegen.tree.model import Tree
from treegen.workflow.proposal_review import ProposalReview, reworded, wording
from treegen.workflow.session import Session

GROUPS: dict[str, dict[str, Any]] = {
    "colour": {"prompt": "This creature is mainly {}.", "options": ["white", "brown"]},
    "legs": {"prompt": "This creature has {} legs.", "options": ["no", "two", "four"]},
}
RULES = {"Newt": {"colour": 1, "legs": 2}, "Swan": {"colour": 0, "legs": 1}, "Eel": {"colour": 1, "legs": 0}}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    path = tmp_path / "tree.json"
    path.write_text(dump(tree_from({"domain": "pond", "classification_groups": GROUPS, "rules": RULES})))
    with Store(path) as store:
        opened = Session(path, store)
        yield opened
        opened.close()


@pytest.fixture
def proposed() -> Tree:
    """A new option that Newt and a new class have; another prompt; a renamed group."""
    return tree_from(
        {
            "domain": "pond",
            "classification_groups": {
                "colour": {"prompt": "This creature is mainly {}.", "options": ["white", "brown", "green"]},
                "limbs": {"prompt": "It walks on {} legs.", "options": ["no", "two", "four"]},
            },
            "rules": {
                "Newt": {"colour": 2, "limbs": 2},
                "Swan": {"colour": 0, "limbs": 1},
                "Eel": {"colour": 1, "limbs": 0},
                "Frog": {"colour": 2, "limbs": 2},
            },
        }
    )


def asked_of(
    session: Session, proposed: Tree, target: Target = WHOLE, locks: frozenset[str] = frozenset()
) -> ProposalReview:
    return ProposalReview.of("greener", session.tree, proposed, target, locks)


def number(asked: ProposalReview, words: str) -> int:
    (found,) = [u.number for u in asked.units if any(words in s for s in u.sentences)]
    return found


def answers(tree: Tree, name: str) -> dict[str, str | None]:
    rule = next(rule for rule in tree.rules if rule.name == name)
    return {group.name: tree.word(rule, group.name) for group in tree.groups}


def told(session: Session, words: str) -> tuple[bool, str]:
    """What the next request says of the change."""
    (found,) = [(taken, why) for sentence, taken, why in session.decisions() if words in sentence]
    return found


def test_a_unit_is_taken_with_what_it_needs_as_one_step(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    newt, green = number(asked, "Newt"), number(asked, '"green" added')
    assert asked.accept(session, [newt]) == sorted([newt, green])
    assert len(session.steps) == 1
    assert answers(session.tree, "Newt") == {"colour": "green", "legs": "four"}
    assert "Frog" not in session.tree.classes
    assert asked.taken == {newt, green}
    assert asked.accept(session, [newt]) == []
    assert len(session.steps) == 1


def test_all_units_one_by_one_give_the_proposed_tree(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    for unit in reversed(asked.units):
        asked.accept(session, [unit.number])
    assert content_of(session.tree) == content_of(proposed)
    assert asked.open == 0
    while session.undo():
        pass
    assert session.tree == asked.origin


def test_a_unit_is_merged_by_names_into_what_the_reviewer_changed_since(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    session.do("rename", [OptionRenamed(group="colour", old="white", new="ivory")])
    session.do(
        "remove", [ClassRemoved(class_name="Swan", after="Newt", answers=(("colour", "ivory"), ("legs", "two")))]
    )
    asked.accept(session, [number(asked, "Newt")])
    asked.accept(session, [number(asked, "Frog")])
    assert session.tree.classes == ("Newt", "Eel", "Frog")
    assert answers(session.tree, "Newt")["colour"] == "green"
    assert session.tree.groups[0].options == ("ivory", "brown", "green")


def test_a_unit_that_contradicts_the_reviewer_is_refused_and_changes_nothing(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    session.do("prompt", [PromptChanged(group="legs", old=GROUPS["legs"]["prompt"], new="It has {} legs.")])
    before = session.tree
    with pytest.raises(ChangeError, match="conflicts with what you changed since"):
        asked.accept(session, [number(asked, "It walks on")])
    assert session.tree == before
    assert set(asked.fates) == {"open"}
    assert session.decisions() == []


def test_a_refused_unit_cannot_be_taken_and_all_does_not_mean_it(session: Session, proposed: Tree) -> None:
    session.set_lock("class Newt", True)
    asked = asked_of(session, proposed, locks=session.locks)
    newt = number(asked, "Newt")
    with pytest.raises(ChangeError, match="locked"):
        asked.accept(session, [newt])
    assert newt not in asked.takeable
    asked.accept(session, asked.takeable)
    assert answers(session.tree, "Newt")["colour"] == "brown"
    assert "Frog" in session.tree.classes
    assert asked.open == 0


def test_the_locks_that_count_are_those_of_now_by_the_names_of_the_proposal(session: Session, proposed: Tree) -> None:
    session.set_lock("class Newt", True)
    asked = asked_of(session, proposed, locks=session.locks)
    newt = number(asked, "Newt")
    session.set_lock("class Newt", False)
    asked.refresh_locks(session)
    assert not asked.units[newt].refused
    session.do("renamed", rename_class(session.tree, "Newt", "Eft"))
    session.set_lock("class Eft", True)
    with pytest.raises(ChangeError, match='"Newt" is locked'):
        asked.accept(session, [newt])


def test_all_does_not_mean_what_was_not_asked_for_but_one_may_take_it(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed, Target(kind="class", class_name="Newt"))
    frog = number(asked, 'class "Frog"')
    assert asked.units[frog].outside
    asked.accept(session, asked.takeable)
    assert answers(session.tree, "Newt")["colour"] == "green"
    assert "Frog" not in session.tree.classes
    asked.accept(session, [frog])
    assert "Frog" in session.tree.classes


def test_what_was_taken_and_is_undone_is_open_again_and_can_be_taken_again(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    newt, green = number(asked, "Newt"), number(asked, '"green" added')
    asked.accept(session, [newt])
    session.undo()
    asked.follow(session)
    assert {asked.fates[newt], asked.fates[green]} == {"open"}
    assert told(session, "Newt") == (False, "taken, then undone")
    session.redo()
    asked.follow(session)
    assert {asked.fates[newt], asked.fates[green]} == {"taken"}
    assert told(session, "Newt") == (True, "")
    session.undo()
    asked.follow(session)
    session.do("rename", [GroupRenamed(old="legs", new="feet")])
    asked.follow(session)
    assert asked.fates[newt] == "open", "another step stands where it stood"
    assert asked.accept(session, [newt]) == sorted([newt, green])
    assert answers(session.tree, "Newt") == {"colour": "green", "feet": "four"}


def test_a_unit_is_left_with_all_that_need_it_and_the_reason_is_told(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    green = number(asked, '"green" added')
    asked.reject(session, green, "nothing is green here")
    left = {asked.units[n].sentences[0] for n, fate in enumerate(asked.fates) if fate == "rejected"}
    assert len(left) == 3, "the option, Newt's answer, the class Frog"
    assert told(session, '"green" added') == (False, "nothing is green here")
    assert told(session, "Frog") == (False, "nothing is green here")
    asked.reject(session, green, "again")
    assert told(session, '"green" added')[1] == "nothing is green here"
    assert session.tree == asked.origin


def test_what_was_left_may_still_be_taken(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    green = number(asked, '"green" added')
    asked.reject(session, green, "no")
    asked.accept(session, [green])
    assert asked.fates[green] == "taken"
    assert told(session, '"green" added') == (True, "")


def test_a_unit_is_taken_in_other_words_and_those_that_need_it_follow(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    units = {words: asked.units[number(asked, words)] for words in ('"green" added', "It walks on", '"legs"')}
    green, prompt, name = units.values()
    assert [wording(unit) for unit in (green, prompt, name)] == ["green", "It walks on {} legs.", "limbs"]
    asked.accept(session, [name.number], reworded(name, "feet"))
    asked.accept(session, [green.number], reworded(green, "olive"))
    asked.accept(session, [prompt.number], reworded(prompt, "It goes on {} feet."))
    assert [u for u in asked.units if asked.fates[u.number] == "open"]
    asked.accept(session, asked.takeable)
    assert [(g.name, g.prompt) for g in session.tree.groups][1] == ("feet", "It goes on {} feet.")
    assert session.tree.groups[0].options == ("white", "brown", "olive")
    assert answers(session.tree, "Newt") == {"colour": "olive", "feet": "four"}
    assert answers(session.tree, "Frog") == {"colour": "olive", "feet": "four"}
    taken, why = told(session, '"green" added')
    assert taken
    assert "olive" in why


def test_other_words_that_are_the_same_change_nothing(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    prompt = asked.units[number(asked, "It walks on")]
    assert reworded(prompt, "It walks on {} legs.") == ()
    assert wording(asked.units[number(asked, "Newt")]) is None


def test_what_the_reviewer_did_meanwhile_can_be_taken_too(session: Session, proposed: Tree) -> None:
    """The tree is so already: it is decided, and there is no step that does nothing."""
    legs = replace(proposed.groups[1], name="legs")
    asked = asked_of(session, replace(session.tree, groups=(session.tree.groups[0], legs)))
    prompt = number(asked, "It walks on")
    old = session.tree.groups[1].prompt
    session.do("prompt", [PromptChanged(group="legs", old=old, new="It walks on {} legs.")])
    asked.accept(session, [prompt])
    assert len(session.steps) == 1
    asked.follow(session)
    assert asked.fates[prompt] == "taken"
    assert told(session, "It walks on") == (True, "")


def test_a_proposal_is_there_again_after_a_restart(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed, Target(kind="group", group="colour"), frozenset({"class Eel"}))
    newt, green, prompt = number(asked, "Newt"), number(asked, '"green" added'), number(asked, "It walks on")
    asked.accept(session, [green], reworded(asked.units[green], "olive"))
    asked.reject(session, prompt, "no")
    session.close()
    again = Session(session.path, Store(session.path))
    found = ProposalReview.left_in(again)
    assert found == asked
    assert found.accept(again, [newt]) == [newt]
    assert answers(again.tree, "Newt")["colour"] == "olive"
    again.undo()
    again.undo()
    found.follow(again)
    assert found.fates[green] == "open"
    again.close()
    again.store.close()


def test_a_proposal_is_kept_when_the_file_went_on_without_the_session(session: Session, proposed: Tree) -> None:
    asked = asked_of(session, proposed)
    asked.accept(session, [number(asked, "It walks on")])
    session.save()
    session.close()
    other = session.tree.groups[0]
    session.path.write_text(dump(replace(session.tree, groups=(replace(other, prompt="{}!"), session.tree.groups[1]))))
    again = Session(session.path, Store(session.path))
    assert not again.resumed
    found = ProposalReview.left_in(again)
    assert found
    found.follow(again)
    assert found.fates == asked.fates
    found.accept(again, [number(found, "Newt")])
    assert answers(again.tree, "Newt")["colour"] == "green"
    assert again.tree.groups[0].prompt == "{}!"
    again.close()
    again.store.close()


def test_a_tree_of_the_same_folder_has_its_own_proposal(session: Session, proposed: Tree) -> None:
    assert ProposalReview.left_in(session) is None
    asked_of(session, proposed).store(session)
    other = session.path.with_name("other.json")
    other.write_text(session.path.read_text())
    beside = Session(other, Store(other))
    assert ProposalReview.left_in(beside) is None
    beside.do("rule", [RuleChanged(class_name="Eel", group="colour", old="brown", new="white")])
    beside.close()
    beside.store.close()
    assert ProposalReview.left_in(session)
