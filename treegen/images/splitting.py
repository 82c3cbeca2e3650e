"""The dev and test splits: as the image set says, as recorded before, or seeded."""

from collections.abc import Iterable, Sequence
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
    """Assign every image content to `dev` or `test`, stratified by class and seeded.

    The image set's own assignment comes first. Then contents in `recorded` keep their split, so that new images never
    move old ones; equal contents always share a split.

    Returns:
        Content digest -> split, for all images.
    """
    parts: dict[str, str] = {i.digest: recorded[i.digest] for i in images if i.digest in recorded}
    parts |= fixed_parts(images)
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
