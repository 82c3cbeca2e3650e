"""Random words in place of options."""

from dataclasses import replace

import pytest

from treegen.clip.controls import WORDS, with_random_words
from treegen.tree.model import Group, Tree
from treegen.tree.words import normalise


def test_the_words_differ_from_each_other_also_after_normalisation() -> None:
    assert len({normalise(word) for word in WORDS}) == len(WORDS) >= 150


def test_only_the_options_are_replaced(tree: Tree) -> None:
    found = with_random_words(tree, 0)
    assert found.rules == tree.rules
    assert found.domain == tree.domain
    for new, old in zip(found.groups, tree.groups, strict=True):
        assert (new.name, new.prompt, len(new.options)) == (old.name, old.prompt, len(old.options))
        assert set(new.options) <= set(WORDS)
        assert not set(new.options) & set(old.options)


@pytest.mark.parametrize("count", [2, 11, len(WORDS), len(WORDS) + 1, 3 * len(WORDS)])
def test_the_options_of_a_group_stay_distinct_however_many_there_are(count: int) -> None:
    group = Group(name="g", prompt="It is {}.", options=tuple(f"option {i}" for i in range(count)))
    drawn = with_random_words(Tree(domain="d", groups=(group,), rules=()), 1).groups[0].options
    assert len(set(drawn)) == len(drawn) == count


def test_equal_seeds_draw_equal_words_and_other_seeds_others(tree: Tree) -> None:
    drawn = [with_random_words(tree, seed).groups for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


def test_groups_of_one_tree_draw_different_words(tree: Tree) -> None:
    first, _, third = with_random_words(tree, 0).groups
    assert first.options[:3] != third.options


def test_an_edit_of_one_group_leaves_the_words_of_the_others(tree: Tree) -> None:
    """So a revision embeds no random word anew that it has not changed."""
    colour, size, place = tree.groups
    longer = replace(colour, prompt="Mostly {}.", options=("pink", *colour.options))
    edited = with_random_words(replace(tree, groups=(place, longer, size)), 4)
    before = with_random_words(tree, 4)
    assert edited.group("size") == before.group("size")
    assert edited.group("place") == before.group("place")
    assert edited.groups[1].options[:4] == before.groups[0].options
