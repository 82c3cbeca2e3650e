"""Posterior, information gain and stopping, against slow references."""

import math
from itertools import product

import numpy as np
import pytest

from treegen.clip.questions import AnswerModel, Interview, Reply, entropy, fit_stop, random_answers, simulate
from treegen.clip.questions.interview import LEAST_GAIN
from treegen.clip.scoring import rule_matrix
from treegen.errors import InputError
from treegen.tree.model import ClassRule, Group, Tree

SIZES = (2, 3, 4)
GROUPS = tuple(
    Group(name=f"g{n}", prompt="a {} thing", options=tuple(f"o{n}{i}" for i in range(size)))
    for n, size in enumerate(SIZES)
)


def a_tree(rows: list[tuple[int | None, ...]]) -> Tree:
    rules = tuple(
        ClassRule(name=f"c{n}", answers=tuple((g.name, a) for g, a in zip(GROUPS, row, strict=True)))
        for n, row in enumerate(rows)
    )
    return Tree(domain="things", groups=GROUPS, rules=rules)


RULES: list[tuple[int | None, ...]] = [(0, 0, 0), (0, 1, 1), (1, 2, None), (1, 0, 3), (None, 1, 2)]
MATRIX = rule_matrix(a_tree(RULES))


def model(error: float = 0.1) -> AnswerModel:
    return AnswerModel.of_person(MATRIX, SIZES, error)


def slow_likelihood(row: tuple[int | None, ...], group: int, option: int, error: float) -> float:
    """One entry, by its definition; a class without an answer is like the others on average."""
    expected = row[group]
    if expected is None:
        others = [r for r in RULES if r[group] is not None]
        return sum(slow_likelihood(r, group, option, error) for r in others) / len(others)
    return 1 - error if option == expected else error / (SIZES[group] - 1)


def slow_posterior(prior: list[float], replies: list[tuple[int, int]], error: float) -> list[float]:
    weights = [
        p * math.prod(slow_likelihood(row, g, o, error) for g, o in replies)
        for p, row in zip(prior, RULES, strict=True)
    ]
    return [w / sum(weights) for w in weights]


def test_the_likelihood_is_that_of_its_definition_and_adds_up_to_one() -> None:
    likelihood = model(0.2).likelihood
    columns = [(g, o) for g, size in enumerate(SIZES) for o in range(size)]
    for row, (column, (group, option)) in product(range(len(RULES)), enumerate(columns)):
        assert likelihood[row, column] == pytest.approx(slow_likelihood(RULES[row], group, option, 0.2))
    for start, end in ((0, 2), (2, 5), (5, 9)):
        np.testing.assert_allclose(likelihood[:, start:end].sum(axis=1), 1)


def test_the_posterior_is_exact_whatever_the_order_of_the_replies() -> None:
    prior = [0.4, 0.1, 0.2, 0.2, 0.1]
    for replies in product(*(range(size) for size in SIZES)):
        pairs = list(enumerate(replies))
        interview = Interview(model(), model(0.4), np.array(prior), 2.0)
        for group, option in reversed(pairs):
            interview.answer(Reply(group=group, option=option))
        np.testing.assert_allclose(interview.posterior, slow_posterior(prior, pairs, 0.1))


def test_the_gain_is_the_expected_fall_of_the_entropy() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        prior = generator.dirichlet(np.ones(len(RULES)))
        gains = model().information_gain(prior)
        for group, size in enumerate(SIZES):
            expected = entropy(prior)
            for option in range(size):
                joint = prior * model().column(group, option)
                expected -= joint.sum() * entropy(joint / joint.sum())
            assert gains[group] == pytest.approx(expected, abs=1e-12)


def test_a_question_whose_answers_are_noise_gains_nothing_and_is_not_asked() -> None:
    noise = AnswerModel(np.tile([0.3, 0.7], (5, 1)), (2,))
    assert noise.information_gain(np.full(5, 0.2))[0] == pytest.approx(0, abs=1e-12)
    interview = Interview(noise, noise, np.full(5, 0.2), 0.9)
    assert interview.next() is None
    assert interview.stopped == "no question helps"


def test_an_answer_taken_back_leaves_no_trace() -> None:
    interview = Interview(model(), model(0.4), np.full(5, 0.2), 0.99)
    first, before = interview.next(), interview.posterior
    assert first is not None
    interview.answer(Reply(group=first, option=0))
    assert interview.next() != first
    assert interview.back() == Reply(group=first, option=0)
    np.testing.assert_array_equal(interview.posterior, before)
    assert interview.next() == first
    assert interview.back() is None


def test_not_sure_changes_nothing_and_a_guess_less_than_a_sure_answer() -> None:
    prior = np.full(5, 0.2)
    shares = []
    for reply in (Reply(group=0), Reply(group=0, option=1, guess=True), Reply(group=0, option=1)):
        interview = Interview(model(), model(0.4), prior, 0.99)
        interview.answer(reply)
        shares.append(interview.posterior[2])
        assert interview.next() != 0
    assert shares[0] == pytest.approx(0.2)
    assert shares[0] < shares[1] < shares[2]


def test_after_a_guess_the_class_must_be_as_probable_as_that() -> None:
    model = AnswerModel.of_person(np.eye(4, dtype=np.float32), (4,), 0.1)
    for guess, reason in ((False, "threshold"), (True, "all asked")):
        held = Interview(model, model, np.full(4, 0.25), 0.5, after_guess=0.95)
        held.answer(Reply(group=0, option=1, guess=guess))
        assert held.stopped == reason


def test_wrong_replies_are_errors() -> None:
    interview = Interview(model(), model(0.4), np.full(5, 0.2), 0.99)
    with pytest.raises(IndexError):
        interview.answer(Reply(group=0, option=2))
    interview.answer(Reply(group=0, option=1))
    with pytest.raises(ValueError, match="asked already"):
        interview.answer(Reply(group=0, option=1))
    for error in (0.0, 1.0, float("nan")):
        with pytest.raises(InputError, match="wrong answers"):
            model(error)


def test_many_interviews_at_once_are_those_that_are_held_singly() -> None:
    labels = np.arange(60) % 5
    priors = np.random.default_rng(1).dirichlet(np.ones(5), 60)
    answers = random_answers(model(), labels, seed=3)
    drawn = simulate(model(), priors, answers)
    for row, prior in enumerate(priors):
        interview = Interview(model(), model(0.4), prior, 2.0)
        for asked in range(len(SIZES) + 1):
            posterior = interview.posterior
            assert drawn.confidence[row, asked] == pytest.approx(posterior.max())
            assert drawn.predictions[row, asked] == posterior.argmax()
            if interview.stopped:
                assert drawn.asked[row] == asked
                break
            group = int(interview.gains.argmax())
            likelihood = np.exp(answers(group, np.array([row]))[0])
            options = [o for o in range(SIZES[group]) if np.allclose(model().column(group, o), likelihood)]
            interview.answer(Reply(group=group, option=options[0]))
    assert model().information_gain(np.full(5, 0.2)).max() > LEAST_GAIN


def test_asking_what_tells_most_needs_fewer_questions_than_a_random_order() -> None:
    """On average over many people who err at the expected rate; after all questions both know the same."""
    labels = np.arange(2000) % 5
    priors = np.full((2000, 5), 0.2)
    right = {}
    for order in ("gain", "random"):
        drawn = simulate(model(), priors, random_answers(model(), labels), order)
        right[order] = (drawn.predictions == labels[:, None]).mean(axis=0)
    assert right["gain"][1] > right["random"][1] + 0.02
    assert right["gain"][-1] == pytest.approx(right["random"][-1], abs=0.01)


def test_the_threshold_holds_its_target_on_other_people() -> None:
    """Fitted on some simulated people, tried on others; a lower target takes more questions."""
    priors, labels = np.full((2000, 5), 0.2), np.arange(2000) % 5
    fitted = simulate(model(), priors, random_answers(model(), labels, seed=1))
    other = simulate(model(), priors, random_answers(model(), labels, seed=2))
    questions = []
    for target in (0.3, 0.15, 0.1):
        stop = fit_stop(fitted, labels, target)
        reached = other.confidence >= stop.threshold
        first = reached.argmax(axis=1)
        wrong = (other.predictions[np.arange(2000), first] != labels)[reached.any(axis=1)]
        assert wrong.mean() < target + 0.03
        questions.append(stop.questions)
    assert questions == sorted(questions)


def test_without_a_threshold_that_reaches_the_target_everything_is_asked() -> None:
    labels = np.arange(10) % 5
    drawn = simulate(model(0.45), np.full((10, 5), 0.2), random_answers(model(0.45), labels))
    stop = fit_stop(drawn, labels, 0.001)
    assert (stop.threshold, stop.stopped, stop.error) == (1.0, 0.0, None)
    assert stop.questions == drawn.asked.mean()
