"""Parts shared by several sections of the score document: an accuracy, a paired test, a spread over seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from treegen.clip.metrics.statistics import (
    LEAST_PER_CLASS,
    holm,
    mcnemar_exact,
    mean_per_class_recall,
    middle_interval,
    minimum_detectable_effect,
    recall_difference,
    wilson_interval,
)
from treegen.history.score_document import (
    Accuracy,
    AgainstOthers,
    Comparisons,
    Paired,
    Resampled,
    Score,
    Share,
    Spread,
    as_tested,
)

if TYPE_CHECKING:
    from treegen.clip.metrics.statistics import Indices


def accuracy_of(labels: "Indices", predictions: "Indices") -> Accuracy:
    """Return n, correct, accuracy with its Wilson interval, and mean per-class recall."""
    correct = int(np.equal(labels, predictions).sum())
    return {**share_of(correct, len(labels)), "mean_per_class_recall": mean_per_class_recall(labels, predictions)}


def share_of(correct: int, n: int) -> Share:
    """Return n, correct, accuracy with its Wilson interval; n must be at least 1."""
    return {"n": n, "correct": correct, "accuracy": correct / n, "interval": list(wilson_interval(correct, n))}


def paired(labels: "Indices", new: "Indices", old: "Indices") -> Paired:
    """Return McNemar's test of two predictions on the same images."""
    right, before = np.equal(labels, new), np.equal(labels, old)
    wins, losses = int((right & ~before).sum()), int((before & ~right).sum())
    return {
        "wins": wins,
        "losses": losses,
        "difference": (wins - losses) / len(labels),
        "p": mcnemar_exact(wins, losses),
    }


def paired_recall(labels: "Indices", new: "Indices", old: "Indices") -> Resampled:
    """Return the difference of the mean per-class recalls with its bootstrap interval."""
    found = recall_difference(labels, new, old)
    assert found is not None
    if found[1] is None:
        least = int(np.unique(np.asarray(labels), return_counts=True)[1].min())
        reason = (
            f"no interval: a class has {least} test image{'s' * (least > 1)}, and {LEAST_PER_CLASS} are needed in each"
        )
        return {"difference": found[0], "interval": None, "resamples": 10_000, "reason": reason}
    return {"difference": found[0], "interval": list(found[1]), "resamples": 10_000}


def comparisons(
    labels: "Indices", predictions: "Indices", *, baseline: "Indices", parent: "Indices | None"
) -> Comparisons:
    """Compare the tree to the baseline and its parent, and report the minimum detectable effect."""
    against: AgainstOthers = {
        "baseline": paired(labels, predictions, baseline),
        "parent": None if parent is None else paired(labels, predictions, parent),
    }
    differing = against["parent"] or against["baseline"]
    discordant = (differing["wins"] + differing["losses"]) / len(labels)
    return {
        "mcnemar": against,
        "recall_difference": {
            "baseline": paired_recall(labels, predictions, baseline),
            "parent": None if parent is None else paired_recall(labels, predictions, parent),
        },
        "minimum_detectable_effect": {
            "difference": minimum_detectable_effect(len(labels), discordant),
            "discordant": discordant,
            "alpha": 0.05,
            "power": 0.8,
        },
    }


def permutation_p(labels: "Indices", predictions: "Indices", shuffled: Sequence[float]) -> float:
    """Return the one-sided p-value of the permutation test, counting the tree's own assignment as one."""
    accuracy = accuracy_of(labels, predictions)["accuracy"]
    return (1 + sum(s >= accuracy for s in shuffled)) / (1 + len(shuffled))


def spread(n: int, accuracies: Sequence[float]) -> Spread:
    """Return the mean over seeds, and the range of the middle 95 % of them."""
    mean = sum(accuracies) / len(accuracies)
    return {"n": n, "seeds": len(accuracies), "accuracy": mean, "interval": list(middle_interval(accuracies))}


def corrected_over(scores: Mapping[int, Score]) -> dict[int, float]:
    """Return revision -> p against its parent, corrected for all comparisons on the same test split.

    Args:
        scores: revision -> its score document, with or without a test section.
    """
    families: dict[str, list[int]] = {}
    values: dict[int, float] = {}
    for revision, each in scores.items():
        if (score := as_tested(each)) and (parent := score["mcnemar"]["parent"]):
            values[revision] = parent["p"]
            split = score["images"]["split"]
            same = split.get("digest") or f"{split['dev']} {split['seed']}"
            families.setdefault(f"{score['images']['digest']} {same}", []).append(revision)
    corrected: dict[int, float] = {}
    for family in families.values():
        corrected |= dict(zip(family, holm([values[revision] for revision in family]), strict=True))
    return corrected
