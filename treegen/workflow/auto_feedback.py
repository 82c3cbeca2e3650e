"""Feedback derived from the mistakes: which classes are confused, which groups caused it, and what they share."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from treegen.history.score_document import Findings
from treegen.text import counted, quote
from treegen.tree.model import ClassRule, Tree

if TYPE_CHECKING:
    from treegen.clip.diagnosis.mistakes import Mistake

_MOST_PAIRS: Final = 3
_MOST_GROUPS: Final = 2  # named per pair
_MOST_IDEAS: Final = 12

Decision = tuple[str, bool, str]


def compose(tree: Tree, diagnosis: Findings, mistakes: "Sequence[Mistake]", decisions: Sequence[Decision] = ()) -> str:
    """Write feedback on the reviewer's behalf, in English; empty if no two classes are confused.

    Args:
        tree: the current one.
        diagnosis: the `dev` entry of its score; must not contain anything from the test split.
        mistakes: those on the dev split.
        decisions: earlier decisions on proposed changes, oldest first: sentence, taken, why.
    """
    pairs = _pairs(diagnosis["confused"])
    if not pairs:
        return ""
    lines = ["On the development images, these classes are confused most often:"]
    for number, (pair, back) in enumerate(pairs, 1):
        lines += ["", f"{number}. {_counted(pair, back)}", *_of_pair(tree, pair, mistakes)]
    lines += [
        "",
        f"Tell {'the two' if len(pairs) == 1 else 'the two of each pair'} apart by what a picture shows. Add one group "
        "that asks for something in which they differ, or an option to a group that is there, or correct an answer "
        "that the pictures contradict. Give every class its answer in a new group, and leave everything else as it is.",
    ]
    ideas = [(sentence, why) for sentence, taken, why in decisions if not taken][-_MOST_IDEAS:]
    if ideas:
        lines += ["", "These ideas were turned down before; find others:"]
        lines += [f"- {sentence}{f' (because: {why})' if why else ''}" for sentence, why in ideas]
    return "\n".join(lines)


def _pairs(confused: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Return the most confused pairs, each with the count of the reverse confusion."""
    pairs: list[tuple[dict[str, Any], dict[str, Any] | None]] = []
    for entry in confused:
        listed = any({entry["true"], entry["predicted"]} == {pair["true"], pair["predicted"]} for pair, _ in pairs)
        if not listed:
            other = (entry["predicted"], entry["true"])
            pairs.append((entry, next((e for e in confused if (e["true"], e["predicted"]) == other), None)))
    return pairs[:_MOST_PAIRS]


def _counted(pair: dict[str, Any], back: dict[str, Any] | None) -> str:
    true, predicted = quote(pair["true"]), quote(pair["predicted"])
    turned = f", and the other way round {back['count']} of {back['n']}" if back else ""
    return f"{true} is taken for {predicted} in {pair['count']} of {counted(pair['n'], 'image')}{turned}."


def _of_pair(tree: Tree, pair: dict[str, Any], mistakes: "Sequence[Mistake]") -> list[str]:
    """Name the groups that favoured the wrong class, and those in which the two classes have the same answer."""
    pair_mistakes = [m for m in mistakes if (m.true, m.predicted) == (pair["true"], pair["predicted"])]
    lines = [f"   {line}" for line in _misleading(pair_mistakes)]
    rules = {rule.name: rule for rule in tree.rules}
    one, other = rules.get(pair["true"]), rules.get(pair["predicted"])
    if one is None or other is None:
        return lines
    shared = [f"{quote(g)} ({quote(word)})" for g, word in _shared(tree, one, other)]
    differing = [g.name for g in tree.groups if _words(tree, g.name, one, other)[2]]
    silent = [quote(g.name) for g in tree.groups if None in _words(tree, g.name, one, other)[:2]]
    if shared:
        lines.append(f"   Both have the same answer in {', '.join(shared)}.")
    if silent:
        lines.append(f"   Nothing is said of at least one of them in {', '.join(silent)}.")
    groups = ", ".join(map(quote, differing)) if differing else "no group alone"
    lines.append(f"   They are told apart by {groups}.")
    return lines


def _misleading(mistakes: "Sequence[Mistake]") -> list[str]:
    """Describe the groups that favoured the wrong class most, over all of these images."""
    margins: dict[str, float] = {}
    for mistake in mistakes:
        for vote in mistake.votes:
            margins[vote.group] = margins.get(vote.group, 0.0) + vote.margin
    worst = sorted((g for g, margin in margins.items() if margin > 0), key=lambda g: -margins[g])[:_MOST_GROUPS]
    lines = []
    for group in worst:
        votes = [vote for m in mistakes for vote in m.votes if vote.group == group]
        option, count = Counter(vote.option for vote in votes).most_common(1)[0]
        correct = votes[0].true_option
        expected = "says nothing about the right class" if correct is None else f"{quote(correct)} would be right"
        if option == correct:
            expected = "which is right, but hardly more than the other"
        lines.append(
            f"{quote(group)} misled: it saw {quote(option)} most often, in {count} of these {len(votes)}; {expected}."
        )
    return lines


def _words(tree: Tree, group: str, one: ClassRule, other: ClassRule) -> tuple[str | None, str | None, bool]:
    """Return both answers, and whether they distinguish the two classes."""
    a, b = tree.word(one, group), tree.word(other, group)
    return a, b, a is not None and b is not None and a != b


def _shared(tree: Tree, one: ClassRule, other: ClassRule) -> list[tuple[str, str]]:
    shared = []
    for group in tree.groups:
        a, b, _ = _words(tree, group.name, one, other)
        if a is not None and a == b:
            shared.append((group.name, a))
    return shared
