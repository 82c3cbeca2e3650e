"""Conflicts that come and go as changes, and back."""

from dataclasses import replace
from itertools import permutations

import pytest

from treegen.tree.changes import Change, ChangeError, ConflictRemoved, apply, from_json
from treegen.tree.changes.conflicts import conflict_changes
from treegen.tree.changes.difference import undo
from treegen.tree.model import Conflict, Tree

A, B, C = (Conflict(what=name) for name in "abc")
LISTS = [few for count in range(4) for few in permutations((A, B, C), count)]


@pytest.mark.parametrize("before", [(), (A,), (A, B), (A, B, C)])
@pytest.mark.parametrize("after", [few for few in LISTS if list(few) == sorted(few, key=lambda c: c.what)])
def test_they_lead_from_one_list_to_another_and_back(
    tree: Tree, before: tuple[Conflict, ...], after: tuple[Conflict, ...]
) -> None:
    start = replace(tree, conflicts=before)
    changes = conflict_changes(before, after)
    there, back = start, list[Change]()
    for change in changes:
        back[:0] = undo(there, change)
        there = apply(there, (change,))
    assert there.conflicts == after
    assert apply(there, back) == start
    assert [from_json(change.as_json()) for change in changes] == changes


def test_what_is_decided_already_cannot_be_decided_again(tree: Tree) -> None:
    gone = ConflictRemoved(place=0, what="a", ours_json="[]", theirs_json="[]")
    with pytest.raises(ChangeError, match="there is no conflict"):
        apply(tree, (gone,))


def test_what_to_decide_is_told_in_words_without_escapes(tree: Tree) -> None:
    (change,) = conflict_changes((), (Conflict(what="\x1b[31m"),))
    assert "to decide" in change.sentence
    assert "\x1b" not in change.sentence
