"""Trees, revisions and encoders side by side on the same images: accuracies, paired tests, and where they differ."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final, TypedDict

from treegen.errors import InputError
from treegen.history.score_document import Accuracy, Paired, Share
from treegen.report.evaluation import Evaluation, SplitPredictions, aligned, evaluate
from treegen.text import counted, p_value
from treegen.tree.document import digest_of
from treegen.vcs.versions import Version
from treegen.workflow.verdict import test_name
from treegen.workflow.workspace import Workspace

COMPARISON_SCHEMA: Final = "urn:treegen:comparison:1"
_MOST_SHARED: Final = 3  # groups that are listed by name
_Column = list[int | None]  # for each image: 1 right, 0 wrong, `None` where nothing is asked


class Corrected(Paired):
    """McNemar's test with its p corrected by Holm's rule."""

    p_holm: float


class Entry(TypedDict):
    """One tree by one encoder: its accuracy on each evaluated split, with that of the class names alone."""

    name: str
    tree: str
    encoder: str
    fingerprint: str
    decision_rule: str
    dev: Accuracy
    dev_baseline: Accuracy
    test: Accuracy | None
    test_baseline: Accuracy | None


class Pair(Corrected):
    """Two entries, by index, on the n images of one split that all entries have; p is Holm's over all pairs.

    `difference` is that of the first to the second.
    """

    first: int
    second: int
    n: int


class Change(Corrected):
    """A paired test on the n images that count for both entries."""

    n: int


class Part(TypedDict):
    """A class or a group on the dev split: a share for each entry, and its paired test against the first entry.

    A share is over the images that count for its entry: of a group, those whose class has an answer in it. A group that
    an entry does not have, or for which no class has an answer, has neither.
    """

    name: str
    shares: list[Share | None]
    against: list[Change | None]


class ChangedImage(TypedDict):
    """An image of the dev split that not all entries classify alike."""

    image: str
    true: str
    predicted: list[str]


class ComparisonDocument(TypedDict):
    """A comparison as plain data; `split` names the split of the pairs, which is test unless it was not evaluated."""

    schema: str
    domain: str
    classes: int
    split: str
    evaluations: int
    left_out: int
    entries: list[Entry]
    pairs: list[Pair]
    per_class: list[Part]
    per_group: list[Part]
    changed: list[ChangedImage]


def compare(
    workspaces: Sequence[Workspace], trees: Sequence[Version], *, sealed: bool | None = None
) -> ComparisonDocument:
    """Compare trees by one or several encoders on the same images.

    Accuracies are on the test split, as its figures are for reporting; classes, groups and images that differ are on
    the dev split, as what one learns from them changes trees.

    Args:
        workspaces: one for each encoder, all of the same domain.
        trees: at least one; together with the encoders at least two entries.
        sealed: use the dev split only; defaults to the domain's [split].

    Raises:
        InputError: fewer than two entries, or there are no images.
        ProblemsError: a tree has errors or is not one of the domain.
        ModelError: an encoder cannot be loaded.
    """
    if len(workspaces) * len(trees) < 2:
        raise InputError("one tree by one encoder: nothing to compare", "name another tree, or a second --encoder")
    evaluations = [evaluate(workspace, tree, sealed=sealed) for workspace in workspaces for tree in trees]
    return compare_evaluations(workspaces[0], evaluations)


def compare_evaluations(workspace: Workspace, evaluations: Sequence[Evaluation]) -> ComparisonDocument:
    """Compare evaluations on the same domain; see `compare`."""
    common, left_out = aligned(evaluations)
    _record(workspace, common)
    domain, split = workspace.domain, "test" if all(each.test for each in common) else "dev"
    assert domain.images is not None
    first, root = common[0].dev, domain.images.root
    return {
        "schema": COMPARISON_SCHEMA,
        "domain": domain.name,
        "classes": len(domain.classes),
        "split": split,
        "evaluations": max(each.evaluations for each in common),
        "left_out": left_out,
        "entries": [_entry(each) for each in common],
        "pairs": _pairs([side for each in common if (side := each.test if split == "test" else each.dev)]),
        "per_class": _per_class(domain.classes, [each.dev for each in common]),
        "per_group": _per_group(common),
        "changed": [
            {
                "image": image.below(root),
                "true": domain.classes[label],
                "predicted": [domain.classes[k] for k in predicted],
            }
            for image, label, *predicted in zip(
                first.images, first.labels, *(each.dev.predictions for each in common), strict=True
            )
            if len(set(predicted)) > 1
        ],
    }


def _record(workspace: Workspace, evaluations: Sequence[Evaluation]) -> None:
    """Count the trees that are compared with the first on the dev split by the workspace's encoder."""
    from treegen.clip.metrics.accuracy import paired
    from treegen.history.store import Choice
    from treegen.workflow.luck import record_choices

    of_encoder = [each for each in evaluations if each.fingerprint == workspace.encoder.fingerprint]
    choices = []
    for each in of_encoder[1:]:
        base = of_encoder[0]
        test = paired(each.dev.labels, each.dev.predictions, base.dev.predictions)
        choice = Choice(
            tree=digest_of(each.tree),
            base=digest_of(base.tree),
            source="compare",
            n=len(base.dev.labels),
            right=sum(p == label for p, label in zip(base.dev.predictions, base.dev.labels, strict=True)),
            flips=test["wins"] + test["losses"],
        )
        choices.append(choice)
    record_choices(workspace, choices)


def _entry(each: Evaluation) -> Entry:
    from treegen.clip.metrics.accuracy import accuracy_of

    dev, test = each.dev, each.test
    return {
        "name": each.name,
        "tree": digest_of(each.tree),
        "encoder": each.encoder,
        "fingerprint": each.fingerprint,
        "decision_rule": each.rule,
        "dev": accuracy_of(dev.labels, dev.predictions, dev.clusters),
        "dev_baseline": accuracy_of(dev.labels, dev.baseline, dev.clusters),
        "test": accuracy_of(test.labels, test.predictions, test.clusters) if test else None,
        "test_baseline": accuracy_of(test.labels, test.baseline, test.clusters) if test else None,
    }


def _pairs(sides: Sequence[SplitPredictions]) -> list[Pair]:
    """Return the paired test of every two entries, in order, corrected over all of them."""
    from treegen.clip.metrics.accuracy import paired

    indices, clusters = list(combinations(range(len(sides)), 2)), sides[0].clusters
    tests = [paired(sides[a].labels, sides[b].predictions, sides[a].predictions, clusters) for a, b in indices]
    return [
        {"first": b, "second": a, "n": len(sides[a].labels), **test}
        for (a, b), test in zip(indices, corrected(tests), strict=True)
        if test is not None
    ]


def corrected(tests: Iterable[Paired | None]) -> list[Corrected | None]:
    """Correct the p-values of paired tests by Holm's rule; what was not tested stays `None`."""
    from treegen.clip.metrics.statistics import holm

    listed = list(tests)
    values = iter(holm([test["p"] for test in listed if test]))
    return [{**test, "p_holm": next(values)} if test else None for test in listed]


def _per_class(classes: Sequence[str], sides: Sequence[SplitPredictions]) -> list[Part]:
    """Return the recall of each class for each entry."""
    columns: dict[str, list[_Column]] = {
        name: [
            [int(p == label) if label == k else None for p, label in zip(side.predictions, side.labels, strict=True)]
            for side in sides
        ]
        for k, name in enumerate(classes)
    }
    return _parts(columns, sides[0].clusters)


def _per_group(evaluations: Sequence[Evaluation]) -> list[Part]:
    """Return how often each group answers with the true option, for each entry that has it.

    Trees may differ in which classes a group says something about: each share is over the images of the entry's own,
    and the paired test over those of both.
    """
    found: dict[str, list[_Column]] = {}
    for number, each in enumerate(evaluations):
        for group in each.groups:
            answers = zip(group.expected.tolist(), group.answers.tolist(), strict=True)
            column: _Column = [int(answer == expected) if expected >= 0 else None for expected, answer in answers]
            found.setdefault(group.name, [[] for _ in evaluations])[number] = column
    return _parts(found, evaluations[0].dev.clusters)


def _parts(columns: Mapping[str, Sequence[_Column]], clusters: Sequence[int] | None) -> list[Part]:
    """Return shares and paired tests of several classes or groups; all tests are one family."""
    tests = [
        None if number == 0 else _paired_answers(column, some[0], clusters)
        for some in columns.values()
        for number, column in enumerate(some)
    ]
    family = iter(corrected(tests))
    return [
        {
            "name": name,
            "shares": [_share(column, clusters) for column in some],
            "against": [
                {**test, "n": len(_in_both(column, some[0]))} if (test := next(family)) else None for column in some
            ],
        }
        for name, some in columns.items()
    ]


def _in_both(new: _Column, old: _Column) -> list[int]:
    """Return the images that count for both entries; none if one of them lacks the group."""
    both = enumerate(zip(new, old, strict=bool(new and old)))
    return [row for row, (n, o) in both if n is not None and o is not None]


def _share(column: _Column, clusters: Sequence[int] | None) -> Share | None:
    import numpy as np

    from treegen.clip.metrics.accuracy import share_right

    rows = [row for row, right in enumerate(column) if right is not None]
    right = np.array([column[row] for row in rows], bool)
    return share_right(right, _only(clusters, rows)) if rows else None


def _paired_answers(new: _Column, old: _Column, clusters: Sequence[int] | None) -> Paired | None:
    import numpy as np

    from treegen.clip.metrics.accuracy import paired_change

    rows = _in_both(new, old)
    change = np.array([int(new[row] or 0) - int(old[row] or 0) for row in rows])
    return paired_change(change, _only(clusters, rows)) if rows else None


def _only(clusters: Sequence[int] | None, rows: Sequence[int]) -> list[int] | None:
    return None if clusters is None else [clusters[row] for row in rows]


def entry_label(document: ComparisonDocument, number: int) -> str:
    """Return the name of an entry, with what distinguishes it from others of that name: its encoder, or its number."""
    entries = document["entries"]
    several = len({(each["encoder"], each["fingerprint"]) for each in entries}) > 1
    labels = [f"{each['name']} by {each['encoder']}" if several else each["name"] for each in entries]
    label = labels[number]
    return f"{label} ({labels[: number + 1].count(label)})" if labels.count(label) > 1 else label


def shared_images(document: ComparisonDocument) -> str:
    """Say in one sentence which images the paired tests are on; empty if they are those of every accuracy."""
    parts = []
    if document["left_out"]:
        left_out = counted(document["left_out"], "image was", "images were")
        n = document["pairs"][0]["n"]
        parts.append(
            f"accuracies and paired tests are on the {counted(n, 'image')} of the {document['split']} split that every "
            f"encoder can embed ({left_out} left out)"
        )
    differing = [name for part in document["per_group"] if (name := _shared_of(part))]
    if differing:
        listed = ", ".join(differing[:_MOST_SHARED])
        more = f" and {counted(len(differing) - _MOST_SHARED, 'more group')}" if len(differing) > _MOST_SHARED else ""
        parts.append(
            "a group's paired test is on the images for which both trees expect an answer, so its points need not be "
            f"the difference of the two accuracies: {listed}{more}"
        )
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""


def _shared_of(part: Part) -> str:
    """Describe on how many images a part is tested, if an accuracy of it is over others."""
    first = part["shares"][0]
    for share, test in zip(part["shares"], part["against"], strict=True):
        if first and share and test and not first["n"] == share["n"] == test["n"]:
            return f"{part['name']} (tested on {test['n']}, accuracies over {first['n']} and {share['n']})"
    return ""


def summary(document: ComparisonDocument) -> str:
    """Say in one sentence which entries differ on the split of the pairs: those with p below 0.05 after Holm."""
    pairs, split = document["pairs"], document["split"]
    shown = [pair for pair in pairs if pair["p_holm"] < 0.05]
    entry = document["entries"][0]
    images = counted((entry["test"] or entry["dev"])["n"], f"{split} image")
    if not shown:
        tests = counted(len(pairs), "paired test")
        return f"No significant difference on {images} ({tests}, p corrected by Holm)."
    largest = max(shown, key=lambda pair: abs(pair["difference"]))
    first, second = entry_label(document, largest["first"]), entry_label(document, largest["second"])
    sign = "above" if largest["difference"] > 0 else "below"
    words = f"{first} is {100 * abs(largest['difference']):.1f} points {sign} {second}"
    if len(pairs) == 1:
        return f"On {images} {words} ({test_name(pairs[0])}, {p_value(largest['p_holm'])})."
    verb = "shows" if len(shown) == 1 else "show"
    tests = f"{len(shown)} of {len(pairs)} paired tests on {images}"
    return f"{tests} {verb} a difference, p corrected by Holm; most: {words}."
