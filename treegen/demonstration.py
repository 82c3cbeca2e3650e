"""Lays out the bundled domain in a folder: its domain file, the recorded conversation and freshly drawn images."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from treegen.errors import InputError, TreegenError
from treegen.resources import sketchbook_dir

IMAGES_PER_CLASS: Final = 60
FILES: Final = ("domain.toml", "classes.txt", "conversation.jsonl", "feedback.txt")
_DONE: Final = ".drawn"


def lay_out(folder: Path, *, count: int = IMAGES_PER_CLASS, seed: int = 0) -> int:
    """Copies the domain's files and draws its images, unless the same ones were drawn before.

    Args:
        folder: made if missing; files of the domain that are already there are kept.
        count: images of each class.
        seed: of the generator; the same seed gives the same bytes.

    Returns:
        How many images were drawn now.

    Raises:
        InputError: the folder cannot be written.
        TreegenError: the generator failed.
    """
    source = sketchbook_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if not (folder / name).exists():
                shutil.copyfile(source / name, folder / name)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}", "name another folder") from None
    images = folder / "images"
    mark, wanted = images / _DONE, f"{count} of each, seed {seed}\n"
    if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return 0
    command = [sys.executable, str(source / "draw.py"), str(images), "--count", str(count), "--seed", str(seed)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode != 0:
        raise TreegenError("the drawings could not be made", f"run it by itself: {' '.join(command)}")
    mark.write_text(wanted, encoding="utf-8")
    return sum(1 for _ in images.rglob("*.png"))
