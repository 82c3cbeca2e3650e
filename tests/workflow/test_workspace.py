"""An open tree: where its domain is, what is wrong with it, and which revision it is."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, TREE
from treegen.clip.embedding.texts import embed_texts
from treegen.config.settings import EncoderSettings
from treegen.errors import InputError, ProblemsError
from treegen.resources import sketchbook_dir
from treegen.workflow.score import score_tree
from treegen.workflow.workspace import Workspace

#: What scoring itself may load; nothing, once it computes with NumPy alone.
SCORING: set[str] = set()


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


@pytest.mark.slow
def test_the_division_of_images_is_the_recorded_one(sketchbook: Path) -> None:
    """Another process that opens the tree has the same parts, also after an image went."""
    (sketchbook / "tree.json").write_text(TREE, encoding="utf-8")
    domain = sketchbook / "domain.toml"
    domain.write_text(domain.read_text(encoding="utf-8").replace('by = "rank"', 'by = "hash"'), encoding="utf-8")
    first = Workspace(sketchbook / "tree.json")
    assert first.evaluator.splits.keys() == {"dev", "test"}
    recorded = first.store.recorded_split("dev=0.5 seed=0 by=hash")
    assert len(recorded) == 8 * 13
    (sketchbook / "images" / "Wendle" / "000.png").unlink()
    again = Workspace(sketchbook / "tree.json")
    assert sum(len(part.labels) for part in again.evaluator.splits.values()) == 8 * 13 - 1
    assert again.store.recorded_split("dev=0.5 seed=0 by=hash") == recorded
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


CACHED = """
import sys
from treegen.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end
print(*sorted({"torch", "torchvision", "open_clip", "transformers"} & set(sys.modules)), file=sys.stderr)
"""


def loaded_by(*arguments: str) -> set[str]:
    """Run a command in a process of its own; return which heavy libraries it loaded."""
    command = [sys.executable, "-c", CACHED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "100"})
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.slow
def test_what_is_cached_is_scored_and_checked_without_loading_a_model(tree_file: Path) -> None:
    first = loaded_by("score", str(tree_file))
    assert {"torch", "open_clip"} <= first
    assert loaded_by("score", str(tree_file)) <= SCORING
    assert loaded_by("check", "--encoder", "bundled", str(tree_file)) <= SCORING
    text = tree_file.read_text(encoding="utf-8").replace('"octopus"', '"octopus with eight arms"')
    tree_file.write_text(text.replace('"an octopus"', '"an octopus with eight arms"'), encoding="utf-8")
    assert "open_clip" in loaded_by("score", str(tree_file))
    assert loaded_by("score", str(tree_file)) <= SCORING


@pytest.mark.slow
def test_a_check_without_a_cache_leaves_none_behind(tree_file: Path) -> None:
    assert "open_clip" in loaded_by("check", "--encoder", "bundled", str(tree_file))
    assert not (tree_file.parent / ".treegen").exists()


@pytest.mark.slow
def test_a_model_that_changed_behind_the_same_size_and_time_is_told_and_the_tree_scored_anew(
    tree_file: Path, tmp_path: Path
) -> None:
    """With another tower the cached vectors would be nonsense: the job begins again with the new fingerprint."""
    from safetensors.torch import load_file, save_file

    model = Path(shutil.copytree(sketchbook_dir() / "clip", tmp_path / "model"))
    for file in model.iterdir():
        os.utime(file, ns=(10**18, 10**18))
    settings = EncoderSettings(name=f"local-dir:{model}", device="cpu")
    with Workspace(tree_file, encoder=settings) as workspace:
        before = score_tree(workspace)
    (weights,) = model.glob("*.safetensors")
    changed = load_file(weights)
    changed["logit_scale"].fill_(1.0)
    save_file(changed, weights)
    os.utime(weights, ns=(10**18, 10**18))
    with Workspace(tree_file, encoder=settings) as workspace:
        assert workspace.encoder.fingerprint == before.score["encoder"]["fingerprint"]
        tree = workspace.load()[0]
        same = score_tree(workspace, tree)  # all of it is cached: nothing shows the change
        assert same.score["encoder"] == before.score["encoder"]
        longer = replace(tree, groups=(replace(tree.groups[0], prompt="This beast is mainly {}."), *tree.groups[1:]))
        after = score_tree(workspace, longer)
        assert after.score["encoder"]["fingerprint"] != before.score["encoder"]["fingerprint"]
        assert after.score["encoder"]["logit_scale"] == pytest.approx(2.718, abs=1e-3)
        assert any("has changed: everything is embedded again" in note for note in after.notes)
        assert workspace.evaluator.score(longer)["test"] == after.score["test"]


def test_encoder_and_evaluator_share_one_cache_and_close_it(sketchbook: Path) -> None:
    (sketchbook / "tree.json").write_text(TREE, encoding="utf-8")
    workspace = Workspace(sketchbook / "tree.json")
    embed_texts(["a drawing"], workspace.encoder)
    assert set(workspace.cache.get_texts(workspace.encoder.fingerprint, ["a drawing"])) == {"a drawing"}
    workspace.close()
    assert {"cache", "encoder", "evaluator", "store"}.isdisjoint(vars(workspace))


@pytest.mark.slow
def test_without_images_no_folder_is_made_for_a_cache(workspace: Workspace) -> None:
    assert workspace.domain.images is None
    workspace.encoder.count_tokens("a drawing")
    assert not (workspace.path.parent / ".treegen").exists()
