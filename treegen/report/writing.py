"""Writing a page: refused before any work if the place is not fit for it, and whole or not at all."""

import os
from pathlib import Path

from treegen.errors import InputError
from treegen.files import open_regular, write_atomically
from treegen.report.rendering import MARK, MARK_MARKDOWN


def format_of(out: Path | None) -> str:
    """Return the format that a file's name asks for: Markdown for .md, else HTML."""
    return "markdown" if out and out.suffix.lower() in (".md", ".markdown") else "html"


def refuse_output(out: Path, *, force: bool = False) -> None:
    """Refuse a place that a page cannot be written to, before the work is done.

    Args:
        out: the file.
        force: replace any file; without it only an earlier page of treegen.

    Raises:
        InputError: it is a folder, its folder is missing or not writable, or it is a file of something else.
    """
    if out.is_dir():
        raise InputError(f"{out} is a folder", f"name a file, such as {out / 'report.html'}")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}", "make the folder, or name another file")
    if not os.access(out.parent, os.W_OK):
        raise InputError(f"{out}: the folder {out.parent} is not writable", "name a file in another folder")
    if not force and out.exists() and not _is_page(out):
        raise InputError(f"{out} exists, and is not a page of treegen", "--force replaces it, or name another file")


def _is_page(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            start = file.read(64)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}", "name another file") from None
    return not start or start.startswith((MARK.encode(), MARK_MARKDOWN.encode()))


def write_page(out: Path, text: str) -> None:
    """Write a page whole, or leave what was there.

    Raises:
        InputError: the file cannot be written.
    """
    write_atomically(out, text)
