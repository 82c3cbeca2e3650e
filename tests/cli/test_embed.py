"""`treegen embed`: what it prints, and where it puts things."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.conftest import Run
from treegen.batch.parquet import ParquetFolder
from treegen.errors import InputError


@pytest.mark.slow
def test_a_domain_fills_its_cache_and_a_second_run_finds_all_of_it(run: Run, sketchbook: Path) -> None:
    first = run("embed", sketchbook)
    assert (first.code, first.out.splitlines()[0]) == (0, "104 images: 104 embedded, 0 skipped")
    assert str(sketchbook / ".treegen" / "embeddings.sqlite") in first.out
    again = run("embed", sketchbook / "domain.toml")
    assert again.out.splitlines()[0] == "104 images: 0 embedded, 104 in the cache already, 0 skipped"


@pytest.mark.slow
def test_with_a_tree_the_table_has_answers_and_the_accuracy_says_of_what(
    run: Run, tree_file: Path, tmp_path: Path
) -> None:
    broken = tree_file.parent / "images" / "Wendle" / "\x1b[31mred.png"
    broken.write_bytes(b"no picture")
    done = run("embed", tree_file.parent, "-o", tmp_path / "out", "--json")
    document = json.loads(done.out)
    assert (done.code, document["images"], document["embedded"], document["skipped"]) == (0, 105, 104, 1)
    assert document["first_skipped"][0]["path"] == "Wendle/\x1b[31mred.png"
    assert (document["accuracy"]["part"], document["accuracy"]["n"]) == ("test", 52)
    names = pyarrow.parquet.read_table(tmp_path / "out").column_names
    assert names[-4:] == ["embedding", "predicted", "score", "answers"]
    shown = run("embed", tree_file.parent, "-o", tmp_path / "out")
    assert "105 images: 0 embedded, 104 written already, 1 skipped" in shown.out
    assert "Wendle/\\u001b[31mred.png: not an image" in shown.out
    assert "accuracy on the test split: " in shown.out
    assert "(n = 52, 95 % interval; 52 of the dev split left out)" in shown.out


def test_a_domains_tree_with_errors_does_not_stop_the_embedding(run: Run, tree_file: Path, tmp_path: Path) -> None:
    tree_file.write_text('{"rules": {}}', encoding="utf-8")
    done = run("embed", tree_file.parent, "-o", tmp_path / "out")
    assert done.code == 0
    assert "embedded only, not scored" in done.err
    named = run("embed", tree_file.parent, "-o", tmp_path / "out", "--tree", tree_file)
    assert named.code == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["images"], "no destination"),
        (["nowhere", "-o", "out"], "no such folder or file"),
        ([".", "-o", "out", "--domain", "."], "is a domain itself"),
        (["images", "-o", "domain.toml"], "is a file"),
    ],
)
def test_wrong_usage_exits_with_2(
    run: Run, sketchbook: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(sketchbook)
    done = run("embed", *arguments)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_folder_that_another_run_writes_into_is_refused(run: Run, sketchbook: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    other = ParquetFolder(out, {})
    with pytest.raises(InputError, match="another `treegen embed` is writing into it"):
        ParquetFolder(out, {})
    done = run("embed", sketchbook / "images", "-o", out)
    assert done.code == 2
    assert "another `treegen embed` is writing into it" in done.err
    other.close()
    ParquetFolder(out, {}).close()
    assert list(out.iterdir()) == []


@pytest.mark.slow
def test_two_runs_into_one_folder_at_once_write_every_row_once(sketchbook: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "treegen", "embed", str(sketchbook / "images"), "-o", str(out)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=300) for process in runs]
    codes = sorted(process.returncode for process in runs)
    assert codes in ([0, 0], [0, 2]), told  # the one may have ended before the other began to write
    paths = pyarrow.parquet.read_table(out)["path"].to_pylist()
    assert (len(paths), len(set(paths))) == (104, 104)


@pytest.mark.slow
def test_rows_that_two_runs_wrote_twice_are_counted_once_when_the_folder_is_opened(
    run: Run, sketchbook: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("embed", sketchbook / "images", "-o", out).code == 0
    (file,) = out.glob("*.parquet")
    shutil.copy(file, out / "part-00000-ffffffff.parquet")
    again = run("embed", sketchbook / "images", "-o", out)
    assert again.out.splitlines()[0] == "104 images: 0 embedded, 104 written already, 0 skipped"
    paths = pyarrow.parquet.read_table(out)["path"].to_pylist()
    assert (len(paths), len(set(paths))) == (104, 104)


@pytest.mark.slow
def test_the_best_classes_of_each_image_stand_in_the_table_if_asked_for(
    run: Run, tree_file: Path, tmp_path: Path
) -> None:
    """In a folder of their own: rows with them and rows without are not mixed."""
    images = tree_file.parent / "images" / "Wendle"
    done = run("embed", images, "--tree", tree_file, "-o", tmp_path / "out", "--top", 3)
    assert done.code == 0
    table = pyarrow.parquet.read_table(tmp_path / "out").to_pydict()
    for predicted, score, top in zip(table["predicted"], table["score"], table["top"], strict=True):
        assert (top[0]["class"], top[0]["score"]) == (predicted, pytest.approx(score))
        assert len({entry["class"] for entry in top}) == 3
        assert [entry["score"] for entry in top] == sorted((entry["score"] for entry in top), reverse=True)
    mixed = run("embed", images, "--tree", tree_file, "-o", tmp_path / "out")
    assert (mixed.code, "have a different top: 3, not none" in mixed.err) == (2, True)
    assert run("embed", images, "-o", tmp_path / "other", "--top", 3).code == 2
