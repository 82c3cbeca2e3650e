"""Marks beside what has changed, compared with a slow look at every part."""

from hypothesis import given

from tests.tree.strategies import trees
from treegen.tree.changed_parts import changed_parts
from treegen.tree.model import Tree


def slow(old: Tree, new: Tree) -> set[tuple[str, str]]:
    """Class and group with another answer, word by word."""
    before = {rule.name: rule for rule in old.rules}
    return {
        (rule.name, name)
        for rule in new.rules
        if rule.name in before
        for name, _ in rule.answers
        if old.group(name) and new.group(name)
        if (old.word(before[rule.name], name), name in dict(before[rule.name].answers)) != (new.word(rule, name), True)
    }


@given(trees(), trees())
def test_answers_differ_by_their_words(one: Tree, other: Tree) -> None:
    changed = changed_parts(one, other)
    assert {(name, group) for name, group in changed.answers if other.group(group)} == slow(one, other)
    assert changed.classes == set(other.rows) - set(one.rows)
    assert {g.name for g in other.groups if g != one.group(g.name)} == changed.groups


@given(trees())
def test_a_tree_has_not_changed_since_itself(tree: Tree) -> None:
    assert not any([*changed_parts(tree, tree).groups, *changed_parts(tree, tree).answers])
