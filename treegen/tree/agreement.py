"""How far two reviewers agree on the answers of the classes: Cohen's kappa per group and in total."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_Z: Final = 1.959963984540054  # of a 95 % interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What two reviewers say about one class in one group: an option, or `None` for no answer."""

    class_name: str
    group: str
    first: str | None
    second: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The agreement of two reviewers.

    Attributes:
        group: its name; empty for all groups together.
        n: answers that both gave.
        agreed: how many of them are the same.
        kappa: Cohen's, -1 to 1; `None` where it is not defined: no answer, or both always give the same one.
        interval: of 95 %; `None` without kappa, and where no two answers differ, as the formula would then claim
            certainty.
    """

    group: str
    n: int
    agreed: int
    kappa: float | None = None
    interval: tuple[float, float] | None = None


def agreements(pairs: Sequence[Pair], groups: Iterable[str]) -> tuple[Agreement, ...]:
    """Return the agreement in each group, and in all of them at the end."""
    by_group: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_group[pair.group].append(pair)
    return (*(agreement(by_group[group], group) for group in groups), agreement(pairs))


def agreement(pairs: Sequence[Pair], group: str = "") -> Agreement:
    """Return Cohen's kappa and its interval.

    Over several groups, the agreement by chance is that within each, weighted by its answers: nobody answers one
    question with an option of another. Answers about one class are not independent of each other, so the variance is
    that of the sums of each class. For one group this is the usual formula.

    Source: Fleiss, Cohen and Everitt, Large sample standard errors of kappa and weighted kappa (1969), with the
    sandwich over classes.
    """
    n, agreed = len(pairs), sum(pair.first == pair.second for pair in pairs)
    if not n:
        return Agreement(group=group, n=0, agreed=0)
    firsts, seconds = (_shares(pairs, which) for which in ("first", "second"))
    sizes = Counter(pair.group for pair in pairs)
    by_chance = {
        name: sum(share * seconds[name].get(option, 0.0) for option, share in firsts[name].items()) for name in sizes
    }
    observed = agreed / n
    expected = sum(size * by_chance[name] for name, size in sizes.items()) / n
    if math.isclose(expected, 1.0):
        return Agreement(group=group, n=n, agreed=agreed)
    kappa = (observed - expected) / (1 - expected)
    if agreed == n:
        return Agreement(group=group, n=n, agreed=agreed, kappa=kappa)
    sums: defaultdict[str, float] = defaultdict(float)
    for pair in pairs:  # the influence of each answer on kappa
        mine = (pair.first == pair.second) - observed
        chance = seconds[pair.group].get(pair.first, 0.0) + firsts[pair.group].get(pair.second, 0.0)
        influence = mine * (1 - expected) - (1 - observed) * (chance - 2 * by_chance[pair.group])
        sums[pair.class_name] += influence / (1 - expected) ** 2
    error = _Z * math.sqrt(sum(each * each for each in sums.values())) / n
    return Agreement(
        group=group, n=n, agreed=agreed, kappa=kappa, interval=(max(kappa - error, -1.0), min(kappa + error, 1.0))
    )


def _shares(pairs: Sequence[Pair], which: str) -> Mapping[str, Mapping[str | None, float]]:
    """Return how often a reviewer gives each option, by group."""
    counts: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for pair in pairs:
        counts[pair.group][getattr(pair, which)] += 1
    return {group: {option: count / each.total() for option, count in each.items()} for group, each in counts.items()}
