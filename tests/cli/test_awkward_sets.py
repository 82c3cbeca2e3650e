"""What the commands say of awkward image sets, each as a program of its own, and one rule of splits for every kind."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.cli.test_image_sets import (
    POINTER,
    PULL,
    SETS,
    contradictory_table,
    draw,
    encoded,
    labelled,
    pointers_in_tars,
    three_tables,
    train_and_val,
    two_classes,
    write_tar,
)
from tests.conftest import DOMAIN, ROOT, TREE, Outcome, Run
from treegen.config.domain import load_domain
from treegen.images import list_images

pytestmark = pytest.mark.slow

Layout = Mapping[str, int]
SPLIT_NAMES = ("train", "training", "val", "valid", "validation", "dev", "eval", "evaluation", "test", "testing")


def program(*arguments: object) -> Outcome:
    """Run `treegen ARGUMENTS` as a program of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "treegen", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return Outcome(code=done.returncode, out=done.stdout, err=done.stderr)


def write_domain(folder: Path, images: str) -> Path:
    (folder / "domain.toml").write_text(f"{DOMAIN}\n[images]\n{images}\n", encoding="utf-8")
    (folder / "tree.json").write_text(TREE, encoding="utf-8")
    return folder


def label_of(number: int) -> str:
    return ("Wendle", "Grelm")[number % 2]


def in_folders(folder: Path, layout: Layout) -> str:
    number = 0
    for split, count in layout.items():
        names = [f"{split}/{label_of(i)}/{i}.png" for i in range(number, number + count)]
        number = draw(folder / "set", *names, start=number)
    return 'folder = "set"'


def in_hugging_face_folders(folder: Path, layout: Layout) -> str:
    in_folders(folder / "set" / "data", layout)
    (folder / "set" / "data" / "set").rename(folder / "moved")
    (folder / "set" / "data").rmdir()
    (folder / "moved").rename(folder / "set" / "data")
    return 'hf = "set"'


def in_metadata(folder: Path, layout: Layout) -> str:
    number = 0
    for split, count in layout.items():
        rows = [f"{i}.png,{label_of(i)}" for i in range(number, number + count)]
        number = draw(folder / "set" / split, *(row.split(",")[0] for row in rows), start=number)
        (folder / "set" / split / "metadata.csv").write_text("\n".join(["file_name,label", *rows]), encoding="utf-8")
    return 'hf = "set"'


def in_a_table(folder: Path, layout: Layout) -> str:
    """What is no split has none in the table."""
    rows = ["path,label,split"]
    for split, count in layout.items():
        cell = split if split in SPLIT_NAMES else ""
        rows += [f"{i}.png,{label_of(i)},{cell}" for i in range(len(rows) - 1, len(rows) - 1 + count)]
    draw(folder / "set", *(row.split(",")[0] for row in rows[1:]))
    (folder / "set" / "set.csv").write_text("\n".join(rows), encoding="utf-8")
    return 'manifest = "set/set.csv"'


def in_tars(folder: Path, layout: Layout) -> str:
    number = 0
    for split, count in layout.items():
        write_tar(folder / "set" / f"pond-{split}-0001.tar", labelled(range(number, number + count)))
        number += count
    return 'shards = "set/*.tar"'


def in_parquet(folder: Path, layout: Layout) -> str:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (folder / "set" / "data").mkdir(parents=True)
    number = 0
    for split, count in layout.items():
        numbers = range(number, number + count)
        rows = [{"image": {"bytes": encoded(i), "path": None}, "label": label_of(i)} for i in numbers]
        parquet.write_table(
            pyarrow.Table.from_pylist(rows), folder / "set" / "data" / f"{split}-00000-of-00001.parquet"
        )
        number += count
    return 'hf = "set"'


KINDS = (in_folders, in_hugging_face_folders, in_metadata, in_a_table, in_tars, in_parquet)
NO_TEST = "no test split was recognised: "
CASES: Mapping[str, tuple[Layout, "dict[tuple[str, str | None], int]", "list[str]"]] = {
    "train and val": (
        {"train": 6, "val": 4},
        {("train", "dev"): 6, ("val", "test"): 4},
        [f"{NO_TEST}the 4 pictures of val are used for test, the 6 pictures of train for dev"],
    ),
    "all three": (
        {"training": 4, "valid": 2, "testing": 4},
        {("train", "dev"): 4, ("val", "dev"): 2, ("test", "test"): 4},
        [],
    ),
    "val and test": ({"dev": 4, "evaluation": 4}, {("val", "dev"): 4, ("test", "test"): 4}, []),
    "train alone": (
        {"train": 6},
        {("train", None): 6},
        [f"{NO_TEST}the 6 pictures of train are divided by seed into dev and test"],
    ),
    "test beside another": (
        {"test": 6, "holdout": 4},
        {("test", None): 6},
        [
            "no dev split was recognised: the 6 pictures of test are divided by seed into dev and test",
            "4 pictures are outside the splits (test) and left out: ",
        ],
    ),
    "three and another": (
        {"train": 4, "val": 2, "test": 4, "holdout": 3},
        {("train", "dev"): 4, ("val", "dev"): 2, ("test", "test"): 4},
        ["3 pictures are outside the splits (train, val, test) and left out: "],
    ),
    "none": ({"holdout": 4, "photos": 4}, {("", None): 8}, []),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_sets_of_every_kind_are_divided_by_the_same_rule(
    tmp_path: Path, kind: Callable[[Path, Layout], str], case: str
) -> None:
    layout, expected, notes = CASES[case]
    found = list_images(load_domain(write_domain(tmp_path, kind(tmp_path, layout))))
    assert Counter((image.source_split or "", image.split) for image in found.images) == expected
    told = [note for note in found.notes if "metadata tables" not in note and "in several folders" not in note]
    assert len(told) == len(notes), told
    assert all(note.startswith(start) for note, start in zip(told, notes, strict=True)), told
    outside = sum(layout.values()) - sum(expected.values())
    assert [(each.kind, each.count) for each in found.files.left_out] == [("outside the splits", outside)] * bool(
        outside
    )
    if outside:
        name = 'no split in "set.csv"' if kind is in_a_table else "holdout"
        assert name in told[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_of_train_and_val_is_that_of_val(run: Run, tmp_path: Path, kind: Callable[[Path, Layout], str]) -> None:
    folder = write_domain(tmp_path, kind(tmp_path, {"train": 6, "val": 4, "holdout": 3}))
    images = json.loads(run("score", folder / "tree.json", "--json").out)["images"]
    assert (images["dev"], images["test"], images["files"]["found"]) == (6, 4, 13)
    document = json.loads(run("embed", folder, "-o", tmp_path / "out", "--json").out)
    assert (document["accuracy"]["n"], document["accuracy"]["left_out"], document["files"]["read"]) == (4, 6, 10)


def test_a_picture_in_train_and_in_val_counts_once(tmp_path: Path) -> None:
    """Both are for dev where there is a test split; in test too, it is left out of dev."""
    draw(tmp_path, "1.png", "2.png", "3.png")
    rows = ["1.png,Wendle,train", "1.png,Wendle,val", "2.png,Grelm,test", "3.png,Grelm,val", "3.png,Grelm,test"]
    (tmp_path / "set.csv").write_text("\n".join(["path,label,split", *rows]), encoding="utf-8")
    found = list_images(load_domain(write_domain(tmp_path, 'manifest = "set.csv"')))
    assert [(image.name, image.split) for image in found.images] == [
        ("1.png", "dev"),
        ("2.png", "test"),
        ("3.png", "test"),
    ]
    assert "1 picture is in train and in val: each counts once" in found.notes
    assert found.leaks == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("contradictory_table", "1 picture with contradictory labels is left out"),
        ("contradictory_table", "2 entries of the set are not used: gone.png: no such file (set.csv, line 15); nnn"),
        ("three_tables", "all 3 metadata tables are read: metadata.csv, metadata.jsonl, sub/metadata.csv"),
        ("train_and_val", "the 6 pictures of val are used for test, the 6 pictures of train for dev"),
        ("table_of_one_split", "the 12 pictures of train are divided by seed into dev and test"),
        ("beside_tars", "1.tar.gz: a compressed tar, which is not read: uncompress it"),
        ("pointers_in_tars", "2.tar: a git-lfs pointer, not the tar: git lfs pull"),
        ("links_in_a_table", "16 rows name a picture again with the same label: each counts once"),
        ("linked_tars", "1 tar is a link to another of the set: each tar is read once"),
        ("pointers_in_parquet", "1.parquet: a git-lfs pointer, not the table: git lfs pull"),
    ],
)
def test_the_program_counts_and_says_what_it_left_out(tmp_path: Path, name: str, told: str) -> None:
    images, count, left_out = SETS[name](tmp_path)
    done = program("check", write_domain(tmp_path, images))
    assert done.code == 0, done.out
    assert told in done.err
    for kind, number in left_out.items():
        assert f"{number} {kind}" in done.out
    assert f" of {count} picture files below set" in done.out
    assert "a label without a picture" not in done.err  # of pictures that are left out for reasons of their own


@pytest.mark.parametrize("command", ["check", "doctor", "init"])
def test_contradictory_labels_and_missing_rows_are_listed_with_their_lines(
    run: Run, tmp_path: Path, command: str
) -> None:
    images = contradictory_table(tmp_path)[0]
    write_domain(tmp_path, images)
    arguments = {"init": [tmp_path / "new", "--images", tmp_path / "set" / "set.csv"]}.get(command, [tmp_path])
    done = run(command, *arguments)
    told = done.out + done.err
    assert '0.png: "Wendle" (set.csv, line 3), "Grelm" (set.csv, line 13)' in " ".join(told.split())
    assert "1 row names a picture again with the same label" in " ".join(told.split())
    assert "gone.png: no such file (set.csv, line 15)" in " ".join(told.split())
    assert "a path of 304 characters" in " ".join(told.split())


@pytest.mark.parametrize("command", ["score", "embed"])
def test_contradictory_labels_never_count(run: Run, tmp_path: Path, command: str) -> None:
    folder = write_domain(tmp_path, contradictory_table(tmp_path)[0])
    done = run(command, folder / "tree.json" if command == "score" else folder)
    assert "read 9 of 10 picture files below " in done.out
    assert "; left out: 1 with contradictory labels" in done.out
    assert '0.png: contradictory labels: "Wendle" (set.csv, line 3), "Grelm" (set.csv, line 13)' in done.out


def test_contradictions_between_metadata_tables_name_both(run: Run, tmp_path: Path) -> None:
    done = run("check", write_domain(tmp_path, three_tables(tmp_path)[0]))
    assert '0.png: "Wendle" (metadata.csv, line 2), "Grelm" (metadata.jsonl, line 1)' in done.err
    assert "Hugging Face reads only one of a folder" in done.err
    assert "1 row names a picture again with the same label" in done.err


@pytest.mark.parametrize("lines", ["\n", "\r\n\r\n", " \n", ";;\n"])
def test_blank_lines_before_the_header_are_skipped_and_faults_name_its_line(
    run: Run, tmp_path: Path, lines: str
) -> None:
    draw(tmp_path, "1.png", "2.png")
    table = tmp_path / "set.csv"
    table.write_text(f"{lines}path;label\n1.png;Wendle\n2.png;Grelm\n", encoding="utf-8", newline="")
    write_domain(tmp_path, 'manifest = "set.csv"')
    assert "checked 2 of 2 picture files" in run("check", tmp_path).out
    table.write_text(f"{lines}file;label\n1.png;Wendle\n", encoding="utf-8", newline="")
    assert f'line {lines.count(chr(10)) + 1}: no column "path"' in run("check", tmp_path).out


def test_a_blank_first_line_is_no_empty_table(tmp_path: Path) -> None:
    draw(tmp_path, "1.png")
    (tmp_path / "set.csv").write_text("\nfile,label\n1.png,Wendle\n", encoding="utf-8")
    done = program("check", write_domain(tmp_path, 'manifest = "set.csv"'))
    assert 'set.csv: line 2: no column "path"; there are: "file", "label"' in done.out


def test_a_pointer_in_place_of_a_table_says_git_lfs_pull(tmp_path: Path) -> None:
    draw(tmp_path, "1.png")
    (tmp_path / "set.csv").write_bytes(POINTER)
    done = program("check", write_domain(tmp_path, 'manifest = "set.csv"'))
    assert (done.code, "set.csv: a git-lfs pointer, not the table (git lfs pull)" in done.out) == (1, True)


@pytest.mark.parametrize("name", ["0.tar", "0.parquet", "0.csv", "metadata.csv"])
@pytest.mark.parametrize("command", ["init", "embed"])
def test_a_set_of_pointers_alone_says_git_lfs_pull(run: Run, tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_bytes(POINTER)
    source = tmp_path / "set" / ("" if command == "init" and name != "0.csv" else name)
    arguments = (tmp_path / "new", "--images", source) if command == "init" else (source, "-o", tmp_path / "out")
    done = run(command, *arguments)
    assert (done.code, "a git-lfs pointer" in done.err, "git lfs pull" in done.err) == (2, True, True), done.err


def test_a_label_whose_picture_is_left_out_gets_no_second_reason(run: Run, tmp_path: Path) -> None:
    done = run("check", write_domain(tmp_path, pointers_in_tars(tmp_path)[0]))
    assert "1 .bak" in done.out
    assert PULL in done.out
    assert "a label without a picture" not in done.err


def test_a_label_of_a_picture_that_is_not_read_gets_no_second_reason(run: Run, tmp_path: Path) -> None:
    others = [("s.emf", b"x" * 99), ("s.cls", b"Grelm"), ("film.mp4", b"x"), ("film.cls", b"Grelm")]
    write_tar(tmp_path / "set" / "0.tar", [*labelled(range(4)), *others])
    done = run("check", write_domain(tmp_path, 'shards = "set/*.tar"'))
    assert "checked 4 of 5 picture files below set; left out: 1 .emf" in done.out
    assert "a label without a picture" not in done.err
    assert 'film: a label of "film.mp4", not of a picture' in done.err


@pytest.mark.parametrize("loose", [True, False])
def test_embed_of_a_folder_says_which_sets_below_it_are_not_read(run: Run, tmp_path: Path, loose: bool) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    draw(tmp_path / "set", *(["1.png"] if loose else []))
    write_tar(tmp_path / "set" / "tars" / "0.tar", labelled(range(4)))
    rows = [{"image": {"bytes": encoded(n), "path": None}, "label": "Grelm"} for n in range(2)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "set" / "tars" / "0.parquet")
    (tmp_path / "set" / "tars" / "metadata.csv").write_text("file_name,label\n", encoding="utf-8")
    done = run("embed", tmp_path / "set", "-o", tmp_path / "out")
    assert done.code == (0 if loose else 2)
    message = " ".join(done.err.split())
    assert "1 tar below the folder is not read: name the file itself, such as tars/0.tar" in message
    assert "1 Parquet file with pictures below the folder is not read" in message
    assert "1 metadata table below the folder is not read" in message


def test_label_files_that_disagree_are_contradictory(run: Run, tmp_path: Path) -> None:
    members = [("a.png", encoded(9)), ("a.cls", b"Grelm"), ("a.label", b"Wendle"), ("a.txt", b"a drawing")]
    write_tar(tmp_path / "set" / "0.tar", [*labelled(range(4)), *members])
    done = run("check", write_domain(tmp_path, 'shards = "set/*.tar"'))
    assert "checked 4 of 5 picture files below set; left out: 1 with contradictory labels" in done.out


@pytest.mark.parametrize("address", ["www.example.org/b.png", "//cdn.example.org/b.png", "s3://a/b.png"])
def test_addresses_in_a_table_are_called_so(run: Run, tmp_path: Path, address: str) -> None:
    draw(tmp_path, "1.png")
    (tmp_path / "set.csv").write_text(f"path,label\n1.png,Grelm\n{address},Grelm\n", encoding="utf-8")
    assert "a web address" in run("check", write_domain(tmp_path, 'manifest = "set.csv"')).err


def test_a_pointer_that_is_classified_and_a_tree_that_is_embedded_are_called_so(run: Run, tree_file: Path) -> None:
    (tree_file.parent / "pointer.png").write_bytes(POINTER)
    done = run("classify", tree_file, tree_file.parent / "pointer.png")
    assert "a git-lfs pointer, not the picture: git lfs pull" in " ".join((done.out + done.err).split())
    done = run("embed", tree_file, "-o", tree_file.parent / "out")
    assert (done.code, "not images" in done.err) == (2, True)


def test_init_takes_a_folder_beside_splits_for_a_split_and_reports_it(tmp_path: Path) -> None:
    train_and_val(tmp_path)
    (tmp_path / "set" / "Grelm" / "3.png").unlink()
    done = program("init", tmp_path / "new", "--images", tmp_path / "set")
    assert done.code == 0, done.err
    assert 'classes = [\n  "Grelm",\n  "Wendle",\n]' in (tmp_path / "new" / "domain.toml").read_text(encoding="utf-8")
    assert '2 pictures are outside the splits (train, val) and left out: "holdout" (2)' in done.err
    assert "left out: 2 outside the splits" in done.out


@pytest.mark.parametrize("shards", ["set/train/*.tar", "set/*.tar"])
def test_tars_that_the_pattern_does_not_match_are_reported(run: Run, tmp_path: Path, shards: str) -> None:
    """Beside the folder of a split, and in folders below."""
    for number, path in enumerate(("train/0.tar", "test/0.tar", "1.tar")):
        write_tar(tmp_path / "set" / path, labelled(range(4 * number, 4 * number + 4)))
    done = run("check", write_domain(tmp_path, f'shards = "{shards}"'))
    assert f"2 other tars do not match {shards.removeprefix('set/')}: first " in done.err


def test_headers_of_pictures_in_parquet_are_read(run: Run, tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{"image": {"bytes": data, "path": None}, "label": "Grelm"} for data in (encoded(1), b"no picture" * 9)]
    (tmp_path / "set").mkdir()
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "set" / "0.parquet")
    done = run("check", write_domain(tmp_path, 'hf = "set"'))
    assert "checked 1 of 2 picture files below set; left out: 1 that cannot be read" in done.out


@pytest.mark.parametrize(
    ("files", "classes"),
    [
        (["bus/1.png", "train/2.png", "plane/3.png", "test card/4.png"], ["bus", "plane", "test card", "train"]),
        (["Grelm/1.png", "Wendle/2.png", "dev kit 3/3.png"], ["Grelm", "Wendle", "dev kit 3"]),
        (["train/Grelm/1.png", "train/Wendle/2.png", "test/3.png"], ["Grelm", "Wendle"]),
        (["train/1.png", "test/2.png"], None),
    ],
)
def test_a_folder_called_like_a_split_is_a_class_where_there_are_no_splits(
    run: Run, tmp_path: Path, files: list[str], classes: list[str] | None
) -> None:
    draw(tmp_path / "set", *files)
    done = run("init", tmp_path / "new", "--images", tmp_path / "set")
    assert done.code == (0 if classes else 2), done.err
    if classes:
        assert list(load_domain(tmp_path / "new").classes) == classes


def test_init_takes_no_folder_that_a_metadata_table_names_for_a_class(run: Run, tmp_path: Path) -> None:
    two_classes(tmp_path / "set" / "images")
    files = sorted((tmp_path / "set" / "images").rglob("*.png"))
    rows = [f"../images/{file.parent.name}/{file.name},{file.parent.name}" for file in files]
    (tmp_path / "set" / "meta").mkdir()
    (tmp_path / "set" / "meta" / "metadata.csv").write_text("\n".join(["file_name,label", *rows]), encoding="utf-8")
    assert run("init", tmp_path / "new", "--images", tmp_path / "set").code == 0
    assert load_domain(tmp_path / "new").classes == ("Grelm", "Wendle")


def test_init_takes_no_folder_beside_splits_with_tables_for_a_class(run: Run, tmp_path: Path) -> None:
    in_metadata(tmp_path, {"train": 4, "test": 4})
    draw(tmp_path / "set", "holdout/1.png", "holdout/2.png", start=20)
    done = run("init", tmp_path / "new", "--images", tmp_path / "set")
    assert (done.code, "2 classes" in done.out) == (0, True), done.err
    assert "checked 8 of 10 picture files below ../set; left out: 2 in no class folder" in done.out


def test_a_score_without_test_images_says_what_was_left_out(run: Run, tmp_path: Path) -> None:
    """A folder within a class may have the name of a split by accident."""
    two_classes(tmp_path / "set")
    draw(tmp_path / "set", "Wendle/test shots/1.png", start=20)
    done = run("score", write_domain(tmp_path, 'folder = "set"') / "tree.json")
    assert done.code == 2
    assert "read 1 of 9 picture files below set; left out: 8 outside the splits" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("tars", "../tars/*.tar"),
        ("tars/0.tar", "../tars/0.tar"),
        ("tars/*.tar", "../tars/*.tar"),
        ("deep", "../deep/*/*.tar"),
    ],
)
def test_init_takes_the_classes_from_the_labels_in_tars(run: Run, tmp_path: Path, source: str, line: str) -> None:
    write_tar(tmp_path / "tars" / "0.tar", labelled(range(6)))
    for split in ("train", "test"):
        write_tar(tmp_path / "deep" / split / "0.tar", labelled(range(6)))
    done = run("init", tmp_path / "new", "--images", tmp_path / source)
    assert done.code == 0, done.err
    text = (tmp_path / "new" / "domain.toml").read_text(encoding="utf-8")
    assert f'shards = "{line}"' in text
    assert 'classes = [\n  "Grelm",\n  "Wendle",\n]' in text
    count = 12 if source == "deep" else 6
    assert f"checked {count} of {count} picture files" in done.out


def test_init_of_tars_takes_the_names_beside_them_in_their_order(tmp_path: Path) -> None:
    members = [(f"{n}.{e}", d) for n in range(4) for e, d in (("png", encoded(n)), ("cls", str(n % 2).encode()))]
    write_tar(tmp_path / "tars" / "0.tar", members)
    (tmp_path / "tars" / "classnames.txt").write_text("Wendle\nGrelm\nEel\n", encoding="utf-8")
    done = program("init", tmp_path / "new", "--images", tmp_path / "tars")
    assert done.code == 0, done.err
    text = (tmp_path / "new" / "domain.toml").read_text(encoding="utf-8")
    assert 'classes = [\n  "Wendle",\n  "Grelm",\n  "Eel",\n]' in text


@pytest.mark.parametrize(
    ("members", "told"),
    [
        (POINTER, "a git-lfs pointer, not the tar"),
        (b"no tar" * 200, "not an uncompressed tar"),
        ([("1.png", encoded(1))], "no label: no cls"),
    ],
)
def test_init_of_tars_without_labels_says_what_to_do(
    run: Run, tmp_path: Path, members: "bytes | list[tuple[str, bytes]]", told: str
) -> None:
    (tmp_path / "tars").mkdir()
    if isinstance(members, bytes):
        (tmp_path / "tars" / "0.tar").write_bytes(members)
    else:
        write_tar(tmp_path / "tars" / "0.tar", members)
    done = run("init", tmp_path / "new", "--images", tmp_path / "tars")
    assert (done.code, told in done.err, "folder of pictures per class" in done.err) == (2, True, False)
    assert not (tmp_path / "new").exists()


def test_embed_recognises_the_domains_own_pictures_in_folders_of_any_name(
    run: Run, tree_file: Path, tmp_path: Path
) -> None:
    """Their labels and their split are used, and this is said; so is a label that the domain does not have for them."""
    copy = tmp_path / "copy"
    own = sorted((tree_file.parent / "images").rglob("*.png"))
    for number, path in enumerate(own):
        (copy / f"card {number % 7}").mkdir(parents=True, exist_ok=True)
        (copy / f"card {number % 7}" / f"{number}.png").write_bytes(path.read_bytes())
    done = run("embed", copy, "--tree", tree_file, "-o", tmp_path / "out", "--json")
    document = json.loads(done.out)
    accuracy = document["accuracy"]
    assert (accuracy["part"], accuracy["n"], accuracy["left_out"]) == ("test", 52, 52)
    told = "104 pictures without a label here are the domain's own, recognised by content"
    assert any(note.startswith(told) for note in document["notes"])
    again = json.loads(run("embed", copy, "--tree", tree_file, "-o", tmp_path / "out", "--json").out)
    assert (again["finished"], again["accuracy"]) == (104, accuracy)
    wrong = next(path for path in own if path.parent.name == "Wendle")
    two_classes(tmp_path / "other", each=1)
    (tmp_path / "other" / "Grelm" / "wrong.png").write_bytes(wrong.read_bytes())
    done = run("embed", tmp_path / "other", "--tree", tree_file, "-o", tmp_path / "more", "--json")
    notes = json.loads(done.out)["notes"]
    assert any("1 picture has another label here than in the domain's image set: Grelm/wrong.png" in n for n in notes)
