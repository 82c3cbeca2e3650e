"""The evaluations of the dev split that somebody chose by, and what they would gain by luck alone."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from treegen.clip.metrics.luck import expected_luck
from treegen.history.score_document import Luck, Paired, Score
from treegen.history.store import Choice
from treegen.text import counted, points
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.workflow.workspace import Workspace, split_settings

if TYPE_CHECKING:
    from treegen.clip.preview import Preview


def record_choice(workspace: Workspace, tree: Tree, base: Tree, source: str) -> Paired:
    """Count the comparison of a tree with the one it was edited from; return its test on the dev split.

    Raises:
        ProblemsError: one of them cannot be scored.
    """
    test, right = workspace.evaluator.paired_dev(tree, base)
    n = len(workspace.evaluator.parts["dev"].labels)
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
    kept = [choice for choice in choices if choice.tree != choice.base]
    if kept and not workspace.store.read_only:
        workspace.store.record_choices(*_key(workspace), kept)


def _choice(tree: Tree, base: Tree, source: str, *, n: int, right: int, flips: int) -> Choice:
    return Choice(tree=digest_of(tree), base=digest_of(base), source=source, n=n, right=right, flips=flips)


def _key(workspace: Workspace) -> tuple[str, str, str]:
    domain = workspace.domain
    return split_settings(domain.split), workspace.encoder.fingerprint, domain.decision.rule


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
    return _luck(choices, accuracy)


def _luck(choices: Sequence[Choice], accuracy: float) -> Luck:
    first = choices[0]
    expected = expected_luck([choice.flips for choice in choices], first.n, first.right)
    gain = accuracy - first.right / first.n
    return {
        "evaluations": len(choices),
        "tried": sum(choice.tried for choice in choices),
        "first": first.right / first.n,
        "gain": gain,
        "expected": expected,
        "corrected": gain - expected,
    }


def luck_sentence(score: Score) -> str:
    """Return the dev accuracy with what luck would give; empty for a tree that nothing was chosen for."""
    dev = score["dev"]
    if (luck := dev.get("luck")) is None:
        return ""
    return f"dev {100 * dev['accuracy']:.1f} % of {dev['n']} images: {luck_words(luck)}"


def luck_words(luck: Luck) -> str:
    """Describe a gain beside what luck would give.

    >>> words = {"evaluations": 50, "tried": 0, "first": 0.7, "gain": 0.09, "expected": 0.086, "corrected": 0.004}
    >>> luck_words(words)
    '+9.0 points since the first, of which luck would give +8.6 after 50 evaluations (corrected +0.4)'
    """
    tried = f", and {luck['tried']} changes ranked by an optimizer" if luck["tried"] else ""
    return (
        f"{points(luck['gain'])} points since the first, of which luck would give {points(luck['expected'])} after "
        f"{counted(luck['evaluations'], 'evaluation')}{tried} (corrected {points(luck['corrected'])})"
    )
