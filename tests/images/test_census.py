"""Random image sets of every kind: files on disk = read + left out by name."""

import csv
import io
import json
import re
import tarfile
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

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


@pytest.mark.slow
@settings(deadline=None, max_examples=120)
@given(FILES)
def test_of_folders(files: Sequence[File]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        examine(Path(folder), write(Path(folder), files), folder=Path(folder))


@pytest.mark.slow
@settings(deadline=None, max_examples=120)
@given(FILES, st.data())
def test_of_tables(files: Sequence[File], data: st.DataObject) -> None:
    """Rows name pictures once, twice, in other words, with labels that are not classes, or files that are not there."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found = write(root, files)
        names = [name for file in files for name in (file.name, file.name.rpartition(".")[0], f"./{file.name}")]
        names += ["missing.png", "https://example.org/1.png", "n" * 300 + ".png"]
        named = data.draw(st.lists(st.tuples(st.sampled_from(names), LABELS), max_size=12))
        rows = [
            (name.replace("/", data.draw(st.sampled_from(["/", "/", "\\"]))), label) for name, label in named if name
        ]
        delimiter = data.draw(st.sampled_from([",", ";", "\t"]))
        with (root / "set.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([("path", "label"), *rows])
        named_files = {Path(name.replace("\\", "/")).as_posix() for name, _ in rows}
        found |= {file.name for file in files if file.name in named_files}  # a table may name what no ending tells
        examine(root, found, manifest=root / "set.csv")


@pytest.mark.slow
@settings(deadline=None, max_examples=120)
@given(FILES, st.data())
def test_of_hugging_faces_folders(files: Sequence[File], data: st.DataObject) -> None:
    """With tables in some folders, which name some of what is there, in one format or in two."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found = write(root, files)
        for where in data.draw(st.lists(st.sampled_from(["", "train", "test", "data/train"]), max_size=2, unique=True)):
            inside = [f.name.removeprefix(f"{where}/") for f in files if f.is_picture and f.name.startswith(where)]
            rows = data.draw(st.lists(st.tuples(st.sampled_from([*inside, "missing.png"]), LABELS), max_size=6))
            (root / where).mkdir(parents=True, exist_ok=True)
            for kind in data.draw(st.sampled_from([["csv"], ["jsonl"], ["csv", "jsonl"]])):
                lines = [json.dumps({"file_name": name, "label": label}) for name, label in rows]
                with (root / where / f"metadata.{kind}").open("w", encoding="utf-8", newline="") as file:
                    if kind == "csv":
                        csv.writer(file).writerows([("file_name", "label"), *rows])
                    else:
                        file.write("\n".join(lines))
        examine(root, found, hf=root)


@pytest.mark.slow
@settings(deadline=None, max_examples=120)
@given(st.lists(FILES, min_size=1, max_size=2), st.data())
def test_of_tars(tars: Sequence[Sequence[File]], data: st.DataObject) -> None:
    """With labels of several kinds, beside the key or the whole name, and members whose name comes twice."""
    with tempfile.TemporaryDirectory() as folder:
        root, count = Path(folder), 0
        for number, files in enumerate(tars):
            again = data.draw(st.lists(st.sampled_from(files), max_size=2)) if files else []
            with tarfile.open(root / f"{data.draw(st.sampled_from(['train', 'eval', 'x']))}-{number}.tar", "w") as tar:
                for file in (*files, *again):
                    count += file.is_picture
                    members = [(file.name, CONTENTS[file.content])]
                    label, shape = data.draw(LABELS), data.draw(st.sampled_from(["cls", "json", "list", "none", "{"]))
                    stem = data.draw(
                        st.sampled_from([f"{file.folder}/{file.stem}".lstrip("/"), file.stem.split(".")[0]])
                    )
                    if shape == "cls":
                        members.append((f"{stem}.cls", label.encode()))
                    elif shape != "none":
                        text = {"json": json.dumps({"label": label}), "list": json.dumps([label]), "{": "{"}[shape]
                        members.append((f"{stem}.json", text.encode()))
                    for name, content in members:
                        info = tarfile.TarInfo(name)
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))
        examine(root, count, shards=root / "*.tar")


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
                assert image.split in (None, *(split_called(name) for name in names))
