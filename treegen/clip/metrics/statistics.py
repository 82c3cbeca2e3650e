"""Intervals, paired tests and detectable effects. Plain numbers in, plain numbers out."""

import math
from collections.abc import Sequence
from functools import lru_cache
from random import Random
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

#: Images of each class below which there is no interval of the mean recall.
LEAST_PER_CLASS: Final = 5

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    #: Class indices of images (B). Arrays avoid a conversion for each of many tests.
    Indices = Sequence[int] | NDArray[np.int64]


def wilson_interval(correct: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Args:
        correct: number of successes, 0 to n; may be fractional (an expectation).
        n: number of trials, at least 1; may be an effective number.
        level: coverage, 0 to 1.

    Returns:
        Lower and upper bound in 0 to 1.

    Raises:
        ValueError: n is less than 1 or `correct` is not within 0 to n.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> [round(x, 3) for x in wilson_interval(55, 118)]
    [0.379, 0.556]
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is no proportion")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = correct / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half))  # keep p inside despite rounding


def effective_count(right: "Sequence[float] | NDArray[np.number]", clusters: "Indices") -> float:
    """Return how many independent images tell as much about an accuracy as images that come in clusters.

    It is n divided by the design effect: the variance of the mean with the sums of clusters as the independent values,
    over that of independent images. Where all images are right, or all wrong, each cluster is taken to be alike.

    Args:
        right: whether each image is right, or 1, 0 or -1 by which of two trees is right (B); B at least 1.
        clusters: the cluster of each (B).

    Returns:
        At most B, and at least 1.

    Source: Liang and Zeger 1986 for one mean; Kish 1965, "Survey Sampling", for the design effect.

    >>> round(effective_count([True, True, False, False, True, True], [0, 0, 1, 1, 2, 2]), 3)
    2.4
    """
    import numpy as np

    _, cluster, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    errors = np.asarray(right, float) - np.mean(right)
    n, count, squares = len(errors), len(sizes), float((errors**2).sum())
    if squares < 1e-12 or count < 2:
        return float(n**2 / (sizes**2).sum())
    sums = np.bincount(cluster, weights=errors)
    effect = float((sums**2).sum()) / squares * count / (count - 1) * (n - 1) / n
    return max(1.0, n / max(effect, 1.0))


def mcnemar_exact(wins: int, losses: int) -> float:
    """Return the two-sided exact p-value of McNemar's test that both classifiers are equally often right.

    Args:
        wins: images that only the new classifier gets right.
        losses: images that only the old one gets right.

    Returns:
        p in 0 to 1; 1.0 if the two never differ.

    Source: McNemar 1947; exact binomial form.

    >>> round(mcnemar_exact(15, 5), 4)
    0.0414
    """
    import numpy as np

    n, k = wins + losses, min(wins, losses)
    if n == 0:
        return 1.0
    order = np.arange(1, k + 1)
    logs = np.concatenate([[0.0], np.log((n + 1 - order) / order).cumsum()])  # of the binomial coefficients
    return min(1.0, 2 * math.fsum(np.exp(logs - n * math.log(2))))


def sign_flip_exact(differences: "Sequence[int] | NDArray[np.int64]") -> float:
    """Return the two-sided exact p-value that differences are as often of one sign as of the other.

    Under the hypothesis that two classifiers are equally good, each cluster might as well have come out the other way
    round: its difference is flipped as a whole. All ways to flip the signs are counted at once, through the product of
    their characteristic functions. With differences of 1 it is McNemar's exact test.

    Args:
        differences: of each cluster, images won less images lost.

    Returns:
        p in 0 to 1; 1.0 if no cluster differs.

    Source: Fisher 1935, "The Design of Experiments", the randomization test of paired differences.

    >>> round(sign_flip_exact([1] * 15 + [-1] * 5), 4)
    0.0414
    >>> round(sign_flip_exact([3, 3, 3, -3]), 4)  # a test of four objects, not of twelve images
    0.625
    """
    import numpy as np

    sizes, counts = np.unique(np.abs(np.asarray(differences, np.int64)), return_counts=True)
    sizes, counts = sizes[sizes > 0], counts[sizes > 0]
    if not len(sizes):
        return 1.0
    total, observed = int(sizes @ counts), abs(int(np.sum(differences)))
    angles = 2 * np.pi * np.arange(2 * total + 1) / (2 * total + 1)
    chances = np.fft.ifft(np.prod(np.cos(np.outer(sizes, angles)) ** counts[:, None], axis=0)).real
    tail = float(chances[observed : len(chances) - observed + 1].sum())
    return min(1.0, max(tail, 2.0 ** (1 - int(counts.sum()))))  # no less than if all signs agree, despite rounding


@lru_cache(maxsize=1000)
def minimum_detectable_effect(n: int, discordant: float, *, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """Return the smallest accuracy difference that McNemar's exact test detects with this power on n paired images.

    The power is exact as well: the probability that `mcnemar_exact` is below alpha, over how many images differ
    (binomial), and over how many of these are won (binomial, given the difference).

    Args:
        n: number of images.
        discordant: share on which exactly one is right, 0 to 1.
        alpha: two-sided level.
        power: probability of detecting it.

    Returns:
        A difference in 0 to `discordant`; `None` if even a difference of `discordant` would not be detected.

    Source: Duffy 1984, "Asymptotic and exact power for the McNemar test and its analogue with R controls per case".

    >>> round(minimum_detectable_effect(1000, 0.2), 4)
    0.0404
    >>> minimum_detectable_effect(10, 0.2) is None
    True
    """
    import numpy as np
    from scipy.special import bdtr, bdtrik, gammaln, xlog1py, xlogy

    if n < 1 or discordant <= 0:
        return None
    spread = 8 * math.sqrt(n * discordant * (1 - discordant)) + 8  # all but 1e-12 of the counts
    m = np.arange(max(1, math.floor(n * discordant - spread)), min(n, math.ceil(n * discordant + spread)) + 1)
    logs = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1) + xlogy(m, discordant) + xlog1py(n - m, -discordant)
    # the most losses (or wins) among m at which the test finds a difference; -1 if none are few enough
    most = np.floor(bdtrik(alpha / 2, m, 0.5)) + 1
    for _ in range(3):  # bdtrik interpolates, and is rounded
        most = np.where((most >= 0) & (bdtr(np.maximum(most, 0), m, 0.5) >= alpha / 2), most - 1, most)
    chances, m, most = np.exp(logs)[most >= 0], m[most >= 0], most[most >= 0]

    def shown(x: float) -> bool:
        win = (1 + x / discordant) / 2
        return float(chances @ (bdtr(most, m, 1 - win) + bdtr(most, m, win))) >= power

    if not shown(discordant):
        return None
    low, high = 0.0, discordant
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


def mean_per_class_recall(labels: "Indices", predictions: "Indices") -> float | None:
    """Return the mean recall over the classes that have images, 0 to 1.

    `None` without images.

    >>> mean_per_class_recall([0, 0, 0, 0, 1], [0, 0, 0, 1, 1])  # three of four, and one of one
    0.875
    """
    import numpy as np

    if not len(labels):
        return None
    true = np.asarray(labels)
    images, right = np.bincount(true), np.bincount(true, weights=np.equal(true, predictions))
    given = images > 0
    return math.fsum((right[given] / images[given]).tolist()) / int(given.sum())


def shuffled_accuracies(labels: "Indices", predictions: "Indices", classes: int, seeds: int) -> list[float]:
    """Return the accuracies of the tree with its rules permuted across classes at random, one per seed.

    Giving class c the rule of class r turns every prediction of r into c, so predictions need not be recomputed. Over
    all permutations the expectation is exactly 1/classes.

    Args:
        labels: true class of each image, in 0 to classes - 1.
        predictions: predicted class of each.
        classes: number of classes K.
        seeds: number of shuffles; the seeds are 0 to seeds - 1.
    """
    import numpy as np

    pairs = np.asarray(labels) * classes + np.asarray(predictions)
    counts = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)  # true, predicted
    right = [int(counts[list(owners), np.arange(classes)].sum()) for owners in _permutations(classes, seeds)]
    return [each / len(labels) for each in right]


@lru_cache(maxsize=4)
def _permutations(classes: int, seeds: int) -> tuple[tuple[int, ...], ...]:
    """Return for each seed the class that each rule is assigned to: the same for every tree with this many classes."""
    owners = []
    for seed in range(seeds):
        owner = list(range(classes))
        Random(seed).shuffle(owner)
        owners.append(tuple(owner))
    return tuple(owners)


def middle_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Return the range of the middle `level` of the values (nearest rank)."""
    ordered, tail = sorted(values), (1 - level) / 2
    last = len(ordered) - 1
    return ordered[round(tail * last)], ordered[round((1 - tail) * last)]


def holm(values: Sequence[float]) -> tuple[float, ...]:
    """Correct p-values for multiple testing by Holm's step-down rule, in the given order.

    Rejecting at a corrected p below 0.05 keeps the chance of any false finding among them below 5 %, however they
    depend on each other.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = least
    return tuple(corrected)


@lru_cache(maxsize=10_000)  # most counts are unchanged between revisions
def fisher_exact(table: tuple[tuple[int, int], tuple[int, int]]) -> float:
    """Return the two-sided exact p-value that rows and columns of a 2x2 table of counts are independent.

    Sums the probabilities of all tables with the same margins that are no more probable than the one given.

    Source: Fisher 1935; the hypergeometric form.

    >>> round(fisher_exact(((8, 2), (1, 5))), 4)
    0.035
    """
    (a, b), (c, d) = table
    row, column, n = a + b, a + c, a + b + c + d

    def log_chance(x: int) -> float:
        terms = (row + 1, n - row + 1, column + 1, n - column + 1)
        cells = (n + 1, x + 1, row - x + 1, column - x + 1, n - row - column + x + 1)
        return math.fsum(map(math.lgamma, terms)) - math.fsum(map(math.lgamma, cells))

    own = log_chance(a)
    possible = map(log_chance, range(max(0, row + column - n), min(row, column) + 1))
    return min(1.0, math.fsum(math.exp(chance) for chance in possible if chance <= own + 1e-7))


def recall_difference(
    labels: "Indices",
    new: "Indices",
    old: "Indices",
    *,
    clusters: "Indices | None" = None,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, tuple[float, float] | None] | None:
    """Return the difference in mean per-class recall of two predictions on the same images, with a bootstrap interval.

    Each class is resampled with replacement to its own size, and both predictions go with the image (paired,
    stratified). Only the numbers of images won and lost per class matter, which are multinomial, so images need not be
    drawn one by one. The interval is the middle `level` of the resamples, which are spread by two corrections: a sample
    of n varies by (n - 1)/n too little around its own mean, and images that did not differ might have (one more of
    either kind, as in the Wilson interval). Without them it holds the truth in 90 % of cases with five images a class.
    With clusters, whole clusters are resampled within each class.

    Args:
        labels: true class of each image.
        new: predicted class of each.
        old: the other prediction of each.
        clusters: the cluster of each; by default each image is one of its own.
        resamples: number of draws.
        seed: of the draws.
        level: coverage, 0 to 1.

    Returns:
        Difference, -1 to 1, and lower and upper bound, or `None` for them if a class has fewer than `LEAST_PER_CLASS`
        images or clusters, of which no resampling can tell how they vary; `None` without images.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapters 7 and 13.
    """
    import numpy as np

    if not len(labels):
        return None
    true, change = np.asarray(labels), np.subtract(np.equal(new, labels), np.equal(old, labels), dtype=np.int64)
    cluster = np.arange(len(true)) if clusters is None else np.asarray(clusters)
    rng, classes = np.random.default_rng(seed), np.unique(true)
    sums, difference, least, weights = np.zeros(resamples), 0.0, len(true), 0.0
    for k in classes:
        rows = true == k
        net, size = _by_cluster(change[rows], cluster[rows])
        n, mean = len(net), float(net.sum() / size.sum())
        difference += mean / len(classes)
        least, weights = min(least, n), weights + n**-2 / len(classes)
        if n >= LEAST_PER_CLASS and net.any():
            kinds, counts = np.unique(np.stack([net, size]), axis=1, return_counts=True)
            order = np.argsort(-np.sign(kinds[0]) % 3, kind="stable")[::-1]  # won, lost, neither
            kinds, counts = kinds[:, order], counts[order]
            drawn = rng.multinomial(n, counts / n, size=resamples)
            sums += (drawn @ kinds[0] / (drawn @ kinds[1]) - mean) * math.sqrt(n / (n - 1))
    if least < LEAST_PER_CLASS:
        return float(difference), None
    sums += rng.normal(0, math.sqrt(weights), resamples)
    low, high = np.quantile(sums / len(classes), [0.5 - level / 2, 0.5 + level / 2]) + difference
    return float(difference), (max(-1.0, float(low)), min(1.0, float(high)))


def _by_cluster(
    values: "NDArray[np.int64]", clusters: "NDArray[np.int64]"
) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Return the sum of the values and the number of images of each cluster."""
    import numpy as np

    _, place, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    return np.bincount(place, weights=values).astype(np.int64), sizes
