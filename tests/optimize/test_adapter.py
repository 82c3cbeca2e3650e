"""Rounds without a language model: two accepted trees are merged, once, and only where that is clean."""

from types import SimpleNamespace
from typing import Any

from tests.optimize.test_search import TREE
from treegen.cli.display_optimize import curve
from treegen.optimize.adapter import Candidate, Round, TreeAdapter
from treegen.optimize.edits import edit
from treegen.optimize.judge import Difference
from treegen.tree.model import Tree

NOTHING = Difference(mean=0.0, standard_error=0.0, accuracy=0.0, flips=0)


def changed(tree: Tree, *edits: dict[str, Any]) -> Tree:
    result = edit(tree, edits)
    return result.tree(result.allowed)


def adapter_with(*others: tuple[Tree, int]) -> TreeAdapter:
    stand_in: Any = SimpleNamespace()
    adapter = TreeAdapter(
        domain=stand_in,
        seed=TREE,
        judge=stand_in,
        proposer=stand_in,
        obstacle=lambda tree: "",
        locks=(),
        rule_edits=True,
        patience=3,
        target=None,
        repairs=1,
        on_candidate=lambda current, candidates: None,
        on_round=lambda current: None,
    )
    for number, (tree, parent) in enumerate([(TREE, -1), *others]):
        parents = (parent,) if parent >= 0 else ()
        adapter.candidates.append(
            Candidate(number=number, tree=tree, parents=parents, right=0, mean=0.0, from_seed=NOTHING)
        )
        if number:
            adapter.rounds.append(Round(number=number, kind="model", parent=parent, tree=tree))
    return adapter


RED = changed(TREE, {"do": "reword", "group": "colour", "option": "red", "to": "crimson"})
BOX = changed(TREE, {"do": "reword", "group": "form", "option": "box", "to": "cube"})
RED_AND_BOX = changed(RED, {"do": "reword", "group": "form", "option": "box", "to": "cube"})


def test_two_accepted_trees_are_merged_once() -> None:
    adapter = adapter_with((RED, 0), (BOX, 0))
    merged = adapter._merge(adapter.candidates[1])
    assert merged is not None
    assert (merged.kind, merged.parent, merged.tree) == ("merge", 1, RED_AND_BOX)
    assert merged.changes == ('in group "form" the option "box" became "cube"',)
    assert adapter._merge(adapter.candidates[1]) is None
    assert adapter._merge(adapter.candidates[2]) is None


def test_a_tree_is_merged_neither_with_those_it_comes_from_nor_into_one_that_was_tried() -> None:
    line = adapter_with((RED, 0), (RED_AND_BOX, 1))
    assert all(line._merge(candidate) is None for candidate in line.candidates)
    tried = adapter_with((RED, 0), (BOX, 0), (RED_AND_BOX, 1))
    assert tried._merge(tried.candidates[1]) is None


def test_what_contradicts_is_not_merged() -> None:
    other = changed(TREE, {"do": "reword", "group": "colour", "option": "red", "to": "scarlet"})
    adapter = adapter_with((RED, 0), (other, 0))
    assert adapter._merge(adapter.candidates[1]) is None


def test_the_curve_is_drawn_in_full_and_flat() -> None:
    lines = curve([0.5, 0.6, 0.9], 4)
    assert len(lines) == 4
    assert lines[0].startswith(" 90.0 % ┤")
    assert lines[-1].startswith(" 50.0 % ┤▁")
    assert curve([0.5, 0.5]) == [" 50.0 % ┤▄▄"]
