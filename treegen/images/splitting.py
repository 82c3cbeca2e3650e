"""The dev and test splits: as the image set says, as recorded before, or by a hash of content and seed."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random

from treegen.config.settings import SplitSettings
from treegen.images.interface import LabelledImage, PartName


def fixed_parts(images: Iterable[LabelledImage]) -> dict[str, PartName]:
    """Return content digest -> split, where the image set itself assigns one; test wins over dev."""
    parts: dict[str, PartName] = {}
    for image in images:
        if image.part is not None and parts.get(image.digest) != "test":
            parts[image.digest] = image.part
    return parts


def as_divided(images: Sequence[LabelledImage], kind: str) -> list[LabelledImage]:
    """Drop the splits of a set, other than a manifest, whose folders name only one split."""
    if kind != "manifest" and len({image.part for image in images} - {None}) == 1:
        return [replace(image, part=None) for image in images]
    return list(images)


def divide(
    images: Sequence[LabelledImage], classes: Sequence[str], settings: SplitSettings, recorded: dict[str, str]
) -> dict[str, str]:
    """Assign every image content to `dev` or `test`.

    The image set's own assignment comes first, then `recorded`; equal contents always share a split. Every clone has
    the same splits, in whatever order its images arrived. By `hash`, a content is divided by itself and the seed alone:
    new images never move old ones, and a class has its share of dev images on average. By `rank`, the shares are exact,
    which depends on the other images of a class: one more image divides its class again.

    Args:
        images: labelled.
        classes: of the domain; by `rank`, each is shuffled by its name and the seed.
        settings: share, seed and kind.
        recorded: content digest -> split of images that keep it.

    Returns:
        Content digest -> split, for all images.
    """
    parts: dict[str, str] = {i.digest: recorded[i.digest] for i in images if i.digest in recorded}
    parts |= fixed_parts(images)
    if settings.by == "hash":
        return {**{image.digest: _part_of(image.digest, settings) for image in images}, **parts}
    by_label: dict[int, list[str]] = {}
    for image in images:
        by_label.setdefault(image.label, []).append(image.digest)
    for label, digests in sorted(by_label.items()):  # a content of two classes is divided with the first
        contents = sorted(set(digests))
        wanted = round(settings.dev * len(contents))
        new = [d for d in contents if d not in parts]
        Random(f"{settings.seed}/{classes[label]}").shuffle(new)
        missing = max(0, wanted - sum(parts.get(d) == "dev" for d in contents))
        parts |= {digest: ("dev" if rank < missing else "test") for rank, digest in enumerate(new)}
    return parts


def _part_of(content: str, settings: SplitSettings) -> PartName:
    """Return the split of a content: dev if its hash, as a fraction, is below the share of dev."""
    drawn = hashlib.sha256(f"{settings.seed}/{content}".encode()).digest()
    return "dev" if int.from_bytes(drawn[:8]) / 2**64 < settings.dev else "test"


def digest_of_parts(parts: Mapping[str, str]) -> str:
    """Return a SHA-256 over content digest -> split, the same in whatever order the images are."""
    lines = "".join(f"{part} {content}\n" for content, part in sorted(parts.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
