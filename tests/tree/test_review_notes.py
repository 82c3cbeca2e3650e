"""Notes beside a tree: when a review is void, and that notes follow names."""

from dataclasses import replace

import pytest

from treegen.tree.changes import Change, apply, edits
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.review_notes import (
    NO_NOTES,
    NoteChange,
    Notes,
    applied,
    class_target,
    comments,
    fingerprint,
    followed,
    group_target,
    option_target,
    reviewed,
)


@pytest.fixture
def pond() -> Tree:
    groups = (
        Group(name="legs", prompt="{} legs", options=("no", "four")),
        Group(name="tail", prompt="a tail that is {}", options=("long", "short")),
    )
    rules = (
        ClassRule(name="Newt", answers=(("legs", 1), ("tail", 0))),
        ClassRule(name="Frog", answers=(("legs", 1), ("tail", None))),
    )
    return Tree(domain="pond", groups=groups, rules=rules)


def all_reviewed(tree: Tree) -> Notes:
    targets = [*(group_target(g.name) for g in tree.groups), *map(class_target, tree.classes)]
    return {("reviewed", target): fingerprint(tree, target) for target in targets}


def after(tree: Tree, changes: tuple[Change, ...]) -> set[str]:
    """What is still reviewed after changes, by its name."""
    notes, new = all_reviewed(tree), apply(tree, changes)
    return {t.class_name or t.group for t in reviewed(new, followed(notes, tree, new, changes))}


def test_only_what_has_changed_must_be_reviewed_again(pond: Tree) -> None:
    assert after(pond, ()) == {"legs", "tail", "Newt", "Frog"}
    assert after(pond, edits.point_rule(pond, "Newt", "tail", "short")) == {"legs", "tail", "Frog"}
    assert after(pond, edits.change_prompt(pond, "legs", "it has {} legs")) == {"tail", "Newt", "Frog"}
    assert after(pond, edits.rename_option(pond, "tail", "long", "very long")) == {"legs", "Frog"}
    assert after(pond, edits.add_option(pond, "legs", "two", "no")) == {"tail", "Newt", "Frog"}
    assert after(pond, edits.delete_class(pond, "Newt")) == {"legs", "tail", "Frog"}


def test_order_and_names_of_groups_and_classes_are_not_what_was_reviewed(pond: Tree) -> None:
    assert after(pond, edits.move_option(pond, "legs", "four", -1)) == {"legs", "tail", "Newt", "Frog"}
    assert after(pond, edits.move_group(pond, "tail", -1)) == {"legs", "tail", "Newt", "Frog"}
    assert after(pond, edits.rename_class(pond, "Newt", "Eft")) == {"legs", "tail", "Eft", "Frog"}
    assert after(pond, edits.rename_group(pond, "legs", "number of legs")) == {
        "number of legs",
        "tail",
        "Newt",
        "Frog",
    }


def test_answers_that_look_alike_are_told_apart(pond: Tree) -> None:
    """A missing answer, an index that leads nowhere, and an option that is called like one."""
    fingerprints = set()
    for option, index in (("#None", 0), ("#7", 0), ("no", None), ("no", 7), ("=no", 0), ("no", 0)):
        group = replace(pond.groups[0], options=(option, "four"))
        rule = ClassRule(name="Newt", answers=(("legs", index),))
        tree = replace(pond, groups=(group,), rules=(rule,))
        fingerprints.add(fingerprint(tree, class_target("Newt")))
    assert len(fingerprints) == 6
    assert fingerprint(pond, class_target("Heron")) == fingerprint(pond, group_target("beak")) == ""


def test_comments_follow_new_names_and_come_in_the_order_of_the_tree(pond: Tree) -> None:
    targets = [class_target("Newt"), option_target("tail", "long"), group_target("tail")]
    notes = applied(NO_NOTES, [NoteChange(kind="comment", target=t, old="", new=t.words) for t in targets])
    assert list(comments(pond, notes)) == [group_target("tail"), option_target("tail", "long"), class_target("Newt")]
    changes = (*edits.rename_option(pond, "tail", "long", "huge"), *edits.rename_group(pond, "tail", "rear"))
    new = apply(pond, changes)
    kept = comments(new, followed(notes, pond, new, changes))
    assert list(kept) == [group_target("rear"), option_target("rear", "huge"), class_target("Newt")]
    assert applied(notes, [NoteChange(kind="comment", target=targets[0], old="x", new="")]).keys() == {
        ("comment", t) for t in targets[1:]
    }
