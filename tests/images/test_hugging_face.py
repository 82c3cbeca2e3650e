"""Folders as Hugging Face's imagefolder lays them out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images.conftest import Make
from treegen.errors import InputError
from treegen.images import clusters_of, list_images

Draw = Callable[..., Path]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_metadata_beside_the_images_of_each_split(tmp_path: Path, draw: Draw, pond: Make, kind: str) -> None:
    number = 0
    for part in ("train", "validation", "test"):
        rows = []
        for label in ("Newt", "Swan"):
            draw(f"set/{part}/inner/{number}.png", number)
            rows.append({"file_name": f"inner/{number}.png", "label": label})
            number += 1
        table = tmp_path / "set" / part / f"metadata.{kind}"
        if kind == "csv":
            lines = [f"{row['file_name']},{row['label']}" for row in rows]
            table.write_text("\n".join(["file_name,label", *lines]), encoding="utf-8")
        elif kind == "jsonl":
            table.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        else:
            pyarrow = pytest.importorskip("pyarrow")
            parquet = pytest.importorskip("pyarrow.parquet")
            parquet.write_table(pyarrow.Table.from_pylist(rows), table)
    found = list_images(pond(hf=tmp_path / "set")).images
    assert sorted((i.name, i.label, i.split) for i in found) == [
        ("0.png", 0, "dev"),
        ("1.png", 1, "dev"),
        ("2.png", 0, "dev"),
        ("3.png", 1, "dev"),
        ("4.png", 0, "test"),
        ("5.png", 1, "test"),
    ]


def test_other_columns_and_numbers_as_labels(tmp_path: Path, draw: Draw, pond: Make) -> None:
    draw("set/a.png", 1)
    (tmp_path / "set" / "metadata.csv").write_text("image,y\na.png,2\n", encoding="utf-8")
    found = list_images(pond(hf=tmp_path / "set", columns=(("path", "image"), ("label", "y"))))
    assert [(i.label, i.split) for i in found.images] == [(2, None)]


def test_folders_of_classes_below_the_splits(tmp_path: Path, draw: Draw, pond: Make) -> None:
    for number, name in enumerate(
        ("train/Newt/0.png", "train/Eel/1.png", "test/Swan/2.png", "test/water monster/3.png")
    ):
        draw(f"set/data/{name}", number)
    found = list_images(pond(hf=tmp_path / "set"))
    assert [(i.name, i.label, i.split) for i in found.images] == [
        ("0.png", 0, "dev"),
        ("2.png", 1, "test"),
        ("3.png", 2, "test"),
    ]
    assert found.unknown_labels == (("Eel", 1),)


def test_folders_of_classes_alone_and_one_split_alone_are_divided_by_seed(
    tmp_path: Path, draw: Draw, pond: Make
) -> None:
    draw("one/Newt/0.png", 0)
    draw("two/train/Newt/0.png", 0)
    for name in ("one", "two"):
        assert [(i.label, i.split) for i in list_images(pond(hf=tmp_path / name)).images] == [(0, None)]


def test_a_missing_folder_is_an_input_error(tmp_path: Path, pond: Make) -> None:
    with pytest.raises(InputError, match="no such image folder"):
        list_images(pond(hf=tmp_path / "none"))


def test_a_damaged_parquet_file_of_pictures_is_an_input_error(tmp_path: Path, pond: Make) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{"image": {"bytes": bytes(range(256)) * 40, "path": "1.png"}, "label": "Newt"}]
    table = pyarrow.Table.from_pylist(rows)
    parquet.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[4:40] = b"\xff" * 36  # the header of the first page
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(InputError, match="not Parquet"):
        list_images(pond(hf=tmp_path))


@pytest.mark.parametrize("column", ["cluster", "object"])
def test_parquet_that_holds_the_pictures_says_which_show_one_object(
    tmp_path: Path, draw: Draw, pond: Make, column: str
) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [
        {
            "image": {"bytes": draw(f"{n}.png", n).read_bytes(), "path": f"{n}.png"},
            "label": "Newt",
            column: n // 2 if n < 4 else None,
        }
        for n in range(6)
    ]
    (tmp_path / "set").mkdir()
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "set" / "set.parquet")
    names = () if column == "cluster" else (("cluster", column),)
    images = list_images(pond(hf=tmp_path / "set", columns=names)).images
    assert [image.cluster for image in images] == ["0", "0", "1", "1", "", ""]
    assert clusters_of(images) == (0, 0, 1, 1, 2, 3)
