"""Intervals and tests against slow definitions of them."""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import permutations, product
from random import Random
from statistics import NormalDist, fmean

import numpy as np
import pytest

from tests.conftest import present
from treegen.clip.metrics.accuracy import accuracy_of, comparisons, paired, paired_recall
from treegen.clip.metrics.statistics import (
    effective_count,
    fisher_exact,
    holm,
    mcnemar_exact,
    mean_per_class_recall,
    middle_interval,
    minimum_detectable_effect,
    recall_difference,
    shuffled_accuracies,
    sign_flip_exact,
    wilson_interval,
)
from treegen.clip.scoring import class_scores, group_probabilities, rule_matrix
from treegen.tree.model import ClassRule, Group, Tree


def bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The place between `low`, where it holds, and `high`, where it does not."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def score_test_bounds(correct: float, n: int, level: float) -> tuple[float, float]:
    """The proportions that the score test does not reject, found by bisection from the observed one."""
    z, observed = NormalDist().inv_cdf(0.5 + level / 2), correct / n

    def kept(p: float) -> bool:
        return abs(observed - p) <= z * math.sqrt(p * (1 - p) / n)

    return bisect(kept, observed, 0.0), bisect(kept, observed, 1.0)


@pytest.mark.parametrize(
    ("correct", "n", "interval"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_gives_the_values_published_by_newcombe_1998(
    correct: int, n: int, interval: tuple[float, float]
) -> None:
    assert wilson_interval(correct, n) == pytest.approx(interval, abs=6e-5)


@pytest.mark.parametrize(
    ("correct", "n", "level"), [(0, 1, 0.95), (3, 7, 0.95), (4.5, 9, 0.8), (99, 100, 0.99), (7, 7, 0.5)]
)
def test_wilson_is_the_inversion_of_the_score_test(correct: float, n: int, level: float) -> None:
    assert wilson_interval(correct, n, level) == pytest.approx(score_test_bounds(correct, n, level), abs=1e-9)


def test_wilson_always_holds_the_observed_share_and_stays_within_0_and_1() -> None:
    for n in range(1, 80):
        for correct in range(n + 1):
            low, high = wilson_interval(correct, n)
            assert 0 <= low <= correct / n <= high <= 1
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1


def test_wilson_mirrors_when_right_and_wrong_are_swapped() -> None:
    low, high = wilson_interval(3, 17)
    assert wilson_interval(14, 17) == pytest.approx((1 - high, 1 - low))


def test_wilson_narrows_with_n_and_widens_with_the_level() -> None:
    def width(n: int, level: float = 0.95) -> float:
        low, high = wilson_interval(0.3 * n, n, level)
        return high - low

    assert width(10) > width(30) > width(100) > width(1000)
    assert width(30, 0.5) < width(30, 0.9) < width(30, 0.99)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (1, 0), (-1, 5), (6, 5), (0, -3)])
def test_wilson_refuses_what_is_no_proportion(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        wilson_interval(correct, n)


def test_mcnemar_equals_the_binomial_counted_in_fractions() -> None:
    for wins, losses in product(range(13), repeat=2):
        n = wins + losses
        tail = sum(Fraction(math.comb(n, i), 2**n) for i in range(min(wins, losses) + 1))
        assert mcnemar_exact(wins, losses) == pytest.approx(float(min(Fraction(1), 2 * tail)), rel=1e-12)


def test_mcnemar_equals_the_enumeration_of_all_outcomes_that_are_as_extreme() -> None:
    wins, losses = 8, 2
    outcomes = [sum(coins) for coins in product((0, 1), repeat=wins + losses)]
    extreme = sum(abs(2 * o - 10) >= abs(wins - losses) for o in outcomes)
    assert mcnemar_exact(wins, losses) == pytest.approx(extreme / len(outcomes))


def test_mcnemar_is_one_if_the_two_never_differ_or_differ_evenly() -> None:
    assert [mcnemar_exact(n, n) for n in (0, 1, 5, 1000)] == [1.0] * 4


def test_mcnemar_does_not_care_which_is_called_new() -> None:
    assert mcnemar_exact(30, 12) == mcnemar_exact(12, 30)


def test_mcnemar_agrees_with_the_normal_approximation_where_counts_are_large() -> None:
    wins, losses = 50_500, 49_500
    z = (abs(wins - losses) - 1) / math.sqrt(wins + losses)
    assert mcnemar_exact(wins, losses) == pytest.approx(2 * (1 - NormalDist().cdf(z)), rel=1e-2)


def power_of_mcnemar(n: int, discordant: float, difference: float, *, exact: bool) -> float:
    """Probability of p <= 0.05, summed over every number of differing images and every way they fall."""
    win, total = (discordant + difference) / 2 / discordant, 0.0
    for differing in range(1, n + 1):
        chance = math.comb(n, differing) * discordant**differing * (1 - discordant) ** (n - differing)
        for wins in range(differing + 1):
            found = (
                mcnemar_exact(wins, differing - wins) < 0.05
                if exact
                else (2 * wins - differing) ** 2 > 1.959964**2 * differing
            )
            if found:
                total += chance * math.comb(differing, wins) * win**wins * (1 - win) ** (differing - wins)
    return total


@pytest.mark.parametrize(("n", "discordant"), [(60, 0.5), (120, 0.3), (25, 1.0), (90, 0.15)])
def test_the_minimum_detectable_effect_is_the_first_that_the_exact_test_finds_in_80_percent(
    n: int, discordant: float
) -> None:
    """By enumeration of all that may happen."""
    effect = minimum_detectable_effect(n, discordant)
    assert effect is not None
    assert power_of_mcnemar(n, discordant, effect, exact=True) == pytest.approx(0.8, abs=1e-6)
    assert power_of_mcnemar(n, discordant, 0.98 * effect, exact=True) < 0.8
    assert power_of_mcnemar(n, discordant, effect, exact=False) >= 0.8  # the plain test finds more, and errs more


def test_the_minimum_detectable_effect_of_very_many_images_nears_the_formula() -> None:
    """Miettinen 1968: (z_a sqrt(d) + z_b sqrt(d - x^2))^2 = n x^2."""
    n, d, z = 1_000_000, 0.2, (1.959963985, 0.841621234)
    effect = minimum_detectable_effect(n, d)
    assert effect is not None
    assert (z[0] * d**0.5 + z[1] * (d - effect**2) ** 0.5) ** 2 == pytest.approx(n * effect**2, rel=0.01)


def test_more_images_show_smaller_effects_and_more_disagreement_hides_larger_ones() -> None:
    by_n = [minimum_detectable_effect(n, 0.4) or math.nan for n in range(25, 2000, 25)]
    assert by_n == sorted(by_n, reverse=True)
    by_discordant = [minimum_detectable_effect(200, d / 20) or math.nan for d in range(1, 21)]
    assert by_discordant == sorted(by_discordant)
    assert 0 < by_n[-1] < by_n[0] <= 0.4


@pytest.mark.parametrize(("n", "discordant"), [(0, 0.5), (100, 0.0), (3, 1.0), (50, 0.1)])
def test_an_effect_that_cannot_be_shown_is_none(n: int, discordant: float) -> None:
    assert minimum_detectable_effect(n, discordant) is None


def test_mean_recall_is_that_of_loops_over_the_classes_that_have_images() -> None:
    draw = Random(0)
    labels = [draw.choice((0, 0, 0, 1, 3)) for _ in range(40)]  # class 2 is empty
    predictions = [draw.randrange(5) for _ in labels]
    recalls = []
    for k in range(5):
        own = [p for t, p in zip(labels, predictions, strict=True) if t == k]
        if own:
            recalls.append(sum(p == k for p in own) / len(own))
    assert len(recalls) == 3
    assert mean_per_class_recall(labels, predictions) == pytest.approx(fmean(recalls))


def test_mean_recall_weighs_classes_alike_where_accuracy_does_not() -> None:
    assert mean_per_class_recall([0] * 9 + [1], [0] * 10) == 0.5
    assert mean_per_class_recall([], []) is None


def shuffled_owner(classes: int, seed: int) -> tuple[int, ...]:
    """The class that receives the rule of each class."""
    owner = list(range(classes))
    Random(seed).shuffle(owner)
    return tuple(owner)


def test_shuffled_rules_have_a_mean_of_exactly_one_over_k_over_all_permutations() -> None:
    """Whatever the predictions, and with classes that have no image or are never predicted."""
    draw, classes = Random(1), 4
    labels = [draw.choice((0, 0, 1, 3)) for _ in range(21)]
    predictions = [draw.choice((0, 1, 1, 2)) for _ in labels]
    accuracies = shuffled_accuracies(labels, predictions, classes, 300)
    by_permutation = {shuffled_owner(classes, seed): accuracy for seed, accuracy in enumerate(accuracies)}
    assert set(by_permutation) == set(permutations(range(classes)))
    exact = [Fraction(round(accuracy * len(labels)), len(labels)) for accuracy in by_permutation.values()]
    assert sum(exact) / len(exact) == Fraction(1, classes)
    assert len(set(exact)) > 3


def test_shuffled_rules_equal_scoring_a_tree_whose_rules_are_permuted() -> None:
    """Each seed against a real tree in which another class holds each rule, through the real rule matrix."""
    images, sizes, classes = 23, (3, 2, 4), 6
    draw = Random(2)
    groups = tuple(Group(name=f"g{g}", prompt="{}", options=tuple("abcd"[:size])) for g, size in enumerate(sizes))
    answers = draw.sample(list(product(*(range(size) for size in sizes))), classes)
    rules = tuple(
        ClassRule(name=f"c{k}", answers=tuple((f"g{g}", i) for g, i in enumerate(row))) for k, row in enumerate(answers)
    )
    tree = Tree(domain="d", groups=groups, rules=rules)
    logits = 3 * np.random.default_rng(3).standard_normal((images, sum(sizes)))
    labels = [draw.randrange(classes) for _ in range(images)]

    def predict(scored: Tree) -> list[int]:
        scores: np.ndarray = class_scores(group_probabilities(logits, sizes), rule_matrix(scored))
        return [int(best) for best in scores.argmax(1)]

    slow = []
    for seed in range(12):
        owner = shuffled_owner(classes, seed)
        permuted = tuple(replace(rules[k], answers=rules[owner.index(k)].answers) for k in range(classes))
        found = predict(replace(tree, rules=permuted))
        slow.append(sum(t == p for t, p in zip(labels, found, strict=True)) / images)
    assert shuffled_accuracies(labels, predict(tree), classes, 12) == pytest.approx(slow)
    assert len(set(slow)) > 3


def test_shuffled_rules_are_the_same_for_the_same_seeds() -> None:
    labels, predictions = [0, 1, 2, 2, 1], [0, 1, 2, 0, 1]
    few = shuffled_accuracies(labels, predictions, 3, 5)
    assert few == shuffled_accuracies(labels, predictions, 3, 9)[:5]


def test_the_middle_interval_drops_the_tails_of_the_sorted_values() -> None:
    values = list(range(201))
    Random(0).shuffle(values)
    assert middle_interval(values) == (5, 195)
    assert middle_interval(values, 0.5) == (50, 150)
    assert middle_interval([0.25]) == (0.25, 0.25)
    low, high = middle_interval([3.0, 1.0, 2.0])
    assert (low, high) == (1.0, 3.0)


def slow_holm(values: list[float]) -> list[float]:
    """The smallest level at which the step-down procedure rejects each, found by going through all that matter."""
    levels = sorted({min(1.0, rank * p) for p in values for rank in range(1, len(values) + 1)} | {1.0})
    found = []
    for place in range(len(values)):
        for level in levels:
            left, rejected = sorted(range(len(values)), key=lambda i: values[i]), set[int]()
            while left and values[left[0]] * len(left) <= level * (1 + 1e-12):
                rejected.add(left.pop(0))
            if place in rejected or level == 1.0:
                found.append(level)
                break
    return found


@pytest.mark.parametrize("seed", range(4))
def test_holm_gives_the_smallest_level_at_which_the_procedure_rejects(seed: int) -> None:
    draw = Random(seed)
    values = [draw.random() ** 3 for _ in range(7)] + [0.5, 1.0]
    draw.shuffle(values)
    assert holm(values) == pytest.approx(slow_holm(values))
    assert all(low <= high for low, high in zip(values, holm(values), strict=True))


def test_holm_leaves_one_value_alone_and_equal_ones_equal() -> None:
    assert holm([]) == ()
    assert holm([0.03]) == (0.03,)
    assert holm([0.02, 0.02, 0.02]) == pytest.approx((0.06,) * 3)


def slow_fisher(a: int, b: int, c: int, d: int) -> float:
    row, column, n = a + b, a + c, a + b + c + d
    chances = {
        x: Fraction(math.comb(column, x) * math.comb(n - column, row - x), math.comb(n, row))
        for x in range(max(0, row + column - n), min(row, column) + 1)
    }
    return float(sum(chance for chance in chances.values() if chance <= chances[a]))


def test_fisher_equals_the_tables_counted_in_fractions() -> None:
    for a, b, c, d in product(range(5), (0, 1, 3), range(4), (0, 2, 5)):
        assert fisher_exact(((a, b), (c, d))) == pytest.approx(slow_fisher(a, b, c, d), rel=1e-9)
    assert fisher_exact(((300, 210), (250, 290))) == pytest.approx(slow_fisher(300, 210, 250, 290), rel=1e-6)
    assert fisher_exact(((50, 50), (50, 50))) == pytest.approx(1)


def bounds(found: tuple[float, tuple[float, float] | None] | None) -> tuple[float, float]:
    assert found is not None
    assert found[1] is not None
    return found[1]


def slow_resampled(labels: list[int], new: list[int], old: list[int], resamples: int) -> list[float]:
    """The bootstrap as it is defined: images drawn with replacement within their class."""
    draw, classes = Random(0), sorted(set(labels))
    members = {k: [b for b, label in enumerate(labels) if label == k] for k in classes}
    found = []
    for _ in range(resamples):
        recalls = []
        for k in classes:
            drawn = draw.choices(members[k], k=len(members[k]))
            recalls.append(fmean((new[b] == k) - (old[b] == k) for b in drawn))
        found.append(fmean(recalls))
    return sorted(found)


def test_the_bootstrap_of_recalls_is_that_of_drawing_images_within_their_class() -> None:
    draw = Random(5)
    labels = [draw.choice((0, 0, 0, 1, 3)) for _ in range(90)]  # class 2 is empty
    new = [draw.choice((label, label, 1)) for label in labels]
    old = [draw.choice((label, 0, 3)) for label in labels]
    found = recall_difference(labels, new, old)
    slow = slow_resampled(labels, new, old, 4000)
    exact = present([mean_per_class_recall(labels, new), mean_per_class_recall(labels, old)])
    assert found is not None
    assert found[0] == pytest.approx(exact[0] - exact[1])
    assert found[1] is not None
    assert found[1] == pytest.approx((slow[100], slow[3899]), abs=0.03)  # a little wider: see its docstring
    assert found[1][0] < slow[100] < found[0] < slow[3899] < found[1][1]


def test_the_bootstrap_of_recalls_is_repeated_exactly_and_turns_with_its_sides() -> None:
    labels = [0, 0, 1, 1, 1, 2] * 5
    new, old = [0, 1, 1, 1, 2, 2] * 5, [0, 0, 1, 2, 2, 1] * 5
    there, back = recall_difference(labels, new, old), recall_difference(labels, old, new)
    assert there == recall_difference(labels, new, old)
    assert there is not None
    assert back is not None
    assert back[0] == pytest.approx(-there[0])
    assert bounds(back) == pytest.approx([-x for x in reversed(bounds(there))], abs=0.02)
    assert recall_difference([], [], []) is None


def test_predictions_that_never_differ_have_an_interval_around_0_and_not_a_point() -> None:
    labels = [k for k in range(3) for _ in range(10)]
    found = recall_difference(labels, labels, labels)
    assert found is not None
    assert found[0] == 0
    low, high = bounds(found)
    assert -0.1 < low < -0.03 < 0.03 < high < 0.1


@pytest.mark.parametrize("fewest", [1, 2, 4, 5])
def test_the_mean_recall_has_no_interval_below_five_images_of_a_class(fewest: int) -> None:
    """With one a class it would be a point, whatever happens."""
    labels = [0] * 9 + [1] * fewest + [3] * 7
    new = [label if i % 3 else 2 for i, label in enumerate(labels)]
    found = recall_difference(labels, new, labels)
    assert found is not None
    assert (found[1] is None) == (fewest < 5)
    entry = paired_recall(labels, new, labels)
    assert ("reason" in entry) == (fewest < 5)
    if fewest < 5:
        assert f"a class has {fewest} test image" in entry["reason"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("classes", "images", "won", "lost"),
    [
        (13, 5, 0.3, 0.1),
        (13, 5, 0.1, 0.05),
        (13, 8, 0.2, 0.05),
        (5, 20, 0.2, 0.05),
        (4, 6, 0.3, 0.2),
        (40, 5, 0.15, 0.05),
    ],
)
def test_93_to_97_percent_of_the_intervals_hold_the_truth(classes: int, images: int, won: float, lost: float) -> None:
    """A simulation of 2,000 test splits, as small as an interval is given for."""
    draw, labels, held = np.random.default_rng(1), np.repeat(np.arange(classes), images), 0
    for _ in range(2000):
        u = draw.random(len(labels))
        new = np.where(u < won, labels, classes)
        old = np.where((u >= won) & (u < won + lost), labels, classes)
        found = recall_difference(labels, new, old, resamples=500)
        assert found is not None
        low, high = bounds(found)
        held += low <= won - lost <= high
    assert 0.93 <= held / 2000 <= 0.97


@pytest.mark.parametrize(("clusters", "size"), [(60, 5), (100, 3)])
def test_the_interval_of_images_in_clusters_covers_the_truth(clusters: int, size: int) -> None:
    rng, cluster = np.random.default_rng(0), np.repeat(np.arange(clusters), size)
    covered = {"clustered": 0, "independent": 0}
    for _ in range(300):
        chances = rng.beta(1.4, 0.6, clusters)  # pictures of one object are alike: on average 70 % are right
        right = rng.random(clusters * size) < chances[cluster]
        robust, plain = accuracy_of(np.ones(len(right), int), right.astype(int), cluster.tolist()), right.mean()
        low, high = wilson_interval(int(right.sum()), len(right))
        covered["clustered"] += robust["interval"][0] <= 0.7 <= robust["interval"][1]
        covered["independent"] += low <= 0.7 <= high
        assert robust["interval"][0] <= plain <= robust["interval"][1]
    assert 0.92 <= covered["clustered"] / 300 <= 0.98
    assert covered["independent"] / 300 < 0.9


def test_images_in_clusters_of_their_own_count_one_each_and_equal_ones_once() -> None:
    right = [True, False, True, True, False, True]
    assert effective_count(right, range(6)) == pytest.approx(6)
    assert effective_count([True] * 6, [0, 0, 0, 1, 1, 1]) == pytest.approx(2)
    assert effective_count(right, [0] * 6) == 1


def objects_without_difference(objects: int, size: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two classifiers that are equally good: pictures of one object mostly flip together. Returns right with each."""
    won = draw.integers(0, 2, objects).astype(bool)
    flips = (draw.random(objects) < 0.3)[:, None] & (draw.random((objects, size)) < 0.9)
    new, old = flips & won[:, None], flips & ~won[:, None]
    return new.ravel().astype(int), old.ravel().astype(int)


def test_mcnemars_test_finds_differences_among_pictures_of_one_object_and_the_test_by_clusters_does_not() -> None:
    draw, cluster, found = np.random.default_rng(0), np.repeat(np.arange(60), 5), {"plain": 0, "clustered": 0}
    for _ in range(1000):
        new, old = objects_without_difference(60, 5, draw)
        right = np.ones(len(new), int)
        found["plain"] += paired(right, new, old)["p"] < 0.05
        found["clustered"] += paired(right, new, old, cluster)["p"] < 0.05
    assert found["plain"] / 1000 > 0.2  # four times what it promises, at least
    assert found["clustered"] / 1000 < 0.06


def test_the_interval_of_recall_differences_by_clusters_holds_the_truth_and_the_plain_one_does_not() -> None:
    draw, cluster, held = np.random.default_rng(0), np.repeat(np.arange(60), 5), {"plain": 0, "clustered": 0}
    for _ in range(400):
        new, old = objects_without_difference(60, 5, draw)
        labels = np.repeat([0, 1], 150)
        for name, clusters in (("plain", None), ("clustered", cluster)):
            predictions = (np.where(each == 1, labels, 2) for each in (new, old))
            low, high = bounds(recall_difference(labels, *predictions, clusters=clusters, resamples=500))
            held[name] += low <= 0 <= high
    assert 0.92 <= held["clustered"] / 400 <= 0.98
    assert held["plain"] / 400 < 0.8


def test_the_test_of_clusters_is_the_sum_over_all_flips_of_signs_and_mcnemars_for_single_images() -> None:
    draw = np.random.default_rng(3)
    for count in (1, 2, 5, 9):
        for _ in range(20):
            differences = draw.integers(-4, 5, count)
            sums = [abs(int(np.dot(signs, differences))) for signs in product((1, -1), repeat=count)]
            slow = sum(each >= abs(differences.sum()) for each in sums) / len(sums)
            assert sign_flip_exact(differences) == pytest.approx(slow, abs=1e-12)
    for wins, losses in ((0, 0), (1, 0), (15, 5), (7, 7), (300, 210)):
        assert sign_flip_exact([1] * wins + [-1] * losses) == pytest.approx(mcnemar_exact(wins, losses), abs=1e-12)
    labels, new, old = np.ones(40, int), draw.integers(0, 2, 40), draw.integers(0, 2, 40)
    alone, plain = paired(labels, new, old, range(40)), paired(labels, new, old)
    assert alone["p"] == pytest.approx(plain["p"])
    assert alone["clusters"] == plain["wins"] + plain["losses"]
    assert recall_difference(labels, new, old, clusters=range(40)) == recall_difference(labels, new, old)


def test_fewer_differences_can_be_found_among_clusters() -> None:
    draw, labels = np.random.default_rng(0), np.ones(300, int)
    new, old = objects_without_difference(60, 5, draw)
    plain = comparisons(labels, new, baseline=old, parent=None)["minimum_detectable_effect"]["difference"]
    by_cluster = comparisons(labels, new, baseline=old, parent=None, clusters=np.repeat(np.arange(60), 5))
    difference = by_cluster["minimum_detectable_effect"]["difference"]
    assert plain is not None
    assert difference is None or difference > plain
