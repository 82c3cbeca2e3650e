"""Write the first, commented domain.toml of a new domain."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from treegen.config.domain import FILE_NAME, read_class_names, read_domain
from treegen.errors import InputError
from treegen.files import write_atomically
from treegen.images import SUFFIXES
from treegen.text import did_you_mean, show

_TEMPLATE: Final = """\
# A treegen domain: what is to be classified. `treegen schema domain` explains every key.
name = {name}
noun = {noun}                # what one thing is called; it goes into every prompt
description = ""                # one or two sentences for the language model
hints = []                      # visual features that may tell the classes apart: ["body colour", "shape of the ears"]
language = "en"                 # of prompts and options
name_template = "a photo of {{a noun}}: {{name}}"      # how the baseline names a class
{classes}

# notes_file = "notes.json"     # class -> text, phrases or attributes; also CSV, JSON Lines
# [notes]                       # what is known of a class and a language model may not know
# {first} = "what a field guide says about it"

# [aliases]                     # other names, which no prompt or option may hold
# {first} = ["its name in Latin"]

{images}
[split]                         # dev is for choosing and feedback, test for reporting
dev = 0.5
seed = 0
# sealed = true                 # show the test part with `treegen score --unseal` only

[llm]
# model = "openai/gpt-4o-mini"  # any litellm name; replay/FILE; or manual, for a chat window
# api_base = "http://127.0.0.1:11434/v1"

[encoder]
{encoder}   # also hf:ORG/NAME of transformers, or a service; without one the demo's tiny CLIP

[check]
# severity = {{ TG603 = "error", TG205 = "off" }}       # of what `treegen check` warns about: error, warning or off
"""
_IMAGES: Final = """\
[images]
folder = {folder}
# crop = [0.0, 0.1, 1.0, 0.55]  # left, top, right, bottom, as fractions: the part to look at
"""
_NO_IMAGES: Final = """\
# [images]                      # without images a tree can be drafted and checked, not scored
# folder = "images"             # one folder per class, named like the class; `treegen schema domain` shows other ways
# crop = [0.0, 0.1, 1.0, 0.55]  # left, top, right, bottom, as fractions: the part to look at
"""

_MOST_NOTES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The file that was written, its number of classes, and what a user should know."""

    path: Path
    classes: int
    notes: tuple[str, ...]


def write_domain(
    folder: Path,
    *,
    classes: Path | None,
    images: Path | None,
    name: str | None = None,
    noun: str = "object",
    encoder: str | None = None,
) -> Written:
    """Write a valid, commented FOLDER/domain.toml.

    Args:
        folder: created if missing.
        classes: a text file with one class name per line.
        images: a folder with one folder per class.
        name: of the domain; the folder's name if not given.
        noun: what a single item of the domain is called.
        encoder: the encoder's name; left as a comment if not given.

    Raises:
        InputError: neither classes nor images are given, one of them does not exist, or the file exists already.
    """
    path = folder / FILE_NAME
    if classes is None and images is None:
        raise InputError("no classes", "give --classes FILE, --images DIR, or both")
    if path.exists():
        raise InputError(f"{path} exists", "edit it, or name another folder")
    folders = _class_folders(images) if images else ()
    names = read_class_names(classes) if classes else folders
    if twice := [n for n, count in Counter(names).items() if count > 1]:
        raise InputError(f"{classes}: {', '.join(map(show, twice[:5]))} stands twice", "remove one of the two lines")
    if len(names) < 2:
        raise InputError(f"{classes or images}: {len(names)} classes; at least 2 are needed", "add class names")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror or error}", "name another folder") from None
    text = _TEMPLATE.format(
        name=_toml(name or folder.resolve().name),
        noun=_toml(noun),
        first=_toml(names[0]),
        classes=f"classes_file = {_toml(_relative(classes, folder))}" if classes else f"classes = {_names(names)}",
        encoder=f"name = {_toml(encoder)}" if encoder else '# name = "ViT-B-32:laion2b_s34b_b79k"',
        images=_IMAGES.format(folder=_toml(_relative(images, folder))) if images else _NO_IMAGES,
    )
    write_atomically(path, text)
    domain, problems = read_domain(path)
    notes = [f"{p.code} {p.pointer}: {p.message}" for p in problems]
    if images and domain:
        notes += _mismatches(domain.classes, folders)
    return Written(path=path, classes=len(names), notes=tuple(notes))


def _class_folders(images: Path) -> tuple[str, ...]:
    """Return the names of the folders that contain an image.

    Raises:
        InputError: `images` is not a folder.
    """
    if not images.is_dir():
        raise InputError(f"{images}: no such folder", "give the folder that holds one folder for each class")
    inner = sorted(p for p in images.iterdir() if p.is_dir() and not p.name.startswith("."))
    return tuple(p.name for p in inner if any(f.suffix.lower() in SUFFIXES for f in p.rglob("*")))


def _mismatches(classes: Sequence[str], folders: Sequence[str]) -> list[str]:
    """List classes without a folder and folders without a class."""
    lacking, strange = [c for c in classes if c not in folders], [f for f in folders if f not in classes]
    notes = [
        f"no image folder for the class {show(name)}{did_you_mean(name, strange, kind='the folder', cutoff=0.6)}"
        for name in lacking[:_MOST_NOTES]
    ]
    notes += [f"the folder {show(name)} is no class" for name in strange[:_MOST_NOTES]]
    more = max(0, len(lacking) - _MOST_NOTES) + max(0, len(strange) - _MOST_NOTES)
    return [*notes, f"and {more} more like these"] if more else notes


def _relative(path: Path | None, folder: Path) -> str:
    assert path is not None
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def _toml(text: str) -> str:
    """Return a TOML basic string."""
    import tomlkit

    return tomlkit.string(text).as_string()


def _names(names: Sequence[str]) -> str:
    return "[\n" + "".join(f"  {_toml(n)},\n" for n in names) + "]"
