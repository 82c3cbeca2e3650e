"""Image sets with one folder per class, at any depth."""

import os
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from stat import S_ISREG

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images.interface import PARTS, SUFFIXES, Findings, LabelledImage, Labels, PartName


def read_folders(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`."""
    if not settings.source.is_dir():
        raise InputError(f"{settings.source}: no such image folder", "mend `folder` below [images] in domain.toml")
    yield from images_of_folders(settings.source, labels, findings)


def images_of_folders(root: Path, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """Yield the images by class and name. A folder named like a class sets the class of all below; the outermost wins.

    Raises:
        InputError: the root cannot be read.
    """
    try:
        folders = [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{root}: cannot be read: {error.strerror or error}", "check who may read it") from None
    of_class: dict[int, list[Path]] = {}
    for folder in folders:
        _sort_out(folder, labels, findings, of_class)
    parts = dict[Path, PartName | None]()
    for label, found in sorted(of_class.items()):
        for path in found:
            if regular(path, findings):
                if path.parent not in parts:
                    parts[path.parent] = part_of(path, root, labels)
                yield LabelledImage(path=path, label=label, part=parts[path.parent])


def part_of(path: Path, root: Path, labels: Labels) -> PartName | None:
    """Return the split named first among the folders from the root to the file; a class may be called train."""
    folders = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    return next((PARTS[n.lower()] for n in folders if n.lower() in PARTS and labels.find(n) is None), None)


def _sort_out(folder: Path, labels: Labels, findings: Findings, of_class: dict[int, list[Path]]) -> None:
    """Add a folder's files to those of its class; a folder that is not a class may contain class folders."""
    label = labels.find(folder.name)
    if label is not None:
        of_class.setdefault(label, []).extend(files_below(folder, findings))
        return
    known, loose = dict[int, list[Path]](), 0
    for path in files_below(folder, findings):
        inner = (labels.find(part) for part in path.relative_to(folder).parts[:-1])
        label = next((found for found in inner if found is not None), None)
        if label is None:
            loose += 1
        else:
            known.setdefault(label, []).append(path)
    for each, paths in known.items():
        of_class.setdefault(each, []).extend(paths)
    if loose or not known:
        findings.strangers[folder.name] += loose


def files_below(folder: Path, findings: Findings) -> list[Path]:
    """Return sorted paths of images (by suffix) below a folder; unreadable folders are added to the findings."""

    def leave_out(error: OSError) -> None:
        findings.leave_out(Path(error.filename), f"the folder cannot be read: {error.strerror or error}")

    found = list[Path]()
    for where, folders, names in os.walk(folder, onerror=leave_out):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = map(Path(where).joinpath, names)
        found += [p for p in paths if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return sorted(found, key=attrgetter("parts"))  # comparing paths is slow


def regular(path: Path, findings: Findings) -> bool:
    """Whether it is a readable file; a folder, a pipe or the like is skipped silently."""
    try:
        return S_ISREG(path.stat().st_mode)
    except OSError as error:
        findings.leave_out(path, f"cannot be read: {error.strerror or error}")
        return False
