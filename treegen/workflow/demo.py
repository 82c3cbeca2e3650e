"""Lay out the bundled domain in a folder: its domain file, the recorded conversation and freshly drawn images."""

import hashlib
import json
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any, Final

from treegen.config.domain import BUNDLED_DOMAIN, FILE_NAME, read_class_names, read_data
from treegen.config.trust import Request, Trust
from treegen.errors import InputError, TreegenError
from treegen.files import read_text, write_atomically
from treegen.resources import sketchbook_dir
from treegen.text import show

IMAGES_PER_CLASS: Final = 60
FILES: Final = ("domain.toml", "classes.txt", "conversation.jsonl", "feedback.txt", "feedback-2.txt")
_MANIFEST: Final = ".laid-out.json"
_IMAGES: Final = "images"


def lay_out(folder: Path, *, count: int = IMAGES_PER_CLASS, seed: int = 0) -> int:
    """Copy the domain's files and draw its images, unless up-to-date ones exist already.

    Files edited since an earlier layout are kept; others are brought up to date.

    Args:
        folder: created if missing.
        count: images per class.
        seed: of the generator; the same seed gives the same bytes.

    Returns:
        How many images were drawn by this call.

    Raises:
        InputError: the folder cannot be written.
        TreegenError: the generator failed.
    """
    source = sketchbook_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_others(folder)
        manifest = _read_manifest(folder / _MANIFEST)
        copied = _copy_files(source, folder, manifest.get("files", {}))
        expected = {"count": count, "seed": seed, "generator": _generator_digest(source)}
        drawn = 0
        if manifest.get("images") != expected or not _complete(source, folder, count):
            drawn = _draw(source, folder / _IMAGES, count, seed)
        write_atomically(folder / _MANIFEST, json.dumps({"files": copied, "images": expected}, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}", "name another folder") from None
    return drawn


def refuse_other_domains(folder: Path, *, may_ask: bool) -> None:
    """Raise if a folder holds a domain of one's own, which the demo would write into and draft a tree for.

    Args:
        folder: for the demo; a sketchbook laid out earlier is welcome, edited or not.
        may_ask: whether the user has named a language model; if not, the domain must name a recording.

    Raises:
        InputError: it is another domain.
        TrustError: it asks for a language model, which may cost money, and the user has not allowed that.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        if (folder / "tree.json").exists():
            raise InputError(f"{folder}: contains a tree.json, but no {FILE_NAME} of the demo", "name a new folder")
        return
    data = read_data(path)
    if data.get("name") != BUNDLED_DOMAIN:
        message = f"{path}: a domain of your own, {show(data.get('name'))}: the demo would draft a new tree for it"
        raise InputError(message, "name a new folder")
    model = data.get("llm", {}).get("model") if isinstance(data.get("llm"), dict) else None
    if not may_ask and isinstance(model, str) and not model.startswith("replay/"):
        request = Request(kind="model", value=model, reason="treegen demo")
        Trust(folder).require(request, "--model NAME, which is your own word")


def _refuse_others(folder: Path) -> None:
    """Raise if what would be written over is a link, which may lead to any file of the user, or a pipe or device.

    Raises:
        InputError: it is.
    """
    for path in chain((folder / name for name in (*FILES, _MANIFEST, _IMAGES)), (folder / _IMAGES).rglob("*")):
        if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
            kind = "a link" if path.is_symlink() else "not a regular file"
            raise InputError(f"{path}: {kind}", "remove it, or name a new folder")


def _read_manifest(path: Path) -> dict[str, Any]:
    """Return what an earlier layout wrote; empty if there was none or it cannot be read."""
    try:
        manifest = json.loads(read_text(path)) if path.exists() else {}
    except (InputError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _copy_files(source: Path, folder: Path, before: dict[str, str]) -> dict[str, str]:
    """Copy files that are missing or unedited; return file name -> SHA-256 of the last copied content."""
    copied = {}
    for name in FILES:
        target, content = folder / name, (source / name).read_bytes()
        if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() != before.get(name):
            if target.read_bytes() != content:
                continue
        else:
            write_atomically(target, content)
        copied[name] = hashlib.sha256(content).hexdigest()
    return copied


def _generator_digest(source: Path) -> str:
    """Hash everything that could change a picture."""
    files = sorted([*source.glob("*.py"), source / "creatures.json"])
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


def _complete(source: Path, folder: Path, count: int) -> bool:
    """Whether every class that the generator draws has its images; the folder's own class list may be edited."""
    names = read_class_names(source / "classes.txt")
    return all(len(list((folder / _IMAGES / name).glob("*.png"))) >= count for name in names)


def _draw(source: Path, images: Path, count: int, seed: int) -> int:
    """Run the generator and return how many images it drew."""
    command = [sys.executable, str(source / "draw.py"), str(images), "--count", str(count), "--seed", str(seed)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode in (130, -2):
        raise KeyboardInterrupt
    if finished.returncode != 0:
        raise TreegenError("the images could not be drawn", f"run the generator directly: {' '.join(command)}")
    return int(finished.stdout.split()[0])
