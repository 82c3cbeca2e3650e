"""Image sets as people have them: of every picture file the commands say that it was read, or why it was not."""

import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import DOMAIN, TREE, Run
from treegen import extras

pytestmark = pytest.mark.slow

Build = Callable[[Path], "tuple[str, int, dict[str, int]]"]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
PULL = "that are git-lfs pointers (git lfs pull)"
_COLOURS = ("red", "blue", "green", "yellow", "purple", "orange", "pink", "brown", "gray", "white", "black", "cyan")


def picture(number: int) -> Image.Image:
    """A picture that no other number has."""
    image = Image.new("RGB", (32, 32), _COLOURS[number % len(_COLOURS)])
    for step in range(8):
        if number >> step & 1:
            image.paste("white" if step % 2 else "black", (4 * step, 2 * step, 4 * step + 6, 2 * step + 9))
    return image


def encoded(number: int, kind: str = "PNG") -> bytes:
    raw = io.BytesIO()
    picture(number).save(raw, kind)
    return raw.getvalue()


def draw(folder: Path, *names: str, start: int = 0) -> int:
    """Write PNG pictures under these names, whatever their ending; return the next number."""
    for number, name in enumerate(names, start=start):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(number))
    return start + len(names)


def write_tar(path: Path, members: "list[tuple[str, bytes]]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def two_classes(folder: Path, each: int = 4) -> int:
    """Folders of Wendle and Grelm with pictures; return the next number."""
    names = [f"{name}/{number}.png" for name in ("Wendle", "Grelm") for number in range(each)]
    return draw(folder, *names)


@pytest.fixture
def domain(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a domain with these [images], and its tree; returns the tree."""

    def make(images: str) -> Path:
        (tmp_path / "domain.toml").write_text(f"{DOMAIN}\n[images]\n{images}\n", encoding="utf-8")
        tree = tmp_path / "tree.json"
        tree.write_text(TREE, encoding="utf-8")
        return tree

    return make


def endings(folder: Path) -> tuple[str, int, dict[str, int]]:
    """What phones, browsers and Windows write; names without an ending; what no program here reads; hidden files."""
    number = two_classes(folder / "set")
    wendle = folder / "set" / "Wendle"
    draw(folder / "set", "Wendle/no_ending", "Wendle/img_v1.0", "Wendle/x.PNG", start=number)
    for at, (name, kind) in enumerate((("a.jfif", "JPEG"), ("b.jpe", "JPEG"), ("c.avif", "AVIF"))):
        (wendle / name).write_bytes(encoded(number + 10 + at, kind))
    for name in ("d.svg", "e.cr2", "f.CR2"):
        (wendle / name).write_bytes(b"what it holds is not looked at")
    draw(wendle, "old.bak", ".hidden.png", ".thumbnails/1.png", start=100)
    (wendle / "pointer.png").write_bytes(POINTER)
    (wendle / "pointer").write_bytes(POINTER)
    (wendle / "notes.txt").write_text("no picture", encoding="utf-8")
    (wendle / "README").write_text("BMW pictures", encoding="utf-8")
    (wendle / "gone.png").symlink_to("nowhere.png")
    left_out = {".cr2": 2, ".svg": 1, ".bak": 1, "hidden (the name begins with a dot)": 2}
    return 'folder = "set"', 8 + 3 + 3 + 8, {**left_out, PULL: 2}


def broken_and_loose(folder: Path) -> tuple[str, int, dict[str, int]]:
    """Pictures that are none, in no class folder, or in one that is nearly called like a class; links to folders."""
    number = two_classes(folder / "set")
    draw(folder / "set", "loose.png", "Wendel/1.png", "001.Grelm/2.png", "others/Eel/3.png", start=number)
    (folder / "set" / "Grelm" / "torn.png").write_bytes(encoded(3)[:60])
    draw(folder / "elsewhere", "7.png", "8.png", start=50)
    (folder / "set" / "Grelm" / "linked").symlink_to(folder / "elsewhere")
    (folder / "set" / "Grelm" / "round").symlink_to(folder / "set")
    return 'folder = "set"', 8 + 4 + 1 + 2, {"in no class folder": 4, "that cannot be read": 1}


def split_without_a_table(folder: Path) -> tuple[str, int, dict[str, int]]:
    """One split has a table, the other folders of classes, and a third lies beside them."""
    names = [f"train/{number}.png" for number in range(8)]
    number = draw(folder / "set", *names)
    rows = [f"{name.rpartition('/')[2]},{('Wendle', 'Grelm')[at % 2]}" for at, name in enumerate(names)]
    (folder / "set" / "train" / "metadata.csv").write_text("\n".join(["file_name,label", *rows]), encoding="utf-8")
    number = draw(folder / "set", *(f"evaluation/{n}/{i}.png" for n in ("Wendle", "Grelm") for i in "ab"), start=number)
    draw(folder / "set", "extra/Wendle/1.png", "train/more/2.png", start=number)
    return 'hf = "set"', 8 + 4 + 2, {"in no table": 1, "outside the splits": 1}


def cut_upload(folder: Path) -> tuple[str, int, dict[str, int]]:
    """The table names 6 of 18 pictures, and there is a second table that names them again."""
    names = [f"{number}.png" for number in range(18)]
    draw(folder / "set", *names)
    labels = ("Wendle", "Grelm")
    rows = [f"{name},{labels[at % 2]}" for at, name in enumerate(names[:6])]
    (folder / "set" / "metadata.csv").write_text("\n".join(["file_name,label", *rows]), encoding="utf-8")
    lines = [json.dumps({"file_name": name, "label": labels[at % 2]}) for at, name in enumerate(names[:6])]
    (folder / "set" / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return 'hf = "set"', 18, {"in no table": 12}


def peoples_table(folder: Path) -> tuple[str, int, dict[str, int]]:
    """Semicolons, ids, Windows separators, addresses, a path without end, a row twice, a label that is no class."""
    number = draw(folder / "set", *(f"part_{i % 2}/id_{i}.png" for i in range(6)))
    draw(folder / "set", "sub/w.png", "x.png", "unlisted.png", start=number)
    rows = [f"id_{i};{('Wendle', 'Grelm')[i % 2]}" for i in range(6)]
    rows += [
        "sub\\w.png;Wendle",
        "x.png;Eel",
        "id_0;Wendle",
        "https://example.org/a.png;Grelm",
        f"{'a' * 300}.png;Grelm",
    ]
    text = "\ufeff" + "\r\n".join(["Datei;Tier", *rows])
    (folder / "set.csv").write_text(text, encoding="utf-8", newline="")
    settings = 'manifest = "set.csv"\nfolder = "set"\ncolumns = {path = "Datei", label = "Tier"}'
    return settings, 9, {"in no table": 1, "with a label that is not a class": 1}


def awkward_tars(folder: Path) -> tuple[str, int, dict[str, int]]:
    """Keys with dots, several pictures of a key, a name twice, labels in JSON of several shapes, none at all."""
    members = [(f"red_v1.{i}.{e}", d) for i in range(4) for e, d in (("png", encoded(i)), ("cls", b"Wendle"))]
    shapes: list[object] = [{"label": "Grelm"}, {"labels": ["Grelm"]}, {"label": {"name": "Grelm"}}, ["Grelm"], "Grelm"]
    for number, shape in enumerate(shapes, start=10):
        members += [(f"{number}.png", encoded(number)), (f"{number}.json", json.dumps(shape).encode())]
    members += [("20.json", b'{"size": 3}'), ("20.png", encoded(20)), ("21.png", encoded(21))]
    members += [("22.left.png", encoded(22)), ("22.right.png", encoded(23)), ("22.cls", b"Grelm")]
    members += [("24.png", encoded(24)), ("24.cls", b"Grelm"), ("24.png", encoded(25)), ("26.svg", b"x")]
    members += [("27", encoded(27)), ("27.cls", b"Wendle"), ("28.png", encoded(28)), ("28.cls", b"Eel")]
    write_tar(folder / "set" / "0.tar", members)
    left_out = {
        "with an unreadable label": 1,
        "without a label": 1,
        "after another picture with the same key": 1,
        "with a duplicate name in the tar": 1,
        ".svg": 1,
        "with a label that is not a class": 1,
    }
    return 'shards = "set/*.tar"', 4 + 5 + 2 + 2 + 2 + 1 + 1 + 1, left_out


def labelled(numbers: "range") -> "list[tuple[str, bytes]]":
    """Members of a tar: pictures of Wendle and Grelm in turn."""
    labels = (b"Wendle", b"Grelm")
    return [(f"{n}.{e}", d) for n in numbers for e, d in (("png", encoded(n)), ("cls", labels[n % 2]))]


def beside_tars(folder: Path) -> tuple[str, int, dict[str, int]]:
    """Loose pictures and compressed tars beside the tars of a set."""
    write_tar(folder / "set" / "0.tar", labelled(range(8)))
    draw(folder / "set", "loose.png", "deep/er/x.jpg", "no_ending", start=20)
    for name in ("1.tar.gz", "old.tgz"):
        with tarfile.open(folder / "set" / name, "w:gz") as tar:
            tar.add(folder / "set" / "loose.png", "2.png")
    return 'shards = "set/*.tar"', 8 + 3, {"in no tar": 3}


def pointers_in_tars(folder: Path) -> tuple[str, int, dict[str, int]]:
    """Pointers of git-lfs for pictures, a label and a whole tar; labels of pictures that are left out."""
    write_tar(folder / "set" / "0.tar", labelled(range(8)))
    members = [("1.png", POINTER), ("1.cls", b"Grelm"), ("2", POINTER), ("2.cls", b"Grelm")]
    members += [("3.png", encoded(30)), ("3.cls", POINTER), ("4.bak", encoded(31)), ("4.cls", b"Grelm")]
    write_tar(folder / "set" / "1.tar", [*members, ("5.svg", b"x"), ("5.cls", b"Grelm")])
    (folder / "set" / "2.tar").write_bytes(POINTER)
    return 'shards = "set/*.tar"', 8 + 5, {PULL: 2, "with an unreadable label": 1, ".bak": 1, ".svg": 1}


def train_and_val(folder: Path) -> tuple[str, int, dict[str, int]]:
    """No test split, and a folder beside the two that are named."""
    names = [f"{part}/{name}/{i}.png" for part in ("train", "val") for name in ("Wendle", "Grelm") for i in range(3)]
    draw(folder / "set", *names, "holdout/Wendle/1.png", "holdout/Grelm/2.png", "Grelm/3.png")
    return 'folder = "set"', 12 + 3, {"outside the splits": 3}


def table_of_one_split(folder: Path) -> tuple[str, int, dict[str, int]]:
    """All that have a split are train, and some have none."""
    names = [f"{number}.png" for number in range(14)]
    draw(folder / "set", *names)
    rows = [f"{name},{('Wendle', 'Grelm')[at % 2]},{'train' if at < 12 else ''}" for at, name in enumerate(names)]
    (folder / "set" / "set.csv").write_text("\n".join(["path,label,split", *rows]), encoding="utf-8")
    return 'manifest = "set/set.csv"', 14, {"outside the splits": 2}


def contradictory_table(folder: Path) -> tuple[str, int, dict[str, int]]:
    """A picture with two labels under two spellings of its path, one with a label twice, and files that are missing."""
    names = [f"{number}.png" for number in range(10)]
    draw(folder / "set", *names)
    rows = [f"{name},{('Wendle', 'Grelm')[at % 2]}" for at, name in enumerate(names)]
    rows += ["./0.png,Grelm", "1.png,Grelm", "gone.png,Grelm", f"{'n' * 300}.png,Grelm"]
    (folder / "set" / "set.csv").write_text("\n".join(["", "path,label", *rows]), encoding="utf-8")
    return 'manifest = "set/set.csv"', 10, {"with contradictory labels": 1}


def three_tables(folder: Path) -> tuple[str, int, dict[str, int]]:
    """Two metadata tables in one folder, another below it, and a picture that two of them label differently."""
    names = [f"{number}.png" for number in range(8)] + ["sub/8.png", "sub/9.png"]
    draw(folder / "set", *names)
    rows = [f"{name},{('Wendle', 'Grelm')[at % 2]}" for at, name in enumerate(names)]
    (folder / "set" / "metadata.csv").write_text("\n".join(["file_name,label", *rows]), encoding="utf-8")
    line = json.dumps({"file_name": "0.png", "label": "Grelm"})
    (folder / "set" / "metadata.jsonl").write_text(line, encoding="utf-8")
    (folder / "set" / "sub" / "metadata.csv").write_text("file_name,label\n9.png,Grelm\n", encoding="utf-8")
    return 'hf = "set"', 10, {"with contradictory labels": 1}


def pointers_in_parquet(folder: Path) -> tuple[str, int, dict[str, int]]:
    """Pointers of git-lfs as pictures in Parquet, and one in place of a whole Parquet file."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pictures = [*map(encoded, range(8)), POINTER, POINTER]
    rows = [
        {"image": {"bytes": data, "path": f"{n}.png"}, "label": ("Grelm", "Wendle")[n % 2]}
        for n, data in enumerate(pictures)
    ]
    (folder / "set").mkdir()
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "set" / "0.parquet")
    (folder / "set" / "1.parquet").write_bytes(POINTER)
    return 'hf = "set"', 8 + 2, {PULL: 2}


def pushed_to_the_hub(folder: Path) -> tuple[str, int, dict[str, int]]:
    """Parquet with the pictures' bytes and a ClassLabel, as Hugging Face's push_to_hub writes it."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    features = {"image": {"_type": "Image"}, "label": {"names": ["Grelm", "Wendle", "Eel"], "_type": "ClassLabel"}}
    for at, part in enumerate(("train-00000-of-00001", "test-00000-of-00001")):
        rows = [
            {"image": {"bytes": encoded(10 * at + n), "path": f"{n}.png"}, "label": n % 2 if n < 6 else 2}
            for n in range(7)
        ]
        table = pyarrow.Table.from_pylist(rows)
        metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        (folder / "set" / "data").mkdir(parents=True, exist_ok=True)
        path = folder / "set" / "data" / f"{part}.parquet"
        parquet.write_table(table.replace_schema_metadata(metadata), path, row_group_size=3)
    return 'hf = "set"', 14, {"with a label that is not a class": 2}


def table_of_other_folders(folder: Path) -> tuple[str, int, dict[str, int]]:
    """A metadata table gives a split to pictures that are in class folders below another split."""
    two_classes(folder / "set" / "test")
    files = sorted((folder / "set" / "test").rglob("*.png"))
    rows = [f"../test/{file.parent.name}/{file.name},{file.parent.name},train" for file in files]
    (folder / "set" / "annotations").mkdir()
    text = "\n".join(["file_name,label,split", *rows])
    (folder / "set" / "annotations" / "metadata.csv").write_text(text, encoding="utf-8")
    return 'hf = "set"', 8, {}


def links_in_a_table(folder: Path) -> tuple[str, int, dict[str, int]]:
    """The same files by `..` and through a link to their folder; one is in no table."""
    number = draw(folder / "set", *(f"im/{number}.png" for number in range(8)))
    draw(folder / "set", "im/unnamed.png", start=number)
    (folder / "set" / "link").symlink_to("im")
    ways = [(way, n) for n in range(8) for way in ("im", "im/../im", "link")]
    rows = [f"{way}/{n}.png,{('Wendle', 'Grelm')[n % 2]}" for way, n in ways]
    (folder / "set" / "set.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    return 'manifest = "set/set.csv"', 9, {"in no table": 1}


def linked_tars(folder: Path) -> tuple[str, int, dict[str, int]]:
    """A second name of a tar, and a tar that the pattern does not match."""
    write_tar(folder / "set" / "train" / "0.tar", labelled(range(8)))
    (folder / "set" / "train" / "1.tar").symlink_to("0.tar")
    return 'shards = "set/*/*.tar"', 8, {}


def parquet_beside_pictures(folder: Path) -> tuple[str, int, dict[str, int]]:
    """A table that holds the pictures, and pictures beside it."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{"image": {"bytes": encoded(n), "path": None}, "label": ("Wendle", "Grelm")[n % 2]} for n in range(8)]
    draw(folder / "set", "loose.png", "more/loose.png", start=20)
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "set" / "set.parquet")
    return 'manifest = "set/set.parquet"', 10, {"in no table": 2}


SETS: Mapping[str, Build] = {
    function.__name__: function
    for function in (
        endings,
        broken_and_loose,
        split_without_a_table,
        cut_upload,
        peoples_table,
        awkward_tars,
        pushed_to_the_hub,
        beside_tars,
        pointers_in_tars,
        pointers_in_parquet,
        train_and_val,
        table_of_one_split,
        contradictory_table,
        three_tables,
        table_of_other_folders,
        links_in_a_table,
        linked_tars,
        parquet_beside_pictures,
    )
}


def reasons(files: "dict[str, Any]") -> dict[str, int]:
    assert files["found"] == files["read"] + sum(each["count"] for each in files["left_out"])
    assert all(each["count"] == len(each["paths"]) == len(set(each["paths"])) for each in files["left_out"])
    return {each["reason"]: each["count"] for each in files["left_out"]}


@pytest.mark.parametrize("name", SETS)
def test_every_picture_file_of_an_awkward_set_is_read_or_left_out_for_a_reason(
    run: Run, domain: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    """By score, embed, check, doctor and init alike; a torn picture is only found by those that decode it."""
    images, count, left_out = SETS[name](tmp_path)
    tree = domain(images)
    done = run("score", tree, "--json")
    assert done.code == 0, done.err
    files = json.loads(done.out)["images"]["files"]
    assert (reasons(files), files["found"]) == (left_out, count)
    sentence = f"read {files['read']} of {count} picture files below set"
    assert sentence in run("score", tree).out

    embedded = json.loads(run("embed", tmp_path, "-o", tmp_path / "out", "--json").out)["files"]
    assert (reasons(embedded), embedded["found"], embedded["read"]) == (left_out, count, files["read"])
    torn = left_out.get("that cannot be read", 0)
    checked = run("check", tmp_path)
    assert f"checked {files['read'] + torn} of {count} picture files below set" in checked.out
    assert json.loads(run("check", tmp_path, "--format", "json").out)[0]["images"]["found"] == count
    looked = json.loads(run("doctor", tmp_path, "--json").out)["findings"][0]
    assert (looked["topic"], looked["state"]) == ("images", "ok")
    assert f"checked {files['read'] + torn} of {count} picture files below set" in looked["message"]

    # init takes other classes than those of the domain, so it reads more or less of the same files
    source = images.split('"')[1]
    made = run("init", tmp_path / "new", "--images", tmp_path / source)
    assert made.code == 0, made.err
    told = re.search(r"checked (\d+) of (\d+) picture files? below [^;\s]+(?:; left out: (.*))?", made.out)
    assert told
    listed = map(int, re.findall(r"(?:^|, )(\d+) ", told[3] or ""))
    assert int(told[2]) == count == int(told[1]) + sum(listed)


def test_pictures_of_telephones_say_what_reads_them_where_it_is_not_installed(
    run: Run, domain: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_classes(tmp_path / "set")
    (tmp_path / "set" / "Wendle" / "IMG_1.HEIC").write_bytes(b"what it holds is not looked at")
    domain('folder = "set"')
    real = extras.is_installed
    monkeypatch.setattr("treegen.images.files.is_installed", lambda name: name != "pillow_heif" and real(name))
    told = "checked 8 of 9 picture files below set; left out: 1 .heic (pip install 'treegen-clip[heif]')"
    assert told in run("check", tmp_path).out
    (tmp_path / "only" / "Wendle").mkdir(parents=True)
    (tmp_path / "only" / "Wendle" / "IMG_1.HEIC").write_bytes(b"")
    domain('folder = "only"')
    done = run("check", tmp_path)
    assert done.code == 1
    assert "left out: 1 .heic (pip install 'treegen-clip[heif]')" in done.out


@pytest.mark.parametrize("kind", ["folder", "manifest", "shards"])
def test_once_a_class_is_a_number_numbers_are_names(run: Run, tmp_path: Path, kind: str) -> None:
    names = ["0", "1", "2", "3", "5"]
    for number, name in enumerate(names):
        draw(tmp_path / "set", *(f"{name}/{i}.png" for i in range(4)), start=10 * number)
    paths = [path for name in names for path in sorted((tmp_path / "set" / name).iterdir())]
    if kind == "manifest":
        rows = [f"set/{path.parent.name}/{path.name},{path.parent.name}" for path in paths]
        (tmp_path / "set.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    if kind == "shards":
        members = [
            (f"{path.parent.name}-{path.stem}{e}", d)
            for path in paths
            for e, d in ((".png", path.read_bytes()), (".cls", path.parent.name.encode()))
        ]
        write_tar(tmp_path / "tars" / "0.tar", members)
    value = {"folder": "set", "manifest": "set.csv", "shards": "tars/*.tar"}[kind]
    text = f'name = "coins"\nclasses = ["1", "2", "5"]\n[images]\n{kind} = "{value}"\n'
    (tmp_path / "domain.toml").write_text(text, encoding="utf-8")
    done = run("check", tmp_path)
    assert "checked 12 of 20 picture files" in done.out
    assert "counted from 0" not in done.err


def test_numbers_that_count_an_order_show_it_and_the_export_has_the_same(
    run: Run, domain: Callable[[str], Path], tmp_path: Path
) -> None:
    write_tar(
        tmp_path / "set" / "0.tar",
        [(f"{n}.{e}", d) for n in range(8) for e, d in (("png", encoded(n)), ("cls", str(n % 2).encode()))],
    )
    (tmp_path / "set" / "classnames.txt").write_text("Grelm\nWendle\n", encoding="utf-8")
    tree = domain('shards = "set/*.tar"')
    assert run("check", tmp_path).err.count("counted from 0: 0 = Grelm, 1 = Wendle") == 1
    assert run("score", tree).err.count("counted from 0: 0 = Grelm, 1 = Wendle") == 1
    assert run("export", tree, "--to", "clip-benchmark", "-o", tmp_path / "out").code == 0
    exported = json.loads((tmp_path / "out" / "classnames.json").read_text(encoding="utf-8"))["sketchbook"]
    assert (exported[:2], len(exported)) == (["Grelm", "Wendle"], 13)
    (tmp_path / "set" / "classnames.txt").unlink()
    assert run("export", tree, "--to", "clip-benchmark", "-o", tmp_path / "own").code == 0
    exported = json.loads((tmp_path / "own" / "classnames.json").read_text(encoding="utf-8"))["sketchbook"]
    assert exported[:4] == ["Abrosk", "Abrosk G", "Wendle", "Torvane"]


@pytest.mark.parametrize("kind", ["folder", "manifest", "shards"])
def test_near_misses_get_the_line_to_copy_and_it_helps(
    run: Run, domain: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    labels = ["Wendle", "wendle", "Wendel", "012.Grelm", "grélm", "n01855672"]
    for number, label in enumerate(labels):
        draw(tmp_path / "set", f"{label}/{number}a.png", f"{label}/{number}b.png", start=2 * number)
    paths = sorted((tmp_path / "set").rglob("*.png"))
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in paths]
    (tmp_path / "set.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    write_tar(
        tmp_path / "tars" / "0.tar",
        [(f"{p.stem}{e}", d) for p in paths for e, d in ((".png", p.read_bytes()), (".txt", p.parent.name.encode()))],
    )
    images = {
        "folder": 'folder = "set"',
        "manifest": 'manifest = "set.csv"\nfolder = "."',
        "shards": 'shards = "tars/*.tar"',
    }[kind]
    tree = domain(images)
    told = run("check", tmp_path).err
    assert 'did you mean Wendle? Then add below [aliases]: Wendle = ["Wendel", "wendle"]' in told
    assert 'did you mean Grelm? Then add below [aliases]: Grelm = ["012.Grelm", "grélm"]' in told
    assert "n01855672: synset ids of ImageNet" in told
    assert 'such as Abrosk = ["n01855672"]' in told
    file = tmp_path / "domain.toml"
    lines = 'Wendle = ["Wendel", "wendle"]\nGrelm = ["012.Grelm", "grélm"]\nZandoor = ["n01855672"]'
    file.write_text(f"{file.read_text(encoding='utf-8')}\n[aliases]\n{lines}\n", encoding="utf-8")
    assert "checked 12 of 12 picture files" in run("check", tree.parent).out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Datei;Tier\na.png;Grelm\n", 'line 1: no column "path" and no column "label"; there are: "Datei", "Tier"'),
        ("Datei;Tier\na.png;Grelm\n", 'columns = {path = "Datei", label = "Tier"}'),
        ("path\tlabel\na.png\tGrelm\n", "checked 1 of 3 picture files"),
        ("path;label\na.png;Grelm\n", "checked 1 of 3 picture files"),
        ("path,label,path\na.png,Grelm,b.png\n", 'line 1: two columns are named "path"'),
        ("a.png,Grelm\nb.png,Grelm\n", "the first line must name the columns, such as path,label"),
        ("path,label\nsub\\none.png,Grelm\n", "write the paths with /"),
        ("path,label\nnone.png,Grelm\nno.png,Grelm\n", "`folder` below [images] names another folder"),
        ("path,label\nhttps://example.org/a.png,Grelm\n", "download the pictures"),
        ("path,label\nx.png,Eel\n", "its labels must be class names or other names below [aliases]"),
        ("path,label\nx.png,Grelmm\n", 'Grelm = ["Grelmm"]'),
        (f"path,label\n{'long/' * 100}x.png,Grelm\n", "no such file"),
        (f"path,label\n{'x' * 256}.png,Grelm\n", "a path of 260 characters"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_as_what_it_is(
    run: Run, domain: Callable[[str], Path], tmp_path: Path, text: str, told: str
) -> None:
    draw(tmp_path, "a.png", "b.png", "x.png")
    (tmp_path / "set.csv").write_text(text, encoding="utf-8")
    domain('manifest = "set.csv"')
    done = run("check", tmp_path)
    assert told in done.out
    assert "Traceback" not in done.err


def test_ids_of_which_several_pictures_have_the_name_are_not_guessed(
    run: Run, domain: Callable[[str], Path], tmp_path: Path
) -> None:
    draw(tmp_path, "a/7.png", "b/7.png", "8.jpg")
    (tmp_path / "set.csv").write_text("path,label\n7,Grelm\n8,Grelm\na/7,Wendle\n", encoding="utf-8")
    domain('manifest = "set.csv"')
    assert "checked 2 of 3 picture files; left out: 1 in no table" in run("check", tmp_path).out


def test_a_missing_folder_is_found_before_a_model_is_asked(run: Run, tmp_path: Path, answer: Path) -> None:
    """By check, by doctor, and by draft, which then writes nothing."""
    text = f'{DOMAIN}\n[images]\nfolder = "../gibt es nicht"\n'
    (tmp_path / "domain.toml").write_text(text, encoding="utf-8")
    checked = run("check", tmp_path)
    assert (checked.code, "TG402 /images/folder" in checked.out) == (1, True)
    assert "no such image folder" in checked.out
    assert run("doctor", tmp_path).code == 1
    drafted = run("draft", tmp_path, "--model", "manual", "--answer", answer)
    assert (drafted.code, drafted.out) == (2, "")
    assert "no such image folder" in drafted.err
    assert not (tmp_path / "tree.json").exists()
    assert run("draft", tmp_path, "--model", "manual", "--answer", answer, "--no-score").code == 0


def test_a_set_that_is_there_and_holds_nothing_to_use_is_a_problem(
    run: Run, domain: Callable[[str], Path], tmp_path: Path
) -> None:
    draw(tmp_path / "set", "Eel/1.png", "2.png")
    domain('folder = "set"')
    done = run("check", tmp_path)
    assert (done.code, "TG410 /images/folder" in done.out) == (1, True)
    assert "read 0 of 2 picture files below set; left out: 2 in no class folder" in done.out


def test_init_takes_the_class_folders_and_not_the_splits_for_classes(run: Run, tmp_path: Path) -> None:
    for folder in ("plain", "hub/data"):
        draw(tmp_path / folder, *(f"{part}/{name}/1.png" for part in ("train", "test") for name in ("Eel", "Newt")))
    draw(tmp_path / "below", *(f"{name}/{part}/1.png" for part in ("train", "test") for name in ("Eel", "Newt")))
    for folder in ("plain", "hub", "below"):
        done = run("init", tmp_path / f"{folder}-domain", "--images", tmp_path / folder)
        assert done.code == 0, done.err
        assert f"checked 4 of 4 picture files below ../{folder}" in done.out
        text = (tmp_path / f"{folder}-domain" / "domain.toml").read_text(encoding="utf-8")
        assert 'classes = [\n  "Eel",\n  "Newt",\n]' in text


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.csv", "path,label\n1.png,Newt\n2.png,Eel\n3.png,Eel\n", "manifest ="),
        ("a.csv", "Datei;Tier\n1.png;Newt\n2.png;Eel\n3.png;Eel\n", 'columns = {path = "Datei", label = "Tier"}'),
        ("a.jsonl", '{"file_name": "1.png", "species": "Newt"}\n{"file_name": "2.png", "species": "Eel"}\n', "species"),
        ("a.tsv", "id\tphoto\tcategory\n1\t1.png\tNewt\n2\t2.png\tEel\n", 'path = "photo", label = "category"'),
        ("metadata.csv", "file_name,label\n1.png,Newt\n2.png,Eel\n", "hf ="),
    ],
)
def test_init_takes_the_classes_from_a_table(run: Run, tmp_path: Path, name: str, text: str, line: str) -> None:
    draw(tmp_path / "set", "1.png", "2.png", "3.png")
    (tmp_path / "set" / name).write_text(text, encoding="utf-8")
    images = tmp_path / "set" / (name if name != "metadata.csv" else "")
    done = run("init", tmp_path / "pond", "--images", images)
    assert done.code == 0, done.err
    assert "2 classes" in done.out
    written = (tmp_path / "pond" / "domain.toml").read_text(encoding="utf-8")
    assert line in written
    assert 'classes = [\n  "Eel",\n  "Newt",\n]' in written
    listed = text.count(".png")
    left_out = "; left out: 1 in no table" if listed == 2 else ""
    assert f"checked {listed} of 3 picture files below ../set{left_out}" in done.out


def test_embed_takes_class_folders_for_labels_and_knows_the_domains_own_pictures(
    run: Run, tree_file: Path, tmp_path: Path
) -> None:
    """Of its own pictures, under whatever name, the accuracy is that of the test split, as of `score`."""
    copy = tmp_path / "copy"
    for path in sorted((tree_file.parent / "images").rglob("*.png")):
        (copy / path.parent.name).mkdir(parents=True, exist_ok=True)
        (copy / path.parent.name / f"renamed-{path.name}").write_bytes(path.read_bytes())
    done = json.loads(run("embed", copy, "--tree", tree_file, "-o", tmp_path / "own", "--json").out)
    score = json.loads(run("score", tree_file, "--json").out)["test"]
    assert (done["accuracy"]["part"], done["accuracy"]["n"], done["accuracy"]["left_out"]) == ("test", 52, 52)
    assert done["accuracy"]["correct"] == score["correct"]
    new = tmp_path / "new"
    draw(new, "Wendle/1.png", "Grelm/2.png", "Wendel/3.png", "4.png", start=40)
    done = json.loads(run("embed", new, "--tree", tree_file, "-o", tmp_path / "out", "--json").out)
    assert (done["accuracy"]["part"], done["accuracy"]["n"]) == ("all", 2)
    assert (done["files"]["read"], done["files"]["found"]) == (4, 4)
    assert any("2 pictures have no label: not in a folder that is named like a class" in note for note in done["notes"])
    assert any('Wendle = ["Wendel"]' in note for note in done["notes"])


def test_embed_says_that_there_are_no_labels_and_how_to_give_them(run: Run, tmp_path: Path) -> None:
    draw(tmp_path / "set", "a/1.png", "b/2.png")
    (tmp_path / "set" / "b" / "3.svg").write_text("<svg/>", encoding="utf-8")
    done = run("embed", tmp_path / "set", "-o", tmp_path / "out")
    assert "no labels: with --tree or --domain" in done.err
    assert f"read 2 of 3 picture files below {tmp_path / 'set'}; left out: 1 .svg" in done.out


def test_near_duplicates_across_dev_and_test_are_reported(run: Run, tree_file: Path) -> None:
    """A picture that was scaled and saved anew has another content, and may lie in the other part."""
    assert "nearly the same" not in run("score", tree_file).err
    for path in sorted((tree_file.parent / "images" / "Wendle").glob("*.png")):
        with Image.open(path) as image:
            width, height = image.size
            image.convert("RGB").resize((width * 3 // 4, height * 3 // 4)).save(path.with_suffix(".jpg"), quality=70)
    first = run("score", tree_file).err
    assert "nearly the same as one of dev, which flatters the accuracy: Wendle/" in first
    assert run("score", tree_file).err.count("nearly the same") == 1


def test_a_picture_in_two_classes_is_named(run: Run, domain: Callable[[str], Path], tmp_path: Path) -> None:
    two_classes(tmp_path / "set")
    (tmp_path / "set" / "Grelm" / "again.png").write_bytes((tmp_path / "set" / "Wendle" / "0.png").read_bytes())
    tree = domain('folder = "set"')
    told = run("score", tree).err
    assert "1 picture is in more than one class, and counts for each: Wendle/0.png = Grelm/again.png" in told


def test_classify_of_a_folder_names_the_command_that_takes_one(run: Run, tree_file: Path) -> None:
    done = run("classify", tree_file, tree_file.parent / "images")
    assert done.code == 2
    assert "treegen embed" in done.err


def test_names_of_files_that_are_not_utf_8_are_shown_escaped_by_every_command(
    run: Run, domain: Callable[[str], Path], tmp_path: Path
) -> None:
    two_classes(tmp_path / "set")
    odd = tmp_path / "set" / "Wendle" / "b\udcff.png"
    try:
        odd.write_bytes(b"no picture")
    except OSError:  # macOS refuses such names
        pytest.skip("the file system takes no such names")
    tree = domain('folder = "set"')
    checked = json.loads(run("check", tmp_path, "--format", "json").out)[0]["images"]
    assert checked["left_out"][0]["paths"] == ["Wendle/b\\xff.png"]
    assert "Wendle/b\\xff.png" in run("embed", tmp_path).out
    assert json.loads(run("classify", tree, odd, "--json").out)[0]["path"] == str(odd)
    (tmp_path / "set" / "c\udcff").mkdir()
    odd.rename(tmp_path / "set" / "c\udcff" / "1.png")
    made = run("init", tmp_path / "new", "--images", tmp_path / "set")
    assert (made.code, "rename the file or the folder" in made.err) == (2, True)


def test_embed_of_a_table_says_which_class_a_label_may_mean(run: Run, tree_file: Path, tmp_path: Path) -> None:
    draw(tmp_path, "1.png", "2.png", "3.png")
    table = tmp_path / "list.csv"
    table.write_text("path,label\n1.png,Wendle\n2.png,Wendel\n3.png,n02084071\n", encoding="utf-8")
    told = run("embed", table, "--domain", tree_file.parent, "-o", tmp_path / "out").err
    assert 'did you mean Wendle? Then add below [aliases]: Wendle = ["Wendel"]' in told
    assert "synset ids of ImageNet, not class names" in told
    assert 'such as Abrosk = ["n02084071"]' in told
    assert "synset" not in run("embed", table, "-o", tmp_path / "others").err


def test_a_broken_picture_in_two_rows_is_left_out_once(run: Run, tree_file: Path, tmp_path: Path) -> None:
    draw(tmp_path / "set", "1.png")
    (tmp_path / "set" / "2.png").write_bytes(b"no picture")
    table = tmp_path / "set" / "list.csv"
    table.write_text("path,label\n1.png,Wendle\n2.png,Grelm\n2.png,Wendle\n", encoding="utf-8")
    done = json.loads(run("embed", table, "-o", tmp_path / "out", "--json").out)
    assert reasons(done["files"]) == {"that cannot be read": 1}
    assert (done["files"]["found"], done["skipped"]) == (2, 2)


def test_a_picture_with_several_labels_keeps_its_rows_when_another_is_added(
    run: Run, tree_file: Path, tmp_path: Path
) -> None:
    draw(tmp_path / "set", "1.png", "2.png")
    table, out = tmp_path / "set" / "list.csv", tmp_path / "out"
    rows = ["path,label", "1.png,Wendle", "1.png,Grelm", "2.png,Grelm"]

    def embedded() -> tuple[int, int]:
        table.write_text("\n".join(rows), encoding="utf-8")
        arguments = ("embed", table, "--cache", tmp_path / "cache.sqlite", "-o", out, "--json")
        done = json.loads(run(*arguments).out)
        return done["finished"], sum(file.num_rows for file in map(read_table, out.glob("*.parquet")))

    read_table = pytest.importorskip("pyarrow.parquet").read_table
    assert embedded() == (0, 3)
    assert embedded() == (3, 3)
    rows.append("1.png,Abrosk")
    assert embedded() == (3, 4)
    rows.remove("1.png,Wendle")
    assert embedded() == (3, 3)


def test_pictures_of_one_object_stay_together_and_the_intervals_count_objects(run: Run, tree_file: Path) -> None:
    folder, images = tree_file.parent, tree_file.parent / "images"
    pictures = sorted(images.rglob("*.png"))
    rows = [f"{p.relative_to(images)},{p.parent.name},{p.parent.name} {int(p.stem) // 2}" for p in pictures]
    (folder / "set.csv").write_text("\n".join(["path,label,object", *rows]))
    domain = (folder / "domain.toml").read_text(encoding="utf-8")
    table = 'manifest = "set.csv"\nfolder = "images"\n'
    plain = json.loads(_scored(run, folder, domain, table, "--unseal"))
    clustered = json.loads(_scored(run, folder, domain, f'{table}columns = {{cluster = "object"}}\n', "--unseal"))
    assert "clusters" not in plain["images"]
    counts, n = clustered["images"]["clusters"], clustered["images"]
    assert counts["dev"] + counts["test"] == len({row.rpartition(",")[2] for row in rows})
    assert (n["dev"], n["test"]) == (2 * counts["dev"], 2 * counts["test"])
    low, high = clustered["dev"]["interval"]
    assert low <= clustered["dev"]["accuracy"] <= high
    shown = run("score", folder / "tree.json", "--dev").out
    assert "intervals are for these 13 classes" in shown
    assert f"they and the p-values count the {counts['dev']} clusters of the dev split" in shown
    test = clustered["mcnemar"]["baseline"]
    assert test["wins"] - test["losses"] == clustered["test"]["correct"] - clustered["baseline"]["correct"]
    assert test["clusters"] <= counts["test"]
    assert "clusters" not in plain["mcnemar"]["baseline"]
    assert "sign-flip test of the" in run("score", folder / "tree.json", "--full").out


def _scored(run: Run, folder: Path, domain: str, table: str, *options: str) -> str:
    """Score with another image set, whose split is made anew."""
    text = re.sub(r"\[images\].*?(?=\n\[|\Z)", f"[images]\n{table}", domain, flags=re.DOTALL)
    (folder / "domain.toml").write_text(re.sub('by = "rank"', 'by = "hash"', text), encoding="utf-8")
    shutil.rmtree(folder / ".treegen", ignore_errors=True)
    done = run("score", folder / "tree.json", *(options or ["--dev"]), "--json")
    assert done.code == 0, done.err
    return done.out
