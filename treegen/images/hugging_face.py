"""Folders as Hugging Face reads them: metadata tables, Parquet with pictures, folders of classes, also below splits."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.extras import EXTRAS, missing_modules
from treegen.images.archives import count_archives
from treegen.images.files import is_pointer_file, leave_out_pointer
from treegen.images.folders import images_of_folders, split_of
from treegen.images.interface import Findings, LabelledImage, Labels, below
from treegen.images.manifests import PictureIndex, read_table
from treegen.images.parquet import holds_pictures, leave_out_lists, read_parquet, split_of_file
from treegen.text import first_of

_TABLES: Final = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_MOST_NAMED: Final = 5


def read_hugging_face(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`. Paths in a table are relative to its folder; what no table covers is read by its class folders.

    Everything below a split's folder belongs to that split, unless a table says otherwise.
    """
    root = settings.source
    if not root.is_dir():
        what = "a file, not a folder" if root.exists() else "no such image folder"
        raise InputError(f"{root}: {what}", "correct `hf` below [images] in domain.toml")
    columns = {"path": "file_name"} | {name: name for name in ("label", "split", "crop", "cluster", "look")}
    columns |= dict(settings.columns)
    index, tables = PictureIndex(folder=root, tip=f"paths are relative to {root}"), metadata_tables(root)
    for table in tables:
        read_table(table, table.parent, columns, labels, findings, index)
    for image in index.images(labels, findings):
        yield image if image.source_split else replace(image, source_split=split_of(image.path, root, labels))
    covered = {table.parent for table in tables}
    if len(tables) > 1:
        names = first_of([below(table, root) for table in tables], _MOST_NAMED)
        only = "; Hugging Face reads only one of a folder" if len(covered) < len(tables) else ""
        findings.notes.append(f"all {len(tables)} metadata tables are read: {names}{only}")
    if tables:
        index.finish(findings, below=covered)
    parquets = picture_parquets(root, findings)
    count_archives(root, findings, read=parquets)
    for file in parquets:
        picture = {**columns, "path": dict(settings.columns).get("path", "image")}
        yield from read_parquet(file, picture, split_of_file(file, root), labels, findings)
    if root not in covered:
        yield from images_of_folders(
            root, labels, findings, without=covered, is_named=lambda path: index.real(path) in index.named
        )


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
            if holds_pictures(file):
                with_pictures.append(file)
            else:
                leave_out_lists(file, findings)
        except InputError:
            if is_pointer_file(file):
                leave_out_pointer(file, findings, what="table")
            else:
                findings.leave_out(file, "not Parquet", exists=False)
    return with_pictures


def _visible(path: Path, root: Path) -> bool:
    return not any(name.startswith(".") for name in path.relative_to(root).parts)
