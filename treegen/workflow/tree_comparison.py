"""A tree compared with an earlier one: what changed in words, and what takes one change or all of them back."""

from dataclasses import dataclass
from functools import cached_property

from treegen.history.store import Revision
from treegen.tree.changes import Change
from treegen.tree.changes.difference import difference
from treegen.tree.model import Tree
from treegen.vcs.tree_names import approved_texts
from treegen.vcs.versions import tree_of
from treegen.workflow.proposal_units import ChangeGroup, closure, take, units_of
from treegen.workflow.session import Session


@dataclass(frozen=True, kw_only=True)
class Base:
    """What a tree is compared with.

    Attributes:
        words: behind "since", such as "it was saved".
        tree: its content.
    """

    words: str
    tree: Tree


@dataclass(frozen=True, kw_only=True)
class TreeComparison:
    """A tree and an earlier one.

    Attributes:
        base: the earlier one.
        tree: the later one.
    """

    base: Base
    tree: Tree

    @cached_property
    def back(self) -> tuple[ChangeGroup, ...]:
        """What leads back to the base, in parts that can be taken one by one."""
        return units_of(self.tree, difference(self.tree, self.base.tree))

    def sentences(self, number: int) -> tuple[str, ...]:
        """Return what changed since the base, in words: what a part takes back."""
        return tuple(change.inverse().sentence for change in reversed(self.back[number].changes))

    def restoring(self, number: int) -> tuple[Change, ...]:
        """Return the changes that take one part back, with the parts that it needs."""
        return take(self.tree, self.back, closure(self.back, (number,)))


def saved_base(session: Session) -> Base:
    """Return the tree as it was saved last."""
    return Base(words="it was saved", tree=session.saved)


def revision_base(revision: Revision) -> Base:
    """Return a revision of the history.

    Raises:
        ProblemsError: it is not a tree.
    """
    name = f"revision {revision.id}"
    return Base(words=name, tree=tree_of(revision.tree, name))


def approved_base(session: Session, *, in_git: bool = False) -> Base | None:
    """Return what was approved last; `None` if nothing was, or if that content is not found.

    Args:
        session: the tree under review.
        in_git: look for it in git too, which takes long in a long history.

    Raises:
        ProblemsError: it is not a tree.
    """
    signed = session.tree.review
    if signed is None:
        return None
    words = f"{signed.by.partition(' <')[0]} approved it"
    if revision := session.store.find_revision(signed.digest):
        return Base(words=words, tree=tree_of(revision.tree, words))
    texts = approved_texts(session.path, signed.digest) if in_git else iter(())
    text = next(texts, None)
    return Base(words=words, tree=tree_of(text, words)) if text else None
