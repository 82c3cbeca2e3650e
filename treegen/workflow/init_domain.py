"""Write the first, commented domain.toml of a new domain."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from itertools import islice
from pathlib import Path
from typing import Final
from unicodedata import normalize

from treegen.config.class_names import doubtful
from treegen.config.domain import FILE_NAME, Domain, read_class_names, read_data, read_domain
from treegen.config.settings import ImageSettings
from treegen.config.trust import record, requests_of
from treegen.errors import InputError
from treegen.files import read_text, write_atomically
from treegen.images import Findings, Labels, below, labels_of, picture_files, read_images, split_called, survey_images
from treegen.images.archives import COMPRESSED, archives_below, unpacking
from treegen.images.files import SUFFIXES
from treegen.images.hugging_face import metadata_tables, picture_parquets
from treegen.images.shards import shard_paths
from treegen.images.tables import columns_of, guess_columns, guess_split, label_names, picture_columns
from treegen.text import counted, did_you_mean, encodable, show
from treegen.tree.validation.normalise import singular

_TEMPLATE: Final = """\
# A treegen domain: what is to be classified. `treegen schema domain` explains every key.
name = {name}
noun = {noun}                # what one thing is called; it goes into every prompt
description = ""                # one or two sentences for the language model
hints = {hints:<24}# visual features that may tell the classes apart: ["body colour", "shape of the ears"]
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
# sealed = true                 # evaluate the test split with `treegen score --unseal` only

[llm]
{model}  # any litellm name; replay/FILE; or manual, for a chat window
# api_base = "http://127.0.0.1:11434/v1"

[encoder]
{encoder}   # also hf:ORG/NAME of transformers, or a service; without one the demo's tiny CLIP

[check]
# severity = {{ TG603 = "error", TG205 = "off" }}       # of what `treegen check` warns about: error, warning or off
"""
_IMAGES: Final = """\
[images]
{source}
# crop = [0.0, 0.1, 1.0, 0.55]  # left, top, right, bottom, as fractions: the region that is used
"""
_NO_IMAGES: Final = """\
# [images]                      # without images a tree can be drafted and checked, not scored
# folder = "images"             # one folder per class, named like the class; `treegen schema domain` shows other ways
# crop = [0.0, 0.1, 1.0, 0.55]  # left, top, right, bottom, as fractions: the region that is used
"""

_MOST_NOTES: Final = 10
_MOST_NAMED: Final = 5
_FEWEST: Final = 20  # images of a class, of which half score the tree
_ENOUGH: Final = 50
_MOST_ENTRIES: Final = 1000  # of a folder that is only glanced at
#: folders of pictures, whose names do not say of what
USUAL_FOLDERS: Final = ("images", "pictures", "photos", "data", "pics", "img", "imgs")
_SAYS_NOTHING: Final = frozenset(
    "photographs pix snapshots dataset datasets documents downloads desktop files projects samples examples users "
    "classes labels train training dev val valid validation test tests".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The file that was written, its number of classes, and what a user should know.

    `files` says what will become of the picture files, and `few` which classes have too few; empty without images.
    """

    path: Path
    classes: int
    notes: tuple[str, ...]
    files: str = ""
    few: str = ""


def write_domain(
    folder: Path,
    *,
    classes: Path | None,
    images: Path | None,
    name: str | None = None,
    noun: str = "object",
    hints: Sequence[str] = (),
    image_folder: Path | None = None,
    encoder: str | None = None,
    model: str | None = None,
) -> Written:
    """Write a valid, commented FOLDER/domain.toml.

    Args:
        folder: created if missing.
        classes: a text file with one class name per line.
        images: a folder with one folder per class, also below folders of splits; a folder as Hugging Face reads it; a
            table (CSV, TSV, JSON Lines, Parquet) of file names and labels; or webdataset tars (a tar, a pattern, or a
            folder of tars).
        name: of the domain; the folder's name if not given.
        noun: what a single item of the domain is called.
        hints: visual features that may tell the classes apart.
        image_folder: what the paths of a table are relative to; the table's own folder if not given.
        encoder: the encoder's name; left as a comment if not given.
        model: the language model's name; left as a comment if not given.

    Raises:
        InputError: neither classes nor images are given, one of them does not exist, or the file exists already.
    """
    path = folder / FILE_NAME
    if classes is None and images is None:
        raise InputError("no classes", "give --classes FILE, --images DIR, or both")
    if path.exists():
        raise InputError(f"{path} exists", "edit it, or name another folder")
    source, labels = _source_of(images, folder) if images else ("", ())
    folders = tuple(dict.fromkeys(normalize("NFC", label) for label in labels))  # as a class is found by its label
    if image_folder:
        if not source.startswith("manifest"):
            raise InputError("--image-folder belongs to a table", "omit it, or give --images TABLE")
        source += f"\nfolder = {_toml(_relative(image_folder, folder))}"
    names = read_class_names(classes) if classes else folders
    if twice := [n for n, count in Counter(names).items() if count > 1]:
        raise InputError(f"{classes}: {_lines_of(classes, twice)}", "remove one of the two lines")
    if len(names) < 2:
        message = f"{classes or images}: {counted(len(names), 'class', 'classes')}; at least 2 are needed"
        raise InputError(message, _tip(source) if images and not classes else "add class names")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be created: {error.strerror or error}", "name another folder") from None
    text = _TEMPLATE.format(
        name=_toml(name or folder.resolve().name),
        noun=_toml(noun),
        hints=f"[{', '.join(map(_toml, hints))}]",
        first=_toml(names[0]),
        classes=f"classes_file = {_toml(_relative(classes, folder))}" if classes else f"classes = {_names(names)}",
        encoder=f"name = {_toml(encoder)}" if encoder else '# name = "ViT-B-32:laion2b_s34b_b79k"',
        model=f"model = {_toml(model)}" if model else '# model = "openai/gpt-4o-mini"',
        images=_IMAGES.format(source=source) if images else _NO_IMAGES,
    )
    write_atomically(path, text)
    if requests := list(requests_of(read_data(path), folder.resolve())):  # the user's own words
        record(folder, requests)
    domain, problems = read_domain(path)
    notes = [f"{p.code} {p.pointer}: {p.message}" for p in problems] + doubtful(names)
    files, few = "", ""
    if images and domain:
        notes += _like_splits(images, folders) if source.startswith("folder") else []
        notes += _mismatches(domain.classes, folders, "folder" if images.is_dir() else "label")
        files, few, more = _files(domain)
        notes += more
    return Written(path=path, classes=len(names), notes=tuple(notes), files=files, few=few)


def class_names_in(images: Path) -> tuple[str, ...]:
    """Return the names of the classes in a folder or a table of images.

    Raises:
        InputError: it is missing, or has fewer than two classes.
    """
    names = _source_of(images, Path())[1]
    if len(names) < 2:
        message = f"{images}: {counted(len(names), 'class', 'classes')}; at least 2 are needed"
        raise InputError(message, "give one folder of pictures for each class, or a table of file names and labels")
    return names


def _files(domain: Domain) -> tuple[str, str, list[str]]:
    """Count the picture files of a domain that was just written; return the line, `few_images` and further notes."""
    assert domain.images is not None
    try:
        found = survey_images(domain)
    except InputError as error:
        other = "; or `treegen init` with --image-folder DIR" if "`folder` below [images]" in error.tip else ""
        return "", "", [f"{error.message}; {error.tip}{other}"]
    few = few_images(domain.classes, Counter(image.label for image in found.images))
    return found.files.sentence(below(domain.images.root, domain.folder)), few, list(found.notes)


def few_images(classes: Sequence[str], counts: Mapping[int, int]) -> str:
    """Return a sentence on the classes with too few images; empty if none.

    Args:
        classes: the names.
        counts: index of a class -> its number of images.
    """
    few = [(counts.get(index, 0), name) for index, name in enumerate(classes) if counts.get(index, 0) < _FEWEST]
    if not few:
        return ""
    count, name = min(few)
    which = f"{len(few)} of {counted(len(classes), 'class', 'classes')} {'has' if len(few) == 1 else 'have'}"
    fewest = f"{count} of {show(name)}" if len(few) == 1 else f"fewest: {count} of {show(name)}"
    return f"{which} fewer than {_FEWEST} pictures ({fewest}), so scores will be rough; {_ENOUGH} are better"


def noun_of(images: Path) -> str:
    """Return what one thing is called by the name of the folder or table, if that is a plural; else `object`.

    A name that only says that there are pictures, such as `photos` or `train`, leaves it to the folder around; one that
    says whose they are, such as `my pictures`, is no noun.

    >>> noun_of(Path("/data/trading_cards")), noun_of(Path("/data/butterflies/photos")), noun_of(Path("/data/set2"))
    ('trading card', 'butterfly', 'object')
    """
    place = images.resolve()
    for name in (place.stem, place.parent.name):
        words = name.lower().replace("_", " ").replace("-", " ").split()
        if words and words[0] in ("my", "our"):
            return "object"
        if not words or words[-1] in (*USUAL_FOLDERS, *_SAYS_NOTHING):
            continue
        one = singular(words[-1])
        plain = all(word.isascii() and word.isalpha() for word in words)
        return " ".join([*words[:-1], one]) if plain and one != words[-1] else "object"
    return "object"


def image_folders(place: Path) -> list[Path]:
    """Return the folders in a folder that may be meant by "your pictures": usual names, and those of class folders."""
    try:
        inside = sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []
    usual = [path for name in USUAL_FOLDERS for path in inside if path.name == name]
    return [*usual, *(path for path in inside if path not in usual and has_class_folders(path))]


def pictures_of(named: Path) -> tuple[Path | None, bool]:
    """Return the pictures that a folder or a table is or contains, and whether it has any at all.

    A folder is the pictures if it holds one folder of pictures for each class; or they are the one folder in it that
    does, such as `photos`. `None` where it is not clear which are meant, or there are none.
    """
    if not named.is_dir():
        return (named, True) if named.is_file() else (None, False)
    inner = [path for path in image_folders(named) if has_class_folders(path)]
    usual = [path for path in inner if path.name in USUAL_FOLDERS]
    if usual:
        return (usual[0] if len(usual) == 1 else None), True
    try:
        class_names_in(named)
    except InputError:
        only = inner[0] if len(inner) == 1 else None
        return only, bool(only) or any(picture_files(named, Findings()))
    return named, True


def has_class_folders(folder: Path) -> bool:
    """Return whether at least two folders in a folder hold a picture: a glance; `_class_folders` reads all."""
    try:
        inner = [path for path in islice(folder.iterdir(), _MOST_ENTRIES) if path.is_dir()]
        entries = (islice(path.iterdir(), _MOST_ENTRIES) for path in inner)
        return sum(any(path.suffix.lower() in SUFFIXES for path in each) for each in entries) > 1
    except OSError:
        return False


def _tip(source: str) -> str:
    if source.startswith("folder"):
        return "--images DIR needs one folder of pictures per class"
    what = "each KEY.png of a tar a KEY.cls" if source.startswith("shards") else "each picture of a table a label"
    return f"give {what}, or name the classes with --classes FILE"


def _lines_of(classes: Path | None, names: Sequence[str]) -> str:
    """List names that occur twice in a class list, with their lines."""
    lines = [line.strip() for line in read_text(classes).splitlines()] if classes else []
    duplicates = []
    for name in names[:20]:
        at = [str(number) for number, line in enumerate(lines, start=1) if line == name]
        duplicates.append(f"{show(name)} is a duplicate" + (f" (lines {', '.join(at)})" if at else ""))
    more = [f"and {len(names) - 20} more"] if len(names) > 20 else []
    return ", ".join([*duplicates, *more])


def _source_of(images: Path, folder: Path) -> tuple[str, tuple[str, ...]]:
    """Return the lines of [images] for a folder or a table, and the names of classes in it.

    Raises:
        InputError: it is not there, or the columns of a table are not recognised.
    """
    named = _toml(_relative(images, folder))
    if pattern := _pattern_of_tars(images):
        return f"shards = {_toml(_relative(pattern, folder))}", _shard_labels(pattern)
    if images.is_file():
        columns, names = _table_labels(images)
        return f"manifest = {named}{columns}", names
    if not images.is_dir():
        tip = "give the folder that holds one folder for each class, a table of file names and labels, or tars"
        raise InputError(f"{images}: no such folder", tip)
    tables = metadata_tables(images)
    if tables or any(images.rglob("*.parquet")):
        return f"hf = {named}", _hugging_face_labels(images, tables)
    return f"folder = {named}", tuple(sorted(_class_folders(images)))


def _pattern_of_tars(images: Path) -> Path | None:
    """Return the pattern of webdataset tars that is meant: a tar, a pattern, or a folder of tars; `None` for others.

    Raises:
        InputError: the tars are compressed.
    """
    if images.name.lower().endswith(COMPRESSED):
        raise InputError(f"{images}: a compressed tar, which is not read", unpacking(images.name))
    if not images.is_dir():
        return images if images.suffix.lower() == ".tar" and any(p.is_file() for p in shard_paths(images)) else None
    if len(_class_folders(images)) > 1 or metadata_tables(images) or any(images.rglob("*.parquet")):
        return None
    tars = sorted(path for path in images.rglob("*.tar") if path.is_file())
    if not tars and (compressed := archives_below(images, COMPRESSED)):
        message = f"{images}: only compressed tars, which are not read: first {compressed[0].name}"
        raise InputError(message, unpacking(compressed[0].name))
    depths = {len(path.relative_to(images).parts) for path in tars}
    inside = "/".join(["*"] * (min(depths) - 1) + ["*.tar"]) if len(depths) == 1 else "**/*.tar"
    return Path(escape(str(images))) / inside if tars else None


class _AnyLabels(Labels):
    """Labels of a set that has no classes yet: each is a class, in order of appearance."""

    def __init__(self, numbered: tuple[str, ...] | None) -> None:
        super().__init__(Domain(folder=Path(), name="none"), numbered)
        self.indices = dict[str, int]()

    def find(self, label: str) -> int:
        """Return the number of the label."""
        return self.indices.setdefault(self.named(label), len(self.indices))


def _shard_labels(pattern: Path) -> tuple[str, ...]:
    """Return the names of the file of class names next to shards, else the labels in them, sorted."""
    settings, findings = ImageSettings(shards=pattern.absolute()), Findings()
    numbered = labels_of(Domain(folder=Path(), name="none", images=settings)).numbered
    labels = _AnyLabels(numbered or None)
    for _ in read_images(settings, labels, findings):
        pass
    if not labels.indices:
        _refuse_first(findings, settings.root)
    return (*numbered, *sorted(labels.indices.keys() - {*numbered}))


def _table_labels(table: Path, path: str = "path", label: str = "label") -> tuple[str, tuple[str, ...]]:
    """Return the line `columns` of a table, empty for the expected names; and its labels, sorted."""
    if table.suffix.lower() == ".parquet" and picture_columns(table):
        return "", _parquet_labels(table)
    heads, rows = columns_of(table)
    guessed = guess_columns(heads, rows)
    used = {"path": path if path in heads else guessed[0], "label": label if label in heads else guessed[1]}
    if None in used.values():
        lacking = next(key for key, name in used.items() if name is None)
        there = ", ".join(map(show, heads))
        raise InputError(f"{table}: none of the columns is recognised as the {lacking}: {there}", f"call one {lacking}")
    other = {key: name for key, name in used.items() if name != {"path": path, "label": label}[key]}
    if "split" not in heads and (split := guess_split(heads, rows, used.values())):
        other["split"] = split
    line = ", ".join(f"{key} = {_toml(str(name))}" for key, name in other.items())
    labels = {row.get(str(used["label"]), "").strip() for row in rows}
    return f"\ncolumns = {{{line}}}" if line else "", tuple(sorted(labels - {""}))


def _named_files(table: Path, root: Path) -> Iterator[Path]:
    """Yield the files that a metadata table names, below the root as its folders are."""
    heads, rows = columns_of(table)
    column = "file_name" if "file_name" in heads else guess_columns(heads, rows)[0]
    for row in rows if column else ():
        yield root / os.path.relpath(table.parent / row[str(column)].strip(), root)


def _parquet_labels(file: Path) -> tuple[str, ...]:
    """Return the names of a Parquet file's ClassLabel, else the values of its column `label`, sorted."""
    if names := label_names(file):
        return names.get("label") or next(iter(names.values()))
    heads, rows = columns_of(file)
    label = guess_columns(heads, rows)[1]
    if label is None:
        there = ", ".join(map(show, heads))
        raise InputError(f"{file}: none of the columns is recognised as the label: {there}", "call one label")
    return tuple(sorted({row[label].strip() for row in rows} - {""}))


def _hugging_face_labels(root: Path, tables: Sequence[Path]) -> tuple[str, ...]:
    """Return the labels of all tables and Parquet files of a folder, and the class folders where no table is."""
    files = picture_parquets(root, findings := Findings())
    ordered = [name for file in files for name in _parquet_labels(file)]
    found = {name for table in tables for name in _table_labels(table, "file_name")[1]}
    covered = {table.parent for table in tables}
    if root not in covered and not files:
        found |= _class_folders(root, covered | {path.parent for table in tables for path in _named_files(table, root)})
    if not (ordered or found):
        _refuse_first(findings, root)
    return tuple(dict.fromkeys([*ordered, *sorted(found)]))


def _refuse_first(findings: Findings, root: Path) -> None:
    """Raise for the first file that was left out of a set, if there is one.

    Raises:
        InputError: there is one.
    """
    for first in findings.skipped[:1]:
        raise InputError(f"{first.below(root)}: {first.reason}", first.tip or "check the content of the file")


def _class_folders(images: Path, covered: Collection[Path] = ()) -> set[str]:
    """Return the names of the folders that contain a picture: the outermost that neither are splits nor hold any.

    A folder that is called like a split is one if it holds folders or a table does so for it, or if there are no
    others: a class may be called "train". Beside splits that hold folders of classes, a folder that only holds folders
    too is a split of an unknown name; beside splits with tables any folder is.
    """
    inside = sorted(p for p in images.iterdir() if p.is_dir() and not p.name.startswith("."))
    splits = [p for p in inside if split_called(p.name)]
    if len(splits) < len(inside) and not any(p in covered or _holds_classes(p) for p in splits):
        splits = []
    found = set[str]().union(*(_class_folders(split, covered) for split in splits if split not in covered))
    beside_splits, beside_tables = bool(found), any(split in covered for split in splits)
    for inner in (p for p in inside if p not in splits and p not in covered):
        if any(p.is_dir() and _holds_classes(p) for p in inner.iterdir()):
            found |= _class_folders(inner, covered)
        elif not beside_tables and _holds_pictures(inner, covered, deep=not beside_splits):
            found.add(inner.name)
    return found


def _holds_pictures(folder: Path, covered: Collection[Path], *, deep: bool = True) -> bool:
    """Return whether a folder holds a picture, readable here or not; or if not `deep`, whether it does so itself."""
    findings, inner = Findings(), set() if deep else {path for path in folder.iterdir() if path.is_dir()}
    return any(picture_files(folder, findings, without={*covered, *inner})) or any(
        each.exists for each in findings.skipped
    )


def _holds_classes(folder: Path) -> bool:
    """Return whether a folder is a split with folders of classes: train/Newt, and not Newt/train."""
    return split_called(folder.name) is not None and any(p.is_dir() for p in folder.iterdir())


def _like_splits(images: Path, classes: Sequence[str]) -> list[str]:
    """Note where the folders that were taken for classes all hold the same folders, as splits do."""
    inner = [
        {p.name for p in (images / name).iterdir() if p.is_dir()} if (images / name).is_dir() else set()
        for name in classes
    ]
    if not inner or len(inner[0]) < 2 or any(names != inner[0] for names in inner):
        return []
    each, held = ", ".join(map(show, classes[:_MOST_NAMED])), ", ".join(map(show, sorted(inner[0])[:_MOST_NAMED]))
    tip = "if those are the classes, rename the others to train, val and test"
    return [f"the folders {each} each hold the folders {held}: {tip}"]


def _mismatches(classes: Sequence[str], folders: Sequence[str], kind: str) -> list[str]:
    """List classes without a folder (or label) and folders without a class."""
    lacking, strange = [c for c in classes if c not in folders], [f for f in folders if f not in classes]
    notes = [
        f"no image {kind} for the class {show(name)}{did_you_mean(name, strange, kind=f'the {kind}', cutoff=0.6)}"
        for name in lacking[:_MOST_NOTES]
    ]
    notes += [f"the {kind} {show(name)} is not a class" for name in strange[:_MOST_NOTES]]
    more = max(0, len(lacking) - _MOST_NOTES) + max(0, len(strange) - _MOST_NOTES)
    return [*notes, f"and {more} more like these"] if more else notes


def _relative(path: Path | None, folder: Path) -> str:
    assert path is not None
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def _toml(text: str) -> str:
    """Return a TOML basic string.

    Raises:
        InputError: UTF-8 cannot encode it: it is the name of a file or a folder in another encoding.
    """
    import tomlkit

    if encodable(text) != text:
        raise InputError(f"{show(text)}: not UTF-8, as domain.toml must be", "rename the file or the folder")
    return tomlkit.string(text).as_string()


def _names(names: Sequence[str]) -> str:
    return "[\n" + "".join(f"  {_toml(n)},\n" for n in names) + "]"
