"""Parts shared by several sections of the score document: an accuracy, a paired test, a spread over seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from treegen.clip.metrics.statistics import (
    LEAST_PER_CLASS,
    effective_count,
    holm,
    mcnemar_exact,
    mean_per_class_recall,
    middle_interval,
    minimum_detectable_effect,
    recall_difference,
    sign_flip_exact,
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
    TestedScore,
    as_tested,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from treegen.clip.metrics.statistics import Indices


def accuracy_of(labels: "Indices", predictions: "Indices", clusters: "Indices | None" = None) -> Accuracy:
    """Return n, correct, accuracy with its Wilson interval, and mean per-class recall; see `share_right`."""
    import numpy as np  # here: `treegen log` runs without

    share = share_right(np.equal(labels, predictions), clusters)
    return {**share, "mean_per_class_recall": mean_per_class_recall(labels, predictions)}


def share_right(right: "NDArray[np.bool_]", clusters: "Indices | None" = None) -> Share:
    """Return how many images (B) are right, with the Wilson interval of their share; B at least 1.

    Images of one cluster are not independent: with `clusters` (B) the interval is that of as many independent images as
    tell as much.
    """
    share = share_of(int(right.sum()), len(right))
    if clusters is not None:
        n = effective_count(right.astype(float), clusters)
        share["interval"] = list(wilson_interval(share["accuracy"] * n, n))
    return share


def share_of(correct: int, n: int) -> Share:
    """Return n, correct, accuracy with its Wilson interval; n must be at least 1."""
    return {"n": n, "correct": correct, "accuracy": correct / n, "interval": list(wilson_interval(correct, n))}


def paired(labels: "Indices", new: "Indices", old: "Indices", clusters: "Indices | None" = None) -> Paired:
    """Return McNemar's test of two predictions on the same images.

    With `clusters` (B) it is the sign-flip test of whole clusters instead, and the standard error counts them.
    """
    import numpy as np

    return paired_change(np.subtract(np.equal(labels, new), np.equal(labels, old), dtype=np.int64), clusters)


def paired_change(change: "NDArray[np.int64]", clusters: "Indices | None" = None) -> Paired:
    """Return the same of what a change does to each image (B): 1 if it is right only then, -1 if only before."""
    import numpy as np

    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    test: Paired = {"wins": wins, "losses": losses, "difference": (wins - losses) / len(change), "p": 1.0}
    if clusters is None:
        return {**test, "p": mcnemar_exact(wins, losses)}
    net = np.bincount(np.unique(clusters, return_inverse=True)[1], weights=change)
    return {
        **test,
        "p": sign_flip_exact(net.astype(np.int64)),
        "clusters": int(np.count_nonzero(net)),
        "standard_error": float(change.std() / math.sqrt(effective_count(change, clusters))),
    }


def standard_error(test: Mapping[str, Any], n: int) -> float:
    """Return the standard error of a paired difference on n images, 0 to 1; by clusters, if it was tested by them."""
    error: float | None = test.get("standard_error")
    if error is not None:
        return error
    differing, net = test["wins"] + test["losses"], test["wins"] - test["losses"]
    return math.sqrt(max(differing - net**2 / n, 0.0)) / n


def beyond_error(test: Mapping[str, Any]) -> bool:
    """Whether a paired difference is larger than one standard error of it; by clusters, if it was tested by them.

    >>> beyond_error({"wins": 12, "losses": 3, "difference": 0.09, "p": 0.04})
    True
    >>> beyond_error({"wins": 3, "losses": 2, "difference": 0.01, "p": 1.0})
    False
    """
    difference, net = test["difference"], test["wins"] - test["losses"]
    if not net or not difference:
        return False
    error = standard_error(test, round(net / difference))
    return bool(abs(difference) > error)


def paired_recall(labels: "Indices", new: "Indices", old: "Indices", clusters: "Indices | None" = None) -> Resampled:
    """Return the difference of the mean per-class recalls with its bootstrap interval."""
    import numpy as np

    result = recall_difference(labels, new, old, clusters=clusters)
    assert result is not None
    if result[1] is None:
        distinct = np.unique(np.stack([labels, range(len(labels)) if clusters is None else clusters]), axis=1)
        least = int(np.unique(distinct[0], return_counts=True)[1].min())
        what = "image" if clusters is None else "cluster"
        reason = (
            f"no interval: a class has {least} test {what}{'s' * (least > 1)}, and {LEAST_PER_CLASS} are needed in each"
        )
        return {"difference": result[0], "interval": None, "resamples": 10_000, "reason": reason}
    return {"difference": result[0], "interval": list(result[1]), "resamples": 10_000}


def comparisons(
    labels: "Indices",
    predictions: "Indices",
    *,
    baseline: "Indices",
    parent: "Indices | None",
    clusters: "Indices | None" = None,
) -> Comparisons:
    """Compare the tree to the baseline and its parent, and report the minimum detectable effect.

    With `clusters` (B) that is the one of as many independent images as tell as much about the difference.
    """
    against: AgainstOthers = {
        "baseline": paired(labels, predictions, baseline, clusters),
        "parent": None if parent is None else paired(labels, predictions, parent, clusters),
    }
    differing = against["parent"] or against["baseline"]
    discordant, n = (differing["wins"] + differing["losses"]) / len(labels), len(labels)
    if error := differing.get("standard_error"):
        n = round(min(n, (discordant - differing["difference"] ** 2) / error**2))
    return {
        "mcnemar": against,
        "recall_difference": {
            "baseline": paired_recall(labels, predictions, baseline, clusters),
            "parent": None if parent is None else paired_recall(labels, predictions, parent, clusters),
        },
        "minimum_detectable_effect": {
            "difference": minimum_detectable_effect(n, discordant),
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


def corrected_over(scores: Mapping[int, Score], every: Iterable[Score]) -> dict[int, tuple[float, int]]:
    """Return revision -> p against its parent, corrected by Holm, and the number of comparisons it is corrected for.

    The family is every comparison that was made on the same test split: with parents, with the baseline and between
    decision rules, in all scores of all trees of the folder. One that was repeated, with the same result, counts once.

    Args:
        scores: revision -> its score document, with or without a test section.
        every: all score documents, of which `scores` are the latest of each revision.
    """
    families: dict[str, dict[tuple[object, ...], float]] = {}
    for score in map(as_tested, (*every, *scores.values())):
        if score and (compared := _compared(score)):
            families.setdefault(_family(score), {}).update(compared)
    corrected = {name: dict(zip(some, holm(list(some.values())), strict=True)) for name, some in families.items()}
    result: dict[int, tuple[float, int]] = {}
    for revision, each in scores.items():
        if (score := as_tested(each)) and (parent := score["mcnemar"]["parent"]):
            family = corrected[_family(score)]
            result[revision] = (family[_key(score, "parent", parent)], len(family))
    return result


def _family(score: TestedScore) -> str:
    """Return the name of a score's test split."""
    split = score["images"]["split"]
    return f"{score['images']['digest']} {split.get('digest') or (split['dev'], split['seed'])}"


def _key(score: TestedScore, other: str, paired: Paired) -> tuple[object, ...]:
    """Identify a comparison: what was compared with what, and the result."""
    learnt = tuple(score.get("decision_parameters", {}).items())
    rule = (score.get("decision_rule", "sum"), learnt, str(score.get("compute", "")))
    return (score["tree"], score["encoder"]["fingerprint"], rule, other, paired["wins"], paired["losses"])


def _compared(score: TestedScore) -> dict[tuple[object, ...], float]:
    """Return all comparisons on the test split in a score document, with their p."""
    made: dict[str, Paired] = {other: paired for other, paired in score["mcnemar"].items() if paired}  # type: ignore[misc]
    for entry in score["rules"]["entries"] if "rules" in score else ():
        if against := entry.get("test_against"):
            made[f"rule {entry['rule']}"] = against
    return {_key(score, other, paired): paired["p"] for other, paired in made.items()}
