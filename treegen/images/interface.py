"""Image sets, and the interface of their readers."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol
from unicodedata import normalize

from treegen.config.domain import Domain
from treegen.config.settings import ImageSettings

SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif"})
Crop = tuple[float, float, float, float]
WHOLE: Final[Crop] = (0.0, 0.0, 1.0, 1.0)
PartName = Literal["dev", "test"]

#: split names in image sets -> ours
PARTS: Final[dict[str, PartName]] = {
    **dict.fromkeys(("dev", "train", "training", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """One picture of a class, identified by the location of its bytes.

    Attributes:
        path: the file, or the tar that contains it.
        label: index of the class in the domain.
        digest: SHA-256 of the bytes in hex; empty until computed.
        member: name within the tar; empty for a file of its own.
        offset: start of the bytes in `path`.
        size: number of bytes; `None` for the whole file.
        crop: this picture's own crop, if the set defines one: left, top, right, bottom in 0 to 1.
        part: the split that the set itself assigns.
    """

    path: Path
    label: int
    digest: str = ""
    member: str = ""
    offset: int = 0
    size: int | None = None
    crop: Crop | None = None
    part: PartName | None = None

    @property
    def name(self) -> str:
        """The last component of its name, for lists."""
        return self.member.rpartition("/")[2] or self.path.name

    def below(self, folder: Path) -> str:
        """Return its name below a folder, encodable as UTF-8, so that stored names contain no machine's folders."""
        return below(self.path, folder) + (f"/{self.member}" if self.member else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An image that was left out, and why. `member` is its name within a tar."""

    path: Path
    reason: str
    member: str = ""

    def below(self, folder: Path) -> str:
        """Return its name below a folder."""
        return below(self.path, folder) + (f"/{self.member}" if self.member else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """The labelled images of a domain in the order of the set, and what was left out.

    Attributes:
        images: the usable images.
        skipped: images that cannot be read, each with its reason.
        strangers: labels (or folders) that are not classes, each with its number of images, which are left out.
        leaks: number of contents that the set has in both dev and test; their dev copies are among the skipped.
    """

    images: tuple[LabelledImage, ...]
    skipped: tuple[Skipped, ...] = ()
    strangers: tuple[tuple[str, int], ...] = ()
    leaks: int = 0

    @property
    def in_two_classes(self) -> int:
        """Number of contents that are in more than one class: at least one of their labels is wrong."""
        labels: dict[tuple[str, Crop | None], set[int]] = {}
        for image in self.images:
            labels.setdefault((image.digest, image.crop), set()).add(image.label)
        return sum(len(found) > 1 for found in labels.values())

    @property
    def copies(self) -> int:
        """Number of images that duplicate another of their class, under the same crop: n counts them all."""
        return len(self.images) - len({(image.digest, image.crop, image.label) for image in self.images})

    @property
    def digest(self) -> str:
        """SHA-256 over labels, contents and own crops: two scores are comparable if theirs are equal."""
        lines = sorted(f"{i.label} {i.digest}{f' {i.crop}' if i.crop else ''}" for i in self.images)
        return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


class Labels:
    """Maps labels of an image set to classes.

    Attributes:
        needed: whether an image without a label is unusable.
    """

    needed = True

    def __init__(self, domain: Domain, numbered: tuple[str, ...] | None = None) -> None:
        """Compare names in Unicode's form NFC; other names are the domain's [aliases].

        Args:
            domain: its classes and aliases.
            numbered: the names that integer labels stand for; the domain's classes if not given.
        """
        self._classes = {normalize("NFC", name): index for index, name in reversed([*enumerate(domain.classes)])}
        for name, others in domain.aliases:
            for other in others:
                self._classes.setdefault(normalize("NFC", other), self._classes[normalize("NFC", name)])
        self._numbered = numbered if numbered is not None else domain.classes

    def find(self, label: str) -> int | None:
        """Return the index of the class, `None` if the label matches none."""
        named = self.named(label)
        return self._classes.get(normalize("NFC", named))

    def named(self, label: str) -> str:
        """Return the label, or the name that it is the number of."""
        known = normalize("NFC", label) in self._classes
        number = int(label) if not known and label.isdecimal() and len(label) < 10 else len(self._numbered)
        return self._numbered[number] if number < len(self._numbered) else label


class Findings:
    """What a reader left out, collected while it reads."""

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []
        self.strangers: Counter[str] = Counter()

    def leave_out(self, path: Path, reason: str, member: str = "") -> None:
        """Record an unreadable image or folder."""
        self.skipped.append(Skipped(path=path, reason=reason, member=member))


class Reader(Protocol):
    """Reads one kind of image set."""

    def __call__(self, settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
        """Yield the images, without digests and without decoding; what is left out is added to the findings.

        Raises:
            InputError: the set as a whole cannot be read; for a table the message gives the line.
        """
        ...


def shown(path: Path) -> str:
    """Return the path as text that UTF-8 can encode: undecodable bytes become \\xe9 and the like."""
    return os.fsencode(path).decode(errors="backslashreplace")


def below(path: Path, folder: Path) -> str:
    """Return the path relative to a folder, with slashes; a path outside of it uses `..`."""
    try:
        return shown(Path(os.path.relpath(path, folder))).replace(os.sep, "/")
    except ValueError:  # another drive
        return path.name
