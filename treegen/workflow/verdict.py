"""A score in one sentence: how often the tree is right, against what, and where it is weakest."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from treegen.clip.metrics.accuracy import beyond_error
from treegen.clip.metrics.statistics import middle_interval
from treegen.history.score_document import Diagnosis, Paired, Score, as_tested
from treegen.text import counted, p_value, points, printable

NO_DIFFERENCE: Final = "no difference shown"
_SIGNIFICANT: Final = 0.05


def verdict(score: Score) -> str:
    """Return the accuracy with its n, the paired tests, and the weakest group and class.

    A difference counts as one only if its p is below 0.05. Without an evaluation of the test split the accuracy is that
    of the dev split, and nothing is compared. Group and class are always those of the dev split.
    """
    tested, dev = as_tested(score), score["dev"]
    if tested is None:
        claim = f"{_right(dev['accuracy'], dev['n'], 'dev')} (the test split was not evaluated)"
    else:
        tests = tested["mcnemar"]
        claims = [_right(tested["test"]["accuracy"], tested["test"]["n"], "test")]
        claims += [against(tests["baseline"], "the class names")]
        claims += [against(tests["parent"], "the parent revision")] if tests["parent"] else []
        claim = ", ".join(claims)
    weakest = _weakest(dev)
    return f"{claim}; weakest on dev images: {', '.join(weakest)}" if weakest else claim


def _right(accuracy: float, count: int, split: str) -> str:
    return f"Right on {100 * accuracy:.1f} % of {counted(count, f'{split} image')}"


def against(paired: Paired, other: str) -> str:
    """Return a paired test in words.

    >>> against({"wins": 30, "losses": 10, "difference": 0.05, "p": 0.002}, "the class names")
    '5.0 points above the class names (p = 0.0020)'
    >>> against({"wins": 3, "losses": 1, "difference": 0.005, "p": 0.62}, "the class names")
    'not significantly different from the class names (+0.5 points, p = 0.6200)'
    >>> against({"wins": 3, "losses": 2, "difference": 0.0025, "p": 1.0}, "the class names")
    'not significantly different from the class names (no difference shown, p = 1.0000)'
    """
    difference, p = paired["difference"], p_value(paired["p"])
    if paired["p"] >= _SIGNIFICANT:
        return f"not significantly different from {other} ({paired_points(paired)}, {p})"
    return f"{100 * abs(difference):.1f} points {'above' if difference > 0 else 'below'} {other} ({p})"


def test_name(paired: Mapping[str, Any]) -> str:
    """Name the test of two predictions, by what it counts.

    >>> test_name({"wins": 3, "losses": 1, "difference": 0.1, "p": 0.5, "clusters": 2, "standard_error": 0.1})
    'sign-flip test of the 2 clusters that differ'
    """
    clusters = paired.get("clusters")
    return "McNemar" if clusters is None else f"sign-flip test of the {counted(clusters, 'cluster')} that differ"


def scope_sentence(score: Score) -> str:
    """Say what the intervals of a score are about: these classes, and objects if several pictures show one."""
    words = f"intervals are for these {len(score['dev']['classes'])} classes: others may be harder"
    if clusters := score["images"].get("clusters"):
        split = "test" if as_tested(score) else "dev"
        count = counted(clusters[split], "cluster")
        words += f"; they and the p-values count the {count} of the {split} split, not its images"
    return words


def paired_points(paired: Mapping[str, Any], unit: str = " points", otherwise: str = NO_DIFFERENCE) -> str:
    """Return a paired difference in points; in words if it is within one standard error of it.

    >>> paired_points({"wins": 3, "losses": 1, "difference": 0.005, "p": 0.62})
    '+0.5 points'
    >>> paired_points({"wins": 3, "losses": 2, "difference": 0.0025, "p": 1.0})
    'no difference shown'
    """
    return f"{points(paired['difference'])}{unit}" if beyond_error(paired) else otherwise


def spread_words(share: Mapping[str, Any]) -> str:
    """Say what the interval of a control that was drawn several times is; empty for an accuracy of its own.

    >>> spread_words({"n": 390, "seeds": 200, "accuracy": 0.08, "interval": [0.01, 0.2]})
    'middle 95 % of 200 draws'
    >>> spread_words({"n": 390, "seeds": 5, "accuracy": 0.08, "interval": [0.07, 0.09]})
    'lowest and highest of 5 draws'
    >>> spread_words({"n": 390, "seeds": 5, "accuracy": 0.14, "interval": [0.14, 0.14]})
    'the same in all 5 draws'
    """
    seeds = share.get("seeds")
    if seeds is None:
        return ""
    low, high = share["interval"]
    if f"{low:.3f}" == f"{high:.3f}":
        return f"the same in all {counted(seeds, 'draw')}"
    whole = middle_interval(range(seeds)) == (0, seeds - 1)
    return f"{'lowest and highest' if whole else 'middle 95 %'} of {counted(seeds, 'draw')}"


def _weakest(dev: Diagnosis) -> list[str]:
    """Name the question and the class that are right least often, if they are ever wrong."""
    return [*_least(dev["groups"], "question", "accuracy"), *_least(dev["classes"], "class", "recall")]


def _least(entries: Sequence[Mapping[str, Any]], kind: str, share: str) -> list[str]:
    measured = [entry for entry in entries if entry[share] is not None]
    least = min(measured, key=lambda entry: float(entry[share]), default=None)
    if least is None or least[share] >= 1:
        return []
    return [f"{kind} {printable(least['name'])} ({100 * least[share]:.0f} % of {least['n']} right)"]
