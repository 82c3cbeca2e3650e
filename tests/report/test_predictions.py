"""Predictions and answers for other tools, and the views of the history."""

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from tests.conftest import Run, store_version
from treegen.errors import InputError
from treegen.history.store import Store
from treegen.images import LabelledImage
from treegen.report.predictions import GroupAnswer, Prediction, fiftyone_samples, predictions_csv

pytestmark = pytest.mark.slow

ONE = Prediction(
    image=LabelledImage(path=Path("images/Newt/1.png"), label=0),
    name="Newt/1.png",
    split="dev",
    true="Newt",
    predicted="Swan",
    score=0.5,
    margin=0.25,
    by_name="Newt",
    answers=(GroupAnswer(group="legs", option="two", probability=0.75, expected=None),),
)


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def test_the_table_has_a_line_for_each_dev_image_and_agrees_with_the_score(run: Run, project: Path) -> None:
    done = run("export", "tree.json", "--to", "predictions")
    assert done.code == 0, done.err
    rows = _rows(done.out)
    with Store(project / "tree.json") as store:
        dev = store.scores()[2]["dev"]
    assert {row["split"] for row in rows} == {"dev"}
    assert len(rows) == dev["n"]
    assert sum(row["correct"] == "true" for row in rows) == dev["correct"]
    for group in dev["groups"]:
        asked = [row for row in rows if row[f"{group['name']}: expected"]]
        right = [row for row in asked if row[f"{group['name']}: answer"] == row[f"{group['name']}: expected"]]
        assert (len(asked), len(right) / len(asked)) == (group["n"], group["accuracy"])


def test_predictions_of_the_test_split_are_asked_for_and_counted(run: Run, project: Path) -> None:
    (project / "third.json").write_text(
        (project / "tree.json").read_text(encoding="utf-8").replace('"tiny"', '"minute"'), encoding="utf-8"
    )

    def evaluations() -> int:
        with Store(project / "tree.json") as store:
            return int(store.rows("SELECT count(*) FROM look", ())[0][0])

    before = evaluations()
    assert run("export", "third.json", "--to", "predictions").code == 0
    assert evaluations() == before
    rows = _rows(run("export", "third.json", "--to", "predictions", "--test").out)
    assert evaluations() == before + 1
    assert {row["split"] for row in rows} == {"dev", "test"}


def test_parquet_has_the_same_rows_with_types(run: Run, project: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("export", "tree.json", "--to", "predictions", "-o", "p.parquet").code == 0
    table = parquet.read_table(project / "p.parquet").to_pylist()
    rows = _rows(run("export", "tree.json", "--to", "predictions").out)
    assert [row["image"] for row in table] == [row["image"] for row in rows]
    assert [str(row["correct"]).lower() for row in table] == [row["correct"] for row in rows]
    assert all(0 <= row["score"] <= 1 and isinstance(row["margin"], float) for row in table)
    assert table[0].keys() == rows[0].keys()


def test_fiftyone_finds_every_picture_from_where_the_file_is(run: Run, project: Path) -> None:
    (project / "fiftyone").mkdir()
    assert run("export", "tree.json", "--to", "fiftyone", "-o", "fiftyone/samples.json").code == 0
    samples = json.loads((project / "fiftyone" / "samples.json").read_text(encoding="utf-8"))["samples"]
    assert len(samples) == len(_rows(run("export", "tree.json", "--to", "predictions").out))
    for sample in samples:
        assert (project / "fiftyone" / sample["filepath"]).is_file()
        assert not Path(sample["filepath"]).is_absolute()
        assert sample["ground_truth"] == {"_cls": "Classification", "label": Path(sample["filepath"]).parent.name}
        assert 0 <= sample["prediction"]["confidence"] <= 1
        assert {each["tags"][0] for each in sample["answers"]["classifications"]} <= {"right", "wrong", "not asked"}


def test_pictures_inside_a_tar_are_refused_for_fiftyone(tmp_path: Path) -> None:
    inside = replace(ONE, image=replace(ONE.image, path=Path("a.tar"), member="1.png"))
    with pytest.raises(InputError, match="FiftyOne needs files"):
        fiftyone_samples([inside], tmp_path)


def test_no_cell_is_a_formula() -> None:
    attack = "=HYPERLINK(1)"
    answers = (replace(ONE.answers[0], group=attack, option=attack, expected=attack),)
    text = predictions_csv([replace(ONE, name=attack, true=attack, predicted=attack, by_name=attack, answers=answers)])
    assert not [cell for row in csv.reader(StringIO(text)) for cell in row if cell.startswith("=")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "fiftyone"], "samples.json"),
        (["--to", "fiftyone", "-o", "x.json"], "samples.json"),
        (["--to", "predictions", "-o", "x.xlsx"], ".csv or .parquet"),
        (["--to", "predictions", "-o", "nowhere/x.csv"], "nowhere"),
        (["--to", "csv", "--test"], "has no predictions"),
    ],
)
def test_an_output_that_does_not_fit_is_refused(run: Run, project: Path, arguments: list[str], words: str) -> None:
    done = run("export", "tree.json", *arguments)
    assert (done.code, words in done.err) == (2, True)
    assert not list(project.glob("x.*"))


@pytest.fixture
def history(project: Path) -> Iterator[sqlite3.Connection]:
    """The history, opened as another program would."""
    with Store(project / "tree.json"):
        pass
    with closing(sqlite3.connect(project / ".treegen" / "store.sqlite")) as database:
        database.row_factory = sqlite3.Row
        yield database


def test_the_views_of_the_history_show_scores_as_columns(history: sqlite3.Connection, project: Path) -> None:
    with Store(project / "tree.json") as store:
        scores = store.scores()
    rows = {row["revision"]: row for row in history.execute("SELECT * FROM scored_revisions")}
    for number, score in scores.items():
        row = rows[number]
        assert (row["test_accuracy"], row["dev_n"]) == (score["test"]["accuracy"], score["dev"]["n"])
        assert [row["test_low"], row["test_high"]] == score["test"]["interval"]
    recalls = history.execute("SELECT class, recall FROM class_scores WHERE revision = 2").fetchall()
    assert dict(map(tuple, recalls)) == {each["name"]: each["recall"] for each in scores[2]["dev"]["classes"]}
    groups = history.execute('SELECT "group", ece FROM group_scores WHERE revision = 2').fetchall()
    assert dict(map(tuple, groups)) == {
        each["name"]: each["calibration"]["error"] for each in scores[2]["dev"]["groups"]
    }
    assert history.execute("SELECT count(*) FROM language_model_calls").fetchone()[0] == 0


def test_an_earlier_history_gets_the_views(tmp_path: Path) -> None:
    with store_version(7), Store(tmp_path / "tree.json"):
        pass
    with Store(tmp_path / "tree.json") as store:
        folder = store.folder
    with closing(sqlite3.connect(folder / "store.sqlite")) as database:  # treegen itself trusts no view of a store
        assert database.execute("SELECT count(*) FROM scored_revisions").fetchall() == [(0,)]
