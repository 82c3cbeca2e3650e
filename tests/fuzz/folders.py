"""Folders of awkward pictures: in class folders, below splits, hidden, linked, under names that no one would choose."""

import os
import zipfile
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.inputs import CLASSES, LABELS, Input, write, write_domain
from tests.fuzz.pictures import AWKWARD, Picture, any_picture

SPLITS: Final = (
    *("", "", "", "train", "test", "val", "training", "testing", "valid", "validation", "dev", "eval", "evaluation"),
    *("Train", "TEST", "train2017", "my-test_images", "data/train", "data/test", "extra", "fold 1", "a/b/c"),
)
STEMS: Final = (
    "1",
    "2",
    "3",
    "img_v1",
    "b.left",
    "ünïcode",
    "x y",
    "a\nb",
    "\x1b[31m",
    "-rf",
    "n" * 200,
    "%s",
    "{0}",
    "日本",
    "b\udcffx",
)


def name_of(random: Random, picture: Picture) -> str:
    """A file's name; no ending is drawn for one that would get it from its stem."""
    stem = random.choice(STEMS) + str(random.randint(0, 99))
    return stem.replace(".", "_") + picture.ending


def class_folder(random: Random) -> str:
    label = random.choice(CLASSES) if random.random() < 0.7 else random.choice(LABELS)
    split, inner = random.choice(SPLITS), random.choice(["", "", "", "deep/er", "train", "test"])
    return "/".join(part for part in (split, label.strip()[:200], inner) if part)


def pictures(random: Random, folder: Path) -> Input:
    """Pictures of all kinds in folders of two or three classes and elsewhere."""
    given = Input(kind="pictures", folder=folder, source=folder / "set")
    files: dict[str, Picture] = {}
    for number in range(random.choice([1, 3, 8, 14, 25])):
        picture = any_picture(random, number, awkward=0.7)
        where = class_folder(random) if random.random() < 0.9 else ""
        files[f"{where}/{name_of(random, picture)}".lstrip("/")] = picture
    root = folder / "set"
    root.mkdir()
    write(root, files, given)
    if random.random() < 0.3:
        _odd_neighbours(random, root, given)
    kind = random.choice(["folder", "folder", "hf"])
    images = f'{kind} = "set"'
    if random.random() < 0.2:
        images += f"\ncrop = [{random.choice(['0.0, 0.0, 1.0, 0.5', '0.4, 0.4, 0.41, 0.41', '0.0, 0.999, 1.0, 1.0'])}]"
        given.readable = set()  # the crop may leave nothing of a small one
    write_domain(folder, images, random)
    named = [str(root / name) for name in files]
    given.commands = [("classify", "DIR/tree.json", *random.sample(named, min(3, len(named))), "--json")]
    return given


def _odd_neighbours(random: Random, root: Path, given: Input) -> None:
    """Links, loops, pipes, archives, folders that are called like pictures, and hidden pictures."""
    assert given.found is not None
    inside = root / "Newt"
    inside.mkdir(exist_ok=True)
    choice = random.randrange(8)
    if choice == 0:
        (inside / "gone.png").symlink_to("nowhere.png")
    elif choice == 1:
        (inside / "loop.png").symlink_to("loop.png")
    elif choice == 2:
        (inside / "round").symlink_to(root)
    elif choice == 3:
        os.mkfifo(inside / "pipe.png")
    elif choice == 4:
        (inside / "folder.png").mkdir()
    elif choice == 5 and given.readable:
        target = root / random.choice(sorted(given.readable))
        if target.is_file():  # not one whose name is shown escaped
            (target.parent / "again.png").symlink_to(target)
    elif choice == 6:
        with zipfile.ZipFile(inside / "more.zip", "w") as archive:
            archive.writestr("Newt/1.png", b"")
            archive.writestr("notes.txt", b"")
        given.found.add("Newt/more.zip/Newt/1.png")
    else:
        write(root, {"Newt/.hidden.png": random.choice(AWKWARD[:1])(random)}, given)
        given.readable.discard("Newt/.hidden.png")
        for tool in (".git", ".venv"):
            (root / tool).mkdir(exist_ok=True)
            (root / tool / "logo.png").write_bytes(b"")
    given.count = len(given.found)
