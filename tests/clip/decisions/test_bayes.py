"""The posterior against loops over images, classes, groups and options, and what editing a tree leaves of it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.clip.decisions.test_fixed import NULL, SIZES, STARTS, B, K, answers_of, evidence_of
from treegen.clip.decisions import RULES, RuleInputs, decision_of, fit
from treegen.clip.decisions.bayes import prior_key
from treegen.config.settings import DecisionSettings
from treegen.errors import InputError

GROUPS, LABELS = ("a", "b", "c"), [n % K for n in range(B)]
OPTIONS = tuple(tuple(f"{group}{o}" for o in range(size)) for group, size in zip(GROUPS, SIZES, strict=True))
CLASSES = tuple("UVWXYZ")


def inputs(seed: int = 0) -> RuleInputs:
    """Random images and rules, some null, as NumPy arrays with names."""
    drawn = evidence_of(answers_of(seed), seed)
    return RuleInputs(
        logits=drawn.logits.numpy(),
        probabilities=drawn.probabilities.numpy(),
        matrix=drawn.matrix.numpy(),
        groups=GROUPS,
        sizes=SIZES,
        options=OPTIONS,
        classes=CLASSES,
    )


def slow(evidence: RuleInputs, answers: list[list[int]], parameters: dict[str, float]) -> list[list[float]]:
    """P(class | answers) by its definition."""
    weights = [parameters.get(prior_key(name), 1.0) for name in CLASSES]
    rows = []
    for b in range(B):
        joint = []
        for k in range(K):
            product = 1.0
            for g, (start, size) in enumerate(zip(STARTS, SIZES, strict=True)):
                given = [float(evidence.probabilities[b, start + a]) for a in range(size)]
                row = slow_row(g, answers[k][g], parameters)
                product *= sum(p * c for p, c in zip(given, row, strict=True))
            joint.append(weights[k] * product ** parameters["exponent"])
        rows.append([each / sum(joint) for each in joint])
    return rows


def slow_row(g: int, option: int, parameters: dict[str, float]) -> list[float]:
    """P(answer | option) of a group, or P(answer) for null."""
    names, size, strength = OPTIONS[g], SIZES[g], parameters["strength"]
    counts = [[parameters.get(f"{GROUPS[g]}: {o} > {a}", 0.0) for a in names] for o in (*names, "")]
    answered = [sum(row[a] for row in counts) for a in range(size)]
    marginal = [(n + 1 / size) / (sum(answered) + 1) for n in answered]
    if option == NULL:
        return marginal
    right = sum(counts[o][o] for o in range(size))
    rate = (right + 1 / size) / (sum(map(sum, counts[:-1])) + 1)
    others = 1 - marginal[option]
    usual = [rate if a == option else (1 - rate) * marginal[a] / others for a in range(size)]
    total = sum(counts[option]) + strength
    return [(counts[option][a] + strength * usual[a]) / total for a in range(size)]


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_those_of_the_definition(seed: int) -> None:
    evidence = inputs(seed)
    parameters = RULES["bayes"].fit(evidence, LABELS) | {prior_key("W"): 3.0, prior_key("Z"): 0.5}
    found = RULES["bayes"].scores(evidence, parameters)
    assert np.allclose(found, slow(evidence, answers_of(seed), parameters), rtol=1e-9)
    assert np.allclose(found.sum(1), 1)


def test_the_counts_are_the_confusions_of_the_dev_images() -> None:
    evidence, answers = inputs(), answers_of(0)
    parameters = RULES["bayes"].fit(evidence, LABELS)
    counts = {key: value for key, value in parameters.items() if ">" in key}
    expected: dict[str, float] = {}
    for b, k in enumerate(LABELS):
        for g, (start, size) in enumerate(zip(STARTS, SIZES, strict=True)):
            answer = int(evidence.probabilities[b, start : start + size].argmax())
            true = "" if answers[k][g] == NULL else OPTIONS[g][answers[k][g]]
            key = f"{GROUPS[g]}: {true} > {OPTIONS[g][answer]}"
            expected[key] = expected.get(key, 0) + 1
    assert counts == expected


def test_exponent_and_strength_have_the_least_log_loss_on_images_that_were_not_counted() -> None:
    """Groups that say the same count for less than independent ones; many images make smoothing needless."""
    rng, options, classes = np.random.default_rng(0), 3, 3
    labels = rng.integers(0, classes, 600)
    said = np.where(rng.random(600) < 0.7, labels, rng.integers(0, options, 600))
    logits = np.where(np.eye(options)[said] == 1, 3.0, 0.0)

    def evidence(copies: int) -> RuleInputs:
        again = np.tile(logits, (1, copies))
        powers = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return RuleInputs(
            logits=again,
            probabilities=np.tile(powers, (1, copies)),
            matrix=np.tile(np.eye(options), (1, copies)),
            groups=tuple(f"g{n}" for n in range(copies)),
            sizes=(options,) * copies,
        )

    alone, twice = (RULES["bayes"].fit(evidence(copies), labels.tolist()) for copies in (1, 2))
    assert twice["exponent"] == pytest.approx(alone["exponent"] / 2, rel=0.02)
    once, both = (fit(RULES["bayes"], evidence(c), labels.tolist()).scores(evidence(c)) for c in (1, 2))
    assert np.allclose(once, both, atol=0.01)


def test_a_renamed_option_is_recognized_as_often_as_its_group_and_others_keep_their_counts() -> None:
    evidence = inputs()
    parameters = RULES["bayes"].fit(evidence, LABELS)
    edited = replace(evidence, options=(OPTIONS[0], ("new", *OPTIONS[1][1:]), OPTIONS[2]))
    less = {key: value for key, value in parameters.items() if "b0" not in key}
    assert np.allclose(RULES["bayes"].scores(edited, parameters), RULES["bayes"].scores(evidence, less))


def test_few_images_or_none_give_numbers() -> None:
    evidence = inputs()
    for count in (0, 1, 2):
        some = evidence.take(np.arange(count))
        learnt = fit(RULES["bayes"], some, LABELS[:count])
        assert np.isfinite(learnt.scores(evidence)).all()


def test_priors_of_the_domain_join_what_is_learnt() -> None:
    settings = DecisionSettings(rule="bayes", priors=(("W", 3.0),))
    evidence = inputs()
    decision = decision_of(settings, "", lambda rule: fit(rule, evidence, LABELS))
    assert dict(decision.parameters)[prior_key("W")] == 3.0
    plain = fit(RULES["bayes"], evidence, LABELS)
    assert (decision.scores(evidence)[:, 2] > plain.scores(evidence)[:, 2]).all()
    with pytest.raises(InputError, match="the rule vote does not use them"):
        decision_of(replace(settings, rule="vote"), "", lambda rule: fit(rule, evidence, LABELS))
