"""Pictures within archives that a set does not read: they are counted, and the message says how to read them."""

import os
import tarfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile

from treegen.errors import InputError
from treegen.extras import missing_modules
from treegen.files import open_regular
from treegen.images.files import SUFFIXES, TOOLS, UNREAD_SUFFIXES, is_pointer_file, leave_out_pointer
from treegen.images.interface import Findings, below
from treegen.images.tables import count_pictures
from treegen.text import counted, printable

_UNPACKING: Final = {
    **dict.fromkeys((".tar.gz", ".tgz"), "gunzip"),
    **dict.fromkeys((".tar.bz2", ".tbz2"), "bunzip2"),
    **dict.fromkeys((".tar.xz", ".txz"), "unxz"),
    **dict.fromkeys((".tar.zst", ".tzst"), "unzstd"),
}
COMPRESSED: Final = tuple(_UNPACKING)
_TARS: Final = "tars are read with `shards` below [images]"
_PARQUET: Final = "Parquet files are read with `hf` below [images]"
_UNREAD: Final = {
    ".7z": "an archive, which is not read: unpack it",
    ".rar": "an archive, which is not read: unpack it",
    ".arrow": "an Arrow file, which is not read: write it with to_parquet or push_to_hub",
}
_MOST_LISTED: Final = 3
_KINDS: Final = (".tar", ".zip", ".parquet", *COMPRESSED, *_UNREAD)


def unpacking(name: str) -> str:
    """Return what to do about a compressed tar of this name."""
    command = next((command for ending, command in _UNPACKING.items() if name.lower().endswith(ending)), "gunzip")
    return f"uncompress it, such as with {command}"


def archives_below(root: Path, endings: tuple[str, ...] = _KINDS) -> list[Path]:
    """Return the archives below a folder whose names end so, sorted."""
    found = list[Path]()
    for where, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in TOOLS and not name.startswith(".")]
        found += [Path(where, name) for name in names if name.lower().endswith(endings) and not name.startswith(".")]
    # not links: what they lead to is elsewhere, and may be what the domain's folder is not trusted to read
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def count_archives(root: Path, findings: Findings, *, read: Collection[Path] = ()) -> None:
    """Count the pictures within the archives below a folder.

    Args:
        root: the folder.
        findings: gathers them; and the archives into which one cannot look.
        read: archives that the set reads.
    """
    others, nested = {path.resolve() for path in read}, list[str]()
    for path in archives_below(root):
        if path.resolve() in others:
            continue
        if is_pointer_file(path):
            leave_out_pointer(path, findings, what="archive")
        elif (ending := path.suffix.lower()) == ".parquet":
            _count_in_parquet(path, findings)
        elif ending in (".tar", ".zip"):
            kind, tip = ("inside tars", _TARS) if ending == ".tar" else ("inside zip archives", "unpack the archive")
            try:
                for name in _names_in(path):
                    if _is_picture(name):
                        findings.pass_over(path, kind, name, tip=tip)
                    elif name.lower().endswith(_KINDS):
                        nested.append(f"{below(path, root)}/{printable(name)}")
            except (tarfile.TarError, BadZipFile, OSError, ValueError, OverflowError, MemoryError) as error:
                findings.leave_out(path, f"a damaged archive: {error}", exists=False)
        elif ending in _UNREAD:
            findings.leave_out(path, _UNREAD[ending], exists=False, tip=_UNREAD[ending].partition(": ")[2])
        else:
            tip = unpacking(path.name)
            findings.leave_out(path, f"a compressed tar, which is not read: {tip}", exists=False, tip=tip)
    if nested:
        subject = counted(len(nested), "archive within an archive was", "archives within archives were")
        listed = ", ".join(nested[:_MOST_LISTED]) + (", ..." if len(nested) > _MOST_LISTED else "")
        findings.notes.append(f"{subject} not opened, and pictures in there are not counted: {listed}")


@contextmanager
def open_tar(path: Path, *, ignore_zeros: bool = False) -> Iterator[tarfile.TarFile]:
    """Open an uncompressed tar, but no pipe, which would be waited for.

    Args:
        path: the file.
        ignore_zeros: go on behind the end.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        tarfile.TarError: it is not a tar.
    """
    with open_regular(path) as file, tarfile.open(fileobj=file, mode="r:", ignore_zeros=ignore_zeros) as tar:
        yield tar


def _names_in(path: Path) -> Iterator[str]:
    """Yield the names of the files in a tar or a zip archive."""
    if path.suffix.lower() == ".zip":
        with ZipFile(path) as archive:
            yield from (info.filename for info in archive.infolist() if not info.is_dir())
    else:
        with open_tar(path) as tar:
            yield from (member.name for member in tar if member.isfile())


def _is_picture(name: str) -> bool:
    """Tell by the ending of a name whether a file in an archive is a picture; hidden ones are notes of the packer."""
    hidden = any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))
    return not hidden and os.path.splitext(name)[1].lower() in SUFFIXES | UNREAD_SUFFIXES  # noqa: PTH122


def _count_in_parquet(path: Path, findings: Findings) -> None:
    if missing_modules("embed"):
        return
    try:
        count = count_pictures(path)
    except InputError:
        return
    for number in range(count):
        findings.pass_over(path, "inside Parquet files", str(number), tip=_PARQUET)
