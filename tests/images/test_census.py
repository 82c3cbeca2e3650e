"""Random image sets of every kind: files on disk = read + left out by name."""

import csv
import io
import json
import re
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from tests.fuzz.running import in_process
from treegen.config.domain import Domain
from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images import ImageSet, split_called, survey_images

CLASSES = ("Newt", "Swan")
FOLDERS = (
    *("", "Newt", "Swan", "newt", "Eel", "train/Newt", "train/Swan", "test/Newt", "eval/Swan", "dev-1/Newt"),
    *("Newt/val", "extra/Swan", "data/train/Newt", "data/testing/Swan", "train", "a b/Newt", "train/Eel"),
    *(".cache/Newt", "Swan/.git2"),
)
READ, OTHERS, LOOKED_AT = (".png", ".JPG", ".jfif", ".heic", ".avif"), (".svg", ".CR2"), ("", ".0", ".bak", ".v1")
NO_ENDING = ("", ".0")  # of these a pointer of git-lfs may stand for a picture
ENDINGS = (*READ, *OTHERS, *LOOKED_AT, ".txt")


def encoded() -> bytes:
    raw = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(raw, "PNG")
    return raw.getvalue()


CONTENTS = {
    "picture": encoded(),
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "text": b"nothing to see",
    "empty": b"",
}


@dataclass(frozen=True)
class File:
    folder: str
    stem: str
    ending: str
    content: str

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.stem}{self.ending}".lstrip("/")

    @property
    def is_picture(self) -> bool:
        """By its ending; without one that is known by what it holds, unless it is hidden."""
        if self.ending in (*READ, *OTHERS):
            return True
        hidden = any(part.startswith(".") for part in self.name.split("/"))
        pointer = self.content == "pointer" and Path(self.name).suffix in NO_ENDING
        return self.ending in LOOKED_AT and (self.content == "picture" or pointer) and not hidden


FILES = st.lists(
    st.builds(
        File,
        folder=st.sampled_from(FOLDERS),
        stem=st.sampled_from(["1", "2", "img_v1", "b.left", ".hid", "ünïcode", "x y"]),
        ending=st.sampled_from(ENDINGS),
        content=st.sampled_from(["picture", "picture", "picture", *CONTENTS]),
    ),
    max_size=14,
    unique_by=lambda file: file.name,
)
LABELS = st.sampled_from(["Newt", "Swan", "Eel", "0", "1", "7"])


def write(root: Path, files: Sequence[File]) -> set[str]:
    """Write the files; return the names of the pictures."""
    for file in files:
        path = root / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENTS[file.content])
    root.mkdir(exist_ok=True)
    return {file.name for file in files if file.is_picture}


def examine(root: Path, found: set[str] | int, **images: Any) -> None:
    """Every picture file is read or left out, once, by its name; if nothing can be read, the error counts them."""
    domain = Domain(folder=root, name="pond", classes=CLASSES, images=ImageSettings(**images))
    count = found if isinstance(found, int) else len(found)
    try:
        survey = survey_images(domain)
    except InputError as error:
        refused = error
    else:
        _compare(survey, found, count)
        return
    told = re.search(r"read 0 of (\d+) picture files? below", refused.message)
    assert (int(told[1]) if told else 0) == count, refused.message
    assert refused.tip


def _compare(survey: ImageSet, found: set[str] | int, count: int) -> None:
    census = survey.files
    assert (census.found, census.read + sum(each.count for each in census.left_out)) == (count, count)
    left_out = [name for each in census.left_out for name in each.names]
    read = {image.below(survey.root) for image in survey.images}
    assert len(read) == census.read
    assert not read & set(left_out)
    if not isinstance(found, int):
        assert read | set(left_out) == found
    rows = Counter((image.path, image.member, image.label, image.crop) for image in survey.images)
    assert max(rows.values()) == 1, "a picture counts twice"


@pytest.fixture(scope="module", autouse=True)
def _with_everything_installed() -> None:
    pytest.importorskip("pillow_heif")


Build = Callable[[Path, st.DataObject], "tuple[str, Path, set[str] | int]"]


def folders(root: Path, data: st.DataObject) -> "tuple[str, Path, set[str] | int]":
    """Return the kind of set, what names it, and the pictures that it has, or their number."""
    return "folder", root, write(root, data.draw(FILES))


def tables(root: Path, data: st.DataObject) -> "tuple[str, Path, set[str] | int]":
    """Rows name pictures once, twice, in other words, with several labels or none that is a class, or missing files."""
    files = data.draw(FILES)
    found = write(root, files)
    names = [name for file in files for name in (file.name, file.name.rpartition(".")[0], f"./{file.name}")]
    names += ["missing.png", "https://example.org/1.png", "n" * 300 + ".png"]
    splits = data.draw(
        st.sampled_from([[""], ["train"], ["", "train"], ["train", "val"], ["", "dev", "train", "test"]])
    )
    named = data.draw(st.lists(st.tuples(st.sampled_from(names), LABELS, st.sampled_from(splits)), max_size=12))
    rows = [
        (name.replace("/", data.draw(st.sampled_from(["/", "/", "\\"]))), *others) for name, *others in named if name
    ]
    delimiter, blank = data.draw(st.sampled_from([",", ";", "\t"])), data.draw(st.booleans())
    with (root / "set.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([*([()] if blank else []), ("path", "label", "split"), *rows])
    named_files = {Path(name.replace("\\", "/")).as_posix() for name, *_ in rows}
    found |= {file.name for file in files if file.name in named_files}  # a table may name what no ending tells
    return "manifest", root / "set.csv", found


def hugging_faces_folders(root: Path, data: st.DataObject) -> "tuple[str, Path, set[str] | int]":
    """With tables in some folders, which name some of what is there, in one format or in two that may differ."""
    files = data.draw(FILES)
    found = write(root, files)
    for where in data.draw(st.lists(st.sampled_from(["", "train", "test", "data/train"]), max_size=2, unique=True)):
        inside = [f.name.removeprefix(f"{where}/") for f in files if f.is_picture and f.name.startswith(where)]
        (root / where).mkdir(parents=True, exist_ok=True)
        for kind in data.draw(st.sampled_from([["csv"], ["jsonl"], ["csv", "jsonl"]])):
            rows = data.draw(st.lists(st.tuples(st.sampled_from([*inside, "missing.png"]), LABELS), max_size=6))
            lines = [json.dumps({"file_name": name, "label": label}) for name, label in rows]
            with (root / where / f"metadata.{kind}").open("w", encoding="utf-8", newline="") as file:
                if kind == "csv":
                    csv.writer(file).writerows([("file_name", "label"), *rows])
                else:
                    file.write("\n".join(lines))
    return "hf", root, found


def parquet_files(root: Path, data: st.DataObject) -> "tuple[str, Path, set[str] | int]":
    """Pictures, pointers and nothing as bytes in Parquet, of one split or of several, beside loose pictures."""
    count = len(write(root, data.draw(FILES)))
    cells = st.sampled_from([*CONTENTS.values(), None])
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema([("image", kind), ("label", pyarrow.string())])
    for part in data.draw(st.lists(st.sampled_from(["train", "validation", "test", "all"]), min_size=1, unique=True)):
        drawn = data.draw(st.lists(st.tuples(cells, LABELS), max_size=5))
        rows = [{"image": {"bytes": content, "path": None}, "label": label} for content, label in drawn]
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema), root / f"{part}-00000-of-00001.parquet")
        count += sum(bool(content) for content, _ in drawn)
    if data.draw(st.booleans()):
        (root / "pointer.parquet").write_bytes(CONTENTS["pointer"])
    return "hf", root, count


def tars(root: Path, data: st.DataObject) -> "tuple[str, Path, set[str] | int]":
    """Labels of several kinds, beside the key or the whole name; names that come twice; other files beside the tars."""
    count = len(write(root, data.draw(FILES)))
    for number, files in enumerate(data.draw(st.lists(FILES, min_size=1, max_size=2))):
        again = data.draw(st.lists(st.sampled_from(files), max_size=2)) if files else []
        with tarfile.open(root / f"{data.draw(st.sampled_from(['train', 'eval', 'x']))}-{number}.tar", "w") as tar:
            for file in (*files, *again):
                count += file.is_picture
                members = [(file.name, CONTENTS[file.content])]
                label, shape = data.draw(LABELS), data.draw(st.sampled_from(["cls", "json", "list", "none", "{"]))
                stem = data.draw(st.sampled_from([f"{file.folder}/{file.stem}".lstrip("/"), file.stem.split(".")[0]]))
                if shape == "cls":
                    members.append((f"{stem}.cls", label.encode()))
                elif shape != "none":
                    text = {"json": json.dumps({"label": label}), "list": json.dumps([label]), "{": "{"}[shape]
                    members.append((f"{stem}.json", text.encode()))
                for name, content in members:
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    for name in data.draw(st.lists(st.sampled_from(["a.tar.gz", "b.tgz", "pointer.tar"]), unique=True)):
        (root / name).write_bytes(CONTENTS["pointer"])
    return "shards", root / "*.tar", count


BUILDERS: "tuple[Build, ...]" = (folders, tables, hugging_faces_folders, parquet_files, tars)


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDERS)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_every_picture_file_is_read_or_left_out(build: Build, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "set"
        root.mkdir()
        kind, source, found = build(root, data)
        examine(root, found, **{kind: source})


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDERS)
@settings(deadline=None, max_examples=5)
@given(data=st.data())
def test_the_commands_count_every_picture_file(build: Build, data: st.DataObject) -> None:
    """A small sample, through the program: its commands agree with what is on disk."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "set"
        root.mkdir()
        kind, source, found = build(root, data)
        count = found if isinstance(found, int) else len(found)
        domain = f'name = "pond"\nclasses = ["Newt", "Swan"]\n[images]\n{kind} = "set/{source.relative_to(root)}"\n'
        (root.parent / "domain.toml").write_text(domain, encoding="utf-8")
        commands = [
            ("check", folder),
            ("doctor", folder),
            ("embed", folder, "-o", f"{folder}/out"),
            ("init", f"{folder}/new", "--images", str(source)),
        ]
        for command in commands:
            done = in_process(command)
            assert done.code in (0, 1, 2), done.err
            text = " ".join((done.out + done.err).split())
            told = re.search(r"(?:read|checked) (\d+) of (\d+) picture files?(?: below [^;\s]+)?(; left out: )?", text)
            assert told or done.code or not count, text
            assert told is None or int(told[2]) == count, (command, text)


@pytest.mark.slow
@given(FILES)
@settings(deadline=None, max_examples=60)
def test_a_part_is_never_another_than_the_folders_say(files: Sequence[File]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), files)
        for kind in ("folder", "hf"):
            settings_of = ImageSettings(folder=Path(folder)) if kind == "folder" else ImageSettings(hf=Path(folder))
            try:
                found = survey_images(Domain(folder=Path(folder), name="p", classes=CLASSES, images=settings_of))
            except InputError:
                continue
            for image in found.images:
                names = image.path.relative_to(folder).parts[:-1]
                assert image.source_split in (None, *(split_called(name) for name in names))
