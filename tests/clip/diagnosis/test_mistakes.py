"""Every wrong image stands in the list with the answers behind it, and the margins add up to the mistake."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from treegen.clip.diagnosis.mistakes import Mistake
from treegen.clip.evaluator import Evaluator
from treegen.config.domain import Domain
from treegen.errors import ProblemsError
from treegen.tree.model import Tree

Evaluate = Callable[..., Evaluator]


@pytest.fixture
def evaluator(evaluate: Evaluate, domain: Domain) -> Evaluator:
    return evaluate(domain)


@pytest.fixture
def mistakes(evaluator: Evaluator, tree: Tree) -> tuple[Mistake, ...]:
    found = evaluator.mistakes(tree)
    assert len(found) > 3
    return found


def test_all_wrong_images_of_the_dev_part_are_listed_and_no_others(
    evaluator: Evaluator, tree: Tree, mistakes: tuple[Mistake, ...]
) -> None:
    dev, names = evaluator.splits["dev"], evaluator.domain.classes
    predicted = evaluator.answer(tree, dev.features).predictions
    rows = [(i, names[t], names[p]) for i, (t, p) in enumerate(zip(dev.labels, predicted, strict=True)) if t != p]
    assert [(m.index, m.true, m.predicted) for m in mistakes] == rows
    assert [m.image for m in mistakes] == [dev.images[m.index] for m in mistakes]
    assert all(m.image.path.parent.name == m.true for m in mistakes)


def test_margins_add_up_to_the_difference_of_the_scores(mistakes: tuple[Mistake, ...]) -> None:
    for mistake in mistakes:
        assert mistake.predicted_score >= mistake.true_score
        mean = sum(vote.margin for vote in mistake.votes) / len(mistake.votes)
        assert mean == pytest.approx(mistake.predicted_score - mistake.true_score, abs=1e-5)
        assert mistake.at_fault.margin == max(v.margin for v in mistake.votes)


def test_the_labels_in_doubt_are_those_of_the_score(
    evaluator: Evaluator, tree: Tree, mistakes: tuple[Mistake, ...]
) -> None:
    root = evaluator.splits["dev"].images[0].path.parents[1]
    listed = {entry["path"]: entry["looks_like"] for entry in evaluator.diagnose(tree)["label_errors"]}
    assert listed == {m.image.below(root): m.predicted for m in mistakes if m.label_doubtful}
    assert 0 < len(listed) < len(mistakes)


def test_votes_say_what_a_loop_over_groups_and_options_says(
    evaluator: Evaluator, tree: Tree, mistakes: tuple[Mistake, ...]
) -> None:
    dev, rules = evaluator.splits["dev"], {rule.name: rule for rule in tree.rules}
    probabilities = evaluator.answer(tree, dev.features).probabilities
    for mistake in mistakes:
        row, start = probabilities[mistake.index].tolist(), 0
        assert [v.group for v in mistake.votes] == [g.name for g in tree.groups]
        for vote, group in zip(mistake.votes, tree.groups, strict=True):
            own = dict(zip(group.options, row[start : start + len(group.options)], strict=True))
            start += len(group.options)
            assert (vote.option, vote.probability) == max(own.items(), key=lambda item: item[1])
            words = [tree.word(rules[name], group.name) for name in (mistake.true, mistake.predicted)]
            assert [vote.true_option, vote.predicted_option] == words
            counts = [sum(i is not None for _, i in rules[name].answers) for name in (mistake.true, mistake.predicted)]
            shares = [0.0 if word is None else own[word] for word in words]
            true, predicted = (len(tree.groups) * p / n for p, n in zip(shares, counts, strict=True))
            assert vote.margin == pytest.approx(predicted - true, abs=1e-6)


def test_a_tree_that_is_always_right_makes_no_mistakes(evaluator: Evaluator, tree: Tree) -> None:
    dev = evaluator.splits["dev"]
    right = replace(dev, labels=evaluator.answer(tree, dev.features).predictions)
    evaluator.splits["dev"] = right
    assert evaluator.mistakes(tree) == ()


def test_a_tree_without_a_rule_for_a_class_is_refused(evaluator: Evaluator, tree: Tree) -> None:
    with pytest.raises(ProblemsError, match="no rule for"):
        evaluator.mistakes(replace(tree, rules=tree.rules[1:]))
