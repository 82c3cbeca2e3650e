"""`treegen classify`: labels with the answers behind them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run


@pytest.mark.slow
def test_classify_shows_the_chain_of_answers(run: Run, tree_file: Path) -> None:
    """Each image gets a label and every group's answer; an unreadable one is named and the exit code is 2."""
    images = tree_file.parent / "images"
    done = run("classify", tree_file, images / "Zandoor" / "001.png", images / "Wendle" / "001.png")
    assert done.code == 0
    assert done.out.count("  colour: ") == 2
    results = json.loads(run("classify", tree_file, images / "Zandoor" / "001.png", "--json").out)
    assert len(results[0]["ranking"]) == 5
    assert 0.5 < results[0]["ranking"][0][1] <= 1  # the mean, also of classes with a null
    assert results[0]["rule"] == "mean"
    assert [a["group"] for a in results[0]["answers"]] == ["colour", "form", "scene", "mark", "size"]
    missing = run("classify", tree_file, images / "none.png", images / "Wendle" / "001.png")
    assert missing.code == 2
    assert "none.png" in missing.err
    assert "Wendle" in missing.out


def test_a_file_that_is_not_there_is_called_so(run: Run, tree_file: Path) -> None:
    """Not "cannot be decoded"; the others are labelled all the same, in their order."""
    images = tree_file.parent / "images"
    paths = (images / "none.png", images / "Wendle" / "001.png", images / "Wendle")
    done = run("classify", tree_file, *paths, "--json")
    assert done.code == 2
    assert f"{paths[0]}: no such file" in done.err
    assert f"{paths[2]}: a folder" in done.err
    results = json.loads(done.out)
    assert [r["path"] for r in results] == [str(p) for p in paths]
    assert [bool(r["ranking"]) for r in results] == [False, True, False]
    assert results[0]["failure"] == "no such file"


@pytest.mark.slow
def test_noise_and_a_blank_page_fit_no_class_and_drawings_do(run: Run, tree_file: Path, tmp_path: Path) -> None:
    """Once a score has fitted the threshold on the dev split."""
    images = tree_file.parent / "images"
    odd = [tmp_path / "noise.png", tmp_path / "white.png", tmp_path / "black.png"]
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    Image.fromarray(noise).save(odd[0])
    for path in odd[1:]:
        Image.new("RGB", (224, 224), path.stem).save(path)
    before = run("classify", tree_file, *odd)
    assert "fits no class" not in before.out
    assert "is unknown until `treegen score`" in before.err
    assert run("score", tree_file, "--dev").code == 0
    done = run("classify", tree_file, *odd)
    assert done.out.count(": fits no class, nearest ") == 3
    assert "is unknown" not in done.err
    drawn = json.loads(run("classify", tree_file, *sorted(images.rglob("*.png")), "--json").out)
    right = [r["fits"] for r in drawn if r["ranking"][0][0] == Path(r["path"]).parent.name]
    assert len(right) > 60
    assert sum(right) / len(right) >= 0.94


@pytest.mark.slow
def test_sets_list_the_classes_that_cannot_be_excluded_and_top_the_best(run: Run, tree_file: Path) -> None:
    """Nothing is excluded at a share that so few dev images cannot promise; an empty set fits no class."""
    image = tree_file.parent / "images" / "Wendle" / "001.png"
    done = run("classify", tree_file, image, "--sets", 0.8, "--top", 2, "--json")
    (result,) = json.loads(done.out)
    assert len(result["ranking"]) == 2
    assert len(result["possible"]) < 13
    (every,) = json.loads(run("classify", tree_file, image, "--sets", 0.999, "--json").out)
    assert (len(every["possible"]), every["possible"][0]) == (13, every["ranking"][0][0])
    several = sorted(image.parent.glob("*.png"))
    few = json.loads(run("classify", tree_file, *several, "--sets", 0.2, "--json").out)
    assert [] in [each["possible"] for each in few]
    shown = run("classify", tree_file, *several, "--sets", 0.2, "--top", 1)
    assert "  20.0 % set: empty, it fits no class" in shown.out
    assert "; next" not in shown.out
    assert json.loads(run("classify", tree_file, image, "--json").out)[0]["possible"] is None


def test_sets_need_the_images_of_the_domain(run: Run, tree_file: Path) -> None:
    image = tree_file.parent / "images" / "Wendle" / "001.png"
    path = tree_file.parent / "domain.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("[images]")] + "[split]\nseed = 0\n", encoding="utf-8")
    done = run("classify", tree_file, image, "--sets", 0.9)
    assert done.code == 2
    assert "the domain has no images" in done.err


@pytest.mark.slow
def test_a_score_reports_coverage_probabilities_and_doubtful_labels(run: Run, tree_file: Path) -> None:
    """A drawing in the folder of another class contradicts its label; with `bayes` the scores are probabilities."""
    images = tree_file.parent / "images"
    path = tree_file.parent / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8") + '\n[decision]\nrule = "bayes"\n', encoding="utf-8")
    for number in range(8):
        (images / "Zandoor" / f"{number:03}.png").replace(images / "Nubbet" / f"z{number:03}.png")
    score = json.loads(run("score", tree_file, "--json").out)
    assert (score["sets"]["level"], score["sets"]["n"]) == (0.9, score["images"]["test"])
    assert 0 <= score["calibration"]["error"] < 0.3
    assert sum(entry["n"] for entry in score["dev"]["calibration"]["bins"]) == score["images"]["dev"]
    doubts = [entry for entry in score["dev"]["label_errors"] if entry["path"].startswith("Nubbet/z")]
    assert doubts
    assert {entry["label"] for entry in doubts} == {"Nubbet"}
    shown = run("score", tree_file, "--groups").out
    for words in (
        "prediction sets (90.0 %",
        "expected calibration error (ECE)",
        "labels that may be wrong",
        "looks like",
    ):
        assert words in shown
