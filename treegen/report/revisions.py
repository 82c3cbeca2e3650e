"""The revisions of a tree for a report: scores, changes in words, and what language models cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from treegen.clip.metrics.accuracy import corrected_over
from treegen.errors import TreegenError
from treegen.history.score_document import Paired, Score, Share, as_tested
from treegen.history.store import Call, Revision, Store
from treegen.tree.changes.difference import difference
from treegen.vcs.versions import tree_of

_MOST_REVISIONS: Final = 25
_MOST_CHANGES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What language models used. Tokens and cost (USD) are those that were reported; `unknown` counts the others."""

    calls: int
    tokens: int | None
    cost: float | None
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionEntry:
    """One revision.

    Attributes:
        revision: as stored.
        dev: accuracy on the dev split; `None` if it was not scored.
        test: accuracy on the test split; `None` if it was not evaluated.
        against_parent: the paired test on the test split; both by this revision's encoder and decision rule.
        p_holm: its p, corrected over all comparisons on the same test split.
        encoder: name of the encoder; empty if it was not scored.
        comparable: whether it was scored on the same images by the same encoder as the tree of the report.
        changes: since its parent, in words; the first of them.
        more: how many changes are not listed.
        usage: of the calls that led to it.
        current: whether it is the tree of the report.
    """

    revision: Revision
    dev: Share | None
    test: Share | None
    against_parent: Paired | None
    p_holm: float | None
    encoder: str
    comparable: bool
    changes: tuple[str, ...]
    more: int
    usage: Usage
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The last revisions, oldest first, the number of earlier ones, and what all calls used, failed ones too."""

    entries: tuple[RevisionEntry, ...]
    earlier: int
    comparisons: int
    usage: Usage


def history_of(store: Store, current: Revision, score: Score) -> History:
    """Return the history of a tree.

    Args:
        store: of the tree file.
        current: the revision that the report is about.
        score: its score.
    """
    with store.shaped():
        return _history_of(store, current, score)


def _history_of(store: Store, current: Revision, score: Score) -> History:
    revisions, scores, calls = store.revisions(), store.scores(), store.calls()
    corrected, trees = corrected_over(scores, store.every_score()), {r.id: r for r in revisions}
    entries = []
    for revision in revisions[-_MOST_REVISIONS:]:
        own, tested = scores.get(revision.id), as_tested(scores.get(revision.id))
        for share in (own and own["dev"], tested and tested["test"]):
            if share:  # a forged one would fail only when it is drawn
                sum([share["n"], share["accuracy"], *share.get("interval", ())])
        changes = _changes(trees.get(revision.parent or 0), revision)
        entries.append(
            RevisionEntry(
                revision=revision,
                dev=own and own["dev"],
                test=tested and tested["test"],
                against_parent=tested and tested["mcnemar"]["parent"],
                p_holm=corrected.get(revision.id, (None,))[0],
                encoder=own["encoder"]["name"] if own else "",
                comparable=own is not None and _basis(own) == _basis(score),
                changes=changes[:_MOST_CHANGES],
                more=max(0, len(changes) - _MOST_CHANGES),
                usage=usage_of([call for call in calls if call.revision == revision.id]),
                current=revision.id == current.id,
            )
        )
    comparisons = max((count for _, count in corrected.values()), default=0)
    earlier = len(revisions) - len(entries)
    return History(entries=tuple(entries), earlier=earlier, comparisons=comparisons, usage=usage_of(calls))


def _basis(score: Score) -> tuple[object, ...]:
    images = score["images"]
    return (score["encoder"]["fingerprint"], images["digest"], images["split"].get("digest"))


def _changes(parent: Revision | None, revision: Revision) -> tuple[str, ...]:
    """Return the changes since the parent in words; none if there is no parent, or one of the two is not a tree."""
    if parent is None:
        return ()
    try:
        changes = difference(tree_of(parent.tree, "parent"), tree_of(revision.tree, "revision"))
    except TreegenError:
        return ()
    return tuple(change.sentence for change in changes)


def usage_of(calls: Sequence[Call]) -> Usage:
    """Add up what calls used; what a service did not report is unknown, not zero."""
    tokens = [c.prompt_tokens + (c.completion_tokens or 0) for c in calls if c.prompt_tokens is not None]
    costs = [c.cost for c in calls if c.cost is not None]
    return Usage(
        calls=len(calls),
        tokens=sum(tokens) if tokens else None,
        cost=sum(costs) if costs else None,
        unknown=len(calls) - len(costs),
    )
