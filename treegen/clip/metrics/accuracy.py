"""Parts of the score document that several of its sections share: an accuracy, a paired test, a spread over seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from treegen.clip.metrics.statistics import (
    holm,
    mcnemar_exact,
    mean_per_class_recall,
    middle_interval,
    minimum_detectable_effect,
    recall_difference,
    wilson_interval,
)

if TYPE_CHECKING:
    from treegen.clip.metrics.statistics import Indices


def accuracy_of(labels: "Indices", predictions: "Indices") -> dict[str, Any]:
    """n, correct, accuracy with its Wilson interval, and mean per-class recall."""
    import numpy as np

    correct = int(np.equal(labels, predictions).sum())
    return {**share_of(correct, len(labels)), "mean_per_class_recall": mean_per_class_recall(labels, predictions)}


def share_of(correct: int, n: int) -> dict[str, Any]:
    """n, correct, accuracy with its Wilson interval; n is at least 1."""
    return {"n": n, "correct": correct, "accuracy": correct / n, "interval": list(wilson_interval(correct, n))}


def paired(labels: "Indices", new: "Indices", old: "Indices") -> dict[str, Any]:
    """McNemar's test of two predictions on the same images."""
    import numpy as np

    right, before = np.equal(labels, new), np.equal(labels, old)
    wins, losses = int((right & ~before).sum()), int((before & ~right).sum())
    return {
        "wins": wins,
        "losses": losses,
        "difference": (wins - losses) / len(labels),
        "p": mcnemar_exact(wins, losses),
    }


def paired_recall(labels: "Indices", new: "Indices", old: "Indices") -> dict[str, Any]:
    """The difference of the mean per-class recalls with its bootstrap interval."""
    found = recall_difference(labels, new, old)
    assert found is not None
    return {"difference": found[0], "interval": list(found[1:]), "resamples": 10_000}


def comparisons(
    labels: "Indices", predictions: "Indices", *, baseline: "Indices", parent: "Indices | None"
) -> dict[str, Any]:
    """The tree against the baseline and its parent, and what so many images could show."""
    others = {"baseline": baseline, "parent": parent}
    against = {name: None if other is None else paired(labels, predictions, other) for name, other in others.items()}
    differing = against["parent"] or against["baseline"]
    assert isinstance(differing, dict)
    discordant = (differing["wins"] + differing["losses"]) / len(labels)
    return {
        "mcnemar": against,
        "recall_difference": {
            name: None if other is None else paired_recall(labels, predictions, other) for name, other in others.items()
        },
        "minimum_detectable_effect": {
            "difference": minimum_detectable_effect(len(labels), discordant),
            "discordant": discordant,
            "alpha": 0.05,
            "power": 0.8,
        },
    }


def permutation_p(labels: "Indices", predictions: "Indices", shuffled: Sequence[float]) -> float:
    """One-sided p-value of the permutation test: how often luck does as well, the tree's own deal counted in."""
    accuracy = float(accuracy_of(labels, predictions)["accuracy"])
    return (1 + sum(s >= accuracy for s in shuffled)) / (1 + len(shuffled))


def spread(n: int, accuracies: Sequence[float]) -> dict[str, Any]:
    """Mean over seeds, and the range that holds the middle 95 % of them."""
    mean = sum(accuracies) / len(accuracies)
    return {"n": n, "seeds": len(accuracies), "accuracy": mean, "interval": list(middle_interval(accuracies))}


def corrected_over(scores: Mapping[int, dict[str, Any]]) -> dict[int, float]:
    """Revision -> the p of its comparison with its parent, corrected for all that were made on the same test part.

    Args:
        scores: revision -> its score document, also such as have no test part.
    """
    families: dict[str, list[int]] = {}
    for revision, score in scores.items():
        if "test" in score and score["mcnemar"]["parent"]:
            split = score["images"]["split"]
            families.setdefault(f"{score['images']['digest']} {split['dev']} {split['seed']}", []).append(revision)
    corrected: dict[int, float] = {}
    for family in families.values():
        values = holm([scores[revision]["mcnemar"]["parent"]["p"] for revision in family])
        corrected |= dict(zip(family, values, strict=True))
    return corrected
