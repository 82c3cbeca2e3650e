"""The evaluations of the dev split that somebody chose by, and what they would gain by luck alone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from treegen.clip.metrics.luck import expected_luck
from treegen.history.score_document import Comparison, Luck, Paired, Score
from treegen.history.store import Choice
from treegen.text import counted, points
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.workflow.verdict import NO_DIFFERENCE
from treegen.workflow.workspace import Workspace, sound_tree, split_settings

if TYPE_CHECKING:
    from treegen.clip.preview import Preview


def record_choice(workspace: Workspace, tree: Tree, base: Tree, source: str) -> Paired:
    """Count the comparison of a tree with the one it was edited from; return its test on the dev split.

    Raises:
        ProblemsError: one of them cannot be scored.
    """
    test, right = workspace.evaluator.paired_dev(tree, base)
    n = len(workspace.evaluator.splits["dev"].labels)
    flips = test["wins"] + test["losses"]
    record_choices(workspace, [_choice(tree, base, source, n=n, right=right, flips=flips)])
    return test


def preview(workspace: Workspace, base: Tree, trees: Sequence[Tree]) -> "tuple[Preview, ...]":
    """Preview changed trees on the dev split, and count those that can be scored."""
    previews = workspace.evaluator.preview(base, trees)
    choices = [
        _choice(tree, base, "preview", n=p.n, right=p.before, flips=len(p.to_right) + len(p.to_wrong))
        for tree, p in zip(trees, previews, strict=True)
        if p.before is not None and p.after is not None
    ]
    record_choices(workspace, choices)
    return previews


def record_choices(workspace: Workspace, choices: Iterable[Choice]) -> None:
    """Count evaluations; a history that cannot be written is left as it is."""
    _record(workspace, workspace.domain.decision.rule, [choice for choice in choices if choice.tree != choice.base])


def record_rules(workspace: Workspace, tree: Tree, rules: Comparison) -> None:
    """Count the decision rules that were compared on the dev split, but for the one that makes scores already."""
    compared = {entry["rule"]: (entry["dev"], entry["dev_against"]) for entry in rules["entries"]}
    _record_compared(workspace, tree, "rules", workspace.domain.decision.rule, compared)


def record_compute(workspace: Workspace, tree: Tree, entries: Iterable[Mapping[str, Any]]) -> None:
    """Count the settings of more computation that were compared on the dev split, but for the domain's own."""
    rule, own = workspace.domain.decision.rule, workspace.domain.compute.words
    dev = {entry["setting"]: entry["tree"]["dev"] for entry in entries}
    compared = {f"{rule}, {words}": (section, section["against"]) for words, section in dev.items()}
    _record_compared(workspace, tree, "compute", f"{rule}, {own}", compared)


def _record_compared(
    workspace: Workspace,
    tree: Tree,
    source: str,
    own: str,
    compared: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any] | None]],
) -> None:
    """Count ways to use one tree; each has its share on dev, and its test against the first, which has none."""
    digest, (base, base_test) = digest_of(tree), compared.get(own) or next(iter(compared.values()))
    for name, (share, against) in compared.items():
        test = against or base_test
        if share is not base and test:
            flips = test["wins"] + test["losses"]
            choice = Choice(tree=digest, base=digest, source=source, n=base["n"], right=base["correct"], flips=flips)
            _record(workspace, name, [choice])


def _record(workspace: Workspace, rule: str, choices: Sequence[Choice]) -> None:
    if choices and not workspace.store.read_only:
        workspace.store.record_choices(*_key(workspace), rule, choices)


def _choice(tree: Tree, base: Tree, source: str, *, n: int, right: int, flips: int) -> Choice:
    return Choice(tree=digest_of(tree), base=digest_of(base), source=source, n=n, right=right, flips=flips)


def _key(workspace: Workspace) -> tuple[str, str]:
    return split_settings(workspace.domain.split), workspace.encoder.fingerprint


def luck_of(workspace: Workspace, tree: Tree, accuracy: float) -> Luck | None:
    """Return what the choices so far would gain by luck; `None` for a tree that nothing was chosen for.

    Args:
        workspace: names history, split, encoder and decision rule.
        tree: an edited tree; the first one that others were compared with has no luck.
        accuracy: its own on the dev split, 0 to 1.
    """
    choices = workspace.store.choices(*_key(workspace))
    if not choices or digest_of(tree) == choices[0].base:
        return None
    first, clusters = choices[0], workspace.evaluator.splits["dev"].clusters
    expected = expected_luck(
        [choice.flips for choice in choices], first.n, first.right, clusters=len(set(clusters)) if clusters else None
    )
    gain = accuracy - first.right / first.n
    return {
        "evaluations": len(choices),
        "tried": sum(choice.tried for choice in choices),
        "first": first.right / first.n,
        "gain": gain,
        "expected": expected,
        "corrected": gain - expected,
        "standard_error": _standard_error(workspace, tree, first, accuracy),
    }


def _standard_error(workspace: Workspace, tree: Tree, first: Choice, accuracy: float) -> float:
    """Return the standard error of a gain: paired, or that of two independent samples if the first tree is gone."""
    from treegen.clip.metrics.accuracy import standard_error

    revision = workspace.store.find_revision(first.base)
    base = revision and sound_tree(workspace, revision)
    if base and not workspace.evaluator.obstacle(base):
        return standard_error(workspace.evaluator.paired_dev(tree, base)[0], first.n)
    before = first.right / first.n
    return math.sqrt((before * (1 - before) + accuracy * (1 - accuracy)) / first.n)


def luck_sentence(score: Score) -> str:
    """Return the dev accuracy with what luck would give; empty for a tree that nothing was chosen for."""
    dev = score["dev"]
    if (luck := dev.get("luck")) is None:
        return ""
    return f"dev {100 * dev['accuracy']:.1f} % of {counted(dev['n'], 'image')}: {luck_words(luck)}"


def luck_words(luck: Luck) -> str:
    """Describe a gain less what luck would give; one within its standard error is none.

    >>> words = {"evaluations": 50, "tried": 0, "first": 0.7, "gain": 0.09, "expected": 0.086, "corrected": 0.004}
    >>> luck_words({**words, "standard_error": 0.02})
    'no difference shown since the first: luck would give +8.6 after 50 evaluations'
    >>> luck_words({**words, "gain": 0.19, "corrected": 0.104, "standard_error": 0.02})
    '+10.4 points since the first, corrected: luck would give +8.6 after 50 evaluations'
    """
    tried = f", and {counted(luck['tried'], 'change')} ranked by an optimizer" if luck["tried"] else ""
    gain, expected = f"{points(luck['corrected'])} points since the first, corrected", points(luck["expected"])
    if abs(luck["corrected"]) <= luck.get("standard_error", 0.0):
        gain = f"{NO_DIFFERENCE} since the first"
    return f"{gain}: luck would give {expected} after {counted(luck['evaluations'], 'evaluation')}{tried}"
