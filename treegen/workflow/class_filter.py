"""Filters of classes: `&wrong`, `&changed`, `&unreviewed`, `&option=...`, or a name."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from treegen.errors import InputError
from treegen.tree.changes import MutableTree
from treegen.tree.review_notes import class_target
from treegen.workflow.review_model import ReviewModel

#: what a term may be, and what it leaves
TERMS: Final = {
    "wrong": "classes with misclassified images",
    "changed": "classes that have changed",
    "unreviewed": "classes that are not reviewed",
    "commented": "classes with a comment",
    "option=TEXT": "classes with an answer that contains the text",
    "class=TEXT": "classes whose name contains the text; so does TEXT alone",
    'class="TEXT"': "the class of that name alone",
}
Accepts = Callable[[str], bool]
#: an `&` that begins a term: not one within quotes
_TERM: Final = re.compile(r'(?:^|\s)&(?=(?:[^"\\]|\\.|"(?:[^"\\]|\\.)*")*$)')


def class_filter(text: str, review: ReviewModel) -> Accepts:
    """Return whether a class passes every term of a text; terms are separated by `&`.

    Raises:
        InputError: a term is unknown, such as `colour=red`.
    """
    accepts = [term_filter(term, review) for term in terms_of(text)]
    return lambda name: all(accept(name) for accept in accepts)


def terms_of(text: str) -> list[str]:
    """Return the terms of a filter.

    >>> terms_of('wrong &class="Black & White"')
    ['wrong', 'class="Black & White"']
    """
    return [term.strip() for term in _TERM.split(text) if term.strip()]


def named(value: str) -> Accepts:
    """Return whether a name contains a value; of one in quotes, whether it is the name."""
    with suppress(ValueError):
        if isinstance(exact := json.loads(value), str):
            return lambda name: name == exact
    return lambda name: value.casefold() in name.casefold()


def term_filter(term: str, review: ReviewModel) -> Accepts:
    """Return whether a class passes one term.

    Raises:
        InputError: the term is unknown.
    """
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
            return named(value.strip())
        case unknown if is_pair:
            raise InputError(f"no filter {unknown}=", f"filters are {', '.join(f'&{each}' for each in TERMS)}")
    return lambda name: term.casefold() in name.casefold()
