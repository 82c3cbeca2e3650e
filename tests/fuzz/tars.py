"""webdataset shards as people pack them: keys with dots, names that come twice, labels in every shape, damage."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.fuzz.inputs import LABELS, Input, write_domain
from tests.fuzz.pictures import ENDINGS, Picture, any_picture

_KEYS: Final = (
    "a",
    "img_v1.0",
    "dir/b",
    "b.left",
    "deep/er/c",
    "./d",
    ".hid",
    "ünïcode",
    "x y",
    "n" * 150,
    "../up",
    "/abs",
    "a\nb",
    "\x1b[31m",
    "b\udcffx",
)
_BROKEN: Final = (b"", b"{", b"\xff\xfe", b"\0", b"[" * 5000, b"\xef\xbb\xbfNewt\n")
_NAMES: Final = ("0.tar", "1.tar", "birds-train-0001.tar", "train/0.tar", "test/0.tar", "val-0.tar", "x_test_1.tar")


def _label(random: Random, label: str) -> tuple[str, bytes] | None:
    """The ending and the content of what labels a picture."""
    shapes: list[Any] = [
        label,
        [label],
        {"label": label},
        {"cls": label, "size": 3},
        {"labels": [label]},
        {"class": {"name": label}},
    ]
    shapes += [
        {"label": 1},
        {"label": 1.0},
        3,
        None,
        True,
        [],
        [label, label],
        {"caption": "x"},
        {"label": None},
        1e400,
        {},
    ]
    kind = random.randrange(10)
    if kind < 4:
        return random.choice(["cls", "cls", "label", "txt", "CLS"]), label.encode(errors="replace")
    if kind < 8:
        return "json", json.dumps(
            random.choice(shapes[:6]) if random.random() < 0.7 else random.choice(shapes)
        ).encode()
    if kind < 9:
        return random.choice(["cls", "json", "txt"]), random.choice(_BROKEN)
    return None


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _counts(name: str, picture: Picture) -> bool:
    """Whether a member counts as a picture file: by its ending, or without one by its first bytes unless hidden."""
    ending = f".{name.rpartition('/')[2].rpartition('.')[2].lower()}"
    hidden = any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))
    return ending in ENDINGS or (picture.counts and not hidden)


def _write_tar(random: Random, path: Path) -> int | None:
    """Write a tar and return how many picture files it holds; `None` if a link makes that hard to say."""
    count = 0
    linked = False
    with tarfile.open(path, "w", format=random.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])) as tar:
        for number in range(random.randint(0, 8)):
            key = random.choice(_KEYS) + str(random.randint(0, 4) if random.random() < 0.3 else number)
            members = list[tuple[str, bytes]]()
            for middle in random.choice([[""], [""], [""], [".left", ".right"]]):
                picture = any_picture(random, number, awkward=0.2)
                name = f"{key}{middle}{picture.ending}"
                count += _counts(name, picture)
                members.append((name, picture.data))
            if label := _label(random, random.choice(LABELS)):
                members.append((f"{key}.{label[0]}", label[1]))
            random.shuffle(members)
            for name, data in members:
                _add(tar, name, data)
        if random.random() < 0.1:
            _add_link(random, tar)
            linked = True
    return None if linked else count


def _add_link(random: Random, tar: tarfile.TarFile) -> None:
    """A link within the tar, as GNU tar stores the second name of a file; or a folder, a device."""
    info = tarfile.TarInfo(random.choice(["link.png", "link.cls", "folder"]))
    info.type = random.choice([tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
    info.linkname = random.choice([*tar.getnames(), "nowhere.png", "link.png"])
    tar.addfile(info)


def tars(random: Random, folder: Path) -> Input:
    given = Input(kind="tars", folder=folder, count=0)
    root = folder / "set"
    root.mkdir()
    for name in random.sample(_NAMES, random.randint(1, 3)):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        count = _write_tar(random, path)
        given.count = None if given.count is None or count is None else given.count + count
        if random.random() < 0.15:
            path.write_bytes(_damaged(random, path.read_bytes()))
            given.count = None
    pattern = random.choice(
        [
            "set/*.tar",
            "set/*.tar",
            "set/*/*.tar",
            "set/{0..1}.tar",
            "set/0.tar",
            "set/**/*.tar",
            "set/[",
            "set/{9..3}.tar",
        ]
    )
    if pattern != "set/*.tar" or any(path.parent != root for path in root.rglob("*.tar")):
        given.count = None  # not every tar is named
    more = ""
    if random.random() < 0.2:
        names = random.choice(["Newt\nSwan\n", "", "Eel\nNewt\n\n# x\nSwan"])
        (folder / "names.txt").write_text(names, encoding="utf-8")
        more = '\nclassnames = "names.txt"'
    write_domain(folder, f"shards = {json.dumps(pattern)}{more}", random)
    given.source = folder / pattern
    return given


def _damaged(random: Random, data: bytes) -> bytes:
    place = random.randrange(len(data) + 1)
    changed = bytearray(data)
    for _ in range(random.randint(1, 30)):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return random.choice(
        [
            data[:place],
            bytes(changed),
            gzip.compress(data, mtime=0),
            b"",
            b"no tar",
            data[:place] + data[place + 7 :],
            b"\0" * 512,
        ]
    )
