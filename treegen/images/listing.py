"""List the images of a domain, whatever the kind of image set."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from treegen.config.domain import Domain, read_class_names
from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images.folders import read_folders
from treegen.images.hugging_face import read_hugging_face
from treegen.images.interface import Findings, ImageSet, LabelledImage, Labels, Reader, Skipped
from treegen.images.manifests import read_manifest
from treegen.images.pictures import hash_image
from treegen.images.shards import read_shards
from treegen.images.splitting import as_divided, fixed_parts
from treegen.text import show

_READERS: Final[dict[str, Reader]] = {
    "folder": read_folders,
    "manifest": read_manifest,
    "shards": read_shards,
    "hf": read_hugging_face,
}
_LEAK: Final = "the same picture is in the test part: left out of the dev part"


def list_images(domain: Domain, hash_of: Callable[[LabelledImage], str] | None = None) -> ImageSet:
    """Find the images of a domain and hash their contents; nothing is decoded yet.

    Args:
        domain: its [images] name the set.
        hash_of: returns the SHA-256 of an image's bytes; reads them by default.

    Raises:
        InputError: the domain names no images, the set is missing or broken as a whole, or it has no image of any
            class.
    """
    settings = domain.images
    if settings is None:
        raise InputError(f"the domain {domain.name!r} has no images", "add [images] with a folder to domain.toml")
    findings, images = Findings(), list[LabelledImage]()
    for image in read_images(settings, labels_of(domain), findings):
        try:
            images.append(replace(image, digest=(hash_of or hash_image)(image)))
        except OSError as error:
            findings.leave_out(image.path, f"cannot be read: {error.strerror or error}", image.member)
    if not images:
        raise _nothing(settings, len(domain.classes), findings)
    kept, leaking, leaks = _without_leaks(as_divided(images, settings.kind))
    return ImageSet(
        images=kept,
        skipped=(*findings.skipped, *leaking),
        strangers=tuple(sorted(findings.strangers.items())),
        leaks=leaks,
    )


def labels_of(domain: Domain) -> Labels:
    """Return the label mapping of the domain's own image set.

    Raises:
        InputError: the file of class names cannot be read.
    """
    return Labels(domain, _numbered(domain.images) if domain.images else None)


def read_images(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """Yield the images of a set, without digests; see `Reader`."""
    return _READERS[settings.kind](settings, labels, findings)


def _numbered(settings: ImageSettings) -> tuple[str, ...] | None:
    """Return the names that numbers stand for: from the settings, or next to shards, as clip_benchmark stores them."""
    path = settings.classnames
    if path is None and settings.kind == "shards":
        path = next((p for f in (settings.root, settings.root.parent) if (p := f / "classnames.txt").is_file()), None)
    return read_class_names(path) if path else None


def _without_leaks(
    images: Sequence[LabelledImage],
) -> tuple[tuple[LabelledImage, ...], tuple[Skipped, ...], int]:
    """Drop dev images whose content the set has in test too: the two splits must not overlap.

    Returns:
        The images, those left out, and their number of contents.
    """
    parts = fixed_parts(images)
    kept, leaking, contents = list[LabelledImage](), list[Skipped](), set[str]()
    for image in images:
        if image.part == "dev" and parts[image.digest] == "test":
            leaking.append(Skipped(path=image.path, reason=_LEAK, member=image.member))
            contents.add(image.digest)
        else:
            kept.append(image)
    return tuple(kept), tuple(leaking), len(contents)


def _nothing(settings: ImageSettings, classes: int, findings: Findings) -> InputError:
    """Explain why nothing in a set can be used."""
    told = f"{settings.source}: no image of any of the {classes} classes"
    if findings.strangers:
        told += f"; labels that are no class: {', '.join(show(name) for name, _ in findings.strangers.most_common(5))}"
    if findings.skipped:
        first = findings.skipped[0]
        told += f"; {len(findings.skipped)} cannot be read, first {first.path}: {first.reason}"
    tips = {
        "folder": "expected one folder per class, named like the class, with PNG, JPEG or WebP files",
        "manifest": "its labels must be class names or other names below [aliases]",
    }
    return InputError(told, tips.get(settings.kind, tips["manifest"]))
