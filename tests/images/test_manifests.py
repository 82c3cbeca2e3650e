"""Manifests in CSV and JSON Lines, cards among them."""

import json
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import pytest

from tests.images.conftest import Make, colour_of
from treegen.config.settings import SplitSettings
from treegen.errors import InputError
from treegen.images import divide, list_images, open_picture

Draw = Callable[..., Path]


def test_rows_name_files_labels_parts_and_boxes(tmp_path: Path, draw: Draw, pond: Make) -> None:
    for number in range(4):
        draw(f"photos/{number}.png", number)
    table = tmp_path / "images.csv"
    table.write_text(
        "\ufeffpath,label,split,crop\r\nphotos/0.png,Swan,train,\r\nphotos/1.png,Newt,TEST,\r\n"
        'photos/2.png,water monster,val,"0 0.5 0.5 1"\r\nphotos/3.png,Newt,val,\r\n',
        encoding="utf-8",
        newline="",
    )
    found = list_images(pond(manifest=table)).images
    assert [(i.name, i.label, i.split, i.crop) for i in found] == [
        ("0.png", 1, "dev", None),
        ("1.png", 0, "test", None),
        ("2.png", 2, "dev", (0.0, 0.5, 0.5, 1.0)),
        ("3.png", 0, "dev", None),
    ]
    assert [open_picture(i).getpixel((0, 0)) for i in found] == [colour_of(n) for n in range(4)]
    assert open_picture(found[2], (0.0, 0.0, 1.0, 1.0)).size == (3, 2)


def test_json_lines_hold_the_same_and_may_have_odd_characters(tmp_path: Path, draw: Draw, pond: Make) -> None:
    draw("a\u2028b.png", 1)
    draw("c.png", 2)
    rows = [
        {"path": "a\u2028b.png", "label": normalize("NFD", "Évoli"), "split": "dev", "crop": [0, 0, 0.5, 0.5]},
        {"path": "c.png", "label": 1, "split": "TEST", "crop": None},
    ]
    table = tmp_path / "images.jsonl"
    table.write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    found = list_images(pond(manifest=table)).images
    assert [(i.label, i.split, i.crop) for i in found] == [(2, "dev", (0.0, 0.0, 0.5, 0.5)), (1, "test", None)]


def test_cards_name_their_columns_and_their_folder(tmp_path: Path, draw: Draw, pond: Make) -> None:
    """A table of cards as collectors keep it: other columns beside, and one box for all that removes the text."""
    draw("scans/base1-4.png", 4)
    draw("scans/base1-7.png", 7)
    table = tmp_path / "cards" / "cards.csv"
    table.parent.mkdir()
    table.write_text(
        'id,image_file,name,caption\nbase1-4,base1-4.png,Newt,"Newt, a fish\nof fire"\nbase1-7,base1-7.png,Swan,x\n',
        encoding="utf-8",
    )
    domain = pond(
        manifest=table,
        folder=tmp_path / "scans",
        columns=(("path", "image_file"), ("label", "name")),
        crop=(0.0, 0.25, 1.0, 0.75),
    )
    found = list_images(domain).images
    assert [(i.name, i.label) for i in found] == [("base1-4.png", 0), ("base1-7.png", 1)]
    assert domain.images is not None
    assert open_picture(found[0], domain.images.crop).size == (6, 2)
    assert found[0].below(domain.images.root) == "base1-4.png"


@pytest.mark.parametrize(("column", "settings"), [("look", ()), ("sex", (("look", "sex"),))])
def test_a_column_names_the_look_that_a_picture_shows(
    tmp_path: Path, draw: Draw, pond: Make, column: str, settings: tuple[tuple[str, str], ...]
) -> None:
    for number in range(2):
        draw(f"{number}.png", number)
    table = tmp_path / "images.csv"
    table.write_text(f"path,label,{column}\n0.png,Swan, male \n1.png,Newt,\n", encoding="utf-8")
    found = list_images(pond(manifest=table, columns=settings)).images
    assert [(i.name, i.look) for i in found] == [("0.png", "male"), ("1.png", "")]


def test_unknown_labels_and_missing_files_are_named_and_counted(tmp_path: Path, draw: Draw, pond: Make) -> None:
    draw("a.png", 1)
    (tmp_path / "folder.png").mkdir()
    table = tmp_path / "images.csv"
    table.write_text(
        "path,label\na.png,Newt\na.png,Eel\nb.png,Eel\na.png,Olm\ngone.png,Swan\nfolder.png,Swan\n", encoding="utf-8"
    )
    found = list_images(pond(manifest=table))
    assert found.unknown_labels == (("Eel", 2), ("Olm", 1))
    assert [(s.path.name, s.reason) for s in found.skipped] == [
        ("gone.png", "no such file (images.csv, line 6)"),
        ("folder.png", "not a file (images.csv, line 7)"),
    ]
    assert len(found.images) == 1


def test_numbers_count_the_names_of_a_file_or_the_classes(tmp_path: Path, draw: Draw, pond: Make) -> None:
    for number, name in enumerate("abcd"):
        draw(f"{name}.png", number)
    (tmp_path / "names.txt").write_text("Swan\nEel\nwater monster\n", encoding="utf-8")
    table = tmp_path / "images.csv"
    table.write_text("path,label\na.png,0\nb.png,1\nc.png,2\nd.png,3\n", encoding="utf-8")
    named = list_images(pond(manifest=table, classnames=tmp_path / "names.txt"))
    assert ([i.label for i in named.images], named.unknown_labels) == ([1, 2], (("3", 1), ("Eel", 1)))
    assert [i.label for i in list_images(pond(manifest=table)).images] == [0, 1, 2]


def test_numbers_that_a_table_with_gaps_made_fractions_count_all_the_same(
    tmp_path: Path, draw: Draw, pond: Make
) -> None:
    draw("a.png", 1)
    (tmp_path / "images.csv").write_text("path,label\na.png,1.0\na.png,1.5\n", encoding="utf-8")
    found = list_images(pond(manifest=tmp_path / "images.csv"))
    assert ([i.label for i in found.images], found.unknown_labels) == ([1], (("1.5", 1),))
    assert found.notes == ("numeric labels are counted from 0: 0 = Newt, 1 = Swan, 2 = Axolotl",)


def test_the_manifests_parts_outrank_the_recorded_ones_and_the_rest_is_left_out(
    tmp_path: Path, draw: Draw, pond: Make
) -> None:
    lines = ["path,label,split"]
    for number in range(12):
        draw(f"{number}.png", number)
        lines.append(f"{number}.png,{('Newt', 'Swan')[number % 2]},{('train', 'test', '')[number // 4]}")
    table = tmp_path / "images.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    domain = pond(manifest=table)
    listed = list_images(domain)
    images = listed.images
    opposite = {i.digest: "test" if i.split == "dev" else "dev" for i in images if i.split}
    parts = divide(images, domain.classes, SplitSettings(), opposite)
    assert [parts[i.digest] for i in images] == ["dev"] * 4 + ["test"] * 4
    assert [each.kind for each in listed.passed_over] == ["outside the splits"] * 4


def test_a_content_in_both_parts_is_left_out_of_dev_and_named(tmp_path: Path, draw: Draw, pond: Make) -> None:
    draw("a.png", 1)
    draw("copy.png", 1)
    draw("b.png", 2)
    table = tmp_path / "images.csv"
    table.write_text("path,label,split\na.png,Newt,dev\ncopy.png,Newt,test\nb.png,Swan,dev\n", encoding="utf-8")
    found = list_images(pond(manifest=table))
    assert found.leaks == 1
    assert [(i.name, i.split) for i in found.images] == [("copy.png", "test"), ("b.png", "dev")]
    assert [(s.path.name, s.reason.split(":")[0]) for s in found.skipped] == [
        ("a.png", "the same picture is in the test split")
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "", "a.csv: empty"),
        ("a.csv", "path,label\n", "no image of any of the 3 classes"),
        ("a.csv", "file,label\na.png,Newt\n", 'line 1: no column "path"; there are: "file", "label"'),
        ("a.csv", "file,kind\na.png,Newt\n", 'line 1: no column "path" and no column "label"'),
        ("a.csv", "path,label\na.png,Newt\na.png\n", "line 3: 1 cell under 2 columns"),
        ("a.csv", 'path,label\n"a.png,Newt\n', "line 2: a double quote is not closed"),
        ("a.csv", 'path,label\na.png,Newt\n"b.png,Newt\nc.png,Newt\n', "line 3: a double quote is not closed"),
        (
            "a.csv",
            "path,label\n,Newt\na.png,\n",
            "2 lines cannot be used\n  line 2: no file name .*\n  line 3: no label",
        ),
        ("a.csv", "path,label,split\na.png,Newt,train2\n", 'line 2: "train2" in "split" is none of dev, train'),
        ("a.csv", "path,label,crop\na.png,Newt,0 0 40 80\n", 'line 2: the crop "0 0 40 80" is not a box of fractions'),
        ("a.csv", "path,label,crop\na.png,Newt,all\n", 'line 2: the crop "all" is not four numbers'),
        ("a.jsonl", '{"path": "a.png", "label": "Newt"}\n{oops\n', "line 2: not JSON"),
        ("a.jsonl", '\n["a.png"]\n', "line 2: not an object"),
        ("a.xlsx", "", "a.xlsx: unknown kind of table"),
        ("a.parquet", "no table", "a.parquet: not Parquet"),
    ],
)
def test_a_broken_manifest_is_one_message_with_the_line(
    tmp_path: Path, draw: Draw, pond: Make, name: str, text: str, told: str
) -> None:
    draw("a.png", 1)
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=told) as caught:
        list_images(pond(manifest=tmp_path / name))
    assert caught.value.tip


def test_many_broken_lines_are_counted_and_the_first_told(tmp_path: Path, pond: Make) -> None:
    (tmp_path / "a.csv").write_text("path,label\n" + ",Newt\n" * 9, encoding="utf-8")
    with pytest.raises(InputError, match=r"9 lines cannot be used(\n  line \d: .*){5}\n  and 4 more"):
        list_images(pond(manifest=tmp_path / "a.csv"))


def test_a_missing_manifest_is_named(tmp_path: Path, pond: Make) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        list_images(pond(manifest=tmp_path / "none.csv"))
