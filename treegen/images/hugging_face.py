"""Folders as Hugging Face reads them: metadata tables, Parquet with pictures, folders of classes, also below splits."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.extras import EXTRAS, missing_modules
from treegen.images.files import picture_files
from treegen.images.folders import images_of_folders, part_of
from treegen.images.interface import Findings, LabelledImage, Labels, part_called
from treegen.images.manifests import PictureIndex, read_table
from treegen.images.parquet import holds_pictures, part_of_file, read_parquet

_TABLES: Final = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def read_hugging_face(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`. Paths in a table are relative to its folder; everything below a split's folder belongs to that
    split.

    Splits without a table are read by their class folders; pictures outside the split folders are counted.
    """
    root = settings.source
    if not root.is_dir():
        raise InputError(f"{root}: no such image folder", "correct `hf` below [images] in domain.toml")
    columns = {"path": "file_name", "label": "label", "split": "split", "crop": "crop", "cluster": "cluster"}
    columns |= dict(settings.columns)
    index, tables = PictureIndex(folder=root, tip=f"paths are relative to {root}"), metadata_tables(root)
    for folder, count in Counter(table.parent for table in tables).items():
        if count > 1:
            names = ", ".join(table.name for table in tables if table.parent == folder)
            findings.notes.append(f"{folder.name} has {count} tables ({names}); Hugging Face reads only one")
    for table in tables:
        for image in read_table(table, table.parent, columns, labels, findings, index):
            yield image if image.part else replace(image, part=part_of(image.path, root, labels))
    covered = {table.parent for table in tables}
    if tables:
        index.finish(findings, below=covered)
    for file in picture_parquets(root, findings):
        picture = {**columns, "path": dict(settings.columns).get("path", "image")}
        yield from read_parquet(file, picture, part_of_file(file, root), labels, findings)
    if root not in covered:
        yield from _class_folders(root, labels, findings, covered)


def _class_folders(root: Path, labels: Labels, findings: Findings, covered: set[Path]) -> Iterator[LabelledImage]:
    """Yield the images of folders of classes, below the splits if there are any, without what tables have covered."""
    splits = [p for p in sorted((root, *root.glob("data"))) for p in sorted(p.iterdir()) if p.is_dir()]
    splits = [p for p in splits if part_called(p.name) and labels.find(p.name) is None]
    for folder in splits or [root]:
        if folder not in covered:
            for image in images_of_folders(folder, labels, findings, without=covered):
                yield replace(image, part=part_called(folder.name)) if splits else image
    if splits:
        for path in picture_files(root, findings, without={*splits, *covered}):
            findings.pass_over(path, "outside the split folders")


def metadata_tables(root: Path) -> list[Path]:
    """Return the metadata tables of a folder, sorted."""
    return sorted(p for name in _TABLES for p in root.rglob(name) if _visible(p, root))


def picture_parquets(root: Path, findings: Findings) -> list[Path]:
    """Return the Parquet files of a folder that hold pictures themselves."""
    files = [p for p in sorted(root.rglob("*.parquet")) if _visible(p, root) and p.name not in _TABLES]
    with_pictures, not_installed = list[Path](), missing_modules("embed")
    for file in files:
        if not_installed:
            findings.leave_out(file, f"Parquet, which needs {EXTRAS['embed'].command}", exists=False)
            continue
        try:
            with_pictures += [file] if holds_pictures(file) else []
        except InputError:
            findings.leave_out(file, "not Parquet", exists=False)
    return with_pictures


def _visible(path: Path, root: Path) -> bool:
    return not any(name.startswith(".") for name in path.relative_to(root).parts)
