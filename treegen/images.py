"""Image sets: one folder per class, content hashes, safe decoding, and the recorded dev/test split."""

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from stat import S_ISREG
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from treegen.domain import Domain, SplitSettings
from treegen.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
Crop = tuple[float, float, float, float]
_MOST_PIXELS: Final = 89_478_485  # Pillow's own limit: 256 MiB in RGB
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # not what Pillow hands to other programs, as EPS


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """One file of a class: `label` is the index of the class in the domain, `digest` the SHA-256 of the bytes."""

    path: Path
    label: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An image that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """The labelled images of a domain in the order of classes and file names, and what was left out."""

    images: tuple[LabelledImage, ...]
    skipped: tuple[Skipped, ...] = ()
    strangers: tuple[str, ...] = ()  # folders that are no class

    @property
    def in_two_classes(self) -> int:
        """Number of contents that stand in more than one class folder: at least one of their labels is wrong."""
        labels: dict[str, set[int]] = {}
        for image in self.images:
            labels.setdefault(image.digest, set()).add(image.label)
        return sum(len(found) > 1 for found in labels.values())

    @property
    def digest(self) -> str:
        """SHA-256 over labels and contents: two scores are comparable if theirs are equal."""
        lines = sorted(f"{i.label} {i.digest}" for i in self.images)
        return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def list_images(domain: Domain, hash_of: Callable[[Path], str] | None = None) -> ImageSet:
    """Finds the images of a domain and hashes their contents; nothing is decoded yet.

    Args:
        domain: its image folder holds one folder per class.
        hash_of: gives the SHA-256 of a file's bytes; the default reads the file.

    Raises:
        InputError: the domain names no image folder, it is not there, or it holds no image of any class.
    """
    if domain.images is None:
        raise InputError(f"the domain {domain.name!r} has no images", "add [images] with a folder to domain.toml")
    root = domain.images.folder
    if not root.is_dir():
        raise InputError(f"{root}: no such image folder", "mend `folder` below [images] in domain.toml")
    try:
        folders = {normalize("NFC", p.name): p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")}
    except OSError as error:
        raise InputError(f"{root}: cannot be read: {error.strerror or error}", "check who may read it") from None
    images: list[LabelledImage] = []
    skipped: list[Skipped] = []
    for label, name in enumerate(domain.classes):
        folder = folders.pop(normalize("NFC", name), None)
        for path in _files(folder, skipped) if folder else ():
            try:
                if S_ISREG(path.stat().st_mode):
                    images.append(LabelledImage(path=path, label=label, digest=(hash_of or hash_file)(path)))
            except OSError as error:
                skipped.append(Skipped(path=path, reason=f"cannot be read: {error.strerror or error}"))
    if not images:
        told = f"{root}: no image of any of the {len(domain.classes)} classes"
        raise InputError(told, "expected one folder per class, named like the class, with PNG, JPEG or WebP files")
    return ImageSet(images=tuple(images), skipped=tuple(skipped), strangers=tuple(sorted(folders)))


def _files(folder: Path, skipped: list[Skipped]) -> list[Path]:
    """Paths of images below a folder by their names, sorted; a folder that cannot be read joins the skipped."""

    def leave_out(error: OSError) -> None:
        skipped.append(Skipped(path=Path(error.filename), reason=f"cannot be read: {error.strerror or error}"))

    found = (Path(where, name) for where, _, names in os.walk(folder, onerror=leave_out) for name in names)
    pictures = (p for p in found if p.suffix.lower() in SUFFIXES)
    return sorted(p for p in pictures if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def shown(path: Path) -> str:
    """The path as text that UTF-8 can write: a name in another encoding gets its odd bytes as \\xe9."""
    return os.fsencode(path).decode(errors="backslashreplace")


def hash_file(path: Path) -> str:
    """SHA-256 of the file's bytes as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_image(path: Path, crop: Crop = (0.0, 0.0, 1.0, 1.0)) -> "Image.Image":
    """The decoded picture in RGB, upright, cropped to the fractions left, top, right, bottom.

    Raises:
        ValueError: the file is no image, is truncated, or is so large that it may be a bomb; the text says which.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    # for the whole process: catch_warnings is not safe in threads, and what is broken is reported as an error anyway
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        with Image.open(path, formats=_FORMATS) as file:
            if file.width * file.height > _MOST_PIXELS:  # Pillow only warns up to twice that
                raise Image.DecompressionBombError
            image = _in_rgb(ImageOps.exif_transpose(file))
    except FileNotFoundError:
        raise ValueError("no such file") from None
    except IsADirectoryError:
        raise ValueError("a folder, not an image") from None
    except UnidentifiedImageError:
        raise ValueError("not an image that can be read (PNG, JPEG, WebP, BMP, GIF, TIFF)") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError("more pixels than is safe to decode") from None
    except Exception as error:  # decoders of damaged files raise many types, struct.error and RuntimeError among them
        raise ValueError(f"cannot be decoded: {error}") from None
    if crop == (0.0, 0.0, 1.0, 1.0):
        return image
    left, top, right, bottom = crop
    box = (
        round(left * image.width),
        round(top * image.height),
        round(right * image.width),
        round(bottom * image.height),
    )
    if box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(f"the crop box leaves nothing of {image.width}x{image.height} pixels")
    return image.crop(box)


def _in_rgb(image: "Image.Image") -> "Image.Image":
    """8 bits a channel; Pillow's own conversion clips 16-bit grey, which turns pictures white."""
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value / 257)  # 65535 becomes 255
    return image.convert("RGB")


def divide(
    images: Sequence[LabelledImage], classes: Sequence[str], settings: SplitSettings, recorded: dict[str, str]
) -> dict[str, str]:
    """Assigns every image content to `dev` or `test`, stratified by class and seeded.

    Contents in `recorded` keep their part, so that new images never move old ones between the parts; equal contents
    always share a part.

    Returns:
        Content digest -> part, for all images.
    """
    parts = {i.digest: recorded[i.digest] for i in images if i.digest in recorded}
    by_label: dict[int, list[str]] = {}
    for image in images:
        by_label.setdefault(image.label, []).append(image.digest)
    for label, digests in by_label.items():
        contents = sorted(set(digests))
        wanted = round(settings.dev * len(contents))
        new = [d for d in contents if d not in parts]
        Random(f"{settings.seed}/{classes[label]}").shuffle(new)
        missing = max(0, wanted - sum(parts.get(d) == "dev" for d in contents))
        parts |= {digest: ("dev" if rank < missing else "test") for rank, digest in enumerate(new)}
    return parts
