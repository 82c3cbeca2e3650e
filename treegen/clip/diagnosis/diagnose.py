"""Where a tree goes wrong: per class and per group, on the dev split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from treegen.clip.arrays import Array
from treegen.clip.decisions import MEAN, FittedRule, RuleInputs
from treegen.clip.diagnosis.ablation import without_each
from treegen.clip.diagnosis.advice import advise
from treegen.clip.diagnosis.confusion import confusion_matrix
from treegen.clip.diagnosis.group_report import GroupPredictions, group_predictions, group_reports, option_counts
from treegen.clip.memo import LruMemo
from treegen.clip.metrics.accuracy import share_right
from treegen.clip.metrics.statistics import wilson_interval
from treegen.history.score_document import Findings, LookRecall
from treegen.images import LabelledImage
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from treegen.clip.metrics.statistics import Indices

_MOST_PAIRS: Final = 8


def diagnose(
    tree: Tree,
    classes: Sequence[str],
    labels: Sequence[int],
    predictions: Sequence[int],
    probabilities: Array,
    *,
    evidence: RuleInputs | None = None,
    decision: FittedRule = MEAN,
    memo: LruMemo | None = None,
    clusters: "Indices | None" = None,
) -> Findings:
    """Return recall per class, what each group sees and is worth, the most confused pairs, and advice, as plain data.

    Args:
        tree: the tree.
        classes: class names (K).
        labels: true class index of each image (B).
        predictions: predicted class index of each (B).
        probabilities: (B, Q) per option.
        evidence: the inputs of the predictions; without them there is no ablation.
        decision: the rule that made them.
        memo: results of earlier diagnoses of the same images; without it everything is computed.
        clusters: the cluster of each image (B), which intervals and tests then count.
    """
    memo = memo or LruMemo()
    memo.turn()
    confusion, mistaken = confusion_matrix(labels, predictions), dict[int, dict[int, int]]()
    totals, confused = confusion.totals, confusion.confused
    for t, p in confused:
        mistaken.setdefault(t, {})[p] = confusion.count(t, p)
    answers, true = group_predictions(tree, classes, labels, probabilities, memo), np.asarray(labels)
    right = true == np.asarray(predictions)
    plain = [memo.get(("plain", group), partial(_group, group, clusters)) for group in answers]
    truth = group_reports(answers, memo)
    groups = [{**one, **more} for one, more in zip(plain, truth, strict=True)]
    if evidence is not None:
        ablated = without_each(decision, evidence, labels, predictions, classes, clusters)
        for group, without in zip(groups, ablated, strict=True):
            group["without"] = without
    result: Findings = {
        "classes": [
            _class(name, right[true == k], _chosen(clusters, true == k), mistaken.get(k, {}), classes)
            for k, name in enumerate(classes)
        ],
        "groups": groups,
        "confused": [
            {
                "true": classes[t],
                "predicted": classes[p],
                "count": confusion.count(t, p),
                "n": totals[t],
                "separated_by": separating(answers, classes[t], classes[p]),
            }
            for t, p in confused[:_MOST_PAIRS]
        ],
        "cost": {"groups": len(tree.groups), "prompts": sum(len(group.options) for group in tree.groups)},
    }
    result["advice"] = [each.as_json() for each in advise(result)]
    return result


def look_recalls(
    images: Sequence[LabelledImage], classes: Sequence[str], labels: Sequence[int], predictions: Sequence[int]
) -> list[LookRecall]:
    """Return the recall of each look that the image set names, in the order of the classes; empty if it names none."""
    totals, correct = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    for image, label, predicted in zip(images, labels, predictions, strict=True):
        if image.look:
            totals[label, image.look] += 1
            correct[label, image.look] += label == predicted
    return [
        {
            "name": classes[k],
            "look": look,
            "n": n,
            "recall": correct[k, look] / n,
            "interval": list(wilson_interval(correct[k, look], n)),
        }
        for (k, look), n in sorted(totals.items())
    ]


def separating(answers: Sequence[GroupPredictions], one: str, other: str) -> list[dict[str, Any]]:
    """Return the groups that distinguish two classes, whichever their looks, and how many of their images are right."""
    if not answers:
        return []
    names = np.array(answers[0].names)
    places = [np.flatnonzero(names == name) for name in (one, other)]
    groups, images = [], np.isin(answers[0].rows, np.concatenate(places)).nonzero()[0]
    for group in answers:
        rows = [group.matrix[place] for place in places]
        if all((row.max(1) == 1).all() for row in rows) and not (rows[0].max(0) * rows[1].max(0)).any():
            right = int((group.expected[images] == group.answers[images]).sum())
            groups.append({"group": group.name, "right": right, "n": len(images)})
    return groups


def _share(right: "NDArray[np.bool_]", clusters: "Indices | None", name: str) -> dict[str, Any]:
    """Report how many images (B) are right: n, the share by its name, and its interval; `None` without images."""
    if not len(right):
        return {"n": 0, name: None, "interval": None}
    share = share_right(right, clusters)
    return {"n": share["n"], name: share["accuracy"], "interval": share["interval"]}


def _chosen(clusters: "Indices | None", rows: "NDArray[np.bool_]") -> "NDArray[np.int64] | None":
    """Return the clusters of some images."""
    return None if clusters is None else np.asarray(clusters)[rows]


def _class(
    name: str,
    right: "NDArray[np.bool_]",
    clusters: "Indices | None",
    mistaken: Mapping[int, int],
    classes: Sequence[str],
) -> dict[str, Any]:
    """Report one class: n, recall with interval, and its confusions; `mistaken` counts its wrong predictions."""
    taken = sorted(mistaken.items(), key=lambda item: (-item[1], item[0]))
    return {
        "name": name,
        **_share(right, clusters, "recall"),
        "taken_for": [{"name": classes[p], "count": c} for p, c in taken[:3]],
    }


def _group(group: GroupPredictions, clusters: "Indices | None") -> dict[str, Any]:
    """Report how often the most probable option is that of the image's class; images without one are left out."""
    counts, labelled = option_counts(group), group.expected >= 0
    totals = counts.sum(1).tolist()
    wrong = [(int(e), int(a), int(counts[e, a])) for e, a in np.argwhere(counts) if e != a]
    return {
        "name": group.name,
        **_share((group.expected == group.answers)[labelled], _chosen(clusters, labelled), "accuracy"),
        "options": [
            {"option": option, "n": total, "accuracy": int(counts[index, index]) / total if total else None}
            for index, (option, total) in enumerate(zip(group.options, totals, strict=True))
        ],
        "confused": [
            {"option": group.options[e], "taken_for": group.options[a], "count": count}
            for e, a, count in sorted(wrong, key=lambda item: (-item[2], item[:2]))[:_MOST_PAIRS]
        ],
    }
