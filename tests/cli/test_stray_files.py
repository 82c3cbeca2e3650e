"""Links, archives, joined tars and odd tables: each picture file counts once, and what is not read is named."""

import json
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_awkward_sets import program, write_domain
from tests.cli.test_image_sets import Build, draw, encoded, labelled, two_classes, write_tar
from tests.conftest import Run, trust_all
from treegen.config.domain import load_domain
from treegen.images import list_images
from treegen.images.archives import unpacking

pytestmark = pytest.mark.slow

ROWS = [(f"{number}.png", ("Wendle", "Grelm")[number % 2]) for number in range(6)]


def links(folder: Path) -> tuple[str, int, dict[str, int]]:
    """A link beside its picture, in another class, of a whole folder, and to a picture elsewhere."""
    number = two_classes(folder / "set")
    (folder / "set" / "Wendle" / "again.png").symlink_to("0.png")
    (folder / "set" / "Grelm" / "other.png").symlink_to("../Wendle/1.png")
    (folder / "set" / "Draquen").symlink_to("Grelm")
    draw(folder / "elsewhere", "9.png", start=number)
    (folder / "set" / "Grelm" / "9.png").symlink_to(folder / "elsewhere" / "9.png")
    return 'folder = "set"', 9, {}


def links_of_splits(folder: Path) -> tuple[str, int, dict[str, int]]:
    """All pictures in one folder, and folders of splits that are links to them."""
    two_classes(folder / "set" / "all")
    for number, path in enumerate(sorted((folder / "set" / "all").rglob("*.png"))):
        link = folder / "set" / ("train", "test")[number % 2] / path.parent.name / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return 'folder = "set"', 8, {}


def archives(folder: Path) -> tuple[str, int, dict[str, int]]:
    number = two_classes(folder / "set")
    write_tar(folder / "set" / "more.tar", [*labelled(range(number, number + 3)), ("._1.png", b"x"), ("n.txt", b"x")])
    with zipfile.ZipFile(folder / "set" / "more.zip", "w") as archive:
        archive.writestr("Wendle/1.png", encoded(50))
        archive.writestr("__MACOSX/Wendle/._1.png", b"x")
    for ending in ("gz", "bz2", "xz"):
        (folder / "set" / f"1.tar.{ending}").write_bytes(b"whatever is in it")
    (folder / "set" / "data.arrow").write_bytes(b"ARROW1")
    return 'folder = "set"', 12, {"inside tars": 3, "inside zip archives": 1}


def archives_in_hugging_face(folder: Path) -> tuple[str, int, dict[str, int]]:
    _, count, left_out = archives(folder)
    return 'hf = "set"', count, left_out


def joined_tars(folder: Path) -> tuple[str, int, dict[str, int]]:
    """As by `cat`: the end of the first is in the middle."""
    for number in range(2):
        write_tar(folder / f"{number}.tar", labelled(range(4 * number, 4 * number + 4)))
    (folder / "set").mkdir()
    data = b"".join((folder / f"{number}.tar").read_bytes() for number in range(2))
    (folder / "set" / "0.tar").write_bytes(data)
    return 'shards = "set/*.tar"', 8, {}


def damaged_header(folder: Path) -> tuple[str, int, dict[str, int]]:
    """Zeros in place of the header of the second picture, which nothing can name."""
    write_tar(folder / "set" / "0.tar", labelled(range(4)))
    data = bytearray((folder / "set" / "0.tar").read_bytes())
    data[2048:2560] = bytes(512)
    (folder / "set" / "0.tar").write_bytes(data)
    return 'shards = "set/*.tar"', 3, {}


def choice_of_tars(folder: Path) -> tuple[str, int, dict[str, int]]:
    for number, split in enumerate(("train", "test")):
        write_tar(folder / "set" / split / "0.tar", labelled(range(4 * number, 4 * number + 4)))
    return 'shards = "set/{train,test}/*.tar"', 8, {}


def plain_bytes(folder: Path) -> tuple[str, int, dict[str, int]]:
    write_parquet(folder, [{"image": encoded(number), "label": label} for number, (_, label) in enumerate(ROWS)])
    return 'hf = "set"', 6, {}


def two_columns(folder: Path) -> tuple[str, int, dict[str, int]]:
    def cell(number: int) -> dict[str, bytes | None]:
        return {"bytes": encoded(number), "path": None}

    rows: list[dict[str, Any]] = [
        {"image": cell(n), "mask": cell(n + 50), "label": label} for n, (_, label) in enumerate(ROWS)
    ]
    write_parquet(folder, [*rows, {"image": cell(20), "mask": None, "label": "Grelm"}])
    return 'hf = "set"', 13, {'in another column than "image"': 6}


def write_parquet(folder: Path, rows: "list[dict[str, Any]]") -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (folder / "set").mkdir()
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "set" / "0.parquet")


def table(text: Callable[[Path], str]) -> Build:
    def build(folder: Path) -> tuple[str, int, dict[str, int]]:
        draw(folder / "set", *(name for name, _ in ROWS))
        (folder / "set" / "set.csv").write_text(text(folder), encoding="utf-8", newline="")
        return 'manifest = "set/set.csv"', 6, {}

    return build


def joined(delimiter: str, end: str = "") -> str:
    return "".join(f"{delimiter.join(row)}{end}\n" for row in ROWS)


SETS: dict[str, Build] = {
    **{
        build.__name__: build
        for build in (links, links_of_splits, archives, archives_in_hugging_face, joined_tars, damaged_header)
    },
    **{build.__name__: build for build in (choice_of_tars, plain_bytes, two_columns)},
    "sep": table(lambda _: f"\ufeffsep=;\r\npath;label\n{joined(';')}"),
    "sep in quotes": table(lambda _: f'"sep=|"\npath|label\n{joined("|")}'),
    "pipes": table(lambda _: f"path|label\n{joined('|')}"),
    "filled up": table(lambda _: f"path;label\n{joined(';', ';;')}"),
    "quotes after spaces": table(lambda _: "path, label\n" + "".join(f'"{p}", "{n}"\n' for p, n in ROWS)),
    "file addresses": table(lambda f: "path,label\n" + "".join(f"file://{f}/set/{p},{n}\n" for p, n in ROWS)),
}


@pytest.mark.parametrize("name", SETS)
def test_each_picture_file_of_a_stray_set_counts_once(run: Run, tmp_path: Path, name: str) -> None:
    images, count, left_out = SETS[name](tmp_path)
    folder = write_domain(tmp_path, images)
    checked = json.loads(run("check", folder, "--format", "json").out)[0]["images"]
    embedded = json.loads(run("embed", folder, "--json").out)["files"]
    for files in (checked, embedded):
        assert (files["found"], files["read"]) == (count, count - sum(left_out.values()))
        assert {each["reason"]: each["count"] for each in files["left_out"]} == left_out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("links", "8 paths are links to a picture that is in the folder too: each file counts once"),
        ("archives", "1.tar.bz2: a compressed tar, which is not read: uncompress it, such as with bunzip2"),
        ("archives", "data.arrow: an Arrow file, which is not read: write it with to_parquet or push_to_hub"),
        ("joined_tars", "the tar is damaged, or several in one: after 8 files (byte 8192) 8 files were found"),
        ("damaged_header", "the tar is damaged, or several in one: after 2 files (byte 2048) 5 files were found"),
    ],
)
def test_check_says_what_is_stray(run: Run, tmp_path: Path, name: str, message: str) -> None:
    done = run("check", write_domain(tmp_path, SETS[name](tmp_path)[0]))
    assert (done.code, message in done.err) == (0, True), done.err


def test_links_to_pictures_keep_their_splits(tmp_path: Path) -> None:
    found = list_images(load_domain(write_domain(tmp_path, links_of_splits(tmp_path)[0])))
    assert sorted(image.split or "" for image in found.images) == ["dev"] * 4 + ["test"] * 4


def test_embed_of_a_folder_counts_links_once_and_pictures_within_archives(run: Run, tmp_path: Path) -> None:
    links(tmp_path)
    archives(tmp_path)
    files = json.loads(run("embed", tmp_path / "set", "-o", tmp_path / "out", "--json").out)["files"]
    assert (files["read"], files["found"]) == (9, 13)


def test_a_picture_of_an_unknown_class_with_a_link_to_it_is_counted_once(run: Run, tmp_path: Path) -> None:
    """Neither is read, so nothing is: the file is left out, and does not vanish."""
    number = two_classes(tmp_path / "set")
    draw(tmp_path / "set" / "Stranger", "a.png", start=number)
    (tmp_path / "set" / "Stranger" / "again.png").symlink_to("a.png")
    domain = write_domain(tmp_path, 'folder = "set"')
    files = json.loads(run("embed", domain, "-o", tmp_path / "out", "--json").out)["files"]
    assert (files["read"], files["found"]) == (number, number + 1)


@pytest.mark.parametrize(
    ("ending", "command"), [("tar.gz", "gunzip"), ("TBZ2", "bunzip2"), ("txz", "unxz"), ("tar.zst", "unzstd")]
)
def test_compressed_tars_name_the_command_that_unpacks_them(ending: str, command: str) -> None:
    assert unpacking(f"a.{ending}") == f"uncompress it, such as with {command}"


def test_folders_within_a_tar_that_are_called_like_splits_are_splits(run: Run, tmp_path: Path) -> None:
    members = [(f"{split}/{name}", data) for split in ("train", "test") for name, data in labelled(range(4))]
    write_tar(
        tmp_path / "set" / "0.tar",
        [*members[:8], *((n, encoded(40) if d[:1] == b"\x89" else d) for n, d in members[8:])],
    )
    found = list_images(load_domain(write_domain(tmp_path, 'shards = "set/*.tar"')))
    assert {image.member.partition("/")[0]: image.split for image in found.images} == {"train": "dev", "test": "test"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0.PNG", 'no such file; did you mean "0.png"? (set.csv, line 2)'),
        ("0.jpg", 'no such file; did you mean "0.png"? (set.csv, line 2)'),
        ("deep/0.png", 'no such file; did you mean "0.png"? (set.csv, line 2)'),
        ("a%20b.png", 'no such file; did you mean "a b.png"? (set.csv, line 2)'),
    ],
)
def test_a_row_whose_file_has_another_name_says_which(run: Run, tmp_path: Path, row: str, message: str) -> None:
    draw(tmp_path, "0.png", "1.png", "a b.png")
    (tmp_path / "set.csv").write_text(f"path,label\n{row},Wendle\n1.png,Grelm\n", encoding="utf-8")
    assert message in run("check", write_domain(tmp_path, 'manifest = "set.csv"')).err


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_another_form_of_unicode_find_their_file(
    tmp_path: Path, on_disk: "unicodedata._NormalizationForm", in_table: "unicodedata._NormalizationForm"
) -> None:
    draw(tmp_path, unicodedata.normalize(on_disk, "köln.png"), "1.png")
    text = f"path,label\n{unicodedata.normalize(in_table, 'köln.png')},Wendle\n1.png,Grelm\n"
    (tmp_path / "set.csv").write_text(text, encoding="utf-8")
    assert len(list_images(load_domain(write_domain(tmp_path, 'manifest = "set.csv"'))).images) == 2


@pytest.mark.parametrize("column", ["set", "Split"])
def test_a_column_that_names_splits_is_reported_and_taken_by_init(run: Run, tmp_path: Path, column: str) -> None:
    draw(tmp_path, *(name for name, _ in ROWS))
    rows = [f"{name},{label},{'train' if n < 4 else 'test'}" for n, (name, label) in enumerate(ROWS)]
    (tmp_path / "set.csv").write_text("\n".join([f"path,label,{column}", *rows]), encoding="utf-8")
    message = f'the column "{column}" of set.csv names splits (4 train, 2 test) and is not read as such'
    assert message in run("check", write_domain(tmp_path, 'manifest = "set.csv"')).err
    assert run("init", tmp_path / "new", "--images", tmp_path / "set.csv").code == 0
    assert [image.split for image in list_images(load_domain(tmp_path / "new")).images] == ["dev"] * 4 + ["test"] * 2


def test_a_table_beside_another_is_reported_where_pictures_are_in_none(run: Run, tmp_path: Path) -> None:
    draw(tmp_path, "1.png", "2.png")
    for name, row in (("train", "1.png,Wendle"), ("test", "2.png,Grelm")):
        (tmp_path / f"{name}.csv").write_text(f"path,label\n{row}\n", encoding="utf-8")
    done = run("check", write_domain(tmp_path, 'manifest = "train.csv"'))
    assert "left out: 1 in no table" in done.out
    assert "test.csv beside train.csv is not read" in done.err


def test_classes_below_folders_of_other_names_are_reported(run: Run, tmp_path: Path) -> None:
    for folder in ("entrenamiento", "prueba"):
        two_classes(tmp_path / "set" / folder, each=2)
    done = run("check", write_domain(tmp_path, 'folder = "set"'))
    assert "the classes are in several folders, entrenamiento (4), prueba (4), none called like a split" in done.err
    done = run("init", tmp_path / "new", "--images", tmp_path / "set")
    assert 'the folders "entrenamiento", "prueba" each hold the folders "Grelm", "Wendle"' in done.err


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("1.png", encoded(1), "a PNG image, not a table"),
        ("photos.zip", b"PK\x03\x04", "a ZIP archive (or an office document), not a table"),
        ("set.xlsx", b"PK\x03\x04", "save it as CSV"),
        ("set.csv.gz", b"\x1f\x8b\x08", "unpack it, and name what is in it"),
        ("set.csv", b"PK\x03\x04\0", "not a table in text"),
        ("set.csv", b"1.png,Wendle\n2.png,Grelm\n", "the first line"),
    ],
)
@pytest.mark.parametrize("command", ["init", "embed"])
def test_what_is_not_a_table_is_called_what_it_is(
    run: Run, tmp_path: Path, command: str, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    arguments = ("new", "--images", tmp_path / name) if command == "init" else (tmp_path / name, "-o", tmp_path / "out")
    done = run(command, *(tmp_path / "new" if each == "new" else each for each in arguments))
    assert (done.code, message in " ".join(done.err.split())) == (2, True), done.err


def test_init_of_a_table_whose_files_are_elsewhere_takes_their_folder(run: Run, tmp_path: Path) -> None:
    draw(tmp_path / "photos", *(name for name, _ in ROWS))
    (tmp_path / "set.csv").write_text(f"path,label\n{joined(',')}", encoding="utf-8")
    done = run("init", tmp_path / "one", "--images", tmp_path / "set.csv")
    assert "`folder` below [images] names another folder; or `treegen init` with --image-folder DIR" in done.err
    done = run("init", tmp_path / "two", "--images", tmp_path / "set.csv", "--image-folder", tmp_path / "photos")
    assert "checked 6 of 6 picture files below ../photos" in done.out
    done = run("init", tmp_path / "three", "--images", tmp_path / "photos", "--image-folder", tmp_path)
    assert (done.code, "--image-folder belongs to a table" in done.err) == (2, True)


def test_init_takes_two_forms_of_a_folder_name_for_one_class(run: Run, tmp_path: Path) -> None:
    draw(tmp_path / "set", *(f"{unicodedata.normalize(form, 'Öl')}/{form}.png" for form in ("NFC", "NFD")), "Eel/1.png")
    assert run("init", tmp_path / "new", "--images", tmp_path / "set").code == 0
    assert load_domain(tmp_path / "new").classes == ("Eel", "Öl")


def test_embed_writes_the_labels_of_the_domains_own_pictures(run: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    two_classes(tmp_path / "set", each=2)
    folder = write_domain(tmp_path, 'folder = "set"')
    for number, path in enumerate(sorted((tmp_path / "set").rglob("*.png"))):
        (tmp_path / "inbox").mkdir(exist_ok=True)
        (tmp_path / "inbox" / f"{number}.png").write_bytes(path.read_bytes())
    draw(tmp_path / "inbox", "new.png", start=30)
    arguments = ("embed", tmp_path / "inbox", "--domain", folder, "-o", tmp_path / "out", "--json")
    first = json.loads(run(*arguments).out)
    rows = parquet.read_table(tmp_path / "out").to_pylist()
    labels = {row["path"]: (row["label"], row["recognised"]) for row in rows}
    assert labels == {
        **{f"{n}.png": (("Grelm", "Wendle")[n // 2], True) for n in range(4)},
        "new.png": (None, False),
    }
    second = json.loads(run(*arguments).out)
    assert (second["embedded"], second["files"], second["notes"]) == (0, first["files"], first["notes"])
    assert len(parquet.read_table(tmp_path / "out")) == 5


def test_embed_says_that_a_table_has_no_labels(run: Run, tmp_path: Path) -> None:
    draw(tmp_path, "1.png", "2.png")
    (tmp_path / "set.csv").write_text("path,kind,size\n1.png,a,2\n2.png,b,3\n", encoding="utf-8")
    done = run("embed", tmp_path / "set.csv", "-o", tmp_path / "out")
    assert "no labels: a table gives them in a column label" in " ".join((done.out + done.err).split())


def test_the_program_counts_links_and_archives_too(tmp_path: Path) -> None:
    archives(tmp_path)
    (tmp_path / "set" / "Wendle" / "again.png").symlink_to("0.png")
    done = program("doctor", write_domain(tmp_path, 'folder = "set"'))
    assert "8 of 12 picture files below set; left out: 3 inside tars, 1 inside zip archives" in " ".join(
        done.out.split()
    )


def test_a_set_that_is_named_with_two_dots_has_its_splits(tmp_path: Path) -> None:
    """As `init` names it, which is run beside the set."""
    for number, split in enumerate(("train", "test")):
        draw(tmp_path / "set" / split, "0.png", "1.png", start=2 * number)
        text = "file_name,label\n0.png,Wendle\n1.png,Grelm\n"
        (tmp_path / "set" / split / "metadata.csv").write_text(text, encoding="utf-8")
    (tmp_path / "domain").mkdir()
    trust_all(folder := write_domain(tmp_path / "domain", 'hf = "../set"'))
    found = list_images(load_domain(folder))
    assert sorted((image.path.parent.name, image.split) for image in found.images) == [
        ("test", "test"),
        ("test", "test"),
        ("train", "dev"),
        ("train", "dev"),
    ]


def test_what_only_looks_like_a_link_to_a_picture_is_counted(run: Run, tmp_path: Path) -> None:
    """Links to a hidden picture, to one of a format that is not read, and to a text."""
    number = two_classes(tmp_path / "set")
    draw(tmp_path / "set", ".cache/9.png", start=number)
    (tmp_path / "set" / "Grelm" / "drawing.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "set" / "Grelm" / "notes.txt").write_text("none", encoding="utf-8")
    for name, target in (("9.png", "../.cache/9.png"), ("svg.png", "drawing.svg"), ("text.png", "notes.txt")):
        (tmp_path / "set" / "Grelm" / name).symlink_to(target)
    folder = write_domain(tmp_path, 'folder = "set"')
    for arguments in ((folder,), (tmp_path / "set", "-o", tmp_path / "out")):
        files = json.loads(run("embed", *arguments, "--json").out)["files"]
        assert (files["read"], files["found"]) == (9, 11), files
    assert json.loads(run("check", folder, "--format", "json").out)[0]["images"]["found"] == 11


def test_embed_of_a_table_counts_a_file_once_that_links_name_with_other_labels(run: Run, tmp_path: Path) -> None:
    draw(tmp_path, "0.png", "1.png")
    (tmp_path / "link.png").symlink_to("0.png")
    (tmp_path / "set.csv").write_text("path,label\n0.png,a\n1.png,b\nlink.png,c\n", encoding="utf-8")
    files = json.loads(run("embed", tmp_path / "set.csv", "-o", tmp_path / "out", "--json").out)["files"]
    assert (files["read"], files["found"]) == (2, 2)


def test_whole_numbers_with_a_point_are_whole_numbers(run: Run, tmp_path: Path) -> None:
    """As a Parquet column has them if a cell is empty."""
    write_parquet(tmp_path, [{"image": encoded(n), "label": float(n % 2) if n else None} for n in range(5)])
    assert run("init", tmp_path / "new", "--images", tmp_path / "set").code == 0
    assert load_domain(tmp_path / "new").classes == ("0", "1")


def test_archives_beside_a_table_are_named_where_its_files_are_missing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("path,label\n0.png,Wendle\n1.png,Grelm\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("0.png", encoded(0))
    done = run("check", write_domain(tmp_path, 'manifest = "set.csv"'))
    assert "archives are not read with a table: pictures.zip" in done.out


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        (["in.zip"], "1 archive within an archive was not opened"),
        (["in.zip", "b.tar", "c.tgz", "d.7z"], "4 archives within archives were not opened"),
    ],
)
def test_archives_within_archives_are_counted(run: Run, tmp_path: Path, inner: list[str], words: str) -> None:
    for name in ("Wendle/0.png", "Grelm/0.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(encoded(0))
    with zipfile.ZipFile(tmp_path / "set" / "outer.zip", "w") as archive:
        archive.writestr("0.png", encoded(1))
        for name in inner:
            archive.writestr(name, b"")
    done = run("check", write_domain(tmp_path, 'folder = "set"'))
    assert "1 inside zip archives" in done.out
    assert f"{words}, and pictures in there are not counted: outer.zip/in.zip" in done.err
