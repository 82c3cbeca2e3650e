"""`treegen optimize` on drawings."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from treegen import load_tree
from treegen.history.store import Store


@pytest.mark.slow
def test_a_search_reports_its_steps_and_writes_only_if_asked(run: Run, tree_file: Path, tmp_path: Path) -> None:
    before, out = tree_file.read_bytes(), tmp_path / "better.json"
    done = run("optimize", tree_file, "--json", "-o", out)
    assert done.code == 0
    result = json.loads(done.out)
    assert tree_file.read_bytes() == before
    assert result["tried"] > 20
    assert result["stop"] == "no gain"
    for step in result["steps"]:
        assert step["propose"]["loss"] > step["propose"]["standard_error"] > 0
        assert step["confirm"]["loss"] > 0
        assert step["words"]
    if result["steps"]:
        assert result["score"]["mcnemar"]["parent"] is not None
        luck = result["score"]["dev"]["luck"]
        assert luck["evaluations"] >= len(result["steps"])
        assert luck["tried"] > 20
        assert load_tree(out).classes == load_tree(tree_file).classes
        with Store(tree_file) as store:
            revisions = [r for r in store.revisions() if r.author == "search"]
        assert len(revisions) == len(result["steps"])
        assert result["revision"] == revisions[-1].id
        assert "optimize: " in revisions[0].note
    again = run("optimize", tree_file, "-o", out)
    assert again.code == 2
    assert "exists" in again.err


@pytest.mark.slow
def test_rules_are_left_alone_and_other_words_tried_if_asked(run: Run, tree_file: Path, tmp_path: Path) -> None:
    wordings = tmp_path / "words.json"
    wordings.write_text('{"colour": ["snow white", "bright red"]}')
    done = run("optimize", tree_file, "--no-rule-edits", "--wordings", wordings, "--json", "--lock", "group form")
    assert done.code == 0
    result = json.loads(done.out)
    tree = load_tree(tree_file)
    colour = tree.group("colour")
    assert colour is not None
    assert result["tried"] >= 2 * len(colour.options)
    assert not any(step["follows_model"] for step in result["steps"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["red"]', "not a JSON object of groups"),
        ('{"colour": "red"}', "not a JSON object of groups"),
        ('{"color": ["red"]}', 'the tree has no group "color"'),
        ("{", "not a JSON object of groups"),
    ],
)
def test_a_file_of_wordings_that_cannot_be_used_is_one_sentence(
    run: Run, tree_file: Path, tmp_path: Path, text: str, message: str
) -> None:
    wordings = tmp_path / "words.json"
    wordings.write_text(text)
    done = run("optimize", tree_file, "--wordings", wordings)
    assert done.code == 2
    assert message in done.err


def test_a_lock_on_nothing_and_two_places_to_write_to_are_wrong_usage(
    run: Run, tree_file: Path, tmp_path: Path
) -> None:
    assert run("optimize", tree_file, "--lock", "group shape").code == 2
    both = run("optimize", tree_file, "--apply", "-o", tmp_path / "x.json")
    assert both.code == 2
    assert "use one of them" in both.err
