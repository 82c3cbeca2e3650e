"""Two sources of answers are joined by Bayes' rule."""

import numpy as np
import pytest

from treegen.clip.decisions.bayes import likelihoods
from treegen.clip.decisions.interface import RuleInputs
from treegen.clip.questions import SecondOpinion

SIZES = (3, 2)
RULES = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 1], [0, 1, 0, 0.5, 0.5]], np.float32)
EXPECTED = [[0, 0], [1, 0], [2, 1], [1, -1]]


def inputs() -> RuleInputs:
    empty = np.zeros((0, 5))
    return RuleInputs(
        logits=empty, probabilities=empty, matrix=RULES, groups=("colour", "form"), sizes=SIZES, classes=tuple("abcd")
    )


def noisy(labels: "np.ndarray[tuple[int], np.dtype[np.int64]]", rate: float, seed: int) -> "np.ndarray":
    rng = np.random.default_rng(seed)
    answers = np.array([EXPECTED[label] for label in labels])
    for group, size in enumerate(SIZES):
        wrong = (rng.random(len(labels)) < rate) | (answers[:, group] < 0)
        answers[wrong, group] = rng.integers(0, size, int(wrong.sum()))
    answers[rng.random(answers.shape) < 0.1] = -1
    return answers


def test_the_posterior_is_that_of_a_slow_loop_and_what_cannot_be_seen_says_nothing() -> None:
    labels = np.repeat(np.arange(4), 20)
    second = SecondOpinion.learn(inputs(), noisy(labels, 0.1, 0), labels.tolist())
    rng = np.random.default_rng(1)
    prior, answers = rng.dirichlet(np.ones(4), 30), noisy(rng.integers(0, 4, 30), 0.1, 2)
    answers[0] = -1
    table, exponent = likelihoods(second.rules, second.parameters), second.parameters["exponent"]
    found = second.posterior(prior, answers)
    for row in range(30):
        weights = prior[row].copy()
        for k in range(4):
            for group, start in enumerate((0, 3)):
                if answers[row, group] >= 0:
                    expected = EXPECTED[k][group]
                    line = start + expected if expected >= 0 else 5 + group
                    weights[k] *= table[line, start + answers[row, group]] ** exponent
        assert found[row] == pytest.approx(weights / weights.sum())
    assert found[0] == pytest.approx(prior[0])


def test_a_source_that_guesses_changes_little_and_one_that_knows_decides() -> None:
    labels, flat = np.repeat(np.arange(4), 20), np.full((80, 4), 0.25)
    guessing = SecondOpinion.learn(inputs(), noisy(labels, 1.0, 0), labels.tolist())
    knowing = SecondOpinion.learn(inputs(), noisy(labels, 0.0, 0), labels.tolist())
    fresh = noisy(labels, 0.0, 3)
    assert np.abs(guessing.posterior(flat, fresh) - flat).max() < 0.25
    decided = knowing.posterior(flat, fresh)
    seen = (fresh >= 0).all(axis=1) & (labels < 3)
    assert (decided.argmax(axis=1) == labels)[seen & (labels != 1)].all()
