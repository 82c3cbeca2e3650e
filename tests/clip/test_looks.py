"""Several looks of one class: every decision rule takes the best of them, or their mixture."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.clip.decisions.test_fixed import FIXED, SIZES, B, K, answers_of, evidence_of, fitted, slow
from treegen.clip.decisions import RULES, FittedRule, RuleInputs
from treegen.clip.decisions.bayes import Bayes
from treegen.clip.looks import Looks, rules_of
from treegen.clip.questions.answer_model import AnswerModel
from treegen.clip.questions.interview import Interview
from treegen.clip.questions.second_opinion import SecondOpinion
from treegen.clip.scoring import class_means, rule_matrix
from treegen.errors import ProblemsError
from treegen.tree.model import ClassRule, Group, Tree

LOOKS = Looks((1, 3, 2))  # K = 3 classes of R = 6 rows
ROWS = ((0,), (1, 2, 3), (4, 5))


def with_looks(seed: int = 0) -> tuple[RuleInputs, RuleInputs]:
    """The inputs of six classes, and the same with the rows as looks of three."""
    plain = evidence_of(answers_of(seed), seed)
    assert plain.names is not None
    return plain, replace(plain, looks=LOOKS, names=plain.names[:, :3])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FIXED)
def test_the_score_of_a_class_is_that_of_its_best_look_or_the_mean_product(name: str, seed: int) -> None:
    _, evidence = with_looks(seed)
    rows = slow(name, evidence, answers_of(seed))

    def joined(scores: list[float]) -> float:
        if name == "log-product":
            return math.log(sum(math.exp(score) for score in scores) / len(scores))
        return max(scores)

    expected = [[joined([image[r] for r in some]) for some in ROWS] for image in rows]
    found = FittedRule(rule=RULES[name]).scores(evidence)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_the_posterior_of_a_class_is_the_sum_of_its_looks_that_share_its_prior_equally() -> None:
    plain, evidence = with_looks()
    parameters = dict(fitted("bayes").parameters)
    priors = np.repeat([1.0, 1 / 3, 1 / 2], [1, 3, 2])
    rows = RULES["bayes"].scores(plain, parameters).numpy() * priors
    expected = np.stack([rows[:, list(some)].sum(1) for some in ROWS], axis=1)
    expected /= expected.sum(1, keepdims=True)
    found = RULES["bayes"].scores(evidence, parameters).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("name", RULES)
def test_one_look_for_each_class_gives_the_scores_without_looks(name: str) -> None:
    plain = evidence_of(answers_of(1))
    torch.testing.assert_close(
        fitted(name).scores(replace(plain, looks=Looks((1,) * K))), fitted(name).scores(plain), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("name", RULES)
def test_rules_learn_and_score_with_looks(name: str) -> None:
    _, evidence = with_looks(2)
    parameters = RULES[name].fit(evidence, [b % 3 for b in range(B)])
    scores = RULES[name].scores(evidence, parameters)
    assert scores.shape == (B, 3)
    assert bool(torch.isfinite(scores).all())


def test_an_image_is_of_the_look_that_its_answers_fit_best() -> None:
    plain, evidence = with_looks()
    means = class_means(plain.probabilities, plain.matrix)
    labels = [b % 3 for b in range(B)]
    for image, (row, label) in enumerate(zip(evidence.rows_of(labels), labels, strict=True)):
        assert row in ROWS[label]
        assert float(means[image, row]) == max(float(means[image, r]) for r in ROWS[label])
    assert plain.rows_of(labels).tolist() == labels


def test_what_is_counted_of_an_image_is_counted_for_its_look() -> None:
    _, evidence = with_looks()
    labels = [1] * B
    as_rows = replace(evidence, looks=None, names=None)
    rows = evidence.rows_of(labels).tolist()

    def counts(parameters: dict[str, float]) -> dict[str, float]:
        return {key: value for key, value in parameters.items() if " > " in key}

    assert counts(Bayes().fit(evidence, labels)) == counts(Bayes().fit(as_rows, rows))


def test_best_total_and_mixture_are_those_of_loops() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 6))
    best = np.stack([scores[:, list(some)].max(1) for some in ROWS], axis=1)
    total = np.stack([scores[:, list(some)].sum(1) for some in ROWS], axis=1)
    mixture = np.stack([np.log(np.exp(scores[:, list(some)]).mean(1)) for some in ROWS], axis=1)
    np.testing.assert_array_equal(LOOKS.best(scores), best)
    np.testing.assert_allclose(LOOKS.total(scores), total)
    np.testing.assert_allclose(LOOKS.mixture(scores), mixture)
    far = np.full((1, 6), -1e5)  # too small for a number, were it not shifted
    np.testing.assert_allclose(LOOKS.mixture(far), np.full((1, 3), -1e5))


def duck_tree() -> Tree:
    """Rules that are not in the order of their classes."""
    rules = (("male", 0, "Mallard"), ("Smew", 1, ""), ("female", 2, "Mallard"))
    return Tree(
        domain="d",
        groups=(Group(name="g", prompt="{}", options=("a", "b", "c")),),
        rules=tuple(ClassRule(name=n, answers=(("g", i),), look_of=of) for n, i, of in rules),
    )


def test_rows_of_the_matrix_stand_class_by_class_in_the_order_asked_for() -> None:
    tree = duck_tree()
    assert tree.classes == ("Mallard", "Smew")
    assert [rule.name for rule in rules_of(tree)] == ["male", "female", "Smew"]
    assert [rule.name for rule in rules_of(tree, ("Smew", "Mallard"))] == ["Smew", "male", "female"]
    assert rule_matrix(tree, ("Smew", "Mallard")).argmax(1).tolist() == [1, 0, 2]
    assert Looks.of(tree, ("Smew", "Mallard")) == Looks((1, 2))
    with pytest.raises(ProblemsError, match='no rule for "male"'):
        rules_of(tree, ("male", "Smew"))


def test_a_tree_in_which_no_class_has_several_looks_has_none() -> None:
    tree = duck_tree()
    assert Looks.of(replace(tree, rules=tree.rules[:2])) is None
    assert sum(SIZES) == evidence_of(answers_of(0)).logits.shape[1]


def test_a_question_that_only_tells_looks_of_one_class_apart_gains_nothing() -> None:
    """Three rows and two yes-no questions: the first separates the classes, the second the looks of the first one."""
    rows = np.array([[0.9, 0.1, 0.9, 0.1], [0.9, 0.1, 0.1, 0.9], [0.1, 0.9, 0.5, 0.5]])
    model = AnswerModel(rows, (2, 2), Looks((2, 1)))
    posterior = np.array([0.25, 0.25, 0.5])
    first, second = model.information_gain(posterior)
    assert second == pytest.approx(0)
    assert first == pytest.approx(1 + 0.9 * math.log2(0.9) + 0.1 * math.log2(0.1))
    assert model.classes_of(posterior).tolist() == [0.5, 0.5]
    np.testing.assert_allclose(model.information_gain(np.stack([posterior, posterior])), [[first, second]] * 2)
    interview = Interview(model, model, np.array([0.5, 0.5, 0.0]), threshold=0.9)
    assert interview.stopped == "threshold"  # whichever look, the class is sure
    assert interview.entropy == pytest.approx(0)


def test_information_about_the_class_is_that_of_the_definition() -> None:
    generator = np.random.default_rng(1)
    table = generator.dirichlet([1, 1, 1], size=6)
    posterior = generator.dirichlet(np.ones(6))
    model = AnswerModel(table, (3,), LOOKS)

    def bits(shares: "np.typing.NDArray[np.float64]") -> float:
        return -sum(float(p) * math.log2(p) for p in shares)

    expected = bits(posterior @ table)
    for rows in map(list, ROWS):
        share = posterior[rows].sum()
        expected -= share * bits(posterior[rows] @ table[rows] / share)
    assert model.information_gain(posterior)[0] == pytest.approx(expected)


def test_a_second_opinion_gives_probabilities_of_the_classes() -> None:
    _, evidence = with_looks()
    labels = [b % 3 for b in range(B)]
    answers = np.stack([part.argmax(0) for part in map(np.asarray, evidence.columns(evidence.probabilities))], axis=1)
    opinion = SecondOpinion.learn(replace(evidence, names=None), answers, labels)
    posterior = opinion.posterior(np.full((B, 3), 1 / 3), answers)
    assert posterior.shape == (B, 3)
    np.testing.assert_allclose(posterior.sum(1), 1)
