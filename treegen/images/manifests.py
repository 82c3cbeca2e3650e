"""Tables of images and labels: CSV and JSON Lines, optionally with a split and a crop box per picture."""

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import Final, NamedTuple
from unicodedata import normalize
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.files import without_dots
from treegen.images.archives import archives_below
from treegen.images.files import SUFFIXES, picture_files, regular
from treegen.images.interface import SPLITS, Crop, Findings, LabelledImage, Labels, RealPaths, SourceSplit, below
from treegen.images.parquet import holds_pictures, read_parquet, split_of_file
from treegen.images.tables import SUFFIXES as TABLES
from treegen.images.tables import Row, read_rows
from treegen.text import counted, first_of, show

IN_NO_TABLE: Final = "in no table"
_MOST_LISTED: Final = 5
_MOST_SHOWN: Final = 200  # characters of a path that is not there
_MOST_NAME: Final = 255  # bytes of one name, on every usual file system
_ONE_LABEL: Final = "give each picture one label in the table"
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:image/|//[\w-]+\.[\w.-]+/|www\.[\w-]+\.[\w.-]+/")


class _Entry(NamedTuple):
    """What a row says of a picture."""

    image: LabelledImage
    label: str
    place: str

    @property
    def words(self) -> str:
        """The label, and where it is."""
        return f"{show(self.label)} ({self.place})"


@dataclass(slots=True, kw_only=True)
class PictureIndex:
    """The picture files below a folder, in which rows of tables find theirs.

    Attributes:
        folder: the folder.
        tip: where rows are to name files.
        named: files that rows have named, with links resolved.
        rows: what the rows of all tables say, by file and crop.
        repeated: rows that name again what is read already.
        windows: rows whose paths were written with Windows separators.
        linked: picture files that links name again.
    """

    folder: Path
    tip: str
    named: set[str] = field(default_factory=set)
    rows: dict[tuple[str, Crop | None], list[_Entry]] = field(default_factory=dict)
    repeated: int = 0
    windows: int = 0
    linked: list[Path] = field(default_factory=list)
    _apart: Findings = field(default_factory=Findings)
    _files: list[Path] | None = None
    _stems: dict[str, list[Path]] = field(default_factory=dict)
    _alike: dict[str, list[Path]] = field(default_factory=dict)
    _real: RealPaths = field(default_factory=RealPaths)

    def real(self, path: Path) -> str:
        """Return the file that a path leads to, with `..` and links resolved."""
        return self._real.of(path)

    def files(self) -> list[Path]:
        """Return what may be read as a picture, sorted folder by folder; of several links to a file the first."""
        if self._files is None:
            below_folder = list(picture_files(self.folder, self._apart))
            top, first_of = Path(os.path.realpath(self.folder)), dict[str, Path]()
            for path in below_folder:  # what is not a link, else the first link
                target = self.real(path)
                if target not in first_of or target == str(top / path.relative_to(self.folder)):
                    first_of[target] = path
            self._files = [path for path in below_folder if first_of[self.real(path)] == path]
            self.linked = sorted({*below_folder} - {*self._files})
        return self._files

    def of_name(self, path: Path) -> list[Path]:
        """Return the pictures that have a name followed by an ending, in its folder or else anywhere below."""
        if not self._stems:
            for file in self.files():
                for name in {file.stem, file.name}:
                    self._stems.setdefault(name, []).append(file)
        found = self._stems.get(path.name, [])
        return [file for file in found if file.parent == path.parent] or found

    def alike(self, path: Path) -> list[Path]:
        """Return the pictures whose names differ in case, ending, folder, or Unicode's form; the likest first."""
        if not self._alike:
            for file in self.files():
                self._alike.setdefault(_folded(file), []).append(file)
        found = self._alike.get(_folded(path), []) or self._alike.get(_folded(Path(unquote(path.name))), [])
        return sorted(found, key=lambda file: (file.parent != path.parent, file.suffix.lower() != path.suffix.lower()))

    def add(self, image: LabelledImage, label: str, place: str) -> None:
        """Add what a row says of a picture; the same picture and label in another split is not a repetition."""
        entries = self.rows.setdefault((self.real(image.path), image.crop), [])
        same = [at for at, entry in enumerate(entries) if entry.image.label == image.label]
        if any(image.source_split in (None, entries[at].image.source_split) for at in same):
            self.repeated += 1
        elif unassigned := [at for at in same if entries[at].image.source_split is None]:
            self.repeated += 1
            entries[unassigned[0]] = _Entry(image, label, place)
        else:
            entries.append(_Entry(image, label, place))

    def images(self, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
        """Yield the pictures of all rows, each once for each split, without those that rows label differently.

        Where there are no classes, a picture may have several labels.
        """
        contradictions = list[str]()
        for entries in self.rows.values():
            if labels.names and len({entry.image.label for entry in entries}) > 1:
                path, listed = entries[0].image.path, ", ".join(entry.words for entry in entries[:_MOST_LISTED])
                contradictions.append(f"{below(path, self.folder)}: {listed}")
                reason = f"contradictory labels: {listed}"
                findings.leave_out(path, reason, kind="with contradictory labels", tip=_ONE_LABEL)
            else:
                yield from (replace(entry.image, path=entries[0].image.path) for entry in entries)
        if contradictions:
            are = "picture with contradictory labels is", "pictures with contradictory labels are"
            listed = first_of([*map(_shortened, contradictions)], _MOST_LISTED, "; ")
            findings.notes.append(f"{counted(len(contradictions), *are)} left out: {listed}")

    def finish(self, findings: Findings, below: Collection[Path] | None = None) -> None:
        """Count the pictures that no row has named, and note what was odd about the rows.

        Args:
            findings: gathers them.
            below: only those below these folders; all if not given.
        """
        here = [*below] if below is not None else [self.folder]

        def loose(path: Path) -> bool:
            return self.real(path) not in self.named and any(folder in path.parents for folder in here)

        for file in filter(loose, self.files()):
            findings.pass_over(file, IN_NO_TABLE, tip="add a line for each picture to the table")
        findings.passed_over += [each for each in self._apart.passed_over if loose(each.path)]
        findings.skipped += [each for each in self._apart.skipped if loose(each.path)]
        if self.repeated:
            rows = "row names" if self.repeated == 1 else "rows name"
            findings.notes.append(f"{self.repeated} {rows} a picture again with the same label: each counts once")
        findings.links += sum(any(folder in path.parents for folder in here) for path in self.linked)
        if self.windows:
            paths = "path has" if self.windows == 1 else "paths have"
            findings.notes.append(f"{self.windows} {paths} Windows separators (\\), which were read as /")


def read_manifest(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`. Paths are relative to the manifest's folder, or to `folder` if the settings give one."""
    columns = {name: name for name in ("path", "label", "split", "crop", "cluster", "look")} | dict(settings.columns)
    table = settings.source
    if table.suffix.lower() == ".parquet" and table.is_file() and holds_pictures(table):
        yield from read_parquet(table, columns, split_of_file(table, table.parent), labels, findings)
        PictureIndex(folder=settings.root, tip="").finish(findings)
        return
    tip = f"paths are relative to {settings.root}; `folder` below [images] names another folder"
    index = PictureIndex(folder=settings.root, tip=tip)
    read_table(table, settings.root, columns, labels, findings, index)
    yield from index.images(labels, findings)
    index.finish(findings)
    missing = any(not each.exists for each in findings.skipped)
    if missing and (
        archives := [below(path, settings.root) for path in archives_below(settings.root) if path != table]
    ):
        findings.notes.append(f"archives are not read with a table: {first_of(archives, 1)}")
    if any(each.kind == IN_NO_TABLE for each in findings.passed_over):
        others = sorted(p.name for p in table.parent.iterdir() if p.suffix.lower() in TABLES and p.name != table.name)
        if others:
            are = "is" if len(others) == 1 else "are"
            findings.notes.append(f"{first_of(others, 1)} beside {table.name} {are} not read")


def read_table(
    table: Path, folder: Path, columns: Mapping[str, str], labels: Labels, findings: Findings, index: PictureIndex
) -> None:
    """Add the rows of a table to the index.

    Args:
        table: the file.
        folder: what its paths are relative to.
        columns: the table's names for `path`, `label`, `split`, `crop`, `cluster` and `look`.
        labels: finds their classes.
        findings: collects what is left out.
        index: the picture files of the set, and what this and other tables have named of them.

    Raises:
        InputError: a column is missing, or lines are invalid; the first few are listed with their numbers.
    """
    faults, name = list[str](), below(table, index.folder) if table.is_relative_to(index.folder) else table.name
    wanted = [columns[key] for key in (("path", "label") if labels.needed else ("path",))]
    splits, others = dict[str, Counter[str]](), set(columns.values())  # columns that look like that of splits, or not
    for number, row in read_rows(table, wanted):
        for column in row.keys() - others if columns["split"] not in row else ():
            if (cell := row[column].strip().lower()) in SPLITS:
                splits.setdefault(column, Counter())[cell] += 1
            elif cell:
                others.add(column)
        try:
            text, label, split = _path(row, columns), _label(row, columns, labels.needed), _split(row, columns)
            crop = _crop(row.get(columns["crop"], ""))
        except ValueError as error:
            faults.append(f"line {number}: {error}")
            continue
        class_index, place = labels.find(label), f"{name}, line {number}"
        # a row with an unknown label counts under that label alone, so its other faults are not reported
        path = _file_of(text, folder, index, findings if class_index is not None else Findings(), place)
        if path:
            path = without_dots(path)
            index.named.add(index.real(path))
        if class_index is None:
            findings.unknown_labels[labels.named(label)] += 1
            if path and path.is_file():
                findings.pass_over(path, "with a label that is not a class")
        elif path and not path.is_file():
            findings.leave_out(path, f"not a file ({place})", exists=False)
        elif path and regular(path, findings):
            cluster = row.get(columns["cluster"], "").strip()
            look = row.get(columns["look"], "").strip()
            image = LabelledImage(
                path=path, label=class_index, source_split=split, crop=crop, cluster=cluster, look=look
            )
            index.add(image, label, place)
    for column in sorted(splits.keys() - others):
        listed = ", ".join(f"{count} {split}" for split, count in splits[column].items())
        line = f"columns = {{split = {json.dumps(column, ensure_ascii=False)}}}"
        message = f"the column {show(column)} of {name} names splits ({listed}) and is not read as such"
        findings.notes.append(f"{message}: add it below [images]: {line}")
    if faults:
        more = f"\n  and {len(faults) - _MOST_LISTED} more" if len(faults) > _MOST_LISTED else ""
        listed = "".join(f"\n  {fault}" for fault in faults[:_MOST_LISTED])
        raise InputError(
            f"{table}: {len(faults)} line{'s' if len(faults) > 1 else ''} cannot be used{listed}{more}",
            "correct the lines",
        )


def _folded(path: Path) -> str:
    return normalize("NFC", path.stem).casefold()


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _path(row: Row, columns: Mapping[str, str]) -> str:
    text = row[columns["path"]].strip()
    if not text or "\0" in text:
        raise ValueError(f"no file name in {show(columns['path'])}")
    return text


def _file_of(text: str, folder: Path, index: PictureIndex, findings: Findings, place: str) -> Path | None:
    """Return the file that a row means; of one that is not there the findings say why."""

    def leave_out(reason: str, tip: str = index.tip) -> None:
        findings.leave_out(folder / _shortened(text), f"{reason} ({place})", exists=False, tip=tip)

    if text.lower().startswith("file:///"):
        text = url2pathname(urlsplit(text).path)
    if _ADDRESS.match(text):
        tip = "download the pictures, and write their file names into the table"
        leave_out(f"a web address, {show(text)}: only files are read", tip)
        return None
    if any(len(os.fsencode(name)) > _MOST_NAME for name in re.split(r"[/\\]", text)) or len(text) > 4096:
        leave_out(f"a path of {len(text)} characters, which is longer than file names can be")
        return None
    path = folder / text
    if os.path.exists(path):  # noqa: PTH110 - Path.exists raises for some names
        return path
    if "\\" in text:
        other = folder / PureWindowsPath(text).as_posix()
        if os.path.exists(other):  # noqa: PTH110
            index.windows += 1
            return other
        path, text = (other, text) if not PureWindowsPath(text).drive else (path, text)
    alike = [] if path.suffix.lower() not in SUFFIXES else index.alike(path)
    for file in alike:  # a table of another system: its names are the same, in another form of Unicode
        if normalize("NFC", str(file)) == normalize("NFC", str(path)):
            return file
    if alike:
        leave_out(
            f"no such file; did you mean {show(below(alike[0], folder))}?",
            index.tip if alike[0].name == path.name else "write the names as the files have them",
        )
        return None
    if path.suffix.lower() not in SUFFIXES:  # last, as it may search the whole folder: an id of a data set
        same_name = index.of_name(path)
        if len(same_name) == 1:
            return same_name[0]
        if same_name:
            leave_out(f"{len(same_name)} pictures have this name plus an ending, such as {same_name[0].name}")
            return None
    if "\\" in text:
        tip = "write the paths with /, relative to the folder of the pictures"
        leave_out("no such file, neither with the Windows separators (\\) of the path nor with /", tip)
    else:
        leave_out("no such file")
    return None


def _label(row: Row, columns: Mapping[str, str], needed: bool) -> str:
    text = row.get(columns["label"], "").strip()
    if needed and not text:
        raise ValueError(f"no label in {show(columns['label'])}")
    return text


def _split(row: Row, columns: Mapping[str, str]) -> SourceSplit | None:
    text = row.get(columns["split"], "").strip()
    if text and text.lower() not in SPLITS:
        raise ValueError(f"{show(text)} in {show(columns['split'])} is none of {', '.join(SPLITS)}")
    return SPLITS[text.lower()] if text else None


def _crop(text: str) -> Crop | None:
    """Parse four fractions, separated by spaces, commas or semicolons, optionally in brackets."""
    if not text.strip():
        return None
    try:
        left, top, right, bottom = (float(x) for x in re.split(r"[\s,;]+", text.strip(" ()[]")))
    except ValueError:
        raise ValueError(f"the crop {show(text)} is not four numbers: left, top, right, bottom") from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"the crop {show(text)} is not a box of fractions: left < right, top < bottom, 0 to 1")
    return left, top, right, bottom
