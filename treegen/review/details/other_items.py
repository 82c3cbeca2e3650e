"""Details of what happens to a tree: problems, steps, revisions, and the changes that a language model proposes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from treegen.clip.diagnosis.advice import LEVEL
from treegen.history.score_document import as_tested
from treegen.review.details.detail import BAD, DIM, GOOD, WARN, Detail
from treegen.review.details.tree_items import picture_of
from treegen.text import counted
from treegen.tree.changes import Change
from treegen.workflow.verdict import NO_DIFFERENCE, test_name

if TYPE_CHECKING:
    from treegen.clip.diagnosis.observations import Observations
    from treegen.clip.preview import Preview
    from treegen.history.score_document import Score
    from treegen.history.sessions import Step
    from treegen.history.store import Revision
    from treegen.tree.validation.problems import Problem
    from treegen.workflow.proposal_review import ProposalReview

_MOST: Final = 60  # changes that are listed


def problem_detail(problem: "Problem") -> Detail:
    """Return the whole message of a problem, and what can be done about it."""
    detail = Detail(title=f"{problem.severity} {problem.code}")
    at = f"line {problem.place.line}, column {problem.place.column}" if problem.place else "the whole tree"
    detail.add((problem.pointer or at, DIM))
    detail.add(problem.message)
    if problem.classes:
        detail.add(("also ", DIM), ", ".join(problem.classes))
    detail.add("")
    if problem.code == "TG201" and problem.pointer == "/rules":
        detail.add(("a ", "bold $text-accent"), "adds the class")
    elif problem.place:
        detail.add(("enter ", "bold $text-accent"), "opens the file there in your editor")
    elif problem.fix:
        detail.add(("f ", "bold $text-accent"), "fixes it: ", problem.fix.summary)
    else:
        detail.add(("no fix is certain; ", DIM), ("enter ", "bold $text-accent"), ("goes to the place", DIM))
    return detail


def step_detail(number: int, step: "Step", *, undone: bool) -> Detail:
    """Return the changes of a step in words."""
    detail = Detail(title=f"step {number}", about="undone" if undone else "")
    detail.add((step.label, "bold"))
    _list(detail, step.changes)
    return detail


def revision_detail(revision: "Revision", score: "Score | None", changes: Sequence[Change] | None) -> Detail:
    """Return who stored a revision, its score, and what changed since the one before.

    Args:
        revision: of the store.
        score: the last of it.
        changes: since its parent; `None` while they are not known.
    """
    detail = Detail(title=f"revision {revision.id}")
    detail.add((f"{revision.created}  {revision.author}", DIM))
    detail.add(revision.note)
    if score:
        detail.add("")
        detail.add(f"dev   {100 * score['dev']['accuracy']:.1f} %")
    if tested := as_tested(score):
        detail.add(f"test  {100 * tested['test']['accuracy']:.1f} %")
    if revision.parent is None:
        detail.head("the first of its line")
    elif changes is not None:
        detail.head(f"{counted(len(changes), 'change')} since revision {revision.parent}")
        _list(detail, changes)
    return detail


def _list(detail: Detail, changes: Sequence[Change]) -> None:
    for change in changes[:_MOST]:
        detail.add(("• ", DIM), change.sentence)
    if len(changes) > _MOST:
        detail.add((f"and {len(changes) - _MOST} more", DIM))


def change_detail(review: "ProposalReview", number: int, observations: "Observations | None") -> Detail:
    """Return a proposed change: what it needs and what needs it, and the images that it flips."""
    unit = review.units[number]
    detail = Detail(title=f"change {number + 1} of {len(review.units)}", about=_fate(review, number))
    for sentence in unit.sentences:
        detail.add(sentence)
    if unit.refused:
        detail.add(("refused: ", BAD), unit.refused)
    if unit.outside:
        detail.add(("outside of what was asked", WARN))
    needed_by = [each for each in review.units if number in each.needs]
    for title, units in (("it needs", [review.units[n] for n in sorted(unit.needs)]), ("needed by", needed_by)):
        if units:
            detail.head(title)
            for each in units[:8]:
                fate = review.fates[each.number]
                detail.add(("• ", DIM), each.sentences[0], ("" if fate == "open" else f"  ({fate})", DIM))
    preview = review.preview_of(number)
    if preview:
        detail.head("on the dev split, with what it needs")
        _effect(detail, preview, observations)
        detail.about = detail.about or ("being computed again" if review.previewing else "")
    return detail


def _fate(review: "ProposalReview", number: int) -> str:
    fate = review.fates[number]
    return "" if fate == "open" else {"taken": "taken", "rejected": "left"}[fate]


def _effect(detail: Detail, preview: "Preview", observations: "Observations | None") -> None:
    if preview.failure:
        detail.add((preview.failure, BAD))
    if preview.difference is None or preview.test is None:
        return
    won, lost = preview.to_right, preview.to_wrong
    points = 100 * preview.difference if preview.shows_difference else 0.0
    detail.add(
        (f"{points:+.1f} points" if points else NO_DIFFERENCE, GOOD if points > 0 else BAD if points < 0 else DIM),
        f"  {counted(len(won), 'image')} won, {len(lost)} lost of {preview.n}",
    )
    p = preview.test["p"]
    detail.add((f"{test_name(preview.test)} p = {p:.2g}{'' if p < LEVEL else ', not significant'}", DIM))
    if observations and preview.n == len(observations.images):
        detail.pictures = [picture_of(observations, index, good=True) for index in won[:8]]
        detail.pictures += [picture_of(observations, index, good=False) for index in lost[:8]]
