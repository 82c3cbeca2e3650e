"""The short way through the schema finds what the whole schema finds."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thorough import examples
from tests.tree.strategies import changed, trees, wild_trees
from treegen.tree.changes import ABSENT, Change, OptionAdded, OptionRenamed, PromptChanged, RuleChanged, apply
from treegen.tree.document import content_of, digest_of, tree_from
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.fast_path import doubtful_part, still_valid
from treegen.tree.validation.problems import Problem, errors_of
from treegen.tree.validation.schema import problems_of, schema_problems, validator_of


def slow(data: Any) -> list[Problem]:
    """Every rule and group through JSON Schema."""
    found = [p for error in validator_of("tree").iter_errors(data) for p in problems_of(error)]
    return sorted(found, key=lambda p: (p.pointer, p.code))


NAMES = st.sampled_from(["a", "b", "c", " ", "", "g/~"])
TEXTS = st.sampled_from(["x {}", "x", "y", "Y", "the y", "{} {}", " ", "", "ys"]) | st.integers()
OPTIONS: st.SearchStrategy[object] = st.lists(TEXTS, max_size=4) | st.sampled_from(
    [None, "xy", {}, ["p", "q"], ["p", "q", "r"]]
)
SOUND_GROUP = st.builds(lambda n: {"prompt": "A {}.", "options": [f"o{i}" for i in range(n)]}, st.integers(2, 4))
GROUP: st.SearchStrategy[object] = st.fixed_dictionaries(
    {}, optional={"prompt": TEXTS, "options": OPTIONS, "extra": st.none()}
) | st.sampled_from([None, [], "group"])
INDEX: st.SearchStrategy[object] = st.sampled_from([0, 1, 2, 3, -1, 10**30, None, True, False, 1.0, 0.5, "0", [], {}])
SOUND_RULE = st.dictionaries(NAMES, st.sampled_from([0, 1, None]), max_size=3)
RULE: st.SearchStrategy[object] = st.dictionaries(NAMES, INDEX, max_size=3) | st.sampled_from([None, [], 3])
HEAD = {
    "domain": st.sampled_from(["d", "", " ", 5, None]),
    "$schema": st.sampled_from(["urn:treegen:tree:1", "urn:treegen:tree:2", None]),
    "digest": st.sampled_from(["sha256:" + "0" * 64, "sha256:" + "0" * 64 + "\n", "sha256:0", None, 7]),
    "review": st.sampled_from([None, {}, {"status": "approved"}]),
    "other": st.just(1),
}
DATA: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "classification_groups": st.dictionaries(NAMES, SOUND_GROUP | GROUP, max_size=4)
        | st.sampled_from([None, [], 1]),
        "rules": st.dictionaries(NAMES, SOUND_RULE | RULE, max_size=4) | st.sampled_from([None, [], "r"]),
    },
    optional=HEAD,
)


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None)
@given(DATA)
def test_the_findings_are_those_of_the_whole_schema(data: dict[str, Any]) -> None:
    before = copy.deepcopy(data)
    assert schema_problems(data, "tree") == slow(data)
    assert data == before


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, SOUND_GROUP, min_size=1, max_size=4), st.dictionaries(NAMES, RULE, min_size=1, max_size=4)
)
def test_the_findings_are_those_of_the_whole_schema_among_sound_groups(groups: Any, rules: Any) -> None:
    data = {"domain": "d", "classification_groups": groups, "rules": rules}
    assert schema_problems(data, "tree") == slow(data)


def test_nothing_of_a_sound_tree_is_left_for_the_schema(content: dict[str, Any]) -> None:
    digest = digest_of(tree_from(content))
    assert doubtful_part({**content, "$schema": "urn:treegen:tree:1", "digest": digest}) is None


@pytest.mark.parametrize("key", ["review", "other"])
def test_what_it_does_not_know_is_left_with_one_group_and_one_rule(content: dict[str, Any], key: str) -> None:
    rest = doubtful_part({**content, key: 1})
    assert rest is not None
    assert rest[key] == 1
    assert (list(rest["classification_groups"]), list(rest["rules"])) == (["colour"], ["Newt"])


def test_a_doubtful_rule_is_left_alone_with_all_groups(content: dict[str, Any]) -> None:
    content["rules"]["Swan"]["legs"] = 3
    rest = doubtful_part(content)
    assert rest is not None
    assert list(rest["rules"]) == ["Swan"]
    assert list(rest["classification_groups"]) == ["colour", "legs"]


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
@pytest.mark.slow
def test_a_change_said_to_leave_a_tree_valid_leaves_it_without_errors(data: st.DataObject) -> None:
    tree = data.draw(trees())
    if not errors_of(_problems(tree)):
        other = data.draw(st.one_of(changed(tree, most=2).map(lambda branch: branch.tree), wild_trees()))
        assert not (still_valid(tree, other) and errors_of(_problems(other)))


def _problems(tree: Tree) -> tuple[Problem, ...]:
    return check_data(content_of(tree), classes=("X", "Y"), domain="d").problems


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (RuleChanged(class_name="X", group="g", old="red", new="gold"), True),
        (RuleChanged(class_name="X", group="g", old="red", new=None), True),
        (OptionRenamed(group="g", old="red", new="gray"), True),
        (PromptChanged(group="g", old="a {}", new="b {}"), True),
        (RuleChanged(class_name="X", group="g", old="red", new="blue"), False),  # as the other class
        (RuleChanged(class_name="X", group="g", old="red", new=ABSENT), False),
        (OptionRenamed(group="g", old="red", new=" GOLD"), False),
        (OptionRenamed(group="g", old="red", new="\ud800"), False),
        (PromptChanged(group="g", old="a {}", new="b"), False),
        (OptionAdded(group="g", option="gray", after=None), False),
    ],
)
def test_common_changes_are_known_to_leave_a_tree_valid(change: Change, expected: bool) -> None:
    group = Group(name="g", prompt="a {}", options=("red", "blue", "gold"))
    other = Group(name="h", prompt="h {}", options=("red", "blue"))
    rules = tuple(ClassRule(name=name, answers=(("g", at), ("h", 0))) for at, name in enumerate("XY"))
    tree = Tree(domain="d", groups=(group, other), rules=rules)
    assert not errors_of(_problems(tree))
    assert still_valid(tree, apply(tree, [change])) is expected
