"""Cohen's kappa against slow, obvious formulas."""

import random
from collections.abc import Sequence

import pytest

from treegen.tree.agreement import Pair, agreement, agreements


def pairs_of(table: dict[tuple[str | None, str | None], int], group: str = "colour") -> list[Pair]:
    pairs: list[Pair] = []
    for (first, second), count in table.items():
        pairs += [
            Pair(class_name=f"class {len(pairs) + i}", group=group, first=first, second=second) for i in range(count)
        ]
    return pairs


def fleiss(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Kappa and its standard error as printed in the article, by the cells of the table."""
    n = len(pairs)
    options = {pair.first for pair in pairs} | {pair.second for pair in pairs}
    p = {(a, b): sum((pair.first, pair.second) == (a, b) for pair in pairs) / n for a in options for b in options}
    row = {a: sum(p[a, b] for b in options) for a in options}
    column = {b: sum(p[a, b] for a in options) for b in options}
    po, pe = sum(p[a, a] for a in options), sum(row[a] * column[a] for a in options)
    diagonal = sum(p[a, a] * ((1 - pe) - (row[a] + column[a]) * (1 - po)) ** 2 for a in options)
    others = (1 - po) ** 2 * sum(p[a, b] * (column[a] + row[b]) ** 2 for a in options for b in options if a != b)
    variance = (diagonal + others - (po * pe - 2 * pe + po) ** 2) / (n * (1 - pe) ** 4)
    return (po - pe) / (1 - pe), variance**0.5


def test_the_example_of_the_textbooks() -> None:
    """Cohen's kappa of 20 yes, 15 no, 5 and 10 between is 0.4."""
    found = agreement(pairs_of({("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}))
    assert (found.n, found.agreed) == (50, 35)
    assert found.kappa == pytest.approx(0.4)


@pytest.mark.parametrize("seed", range(20))
def test_kappa_and_interval_of_a_group_are_those_of_the_article(seed: int) -> None:
    dice = random.Random(seed)
    options = ["white", "black", None, "red"]
    table = {(a, b): dice.randint(0, 9) + 9 * (a == b) for a in options for b in options}
    pairs = pairs_of(table)
    kappa, error = fleiss(pairs)
    found = agreement(pairs)
    assert found.kappa == pytest.approx(kappa)
    assert found.interval == pytest.approx((max(kappa - 1.96 * error, -1), min(kappa + 1.96 * error, 1)), abs=1e-4)


def test_all_groups_together_are_compared_by_chance_within_each_and_by_classes() -> None:
    """The standard error is near that of leaving out one class after the other."""
    dice = random.Random(3)
    names = [f"class {i}" for i in range(150)]
    pairs = []
    for name in names:
        is_careless = dice.random() < 0.3
        for group, options in {"colour": ("white", "black", "red"), "legs": ("two", "four")}.items():
            first = dice.choice(options)
            second = dice.choice(options) if is_careless else first
            pairs.append(Pair(class_name=name, group=group, first=first, second=second))
    found = agreements(pairs, ["colour", "legs"])
    assert [each.group for each in found] == ["colour", "legs", ""]
    assert found[-1].n == 300
    assert found[-1].kappa is not None
    assert found[-1].interval is not None
    left_out = [agreement([pair for pair in pairs if pair.class_name != name]).kappa or 0 for name in names]
    mean = sum(left_out) / len(names)
    error = ((len(names) - 1) / len(names) * sum((each - mean) ** 2 for each in left_out)) ** 0.5
    assert (found[-1].interval[1] - found[-1].interval[0]) / (2 * 1.96) == pytest.approx(error, rel=0.05)


def test_it_is_the_same_with_the_reviewers_exchanged_and_in_any_order() -> None:
    pairs = pairs_of({("a", "b"): 3, ("a", "a"): 9, ("b", "a"): 1, (None, "a"): 2, ("b", "b"): 4})
    turned = [
        Pair(class_name=pair.class_name, group=pair.group, first=pair.second, second=pair.first) for pair in pairs
    ]
    one, other = agreement(pairs), agreement(turned[::-1])
    assert one.kappa == pytest.approx(other.kappa)
    assert one.interval == pytest.approx(other.interval)


def test_where_it_is_not_defined_there_is_none() -> None:
    assert agreement([]).kappa is None
    always = agreement(pairs_of({("a", "a"): 5}))
    assert (always.n, always.agreed, always.kappa, always.interval) == (5, 5, None, None)
    same = agreement(pairs_of({("a", "a"): 5, ("b", "b"): 5}))
    assert (same.kappa, same.interval) == (1.0, None), "no certainty is claimed"
