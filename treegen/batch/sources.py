"""Find the pictures that a user names: below a folder, in a manifest or in shards, or the image set of a domain."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Final

from treegen.batch.interface import NO_LABEL, Source
from treegen.config.domain import FILE_NAME, Domain
from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images import SUFFIXES, WHOLE, Crop, Findings, LabelledImage, Labels, labels_of, read_images

_SHARDS: Final = ".tar"


class AnyLabels(Labels):
    """Labels of an image set without a domain: each is a class of its own, and an image may have none."""

    needed = False

    def __init__(self) -> None:
        self.names: list[str] = []
        self._indices: dict[str, int] = {}

    def find(self, label: str) -> int:
        """Return the number of the label in order of appearance; `NO_LABEL` for an empty one."""
        if not label:
            return NO_LABEL
        if label not in self._indices:
            self._indices[label] = len(self.names)
            self.names.append(label)
        return self._indices[label]

    def named(self, label: str) -> str:
        """Return the label itself."""
        return label


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The given pictures, found while `sources` runs.

    Attributes:
        settings: the image set, or a folder without classes if `labels` is `None`.
        root: the folder that the pictures' names are relative to.
        crop: the crop of each picture.
        labels: finds the class of a label.
        names: of the classes; grows while the set is read if there is no domain.
        own: whether it is the domain's own image set.
        findings: what was left out.
    """

    settings: ImageSettings
    root: Path
    crop: Crop
    labels: Labels | None
    names: "list[str] | tuple[str, ...]"
    own: bool
    findings: Findings

    def sources(self) -> Iterator[Source]:
        """Yield the pictures, in the order of the set; only its table of contents is read."""
        for image in self._images():
            try:
                status = image.path.stat()
            except OSError as error:
                self.findings.leave_out(image.path, f"cannot be read: {error.strerror or error}", image.member)
                continue
            if S_ISREG(status.st_mode):
                yield Source(image=image, path=image.below(self.root), size=status.st_size, changed=status.st_mtime_ns)

    def _images(self) -> Iterator[LabelledImage]:
        if self.labels is not None:
            return read_images(self.settings, self.labels, self.findings)
        return (LabelledImage(path=path, label=NO_LABEL) for path in _files(self.root, self.findings))

    def label(self, source: Source) -> str | None:
        """Return the name of its class, if known."""
        return self.names[source.image.label] if source.image.label != NO_LABEL else None


def is_domain(path: Path) -> bool:
    """Whether an image path given by a user refers to a domain's image set."""
    return path.suffix == ".toml" or (path.is_dir() and (path / FILE_NAME).is_file())


def list_sources(path: Path, domain: Domain | None, *, own: bool) -> Listing:
    """Return the listing of pictures to embed.

    Args:
        path: a folder, a manifest or a pattern of shards.
        domain: supplies the crop, and the images themselves if they are its `own`.

    Raises:
        InputError: there is no such folder or file, or the domain has no images.
    """
    findings = Findings()
    crop = domain.images.crop if domain and domain.images else WHOLE
    if own:
        assert domain is not None
        if domain.images is None:
            raise InputError(f"the domain {domain.name!r} has no images", "add [images] with a folder to domain.toml")
        return Listing(
            settings=domain.images,
            root=domain.images.root,
            crop=crop,
            labels=labels_of(domain),
            names=domain.classes,
            own=True,
            findings=findings,
        )
    path = path.resolve()
    if path.is_dir():
        settings = ImageSettings(folder=path)
        return Listing(settings=settings, root=path, crop=crop, labels=None, names=(), own=False, findings=findings)
    settings = ImageSettings(shards=path) if path.suffix == _SHARDS else ImageSettings(manifest=path)
    if settings.manifest and not path.is_file():
        raise InputError(f"{path}: no such folder or file", "name a folder of images, a manifest or a domain")
    labels = AnyLabels()
    return Listing(
        settings=settings,
        root=settings.root,
        crop=crop,
        labels=labels,
        names=labels.names,
        own=False,
        findings=findings,
    )


def _files(folder: Path, findings: Findings) -> Iterator[Path]:
    """Yield images below a folder, sorted per folder, without building a list of all."""

    def leave_out(error: OSError) -> None:
        findings.leave_out(Path(error.filename), f"cannot be read: {error.strerror or error}")

    for where, folders, names in os.walk(folder, onerror=leave_out):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(where, name)
