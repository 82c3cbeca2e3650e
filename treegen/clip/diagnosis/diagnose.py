"""Where a tree goes wrong: per class and per group, on the dev split."""

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
from treegen.clip.metrics.statistics import wilson_interval
from treegen.history.score_document import Findings
from treegen.tree.model import Tree

if TYPE_CHECKING:
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
    """
    memo = memo or LruMemo()
    memo.turn()
    confusion, mistaken = confusion_matrix(labels, predictions), dict[int, dict[int, int]]()
    totals, confused = confusion.totals, confusion.confused
    for t, p in confused:
        mistaken.setdefault(t, {})[p] = confusion.count(t, p)
    answers, true = group_predictions(tree, classes, labels, probabilities, memo), np.asarray(labels)
    plain = [memo.get(("plain", group), partial(_group, group)) for group in answers]
    truth = group_reports(answers, labels, classes, memo)
    groups = [{**one, **more} for one, more in zip(plain, truth, strict=True)]
    if evidence is not None:
        for group, without in zip(groups, without_each(decision, evidence, labels, predictions, classes), strict=True):
            group["without"] = without
    result: Findings = {
        "classes": [_class(name, totals.get(k, 0), mistaken.get(k, {}), classes) for k, name in enumerate(classes)],
        "groups": groups,
        "confused": [
            {
                "true": classes[t],
                "predicted": classes[p],
                "count": confusion.count(t, p),
                "n": totals[t],
                "separated_by": separating(answers, true, t, p),
            }
            for t, p in confused[:_MOST_PAIRS]
        ],
        "cost": {"groups": len(tree.groups), "prompts": sum(len(group.options) for group in tree.groups)},
    }
    result["advice"] = [each.as_json() for each in advise(result)]
    return result


def separating(answers: Sequence[GroupPredictions], labels: "Indices", one: int, other: int) -> list[dict[str, Any]]:
    """Return the groups that distinguish two classes, and how many of their images each answers correctly."""
    groups, images = [], np.isin(labels, (one, other)).nonzero()[0]
    for group in answers:
        rows = group.matrix[[one, other]]
        if (rows.max(1) == 1).all() and rows[0].argmax() != rows[1].argmax():
            right = int((group.expected[images] == group.answers[images]).sum())
            groups.append({"group": group.name, "right": right, "n": len(images)})
    return groups


def _class(name: str, n: int, mistaken: Mapping[int, int], classes: Sequence[str]) -> dict[str, Any]:
    """Report one class: n, recall with interval, and its confusions; `mistaken` counts its wrong predictions."""
    correct = n - sum(mistaken.values())
    taken = sorted(mistaken.items(), key=lambda item: (-item[1], item[0]))
    return {
        "name": name,
        "n": n,
        "recall": correct / n if n else None,
        "interval": list(wilson_interval(correct, n)) if n else None,
        "taken_for": [{"name": classes[p], "count": c} for p, c in taken[:3]],
    }


def _group(group: GroupPredictions) -> dict[str, Any]:
    """Report how often the most probable option is that of the image's class; images without one are left out."""
    counts = option_counts(group)
    n, correct = int(counts.sum()), int(counts.diagonal().sum())
    totals = counts.sum(1).tolist()
    wrong = [(int(e), int(a), int(counts[e, a])) for e, a in np.argwhere(counts) if e != a]
    return {
        "name": group.name,
        "n": n,
        "accuracy": correct / n if n else None,
        "interval": list(wilson_interval(correct, n)) if n else None,
        "options": [
            {"option": option, "n": total, "accuracy": int(counts[index, index]) / total if total else None}
            for index, (option, total) in enumerate(zip(group.options, totals, strict=True))
        ],
        "confused": [
            {"option": group.options[e], "taken_for": group.options[a], "count": count}
            for e, a, count in sorted(wrong, key=lambda item: (-item[2], item[:2]))[:_MOST_PAIRS]
        ],
    }
