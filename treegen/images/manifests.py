"""Tables of images and labels: CSV and JSON Lines, optionally with a split and a crop box per picture."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images.folders import regular
from treegen.images.interface import PARTS, Crop, Findings, LabelledImage, Labels, PartName
from treegen.images.tables import Row, read_rows
from treegen.text import show

_MOST_TOLD: Final = 5


def read_manifest(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`. Paths are relative to the manifest's folder, or to `folder` if the settings give one."""
    columns = {name: name for name in ("path", "label", "split", "crop")} | dict(settings.columns)
    yield from read_table(settings.source, settings.root, columns, labels, findings)


def read_table(
    table: Path,
    folder: Path,
    columns: Mapping[str, str],
    labels: Labels,
    findings: Findings,
    part: PartName | None = None,
) -> Iterator[LabelledImage]:
    """Yield the images listed in a table.

    Args:
        table: the file.
        folder: what its paths are relative to.
        columns: the table's names for `path`, `label`, `split` and `crop`.
        labels: finds their classes.
        findings: collects what is left out.
        part: for images without a split in the table.

    Raises:
        InputError: a column is missing, or lines are invalid; the first few are listed with their numbers.
    """
    faults, images = list[str](), list[LabelledImage]()
    for number, row in read_rows(table):
        wanted = ("path", "label") if labels.needed else ("path",)
        missing = [columns[key] for key in wanted if columns[key] not in row]
        if missing:
            there = ", ".join(map(show, row)) or "none"
            told = f"{table}: line {number}: no column {' and no column '.join(map(show, missing))}; there are: {there}"
            raise InputError(told, 'name them below [images]: columns = {path = "...", label = "..."}')
        try:
            path, label, own = _path(row, columns, folder), _label(row, columns, labels.needed), _part(row, columns)
            crop = _crop(row.get(columns["crop"], ""))
        except ValueError as error:
            faults.append(f"line {number}: {error}")
            continue
        index = labels.find(label)
        if index is None:
            findings.strangers[labels.named(label)] += 1
        elif not path.exists():
            findings.leave_out(path, f"no such file ({table.name}, line {number})")
        elif not regular(path, findings):
            findings.leave_out(path, f"not a file ({table.name}, line {number})")
        else:
            images.append(LabelledImage(path=path, label=index, part=own or part, crop=crop))
    if faults:
        more = f"\n  and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
        listed = "".join(f"\n  {fault}" for fault in faults[:_MOST_TOLD])
        raise InputError(
            f"{table}: {len(faults)} line{'s' if len(faults) > 1 else ''} cannot be used{listed}{more}",
            "mend the lines",
        )
    yield from images


def _path(row: Row, columns: Mapping[str, str], folder: Path) -> Path:
    text = row[columns["path"]].strip()
    if not text or "\0" in text:
        raise ValueError(f"no file name in {show(columns['path'])}")
    return folder / text


def _label(row: Row, columns: Mapping[str, str], needed: bool) -> str:
    text = row.get(columns["label"], "").strip()
    if needed and not text:
        raise ValueError(f"no label in {show(columns['label'])}")
    return text


def _part(row: Row, columns: Mapping[str, str]) -> PartName | None:
    text = row.get(columns["split"], "").strip()
    if text and text.lower() not in PARTS:
        raise ValueError(f"{show(text)} in {show(columns['split'])} is none of {', '.join(PARTS)}")
    return PARTS[text.lower()] if text else None


def _crop(text: str) -> Crop | None:
    """Parse four fractions, separated by spaces, commas or semicolons, optionally in brackets."""
    if not text.strip():
        return None
    try:
        left, top, right, bottom = (float(x) for x in re.split(r"[\s,;]+", text.strip(" ()[]")))
    except ValueError:
        raise ValueError(f"the crop {show(text)} is not four numbers: left, top, right, bottom") from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"the crop {show(text)} is no box of fractions: left < right, top < bottom, 0 to 1")
    return left, top, right, bottom
