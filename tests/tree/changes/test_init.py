import json
from dataclasses import MISSING, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thorough import examples
from tests.tree.strategies import wild_trees
from treegen.tree.changes import (
    ABSENT,
    KINDS,
    AnswersReordered,
    Change,
    ChangeError,
    ClassAdded,
    ClassesReordered,
    ClassRemoved,
    ClassRenamed,
    ConflictAdded,
    ConflictRemoved,
    DomainChanged,
    GroupAdded,
    GroupRemoved,
    GroupRenamed,
    GroupsReordered,
    LookChanged,
    OptionAdded,
    OptionRemoved,
    OptionRenamed,
    OptionsReordered,
    PromptChanged,
    RuleChanged,
    apply,
    from_json,
)
from treegen.tree.changes.difference import difference
from treegen.tree.document import digest_of, dump
from treegen.tree.model import Tree

GROUP: dict[str, Any] = {
    "group": "g",
    "prompt": "{}",
    "options": ("a", "b"),
    "answers": (("X", "a"), ("Y", None), ("Z", ABSENT)),
    "after": None,
}
CLASS: dict[str, Any] = {"class_name": "X", "answers": (("g", "a"), ("h", 3)), "after": "W"}
CONFLICT: dict[str, Any] = {"place": 0, "what": "w", "ours_json": "[]", "theirs_json": '[{"kind": "x"}]'}
CHANGES: tuple[Change, ...] = (
    DomainChanged(old="a", new="b"),
    GroupAdded(**GROUP),
    GroupRemoved(**GROUP),
    GroupRenamed(old="a", new="b"),
    GroupsReordered(old=("a", "b"), new=("b", "a")),
    PromptChanged(group="g", old="a", new="b"),
    OptionAdded(group="g", option="a", after="b"),
    OptionRemoved(group="g", option="a", after=None),
    OptionRenamed(group="g", old="a", new="b"),
    OptionsReordered(group="g", old=("a", "b"), new=("b", "a")),
    ClassAdded(**CLASS),
    ClassRemoved(**CLASS),
    ClassRenamed(old="a", new="b"),
    ClassesReordered(old=("a", "b"), new=("b", "a")),
    LookChanged(class_name="X", old="", new="M"),
    RuleChanged(class_name="X", group="g", old=ABSENT, new=3),
    AnswersReordered(class_name="X", old=("a", "b"), new=("b", "a")),
    ConflictAdded(**CONFLICT),
    ConflictRemoved(**CONFLICT),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats(allow_nan=False) | st.sampled_from(["g", "X", "a", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["absent", "kind", "old"]), inner),
    max_leaves=6,
)


def test_every_kind_has_an_example_here() -> None:
    assert [change.kind for change in CHANGES] == list(KINDS)


@pytest.mark.parametrize("change", CHANGES, ids=list(KINDS))
def test_every_kind_comes_back_from_its_json(change: Change) -> None:
    assert from_json(json.loads(json.dumps(change.as_json()))) == change


@pytest.mark.parametrize("change", CHANGES, ids=list(KINDS))
def test_the_inverse_of_the_inverse_is_the_change(change: Change) -> None:
    assert change.inverse() != change
    assert change.inverse().inverse() == change


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(150))
@given(wild_trees(), wild_trees())
def test_all_changes_between_two_trees_come_back_from_json_and_do_the_same(old: Tree, new: Tree) -> None:
    written = json.loads(json.dumps([change.as_json() for change in difference(old, new)]))
    assert apply(old, [from_json(change) for change in written]) == new


@pytest.mark.parametrize(
    "data", [None, [], "rule_changed", {}, {"kind": "unknown"}, {"kind": None}, {"kind": []}, {"kind": {}}]
)
def test_what_is_no_change_is_refused(data: Any) -> None:
    with pytest.raises(ChangeError, match="unknown kind of change"):
        from_json(data)


@pytest.mark.parametrize("change", CHANGES, ids=list(KINDS))
def test_a_field_too_many_or_too_few_is_refused(change: Change) -> None:
    data = change.as_json()
    with pytest.raises(ChangeError, match="wrong fields for a change"):
        from_json({**data, "more": 1})
    for field in (each for each in fields(change) if each.default is MISSING):
        with pytest.raises(ChangeError, match="wrong fields for a change"):
            from_json({key: value for key, value in data.items() if key != field.name})


@pytest.mark.parametrize("change", CHANGES, ids=list(KINDS))
@pytest.mark.parametrize("value", [True, 1.0, {}, [[]], {"absent": False}, [["X", True]], [["X"]]])
def test_a_value_of_another_type_is_refused_in_every_field(change: Change, value: Any) -> None:
    for field in fields(change):
        with pytest.raises(ChangeError):
            from_json({**change.as_json(), field.name: value})


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(300))
@given(st.data(), wild_trees())
def test_hostile_json_gives_a_change_error_or_a_tree_that_can_be_written(data: st.DataObject, tree: Tree) -> None:
    change = data.draw(st.sampled_from(CHANGES))
    hostile = {**change.as_json(), **{f.name: data.draw(ANYTHING) for f in fields(change) if data.draw(st.booleans())}}
    after, told = tree, ""
    try:
        after = apply(tree, (from_json(hostile),))
    except ChangeError as error:
        told = error.message
    assert digest_of(after) in dump(after)
    assert told == "" or told.isprintable()


def test_a_list_of_changes_is_made_wholly_or_not_at_all(tree: Tree) -> None:
    before = dump(tree)
    changes = (DomainChanged(old="pond", new="lake"), OptionRemoved(group="colour", option="brown", after=None))
    with pytest.raises(ChangeError, match="still the answer of"):
        apply(tree, changes)
    assert dump(tree) == before
    assert apply(tree, ()) == tree
