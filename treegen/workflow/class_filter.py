"""Filters of classes and of misclassified images: `&wrong`, `&changed`, `&unreviewed`, `&option=...`, or a name."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from treegen.errors import InputError
from treegen.tree.changes import MutableTree
from treegen.tree.review_notes import class_target
from treegen.workflow.review_model import ReviewModel

if TYPE_CHECKING:
    from treegen.clip.diagnosis.mistakes import Mistake

#: what a term may be, and what it leaves
TERMS: Final = {
    "wrong": "classes with misclassified images",
    "changed": "classes that have changed",
    "unreviewed": "classes that are not reviewed",
    "commented": "classes with a comment",
    "option=TEXT": "classes with an answer that contains the text",
    "class=TEXT": "classes whose name contains the text; so does TEXT alone",
}
Accepts = Callable[[str], bool]


def class_filter(text: str, review: ReviewModel) -> Accepts:
    """Return whether a class passes every term of a text; terms are separated by `&`.

    Raises:
        InputError: a term is unknown, such as `colour=red`.
    """
    parts = [part.strip() for part in re.split(r"(?:^|\s)&", text)]
    accepts = [_accepts(part, review) for part in parts if part]
    return lambda name: all(accept(name) for accept in accepts)


def filtered_mistakes(text: str, review: ReviewModel) -> "tuple[Mistake, ...]":
    """Return the misclassified images whose class passes; text alone may also be in any name of the image's row.

    Raises:
        InputError: a term is unknown.
    """
    mistakes = review.measured.mistakes if review.measured else ()
    accept = class_filter(text, review)
    plain = text.strip().lstrip("&").casefold()
    return tuple(each for each in mistakes if accept(each.true) or (plain and plain in _names(each)))


def _names(mistake: "Mistake") -> str:
    return "\n".join((mistake.predicted, mistake.at_fault.group, mistake.image.name)).casefold()


def _accepts(term: str, review: ReviewModel) -> Accepts:
    """Return whether a class passes one term."""
    key, is_pair, value = term.partition("=")
    wanted = value.strip().casefold()
    match key.strip():
        case "wrong" if not is_pair:
            classes = review.measured.dev["classes"] if review.measured else ()
            wrong = {each["name"] for each in classes if each["recall"] is not None and each["recall"] < 1}
            rows = {rule.name for rule in review.tree.rules if rule.class_name in wrong}
            return lambda name: name in rows
        case "changed" if not is_pair:
            changed = review.changed
            names = changed.classes | {name for name, _ in changed.answers}
            return lambda name: name in names
        case "unreviewed" if not is_pair:
            return lambda name: class_target(name) not in review.reviewed
        case "commented" if not is_pair:
            return lambda name: ("comment", class_target(name)) in review.session.notes
        case "option" if is_pair:
            draft, groups = MutableTree(review.tree), [group.name for group in review.tree.groups]
            return lambda name: (
                name in draft.rules and any(wanted in str(draft.answer(name, group)).casefold() for group in groups)
            )
        case "class" if is_pair:
            return lambda name: wanted in name.casefold()
        case unknown if is_pair:
            raise InputError(f"no filter {unknown}=", f"filters are {', '.join(f'&{each}' for each in TERMS)}")
    return lambda name: term.casefold() in name.casefold()
