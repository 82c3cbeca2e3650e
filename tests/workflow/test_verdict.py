"""The sentence at the head of a score claims what its tests support."""

from typing import Any

import pytest

from treegen.workflow.verdict import verdict

GROUPS = [{"name": "colour", "accuracy": 0.9, "n": 80}, {"name": "size", "accuracy": 0.594, "n": 80}]
CLASSES = [{"name": "Wren", "recall": 0.55, "n": 20}, {"name": "Robin", "recall": None, "n": 0}]


def score(*, baseline: float = 0.0, parent: float | None = None, difference: float = 0.747, **dev: Any) -> Any:
    def paired(p: float) -> dict[str, Any]:
        return {"wins": 3, "losses": 1, "difference": difference, "p": p}

    return {
        "test": {"accuracy": 0.828, "n": 320},
        "mcnemar": {"baseline": paired(baseline), "parent": None if parent is None else paired(parent)},
        "dev": {"accuracy": 0.8, "n": 80, "groups": GROUPS, "classes": CLASSES, **dev},
    }


def test_accuracy_n_paired_test_and_the_weakest_are_in_it() -> None:
    assert verdict(score()) == (
        "Right on 82.8 % of 320 test images, 74.7 points above the class names (p < 0.0001); "
        "weakest on dev images: question size (59 % of 80 right), class Wren (55 % of 20 right)"
    )


@pytest.mark.parametrize(("p", "difference"), [(0.049, 0.05), (0.05, 0.05), (1.0, 0.0), (0.2, -0.05), (0.01, -0.05)])
def test_a_difference_is_one_below_five_percent_only(p: float, difference: float) -> None:
    told = verdict(score(baseline=p, parent=p, difference=difference))
    claims = "above" in told or "below" in told
    assert claims == (p < 0.05)
    assert told.count("not significantly different from") == (0 if claims else 2)
    assert ("points above the class names" in told) == (claims and difference > 0)
    assert "better" not in told


def test_without_the_test_split_nothing_is_compared() -> None:
    sealed = score()
    del sealed["test"], sealed["mcnemar"]
    assert verdict(sealed).startswith("Right on 80.0 % of 80 dev images (the test split was not evaluated); weakest")


def test_what_is_never_wrong_is_not_weak() -> None:
    best = [{"name": "colour", "accuracy": 1.0, "recall": 1.0, "n": 9}]
    assert "weakest" not in verdict(score(groups=best, classes=best))
    assert "weakest" not in verdict(score(groups=[], classes=[]))
