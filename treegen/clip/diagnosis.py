"""Where a tree goes wrong: per class and per group, on the dev part."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.advice import advise
from treegen.clip.decisions import SUM, Evidence, Fitted
from treegen.clip.leaving_out import without_each
from treegen.clip.option_truth import Seen, group_truth, look
from treegen.clip.statistics import wilson_interval
from treegen.tree.model import Group, Tree

if TYPE_CHECKING:
    from torch import Tensor

_MOST_PAIRS: Final = 8


def diagnose(
    tree: Tree, classes: Sequence[str], labels: Sequence[int], predictions: Sequence[int], probabilities: "Tensor", *,
    evidence: Evidence | None = None, decision: Fitted = SUM,
) -> dict[str, Any]:  # fmt: skip
    """Recall per class, what each group sees and what it is worth, the most confused pairs, and advice, as plain data.

    Args:
        tree: the tree that was asked.
        classes: class names (K).
        labels: true class index of each image (B).
        predictions: predicted class index of each (B).
        probabilities: (B, Q) per option.
        evidence: what the predictions are of; without it nothing is said of the tree without one of its groups.
        decision: how they were made.
    """
    confused = Counter((t, p) for t, p in zip(labels, predictions, strict=True) if t != p)
    totals = Counter(labels)
    seen = look(tree, classes, labels, probabilities)
    groups = [
        {**plain, **more}
        for plain, more in zip(_groups(tree, classes, labels, probabilities),
                               group_truth(seen, labels, classes), strict=True)
    ]  # fmt: skip
    if evidence is not None:
        for group, without in zip(groups, without_each(decision, evidence, labels, predictions, classes), strict=True):
            group["without"] = without
    found = {
        "classes": [_class(k, name, totals, labels, predictions, confused, classes) for k, name in enumerate(classes)],
        "groups": groups,
        "confused": [
            {"true": classes[t], "predicted": classes[p], "count": count, "n": totals[t],
             "separated_by": separating(seen, labels, t, p)}
            for (t, p), count in sorted(confused.items(), key=lambda item: (-item[1], item[0]))[:_MOST_PAIRS]
        ],
        "cost": {"groups": len(tree.groups), "prompts": sum(len(group.options) for group in tree.groups)},
    }  # fmt: skip
    return {**found, "advice": [each.as_json() for each in advise(found)]}


def separating(seen: Sequence[Seen], labels: Sequence[int], one: int, other: int) -> list[dict[str, Any]]:
    """The groups in which two classes have different options, and how many of their images each answers rightly."""
    found, own = [], [b for b, label in enumerate(labels) if label in (one, other)]
    for group in seen:
        rows = group.matrix[[one, other]]
        if (rows.max(1) == 1).all() and rows[0].argmax() != rows[1].argmax():
            right = int((group.expected[own] == group.answers[own]).sum())
            found.append({"group": group.name, "right": right, "n": len(own)})
    return found


def _class(
    k: int, name: str, totals: Counter[int], labels: Sequence[int], predictions: Sequence[int],
    confused: Counter[tuple[int, int]], classes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """One class: n, recall with interval, and what it is taken for."""
    n = totals[k]
    correct = sum(t == p == k for t, p in zip(labels, predictions, strict=True))
    taken = sorted(((p, c) for (t, p), c in confused.items() if t == k), key=lambda item: (-item[1], item[0]))
    return {
        "name": name, "n": n, "recall": correct / n if n else None,
        "interval": list(wilson_interval(correct, n)) if n else None,
        "taken_for": [{"name": classes[p], "count": c} for p, c in taken[:3]],
    }  # fmt: skip


def _groups(tree: Tree, classes: Sequence[str], labels: Sequence[int], probabilities: "Tensor") -> list[dict[str, Any]]:
    """Every group: how often its most probable option is the one that the image's class has."""
    rules = {rule.name: dict(rule.answers) for rule in tree.rules}
    groups, start = [], 0
    for group in tree.groups:
        expected = [rules[name].get(group.name) for name in classes]
        answers = probabilities[:, start : start + len(group.options)].argmax(1).tolist()
        groups.append(_group(group, [(expected[label], answer) for label, answer in zip(labels, answers, strict=True)]))
        start += len(group.options)
    return groups


def _group(group: Group, pairs: Sequence[tuple[int | None, int]]) -> dict[str, Any]:
    """One group from (expected option, most probable option) of each image; images without an answer are left out."""
    asked = [(e, a) for e, a in pairs if e is not None]
    correct = sum(e == a for e, a in asked)
    wrong = Counter((e, a) for e, a in asked if e != a)
    options = []
    for index, option in enumerate(group.options):
        own = [a for e, a in asked if e == index]
        hits = own.count(index)
        options.append({"option": option, "n": len(own), "accuracy": hits / len(own) if own else None})
    return {
        "name": group.name, "n": len(asked), "accuracy": correct / len(asked) if asked else None,
        "interval": list(wilson_interval(correct, len(asked))) if asked else None,
        "options": options,
        "confused": [
            {"option": group.options[e], "taken_for": group.options[a], "count": count}
            for (e, a), count in sorted(wrong.items(), key=lambda item: (-item[1], item[0]))[:_MOST_PAIRS]
        ],
    }  # fmt: skip
