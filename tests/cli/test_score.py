"""`treegen score`: the document, what was left out of it, and its place in the history."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import TREE, Run
from treegen.config.domain import load_domain
from treegen.history.store import Store
from treegen.images import digest_of_splits, divide, list_images
from treegen.tree.validation.schema import schema_problems
from treegen.workflow.workspace import Workspace


def test_score_names_the_missing_domain(run: Run, tmp_path: Path) -> None:
    """A tree without a domain beside it: the option that names one."""
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    done = run("score", tmp_path / "tree.json")
    assert done.code == 2
    assert "--domain" in done.err


def test_score_of_a_missing_encoder_is_exit_3(run: Run, tree_file: Path) -> None:
    """A model that is not there fails with what to do, and never runs on random weights."""
    done = run("score", tree_file, "--encoder", "local-dir:/nowhere")
    assert done.code == 3
    assert "/nowhere" in done.err


@pytest.mark.slow
def test_score_json_validates_and_counts_a_broken_image(run: Run, tree_file: Path) -> None:
    """The document follows its schema; a truncated image is skipped, named and counted."""
    broken = tree_file.parent / "images" / "Wendle" / "000.png"
    broken.write_bytes(broken.read_bytes()[:400])
    done = run("score", tree_file, "--json")
    assert done.code == 0
    score = json.loads(done.out)
    assert schema_problems(score, "score") == []
    assert [s["path"] for s in score["images"]["skipped"]] == ["Wendle/000.png"]
    assert score["images"]["test"] + score["images"]["dev"] == 8 * 13 - 1
    shown = run("score", tree_file)
    assert "1 image skipped:\n  Wendle/000.png: " in shown.out
    assert "shuffled rules" in shown.out


@pytest.mark.slow
def test_an_edit_by_hand_becomes_a_revision_of_its_own(run: Run, tree_file: Path) -> None:
    """What a person changed in an editor is in the line of revisions, with a score paired with its parent."""
    assert run("score", tree_file).code == 0
    tree_file.write_text(TREE.replace('"tiny"', '"small"'), encoding="utf-8")
    assert run("score", tree_file).code == 0
    assert run("score", tree_file).code == 0
    store = Store(tree_file)
    assert [(r.author, r.parent, r.note) for r in store.revisions()] == [
        ("human", None, "found"),
        ("human", 1, "edited by hand"),
    ]
    assert store.scores()[2]["mcnemar"]["parent"] is not None
    shown = run("log", tree_file)
    assert shown.out.count("edited by hand") == 1
    store.close()


def test_what_a_reader_of_the_score_must_know_is_told(run: Run, tree_file: Path) -> None:
    """A damaged cache, a picture in two class folders and a folder that is no class are named on stderr."""
    images = tree_file.parent / "images"
    (tree_file.parent / ".treegen").mkdir()
    (tree_file.parent / ".treegen" / "embeddings.sqlite").write_bytes(b"no database" * 1000)
    (images / "Wendle" / "copy.png").write_bytes((images / "Torvane" / "000.png").read_bytes())
    (images / "Unicorn").mkdir()
    done = run("score", tree_file)
    assert done.code == 0
    assert "note: the embedding cache was damaged" in done.err
    assert "note: 1 picture is in more than one class" in done.err
    assert 'note: 1 label is not a class and was left out, with the images: "Unicorn" (0)' in done.err
    (images / "Wendle" / "copy.png").unlink()
    (images / "Unicorn").rmdir()
    notes = [line for line in run("score", tree_file).err.splitlines() if "note:" in line]
    assert all("moved between dev and test" in note for note in notes)  # by rank, when a class had one image more


@pytest.mark.slow
@pytest.mark.parametrize("by", ["hash", "rank"])
def test_a_clone_divides_as_the_folder_whose_images_arrived_in_two_stages(
    run: Run, tree_file: Path, tmp_path: Path, by: str
) -> None:
    """The order of arrival does not matter: by rank images move when a class grows, as in a clone, and that is said."""
    folder, later = tree_file.parent, tmp_path / "later"
    domain = folder / "domain.toml"
    domain.write_text(domain.read_text().replace('by = "rank"', f'by = "{by}"'))
    for picture in sorted((folder / "images").rglob("*.png")):
        if picture.stem in ("002", "003", "005"):
            (later / picture.parent.name).mkdir(parents=True, exist_ok=True)
            picture.rename(later / picture.parent.name / picture.name)
    assert run("score", tree_file, "--dev").code == 0
    shutil.copytree(later, folder / "images", dirs_exist_ok=True)
    done = run("score", tree_file, "--json")
    first = json.loads(done.out)
    assert ("moved between dev and test since first split" in done.err) == (by == "rank")
    assert run("approve", tree_file, "--by", "Ada <ada@example.org>").code == 0
    clone = Path(shutil.copytree(folder, tmp_path / "clone", ignore=shutil.ignore_patterns(".treegen"))) / "tree.json"
    second = json.loads(run("score", clone, "--json").out)
    assert first["images"]["digest"] == second["images"]["digest"]
    assert first["images"]["split"] == second["images"]["split"]
    assert first["test"] == second["test"]
    assert json.loads(clone.read_text())["review"]["score"]["split"] == first["images"]["split"]["digest"]
    assert run("check", clone, "--min-accuracy", "0.1").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("by", ["hash", "rank"])
def test_a_division_of_an_earlier_version_stays_and_is_told(run: Run, tree_file: Path, by: str) -> None:
    """It was recorded by rank, and depended on which images arrived first."""
    domain = tree_file.parent / "domain.toml"
    domain.write_text(domain.read_text().replace('by = "rank"', f'by = "{by}"'))
    images = list_images(load_domain(domain)).images
    parts = {image.digest: ("dev" if number % 8 < 4 else "test") for number, image in enumerate(images)}
    with Store(tree_file) as store:
        store.record_split("dev=0.5 seed=0", parts)
    for _ in range(2):
        done = run("score", tree_file, "--json")
        assert json.loads(done.out)["images"]["split"]["digest"] == digest_of_splits(parts)
        assert "104 images are split as an earlier version recorded" in done.err
        assert "moved" not in done.err


def test_an_earlier_division_that_this_version_would_repeat_is_not_worth_a_note(run: Run, tree_file: Path) -> None:
    """That of a demo whose images were all drawn at once."""
    with Workspace(tree_file) as workspace:
        images = list_images(workspace.domain).images
        parts = divide(images, workspace.domain.classes, workspace.domain.split, {})
        workspace.store.record_split("dev=0.5 seed=0", parts)
        assert workspace.divide(images) == parts
        assert workspace.split_notes(images) == ()
