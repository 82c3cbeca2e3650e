"""An open tree: where its domain is, what is wrong with it, and which revision it is."""

import json
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, TREE
from treegen.config.settings import EncoderSettings
from treegen.errors import InputError, ProblemsError
from treegen.workflow.workspace import Workspace


def test_a_tree_without_a_domain_beside_it_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no domain\.toml beside it") as raised:
        Workspace(tmp_path / "tree.json")
    assert "--domain" in raised.value.tip
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_tree_and_the_file_in_it_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    with pytest.raises(InputError, match="is a folder") as raised:
        Workspace(tmp_path)
    assert str(tmp_path / "tree.json") in raised.value.tip


def test_a_domain_from_elsewhere_counts_before_the_one_beside_the_tree(tmp_path: Path) -> None:
    """By its file or by its folder."""
    (tmp_path / "trees").mkdir()
    (tmp_path / "trees" / "domain.toml").write_text('name = "other"\nclasses = ["a", "b"]\n', encoding="utf-8")
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    for path in (tmp_path, tmp_path / "domain.toml"):
        assert Workspace(tmp_path / "trees" / "tree.json", domain_path=path).domain.name == "sketchbook"
    assert Workspace(tmp_path / "trees" / "tree.json").domain.name == "other"


def test_opening_loads_no_model_and_begins_no_history(workspace: Workspace, tmp_path: Path) -> None:
    """A command that fails on the tree must not have waited for an encoder, nor leave a folder behind."""
    assert {"store", "encoder", "evaluator"}.isdisjoint(vars(workspace))
    assert [p.name for p in tmp_path.iterdir()] == ["domain.toml"]


def test_the_encoder_of_the_domain_counts_unless_another_is_given(tmp_path: Path) -> None:
    (tmp_path / "domain.toml").write_text(DOMAIN + '[encoder]\nname = "RN50:openai"\n', encoding="utf-8")
    assert Workspace(tmp_path / "tree.json").encoder_settings.name == "RN50:openai"
    other = EncoderSettings(name="bundled")
    assert Workspace(tmp_path / "tree.json", encoder=other).encoder_settings == other


def test_the_encoder_is_loaded_once_and_its_loading_is_told(workspace: Workspace) -> None:
    told: list[tuple[str, int, int]] = []
    workspace.progress = lambda *step: told.append(step)
    assert workspace.encoder is workspace.encoder
    assert told == [("loading the encoder", 0, 1), ("loading the encoder", 1, 1)]


def test_the_division_of_images_is_the_recorded_one(sketchbook: Path) -> None:
    """Another process that opens the tree has the same parts, also after an image went."""
    (sketchbook / "tree.json").write_text(TREE, encoding="utf-8")
    first = Workspace(sketchbook / "tree.json")
    assert first.evaluator.parts.keys() == {"dev", "test"}
    recorded = first.store.recorded_split("dev=0.5 seed=0")
    assert len(recorded) == 8 * 13
    (sketchbook / "images" / "Wendle" / "000.png").unlink()
    again = Workspace(sketchbook / "tree.json")
    assert sum(len(part.labels) for part in again.evaluator.parts.values()) == 8 * 13 - 1
    assert again.store.recorded_split("dev=0.5 seed=0") == recorded
    again.close()
    first.close()


def test_load_names_the_first_error_and_counts_the_rest(workspace: Workspace) -> None:
    """One clear message, with the command that lists all."""
    data = json.loads(TREE)
    del data["rules"]["Ulvar"]
    data["rules"]["Zandoor"]["colour"] = 99
    workspace.path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ProblemsError) as raised:
        workspace.load()
    assert "TG112 /rules/Zandoor/colour" in raised.value.message
    assert "(and 1 more)" in raised.value.message
    assert "treegen check" in raised.value.tip


def test_the_tree_is_checked_against_the_classes_and_the_name_of_its_domain(workspace: Workspace) -> None:
    data = json.loads(TREE)
    data["domain"] = "pond"
    data["rules"]["Unicorn"] = data["rules"].pop("Ulvar")
    workspace.path.write_text(json.dumps(data), encoding="utf-8")
    found = {(p.code, p.pointer) for p in workspace.check().problems}
    assert {("TG304", "/domain"), ("TG203", "/rules/Unicorn"), ("TG201", "/rules")} <= found


def test_a_tree_without_errors_is_loaded_with_its_warnings(workspace: Workspace) -> None:
    workspace.path.write_text(TREE, encoding="utf-8")
    tree, problems = workspace.load()
    assert len(tree.rules) == 13
    assert [p.code for p in problems] == ["TG301"]


def test_the_content_of_the_file_is_one_revision_however_often_it_is_asked_for(workspace: Workspace) -> None:
    """What was edited outside is a new one, with the last one as its parent; what is known is found again."""
    workspace.path.write_text(TREE, encoding="utf-8")
    found = workspace.current(workspace.load()[0])
    assert workspace.current(workspace.load()[0]) == found
    workspace.path.write_text(TREE.replace('"tiny"', '"small"'), encoding="utf-8")
    edited = workspace.current(workspace.load()[0])
    assert [(r.author, r.note, r.parent) for r in (found, edited)] == [
        ("human", "found", None),
        ("human", "edited by hand", found.id),
    ]
    workspace.path.write_text(TREE, encoding="utf-8")
    assert workspace.current(workspace.load()[0]) == found
