"""What one fuzzed input is, and what must be true of the picture files in it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.pictures import Picture
from treegen.images import shown

CLASSES: Final = ("Newt", "Swan", "Water Monster")
#: labels and names of folders that mean a class, nearly mean one, or mean none
LABELS: Final = (
    *(*CLASSES, *CLASSES, *CLASSES, "newt", "NEWT", "Newts", "001.Newt", "water_monster", "Eel", "Swän", "n02084071"),
    *(
        "0",
        "1",
        "2",
        "7",
        "1.0",
        "-1",
        "1e3",
        "",
        " ",
        "Newt ",
        "true",
        "null",
        "a\tb",
        "\x1b[31mred",
        "x" * 300,
        "½",
        "٣",
    ),
)


#: the classes of other domains: numbers, names of splits, one name in two spellings of Unicode, only case between them
_OTHER_CLASSES: Final = (
    ("1", "2", "5"),
    ("train", "test"),
    ("Swän", "Swa\u0308n x", "swan"),
    ("newt", "Newt"),
    ("0", "Newt"),
)
_MORE: Final = (
    '[aliases]\n"{name}" = ["Eel", "n02084071", "001.Newt"]',
    "[split]\ndev = 0.9\nseed = 7",
    '[split]\nby = "rank"',
    "[split]\nsealed = true",
    '[decision]\nrule = "weighted"',
    '[encoder]\nname = "bundled"\nprecision = "fp32"',
)


@dataclass(kw_only=True)
class Input:
    """One input, written to a folder.

    Attributes:
        kind: tables, tars, pictures, domains or trees.
        folder: where domain.toml lies.
        source: what `init --images` and `embed` are given: the folder, the table or the pattern of tars.
        found: the picture files that exist, by their names below the folder of the set; `None` where damage hides some.
        count: how many there are; `None` where damage hides some.
        unreadable: those of them that must not be read.
        readable: those of them that must not be called damaged.
        commands: what else is worth running on it; DIR is its folder.
        sound: whether domain.toml must be accepted.
    """

    kind: str
    folder: Path
    source: Path | None = None
    found: set[str] | None = None
    count: int | None = None
    unreadable: set[str] = field(default_factory=set)
    readable: set[str] = field(default_factory=set)
    commands: Sequence[tuple[str, ...]] = ()
    sound: bool = True


Maker = Callable[[Random, Path], Input]


def toml(text: object) -> str:
    """A TOML string; JSON's escapes are TOML's, except for surrogates."""
    return json.dumps(str(text)).replace("\x7f", "\\u007f")


def write_domain(folder: Path, images: str, random: Random | None = None) -> None:
    """A domain with these [images], and a tree for its classes; `random` varies classes and settings."""
    classes: tuple[str, ...] = CLASSES
    more = list[str]()
    if random is not None:
        classes = CLASSES if random.random() < 0.8 else random.choice(_OTHER_CLASSES)
        more = random.sample(_MORE, 1) if random.random() < 0.3 else []
    listed = ", ".join(map(toml, classes))
    text = f'name = "pond"\nclasses = [{listed}]\n[images]\n{images}\n'
    text += "\n".join(each.replace("{name}", classes[0]) for each in more)
    (folder / "domain.toml").write_text(text, encoding="utf-8")
    tree = {
        "domain": "pond",
        "classification_groups": {
            "colour": {"prompt": "The animal is {}.", "options": ["green", "white", "pink"]},
            "limbs": {"prompt": "The animal has {}.", "options": ["four legs", "wings"]},
        },
        "rules": {name: {"colour": at % 3, "limbs": at % 2} for at, name in enumerate(classes)},
    }
    (folder / "tree.json").write_text(json.dumps(tree), encoding="utf-8")


def write(root: Path, files: "dict[str, Picture]", given: Input) -> None:
    """Write the files below the folder of a set, and note what must be true of them."""
    given.found = set() if given.found is None else given.found
    for name, picture in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.data)
        if picture.counts:
            given.found.add(shown(name))
        if picture.readable is not None and picture.counts:
            (given.readable if picture.readable else given.unreadable).add(shown(name))
    given.count = len(given.found)
