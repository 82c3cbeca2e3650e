"""A preview says what scoring the changed tree from scratch says, and why where there is nothing to score."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.clip.conftest import FakeEncoder
from tests.tree.strategies import changed
from treegen.clip.arrays import Array, like, namespace, softmax, to_numpy
from treegen.clip.decisions import RULES
from treegen.clip.evaluator import Evaluator
from treegen.clip.metrics.statistics import mcnemar_exact
from treegen.clip.preview import Preview, PreviewContext, Question, preview
from treegen.clip.scoring import BLOCK, class_means, rule_matrix
from treegen.config.domain import Domain
from treegen.config.settings import DecisionSettings
from treegen.progress import no_progress
from treegen.tree.changes import (
    Change,
    ClassRemoved,
    GroupAdded,
    GroupRemoved,
    GroupRenamed,
    GroupsReordered,
    OptionAdded,
    OptionRemoved,
    OptionRenamed,
    OptionsReordered,
    PromptChanged,
    RuleChanged,
    apply,
)
from treegen.tree.changes.difference import difference
from treegen.tree.changes.interface import MutableTree, whole_group
from treegen.tree.document import content_of
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.problems import errors_of

Evaluate = Callable[..., Evaluator]


def slow_preview(evaluator: Evaluator, tree: Tree, other: Tree) -> Preview:
    """Both trees from scratch, in loops."""
    dev = evaluator.splits["dev"]
    old, new = (evaluator.answer(t, dev.features).predictions for t in (tree, other))
    rows = list(enumerate(zip(dev.labels, old, new, strict=True)))
    to_right = tuple(i for i, (t, o, n) in rows if n == t != o)
    to_wrong = tuple(i for i, (t, o, n) in rows if o == t != n)
    return Preview(
        n=len(rows),
        before=sum(t == o for _, (t, o, _) in rows),
        after=sum(t == n for _, (t, _, n) in rows),
        to_right=to_right,
        to_wrong=to_wrong,
        test={
            "wins": len(to_right),
            "losses": len(to_wrong),
            "difference": (len(to_right) - len(to_wrong)) / len(rows),
            "p": mcnemar_exact(len(to_right), len(to_wrong)),
        },
    )


SINGLE: dict[str, Change] = {
    "rule": RuleChanged(class_name="Wendle", group="colour", old="green", new="white"),
    "null": RuleChanged(class_name="Wendle", group="colour", old="green", new=None),
    "from null": RuleChanged(class_name="Quill", group="size", old=None, new="small"),
    "option": OptionRenamed(group="place", old="a cave", new="deep snow"),
    "prompt": PromptChanged(group="size", old="This creature is {}.", new="This thing looks {}."),
    "order": GroupsReordered(old=("colour", "size", "place"), new=("place", "colour", "size")),
    "group added": GroupAdded(
        group="legs",
        prompt="It has {} legs.",
        options=("no", "four"),
        answers=(("Quill", "no"), ("Abrosk", "four"), ("Ilmet", None), ("Wendle", "no"), ("Corvane", "four")),
        after="size",
    ),
    "group renamed": GroupRenamed(old="place", new="site"),
    "option added": OptionAdded(group="size", option="huge", after="small"),
    "options reordered": OptionsReordered(
        group="colour", old=("red", "green", "blue", "white"), new=("white", "red", "blue", "green")
    ),
}


@pytest.mark.parametrize("name", SINGLE)
def test_a_single_change_does_what_scoring_from_scratch_says(
    evaluate: Evaluate, domain: Domain, tree: Tree, name: str
) -> None:
    evaluator = evaluate(domain)
    found, again = evaluator.preview(tree, [[SINGLE[name]], [SINGLE[name]]])
    assert found == again == slow_preview(evaluator, tree, apply(tree, [SINGLE[name]]))


@pytest.mark.parametrize("rule", RULES)
def test_every_kind_of_change_does_with_every_decision_rule_what_scoring_from_scratch_says(
    evaluate: Evaluate, domain: Domain, tree: Tree, rule: str
) -> None:
    evaluator = evaluate(replace(domain, decision=DecisionSettings(rule=rule)))
    less = GroupRemoved(**whole_group(MutableTree(tree), "size"))
    variants: list[list[Change]] = [*([change] for change in SINGLE.values()), [less]]
    for changes, found in zip(variants, evaluator.preview(tree, variants), strict=True):
        assert found == slow_preview(evaluator, tree, apply(tree, changes)), changes


@pytest.mark.slow
@pytest.mark.parametrize("library", [np, torch], ids=["numpy", "torch"])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_changed_scores_decide_as_full_ones_where_classes_are_as_good_as_tied(
    library: Any, data: st.DataObject
) -> None:
    """More images than are scored at once, with probabilities so coarse that rounding decides between many classes."""
    names, images = ("Abrosk", "Wendle", "Corvane", "Ilmet", "Quill"), 2 * BLOCK + 70
    labels = np.arange(images) % len(names)

    def ask(question: Question) -> Array:
        drawn = np.random.default_rng(list("|".join(question).encode())).integers(0, 4, (len(question), images))
        return library.asarray(softmax(drawn.astype(np.float32) / 3, 0))

    def right(tree: Tree) -> NDArray[np.bool_]:
        columns = namespace(ask(("x",))).concat([ask(group.fill()) for group in tree.groups])
        scores = to_numpy(class_means(columns.T, like(rule_matrix(tree, names), columns)))
        found: NDArray[np.bool_] = scores.argmax(1) == labels
        return found

    context = PreviewContext(
        labels=tuple(labels.tolist()),
        classes=names,
        embed=lambda texts: None,
        ask=ask,
        obstacle=lambda tree, valid: "",
        progress=no_progress,
    )
    tree = data.draw(trees_of(names))
    others = [data.draw(trees_of(names)), *(data.draw(changed(tree, most=4)).tree for _ in range(3))]
    others = [other for other in others if set(other.classes) == set(names) and other.groups]
    old = right(tree)
    for other, found in zip(others, preview(context, tree, others), strict=True):
        new = right(other)
        assert (found.before, found.after) == (old.sum(), new.sum())
        assert found.to_right == tuple(np.flatnonzero(new & ~old))
        assert found.to_wrong == tuple(np.flatnonzero(old & ~new))


def test_a_group_less_is_a_preview_as_well(evaluate: Evaluate, domain: Domain, tree: Tree) -> None:
    evaluator, change = evaluate(domain), GroupRemoved(**whole_group(MutableTree(tree), "colour"))
    less = replace(
        tree,
        groups=tree.groups[1:],
        rules=tuple(replace(r, answers=tuple(a for a in r.answers if a[0] != "colour")) for r in tree.rules),
    )
    differs = RuleChanged(class_name="Corvane", group="place", old=None, new="a tree")
    (found,) = evaluator.preview(tree, [[change, differs]])
    assert found == slow_preview(evaluator, tree, apply(less, [differs]))


@pytest.mark.slow
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_previews_of_any_trees_are_those_of_scoring_from_scratch(
    evaluate: Evaluate, domain: Domain, data: st.DataObject
) -> None:
    """Trees of the domain's classes with random groups and rules; in each preview several at once."""
    evaluator = evaluate(domain)
    tree = data.draw(trees_of(domain.classes))
    others = [data.draw(changed(tree, most=4)).tree for _ in range(3)] + [data.draw(trees_of(domain.classes))]
    for other, found in zip(others, evaluator.preview(tree, [difference(tree, o) for o in others]), strict=True):
        if _errors(other, domain):
            assert found.failure
            assert found.after is None
        elif _errors(tree, domain):
            scored = slow_preview(evaluator, other, other)
            assert found == Preview(n=scored.n, before=None, after=scored.after)
        else:
            assert found == slow_preview(evaluator, tree, other)


def _errors(tree: Tree, domain: Domain) -> bool:
    return bool(errors_of(check_data(content_of(tree), classes=domain.classes, domain=domain.name).problems))


@st.composite
def trees_of(draw: st.DrawFn, classes: tuple[str, ...]) -> Tree:
    words = st.lists(st.sampled_from(["red", "blue", "green", "gold", "gray"]), min_size=2, max_size=4, unique=True)
    names = draw(st.lists(st.sampled_from(["g", "h", "i"]), min_size=1, max_size=3, unique=True))
    groups = tuple(
        Group(name=n, prompt=draw(st.sampled_from(["a {}", "b {}"])), options=tuple(draw(words))) for n in names
    )
    rules = tuple(
        ClassRule(name=c, answers=tuple((g.name, draw(st.none() | st.integers(0, len(g.options) - 1))) for g in groups))
        for c in classes
    )
    return Tree(domain="notebook", groups=groups, rules=rules)


def test_exact_ties_flip_nothing(evaluate: Evaluate, domain: Domain, tree: Tree) -> None:
    """With saturated probabilities classes have the same score; an edit of another question moves no image."""
    evaluator = evaluate(domain)
    evaluator.encoder.logit_scale = 1e4
    change = OptionRenamed(group="size", old="small", new="tiny")
    (found,) = evaluator.preview(tree, [[change]])
    assert found == slow_preview(evaluator, tree, apply(tree, [change]))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([OptionRenamed(group="colour", old="pink", new="red")], '"pink" is not in the group'),
        ([OptionRemoved(group="colour", option="red", after=None)], "is still the answer of"),
        ([ClassRemoved(class_name="Quill", answers=(), after=None)], '"Quill" has no rule'),
        ([PromptChanged(group="size", old="This creature is {}.", new="no place")], "TG110"),
        ([PromptChanged(group="size", old="This creature is {}.", new="a " * 12 + "{}")], "TG120"),
    ],
    ids=["does not fit", "still used", "class without rule", "error", "too long"],
)
def test_what_cannot_be_scored_says_why_and_the_others_are_scored(
    evaluate: Evaluate, domain: Domain, tree: Tree, changes: list[OptionRenamed], told: str
) -> None:
    evaluator = evaluate(domain)
    failed, scored = evaluator.preview(tree, [changes, [SINGLE["rule"]]])
    assert told in failed.failure
    assert (failed.after, failed.difference, failed.p, failed.to_right) == (None, None, None, ())
    assert failed.before == scored.before
    assert scored.failure == ""


def test_a_tree_with_errors_has_no_before_and_its_repair_an_after(
    evaluate: Evaluate, domain: Domain, tree: Tree
) -> None:
    broken = replace(
        tree, rules=(replace(tree.rules[0], answers=(("colour", 77), *tree.rules[0].answers[1:])), *tree.rules[1:])
    )
    evaluator = evaluate(domain)
    repaired, left = evaluator.preview(broken, [tree, [SINGLE["rule"]]])
    assert (repaired.before, repaired.p, repaired.difference) == (None, None, None)
    assert repaired.after == slow_preview(evaluator, tree, tree).before
    assert "TG112" in left.failure


def test_texts_that_are_known_are_not_embedded_again(
    evaluate: Evaluate, encoder: FakeEncoder, domain: Domain, tree: Tree
) -> None:
    evaluator = evaluate(domain)
    evaluator.preview(tree, [])
    before = len(encoder.texts)
    evaluator.preview(tree, [[SINGLE["rule"]], [SINGLE["option"]], [SINGLE["option"]]])
    assert encoder.texts[before:] == ["It sits in deep snow."]


def test_no_variants_are_no_previews_and_no_images_of_the_test_part_are_counted(
    evaluate: Evaluate, domain: Domain, tree: Tree
) -> None:
    evaluator = evaluate(domain)
    assert evaluator.preview(tree, []) == ()
    (found,) = evaluator.preview(tree, [tree])
    assert (found.n, found.to_right, found.to_wrong, found.p) == (len(evaluator.splits["dev"].labels), (), (), 1.0)
    assert found.difference == 0
    assert isinstance(found.before, int)
