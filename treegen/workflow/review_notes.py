"""Comments of the reviewers, as the language model and an approval get them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from treegen.history.sessions import Journal
from treegen.history.store import Store
from treegen.text import counted
from treegen.tree.feedback_target import Feedback, Target
from treegen.tree.model import Tree
from treegen.tree.review_notes import comments

_MOST: Final = 4000  # characters of all comments that one request passes on
_LONGEST: Final = 400  # characters of one of them


def comments_on(store: Store, tree: Tree) -> dict[Target, str]:
    """Return the comments on what the tree has, in its order."""
    return comments(tree, Journal(store).notes())


def in_words(written: dict[Target, str]) -> tuple[tuple[str, str], ...]:
    """Return what each comment is on, in words, and its text."""
    return tuple((target.words, text) for target, text in written.items())


def with_comments(store: Store, tree: Tree, feedback: str | Feedback) -> Feedback:
    """Return feedback that passes on the comments: first those on its target, and as many as there is room for."""
    feedback = Feedback(text=feedback) if isinstance(feedback, str) else feedback
    written = comments_on(store, tree)
    ordered = sorted(written, key=lambda target: not _is_about(target, feedback.target))  # stable
    passed = tuple(_bounded((target.words, written[target]) for target in ordered))
    left = len(written) - len(passed)
    note = ((f"{counted(left, 'more comment')}", "left out for length"),) if left else ()
    return replace(feedback, comments=(*passed, *note))


def _is_about(target: Target, whole: Target) -> bool:
    if whole.kind == "class":
        return target.class_name == whole.class_name
    return bool(whole.group) and target.group == whole.group


def _bounded(written: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    room = _MOST
    for words, text in written:
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        room -= len(words) + len(text)
        if room < 0:
            return
        yield words, text
