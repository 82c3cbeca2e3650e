"""The lines above the panes: what is reviewed, and the tabs."""

from typing import Final

from textual.content import Content

from treegen.review.context import PANES, ReviewContext
from treegen.review.details.detail import BAD, DIM, GOOD, WARN, Part, line
from treegen.tree.rendering import size_of
from treegen.tree.validation.problems import errors_of
from treegen.workflow.review_model import ReviewModel
from treegen.workflow.second_review import answered

NARROW: Final = 110  # columns; below, pane names are shortened
_LEFT: Final = 38  # columns beside the tabs


def title_of(review: ReviewModel, on_disk: str, width: int) -> Content:
    """Return what is reviewed, whether it is saved, and who approved it.

    Args:
        review: the tree.
        on_disk: what somebody else did to the file; empty if nothing.
        width: columns that there are; domain and counts are left out where the rest would find no room.
    """
    session, tree = review.session, review.tree
    counts = size_of(tree)
    state: Part = ("unsaved", f"bold {WARN}") if session.unsaved else ("saved", DIM)
    if review.second:
        given, total = answered(tree)
        state = (f"{given} of {total} answered", DIM if given < total else GOOD)
        return line((session.path.name, "bold"), f"  second review by {review.second}, blind  ", state)
    if session.is_blank:
        return line((session.path.name, "bold"), "  ", ("cannot be read", f"bold {BAD}"))
    if session.read_only:
        state = ("read-only", f"bold {WARN}")
    parts: list[Part] = [(session.path.name, "bold"), f"  {tree.domain}: {counts}", "  ", _approval(review), "  "]
    if on_disk:
        parts += [(on_disk.partition(":")[0].partition(",")[0], f"bold {BAD}"), "  "]
    title = line(*parts, state)
    return title if title.cell_length <= width else line(parts[0], *parts[2:], state)


def _approval(review: ReviewModel) -> Part:
    signed = review.tree.review
    if signed is None:
        return ("not approved", DIM)
    name = signed.by.partition(" <")[0]
    if any(problem.code == "TG303" for problem in review.known_problems):
        return (f"changed since {name} approved it", WARN)
    return (f"✓ approved by {name}", GOOD)


def tabs_of(context: ReviewContext, *, narrow: bool) -> str:
    """Return the panes with their numbers, as markup that can be clicked; short names where there is little room."""
    found = context.review.known_problems
    counts = {"problems": f" {len(errors_of(found))}/{len(found)}"} if found else {}
    labels = [f"{number} {name[:3] if narrow else name}{counts.get(name, '')}" for number, name in enumerate(PANES, 1)]
    gap = " " if sum(len(label) + 2 for label in labels) + _LEFT <= context.size.width else ""
    shown = []
    for name, label in zip(PANES, labels, strict=True):
        text = f"[reverse] {label}{gap}[/reverse]" if name == context.pane else f" {label}{gap}"
        shown.append(f"[@click=app.pane('{name}')]{text}[/]")
    return "".join(shown)
