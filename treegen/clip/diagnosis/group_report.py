"""What each group answers for every image, against the true option given by rules and labels.

Shapes: B images, G groups, K classes, O options of a group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, double, like, to_numpy, top_two
from treegen.clip.looks import Looks, rules_of
from treegen.clip.memo import LruMemo
from treegen.clip.metrics.calibration import calibration_of
from treegen.clip.metrics.mutual_information import contingency, mutual_information, possible_information
from treegen.clip.metrics.statistics import fisher_exact
from treegen.tree.model import Group, Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST: Final = 8  # pairs of options in a list
_NEIGHBOURS: Final = 3  # groups that share most information
#: Two options fire together on an image if they are the two most probable and the odds between them are below this.
TOGETHER_ODDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupPredictions:
    """One group: its options, its columns of the rule matrix (K, O), and its answer for each image (B).

    If classes have several looks, the matrix has a row for each, and an image is one of the look that it fits best.

    Attributes:
        name: of the group.
        options: its options (O).
        matrix: (K, O); 1 at the class's option, 1/O where it is null.
        rows: the row of each image.
        names: of the class of each row.
        expected: the true option, -1 where the class has none.
        answers: the most probable option.
        seconds: the second most probable.
        confidence: probability of the answer, 0 to 1.
        odds: ratio of the answer's probability to that of the second.
    """

    name: str
    options: tuple[str, ...]
    matrix: "NDArray[np.float64]"
    rows: "NDArray[np.intp]"
    names: tuple[str, ...]
    expected: "NDArray[np.int64]"
    answers: "NDArray[np.int64]"
    seconds: "NDArray[np.int64]"
    confidence: "NDArray[np.float64]"
    odds: "NDArray[np.float64]"


def group_predictions(
    tree: Tree, classes: Sequence[str], labels: Sequence[int], probabilities: Array, memo: LruMemo | None = None
) -> list[GroupPredictions]:
    """Compute the answers of every group of the tree.

    Args:
        tree: without errors.
        classes: of the domain (K).
        labels: true class of each image (B).
        probabilities: (B, Q).
        memo: results for the same images: an unchanged group is not recomputed.
    """
    memo = memo or LruMemo()
    whole = scoring.rule_matrix(tree, classes)
    rules, sizes = rules_of(tree, classes), tuple(len(g.options) for g in tree.groups)
    looks, names = Looks.of(tree, classes), tuple(rule.class_name for rule in rules)
    matrices, parts = scoring.split_groups(whole, sizes), scoring.split_groups(probabilities, sizes)
    true, predictions = np.asarray(labels, dtype=np.intp), []
    if looks:
        true = looks.rows_of(scoring.class_means(probabilities, like(whole, probabilities)), labels)
    for group, matrix, part in zip(tree.groups, matrices, parts, strict=True):
        answered = tuple(-1 if (index := rule.get(group.name)) is None else index for rule in rules)
        compute = partial(_predictions_of, group, matrix, part, np.array(answered, dtype=np.int64), true, names)
        which = true.tobytes() if looks else b""  # the looks of the images depend on all groups
        predictions.append(memo.get((group, answered, which), compute))
    return predictions


def _predictions_of(
    group: Group,
    matrix: "NDArray[np.float32]",
    probabilities: Array,
    answered: "NDArray[np.int64]",
    true: "NDArray[np.intp]",
    names: tuple[str, ...],
) -> GroupPredictions:
    """Compute one group from its rule matrix (K, O), its probabilities (B, O) and the rows' answers and names (K)."""
    answers, seconds, first, second = top_two(to_numpy(double(probabilities.T)))
    return GroupPredictions(
        name=group.name,
        options=group.options,
        matrix=matrix.astype(np.float64),
        rows=true,
        names=names,
        expected=answered[true],
        answers=answers,
        seconds=seconds,
        confidence=first,
        odds=first / second.clip(min=1e-300),
    )


def group_reports(groups: Sequence[GroupPredictions], memo: LruMemo | None = None) -> list[dict[str, Any]]:
    """Return everything about each group beyond its accuracy: keys of `dev.groups` in the score document."""
    memo = memo or LruMemo()
    if not groups:
        return []
    true, names = groups[0].rows, groups[0].names
    counts = np.bincount(true, minlength=len(names))
    texts, shared = sum(len(group.options) for group in groups), _shared(groups, memo)
    others = rows_without([group.matrix for group in groups])
    return [
        {
            **memo.get(("alone", group), partial(_own_report, group, group.rows, counts)),
            "shared": shared[number],
            "pairs": _pairs(group, others[number], names),
            "cost": {"prompts": len(group.options), "share": len(group.options) / texts},
        }
        for number, group in enumerate(groups)
    ]


def _own_report(group: GroupPredictions, true: "NDArray[np.intp]", counts: "NDArray[np.int64]") -> dict[str, Any]:
    """Return what depends on one group and the classes of the images only."""
    return {
        "balanced_accuracy": _balanced(group),
        "confusion": _confusion(group),
        "calibration": calibration(group),
        "information": _information(group, true, counts),
        "together": _close_pairs(group),
    }


def option_counts(group: GroupPredictions) -> "NDArray[np.int64]":
    """Count expected (rows) against answered (columns) options: (O, O), over images whose class has an answer."""
    labelled, size = group.expected >= 0, len(group.options)
    return contingency(group.expected[labelled], group.answers[labelled], (size, size))


def _balanced(group: GroupPredictions) -> float | None:
    """Return the mean recall of the options that have images: low for a group that always answers the same."""
    counts = option_counts(group)
    totals = counts.sum(1)
    given = totals > 0
    return float((counts.diagonal()[given] / totals[given]).mean()) if given.any() else None


def _confusion(group: GroupPredictions) -> list[list[int]]:
    """Return [expected, answered, images] where there are images, as indices of options."""
    counts = option_counts(group)
    return [[int(e), int(a), int(counts[e, a])] for e, a in np.argwhere(counts)]


def calibration(group: GroupPredictions) -> dict[str, Any] | None:
    """Compare the group's accuracy to its confidence; `None` if no image's class has an answer."""
    labelled = group.expected >= 0
    if not labelled.any():
        return None
    return calibration_of(group.confidence[labelled], (group.expected == group.answers)[labelled])


def _information(group: GroupPredictions, true: "NDArray[np.intp]", counts: "NDArray[np.int64]") -> dict[str, float]:
    """Return the bits that the answers give about the class, and those that the true options would give."""
    bits, corrected = mutual_information(contingency(true, group.answers, (len(counts), len(group.options))))
    return {"bits": bits, "corrected": corrected, "possible": possible_information(counts, group.matrix)}


def _shared(groups: Sequence[GroupPredictions], memo: LruMemo) -> list[list[dict[str, Any]]]:
    """Return for each group those whose answers share most bits with its own, most first."""
    neighbours: list[list[dict[str, Any]]] = [[] for _ in groups]
    for a, one in enumerate(groups):
        for b, other in enumerate(groups[:a]):
            bits, corrected = memo.get(("shared", one, other), partial(_shared_bits, one, other))
            neighbours[a].append({"group": other.name, "bits": bits, "corrected": corrected, "place": b})
            neighbours[b].append({"group": one.name, "bits": bits, "corrected": corrected, "place": a})
    return [
        [
            {key: entry[key] for key in ("group", "bits", "corrected")}
            for entry in sorted(entries, key=lambda e: (-e["corrected"], -e["bits"], e["place"]))[:_NEIGHBOURS]
        ]
        for entries in neighbours
    ]


def _shared_bits(one: GroupPredictions, other: GroupPredictions) -> tuple[float, float]:
    shape = (len(one.options), len(other.options))
    return mutual_information(contingency(one.answers, other.answers, shape))


def _pairs(group: GroupPredictions, others: "NDArray[np.int64]", classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the pairs of options that are confused most often.

    `p` is Fisher's exact test of independence of answer and truth, among the images of either option that are answered
    by either. `needed` names two classes that only this pair distinguishes.
    """
    table = option_counts(group)
    totals, crossed = table.sum(1), np.triu(table + table.T, 1)
    return [
        {
            "options": [group.options[a], group.options[b]],
            "crossed": int(crossed[a, b]),
            "n": int(totals[a] + totals[b]),
            "p": fisher_exact(((int(table[a, a]), int(table[a, b])), (int(table[b, a]), int(table[b, b])))),
            "needed": _needed(group, others, (a, b), classes),
        }
        for a, b in _most_frequent(crossed)
    ]


def _needed(
    group: GroupPredictions, others: "NDArray[np.int64]", pair: tuple[int, int], classes: Sequence[str]
) -> list[str]:
    """Return the first two classes whose rules would be identical if the two options were one; empty if none.

    Args:
        group: the options' group.
        others: a number per class for its rule in the other groups, see `rows_without`.
        pair: the options.
        classes: names (K).
    """
    if others.max() == len(others) - 1:  # every class has its own number
        return []
    merged = group.matrix.copy()
    merged[:, pair[0]] += merged[:, pair[1]]
    merged[:, pair[1]] = 0
    return identical(np.concatenate([others[:, None], merged], 1), classes)


def rows_without(parts: "Sequence[NDArray[np.float64]]") -> list["NDArray[np.int64]"]:
    """Return for each group class numbers (K), equal for classes that all other groups treat alike.

    Args:
        parts: of the rule matrix, (K, O) each.
    """
    numbers = np.stack([_numbered(part) for part in parts], 1)  # (K, G): cheaper to hash than rows of Q numbers
    return [_numbered(np.delete(numbers, group, 1)) for group in range(len(parts))]


def _numbered(rows: "NDArray[Any]") -> "NDArray[np.int64]":
    """Assign each row a number by first occurrence; equal rows share one."""
    numbers_by_row: dict[bytes, int] = {}
    numbers = [numbers_by_row.setdefault(row.tobytes(), len(numbers_by_row)) for row in np.ascontiguousarray(rows)]
    return np.array(numbers, dtype=np.int64)


def identical(matrix: "NDArray[Any]", classes: Sequence[str]) -> list[str]:
    """Return the first two classes with equal rows or numbers; empty if there are none.

    Args:
        matrix: a row or a number for each class or look.
        classes: the class of each row.
    """
    rows_by_value: dict[bytes, int] = {}
    for row, values in enumerate(np.ascontiguousarray(matrix)):
        first = rows_by_value.setdefault(values.tobytes(), row)
        if first != row and classes[first] != classes[row]:
            return [classes[first], classes[row]]
    return []


def _close_pairs(group: GroupPredictions) -> list[dict[str, Any]]:
    """Return the pairs of options between which CLIP hardly decides, most frequent first, over all images."""
    close = group.odds < TOGETHER_ODDS
    size = len(group.options)
    counts = contingency(group.answers[close], group.seconds[close], (size, size))
    both = np.triu(counts + counts.T, 1)
    return [
        {"options": [group.options[a], group.options[b]], "count": int(both[a, b]), "n": len(group.answers)}
        for a, b in _most_frequent(both)
    ]


def _most_frequent(counts: "NDArray[np.int64]") -> list[tuple[int, int]]:
    """Return the index pairs with the highest counts, highest first."""
    pairs = ((int(a), int(b)) for a, b in np.argwhere(counts))
    return sorted(pairs, key=lambda pair: (-counts[pair], pair))[:_MOST]
