import json

import pytest
from hypothesis import given, settings

from tests.tree.strategies import trees
from treegen.errors import TreegenError
from treegen.tree.group_text import group_text, with_group
from treegen.tree.model import Tree


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(trees())
def test_a_group_that_comes_back_unchanged_changes_nothing(tree: Tree) -> None:
    for group in tree.groups:
        assert with_group(tree, group.name, group_text(tree, group.name)) == tree


def test_options_may_be_reordered_and_renamed_and_answers_given_in_words(tree: Tree) -> None:
    data = json.loads(group_text(tree, "colour"))
    data["options"] = ["dark brown", "white", "gray"]
    data["answers"] = {"Newt": "dark brown", "Swan": "gray", "Eel": None}
    new = with_group(tree, "colour", json.dumps(data))
    assert [new.word(rule, "colour") for rule in new.rules] == ["dark brown", "gray", None]
    assert [new.word(rule, "legs") for rule in new.rules] == [tree.word(rule, "legs") for rule in tree.rules]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("[]", "expected an object"),
        ('{"prompt": "a {}", "options": ["x"]}', "expected an object"),
        ('{"prompt": 1, "options": ["x"], "answers": {}}', "must be a string"),
        ('{"prompt": "a {}", "options": ["x", 2], "answers": {}}', "list of strings"),
        ('{"prompt": "a {}", "options": ["x"], "answers": {"Newt": "y"}}', '"Newt" has "y"'),
        ('{"prompt": "a {}", "options": ["x"], "answers": {"Olm": "x"}}', "no class"),
        ('{"prompt": "a {}", "prompt": "b {}", "options": ["x"], "answers": {}}', "is a duplicate"),
        ('{"prompt": "a {}", "options": ["x"], "answers": {"Newt": ["x"]}}', "not one of the options"),
    ],
)
def test_a_text_that_is_no_group_says_what_is_wrong(tree: Tree, text: str, told: str) -> None:
    with pytest.raises(TreegenError, match=told):
        with_group(tree, "colour", text)
