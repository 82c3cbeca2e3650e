"""Parquet files that hold the pictures themselves, as `push_to_hub` of Hugging Face's datasets writes them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from treegen.errors import InputError
from treegen.images.files import is_pointer, leave_out_pointer, leave_out_unreadable
from treegen.images.interface import Findings, LabelledImage, Labels, SourceSplit, split_called
from treegen.images.pictures import check_begin
from treegen.images.tables import (
    batches,
    bytes_of,
    cell_text,
    count_pictures,
    label_names,
    open_parquet,
    picture_columns,
    picture_lists,
)
from treegen.text import show

_BATCH = 64  # rows: of the pictures only the sizes are kept


def holds_pictures(path: Path) -> bool:
    """Tell whether a Parquet file holds pictures as bytes."""
    return bool(picture_columns(path))


def leave_out_lists(path: Path, findings: Findings) -> None:
    """Say of a Parquet file with several pictures in each row that it is not read.

    Raises:
        InputError: it is not Parquet.
    """
    if lists := picture_lists(path):
        reason = f"the column {show(lists[0])} has a list of pictures in each row, which is not read"
        findings.leave_out(path, reason, exists=False, tip="write one picture into each row")


def split_of_file(path: Path, root: Path) -> SourceSplit | None:
    """Return the split that the folders or the name of a file mean: data/train-00000-of-00002.parquet."""
    words = (*path.relative_to(root).parts[:-1], path.stem)
    return next((split for word in words if (split := split_called(word))), None)


def read_parquet(
    path: Path, columns: dict[str, str], split: SourceSplit | None, labels: Labels, findings: Findings
) -> Iterator[LabelledImage]:
    """Yield the pictures of a file; `member` is the column and the number of the row.

    Args:
        path: the file.
        columns: what it calls `label` and `cluster`, and `path` if it has several columns of pictures.
        split: the split of all its pictures.
        labels: finds their classes.
        findings: collects what is left out.

    Raises:
        InputError: no such columns, or the file is broken.
    """
    pictures, names = picture_columns(path), label_names(path)
    column = columns["path"] if columns["path"] in pictures else pictures[0]
    with open_parquet(path) as file:
        heads = file.schema_arrow.names
        label = _label_column(path, columns["label"], heads, names, needed=labels.needed)
        for other in (name for name in pictures if name != column):
            for row in range(count_pictures(path, [other])):
                findings.pass_over(path, f"in another column than {show(column)}", f"{other}/{row}")
        order = names.get(label)
        if order:
            labels.number_with(order)
        number = 0
        cluster = columns["cluster"] if columns["cluster"] in heads else ""
        wanted = list(dict.fromkeys(filter(None, (column, label, cluster))))
        for batch in batches(file, path, wanted, _BATCH):
            cells, objects = (_cells(batch, name) for name in (label, cluster))
            for picture, cell, together in zip(batch.column(column).to_pylist(), cells, objects, strict=True):
                member, number = f"{column}/{number}", number + 1
                data = bytes_of(picture)
                name = str(picture.get("path") or "") if isinstance(picture, dict) else ""
                if not data:
                    reason = f"only the path {show(name)}, without the picture" if name else "the row has no picture"
                    findings.leave_out(path, reason, member, exists=False, tip="write the pictures themselves into it")
                elif is_pointer(data, len(data)):
                    leave_out_pointer(path, findings, member)
                elif not leave_out_unreadable(path, name, findings, member):
                    text = cell_text(cell).strip()
                    index = labels.find(text) if text or not labels.needed else None
                    if index is None:
                        findings.unknown_labels[labels.named(text) or "(none)"] += 1
                        findings.pass_over(
                            path, "with a label that is not a class" if text else "without a label", member
                        )
                    elif _begins_like_picture(data, path, member, findings):
                        yield LabelledImage(
                            path=path,
                            label=index,
                            member=member,
                            offset=number - 1,
                            size=len(data),
                            source_split=split,
                            cluster="" if together is None else str(together).strip(),
                        )


def _label_column(
    path: Path, wanted: str, heads: Sequence[str], names: Mapping[str, Sequence[str]], *, needed: bool
) -> str:
    """Return the column of labels: the one that is named, or else the only one with class names; empty if none is."""
    if wanted in heads:
        return wanted
    classes = [name for name in heads if name in names]
    if len(classes) != 1 and needed:
        there = ", ".join(map(show, heads))
        raise InputError(
            f"{path}: no column {show(wanted)}; there are: {there}", 'name it below [images]: columns = {label = "..."}'
        )
    return classes[0] if len(classes) == 1 else ""


def _cells(batch: Any, column: str) -> list[Any]:
    """Return the values of a column; `None` for each row without one."""
    values: list[Any] = batch.column(column).to_pylist() if column else [None] * len(batch)
    return values


def _begins_like_picture(data: bytes, path: Path, member: str, findings: Findings) -> bool:
    """Tell by its first bytes whether a cell is a picture; one that is not joins the findings."""
    try:
        check_begin(data)
    except ValueError as error:
        findings.leave_out(path, str(error), member)
        return False
    return True
