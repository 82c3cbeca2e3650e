"""A small tree without any problem, for tests that break one thing at a time."""

from typing import Any

import pytest

from treegen.tree.document import tree_from
from treegen.tree.model import Tree


@pytest.fixture
def content() -> dict[str, Any]:
    """Plain data of a tree with two groups and three classes; each test may change its own."""
    return {
        "domain": "pond",
        "classification_groups": {
            "colour": {"prompt": "This creature is mainly {}.", "options": ["white", "brown"]},
            "legs": {"prompt": "This creature has {} legs.", "options": ["no", "two", "four"]},
        },
        "rules": {
            "Newt": {"colour": 1, "legs": 2},
            "Swan": {"colour": 0, "legs": 1},
            "Eel": {"colour": 1, "legs": 0},
        },
    }


@pytest.fixture
def tree(content: dict[str, Any]) -> Tree:
    """The same as a tree."""
    return tree_from(content)
