"""How a change is made, told, taken back and refused, in one place for every kind."""

from collections.abc import Callable

import pytest

from treegen.tree.changes import Change, ChangeError, apply, from_json
from treegen.tree.document import content_of
from treegen.tree.model import Tree

Made = Callable[[Change], Tree]
Refused = Callable[[Change], str]


@pytest.fixture
def made(tree: Tree) -> Made:
    """Makes a change on the pond, after it has seen it written, read again and taken back."""

    def make(change: Change) -> Tree:
        after = apply(tree, (change,))
        assert after != tree
        assert apply(after, (change.inverse(),)) == tree
        assert from_json(change.as_json()) == change
        assert change.sentence.isprintable()
        return after

    return make


@pytest.fixture
def refused(tree: Tree) -> Refused:
    """Why a change does not fit the pond, which stays as it was."""

    def make(change: Change) -> str:
        before = content_of(tree)
        with pytest.raises(ChangeError) as raised:
            apply(tree, (change,))
        assert content_of(tree) == before
        return raised.value.message

    return make
