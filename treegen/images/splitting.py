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

    The image set's own assignment comes first. Then contents in `recorded` keep their split, so that new images never
    move old ones; equal contents always share a split. By `hash`, any other content is divided by itself and the seed:
    every clone has the same splits, in whatever order its images arrived. A class then has its share of dev images only
    on average, for exact shares would need to know the other images. By `rank`, the shares are exact, and stay so when
    images are added. Images of one cluster share a split, that of those in it which had one already.

    Returns:
        Content digest -> split, for all images.
    """
    parts: dict[str, str] = {i.digest: recorded[i.digest] for i in images if i.digest in recorded}
    parts |= fixed_parts(images)
    settled = dict(parts)
    if settings.by == "hash":
        drawn: dict[str, str] = {image.digest: _part_of(image.digest, settings) for image in images}
        return _together(images, {**drawn, **parts}, settled)
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
    return _together(images, parts, settled)


def _together(images: Sequence[LabelledImage], parts: dict[str, str], settled: Mapping[str, str]) -> dict[str, str]:
    """Give the images of each cluster one split, but for those that are settled already."""
    clusters: dict[str, set[str]] = {}
    for image in images:
        if image.cluster:
            clusters.setdefault(image.cluster, set()).add(image.digest)
    result = dict(parts)
    for contents in clusters.values():
        first = min(contents & settled.keys() or contents)
        result |= dict.fromkeys(contents - settled.keys(), parts[first])
    return result


def _part_of(content: str, settings: SplitSettings) -> PartName:
    """Return the split of a content: dev if its hash, as a fraction, is below the share of dev."""
    drawn = hashlib.sha256(f"{settings.seed}/{content}".encode()).digest()
    return "dev" if int.from_bytes(drawn[:8]) / 2**64 < settings.dev else "test"


def digest_of_parts(parts: Mapping[str, str]) -> str:
    """Return a SHA-256 over content digest -> split, the same in whatever order the images are."""
    lines = "".join(f"{part} {content}\n" for content, part in sorted(parts.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
