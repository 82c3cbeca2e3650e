"""Folders in Hugging Face's `imagefolder` format: metadata tables, or class folders, optionally below the splits."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images.folders import images_of_folders, part_of
from treegen.images.interface import PARTS, Findings, LabelledImage, Labels
from treegen.images.manifests import read_table

_TABLES: Final = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def read_hugging_face(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`. Paths in a table are relative to its folder; everything below a split's folder belongs to that
    split.
    """
    root = settings.source
    if not root.is_dir():
        raise InputError(f"{root}: no such image folder", "mend `hf` below [images] in domain.toml")
    tables = sorted(path for name in _TABLES for path in root.rglob(name))
    columns = {"path": "file_name", "label": "label", "split": "split", "crop": "crop"} | dict(settings.columns)
    for table in tables:
        for image in read_table(table, table.parent, columns, labels, findings):
            yield image if image.part else replace(image, part=part_of(image.path, root, labels))
    if tables:
        return
    splits = [p for p in sorted((root, *root.glob("data"))) for p in sorted(p.iterdir()) if p.is_dir()]
    splits = [p for p in splits if p.name.lower() in PARTS and labels.find(p.name) is None]
    for folder in splits or [root]:
        for image in images_of_folders(folder, labels, findings):
            yield replace(image, part=PARTS[folder.name.lower()]) if splits else image
