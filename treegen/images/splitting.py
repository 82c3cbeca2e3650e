"""The dev and test splits: as the image set says, as recorded before, or by a hash of content and seed."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from treegen.config.settings import SplitSettings
from treegen.images.interface import Findings, LabelledImage, SourceSplit, Split
from treegen.text import counted, first_of

_OUTSIDE: Final = "outside the splits"
_MOST_NAMED: Final = 10
_ORDER: Final[tuple[SourceSplit, ...]] = ("train", "val", "test")


def map_splits(splits: Collection[SourceSplit]) -> dict[SourceSplit, Split]:
    """Return what each split of a set is used for: dev to choose with, test to report on.

    Test is test, and train and val are dev. A set of train and val alone is reported on val, which no one trains on.
    A single split says nothing: hash and seed divide it.
    """
    if len(splits) < 2:
        return {}
    if "test" in splits:
        return {"train": "dev", "val": "dev", "test": "test"}
    return {"train": "dev", "val": "test"}


def assign_splits(
    images: Iterable[LabelledImage],
    splits: Collection[SourceSplit],
    findings: Findings,
    place_of: Callable[[LabelledImage], str] | None,
) -> Iterator[LabelledImage]:
    """Yield the images with the split that their own one is used for; this is the one rule for sets of every kind.

    Pictures outside the splits of a set that has any are left out, since they may belong to any of them.

    Args:
        images: in the order of the set.
        splits: all that the set has.
        findings: collects what is left out, and notes of the division.
        place_of: names the folder, the tar or the table of an image outside the splits. `None` keeps such images.
    """
    uses, count, outside = map_splits(splits), Counter[SourceSplit | None](), Counter[str]()
    last: tuple[object, ...] = ()
    repeated = 0
    for image in images:
        if splits and image.source_split is None and place_of:
            outside[place_of(image)] += 1
            findings.pass_over(image.path, _OUTSIDE, image.member)
            continue
        split = uses.get(image.source_split) if image.source_split else None
        if split == "dev":  # a table may have a picture in train and in val, in rows one after another
            picture = (image.path, image.member, image.crop, image.label)
            if picture == last:
                repeated += 1
                continue
            last = picture
        count[image.source_split] += 1
        yield replace(image, split=split) if split else image
    if repeated:
        findings.notes.append(
            f"{counted(repeated, 'picture is', 'pictures are')} in train and in val: each counts once"
        )
    if place_of:
        findings.notes += _division_notes(count, outside, by_seed=not uses)


def _division_notes(count: "Counter[SourceSplit | None]", outside: "Counter[str]", *, by_seed: bool) -> Iterator[str]:
    """Say which splits serve as dev and test if the set does not name both, and what is outside all of them."""
    named = {split: f"the {counted(count[split], 'picture')} of {split}" for split in _ORDER if count[split]}
    if by_seed and named:
        only, pictures = next(iter(named.items()))
        missing, are = "dev" if only == "test" else "test", "is" if count[only] == 1 else "are"
        yield f"no {missing} split was recognised: {pictures} {are} divided by seed into dev and test"
    elif {"train", "val"} == named.keys():
        yield f"no test split was recognised: {named['val']} are used for test, {named['train']} for dev"
    if outside:
        listed = first_of([f"{name} ({number})" for name, number in outside.most_common()], _MOST_NAMED)
        subject = counted(sum(outside.values()), "picture is", "pictures are")
        splits = ", ".join(named) or "that are recognised"
        yield f"{subject} outside the splits ({splits}) and left out: {listed}; name their split to use them"


def fixed_splits(images: Iterable[LabelledImage]) -> dict[str, Split]:
    """Return content digest -> split, where the image set itself assigns one; test wins over dev."""
    assigned: dict[str, Split] = {}
    for image in images:
        if image.split is not None and assigned.get(image.digest) != "test":
            assigned[image.digest] = image.split
    return assigned


def divide(
    images: Sequence[LabelledImage], classes: Sequence[str], settings: SplitSettings, recorded: dict[str, str]
) -> dict[str, str]:
    """Assign every image content to `dev` or `test`.

    The image set's own assignment comes first, then `recorded`; equal contents always share a split. Every clone has
    the same splits, in whatever order its images arrived. By `hash`, a content is divided by itself and the seed alone:
    new images never move old ones, and a class has its share of dev images on average. By `rank`, the shares are exact,
    which depends on the other images of a class: one more image divides its class again. Images of one cluster share a
    split: that of those in it which had one already, else one drawn by its name.

    Args:
        images: labelled.
        classes: of the domain; by `rank`, each is shuffled by its name and the seed.
        settings: share, seed and kind.
        recorded: content digest -> split of images that keep it.

    Returns:
        Content digest -> split, for all images.
    """
    assigned: dict[str, str] = {i.digest: recorded[i.digest] for i in images if i.digest in recorded}
    assigned |= fixed_splits(images)
    settled = dict(assigned)
    if settings.by == "hash":
        drawn: dict[str, str] = {image.digest: _drawn_split(image.digest, settings) for image in images}
        return _together(images, {**drawn, **assigned}, settled, settings)
    by_label: dict[int, list[str]] = {}
    for image in images:
        by_label.setdefault(image.label, []).append(image.digest)
    for label, digests in sorted(by_label.items()):  # a content of two classes is divided with the first
        contents = sorted(set(digests))
        wanted = round(settings.dev * len(contents))
        new = [d for d in contents if d not in assigned]
        Random(f"{settings.seed}/{classes[label]}").shuffle(new)
        missing = max(0, wanted - sum(assigned.get(d) == "dev" for d in contents))
        assigned |= {digest: ("dev" if rank < missing else "test") for rank, digest in enumerate(new)}
    return _together(images, assigned, settled, settings)


def _together(
    images: Sequence[LabelledImage], assigned: dict[str, str], settled: Mapping[str, str], settings: SplitSettings
) -> dict[str, str]:
    """Give the images of each cluster one split, but for those that are settled already.

    The name of the cluster draws it, so that a further picture of an object never moves the others.
    """
    clusters: dict[str, set[str]] = {}
    for image in images:
        if image.cluster:
            clusters.setdefault(image.cluster, set()).add(image.digest)
    result = dict(assigned)
    for name, contents in clusters.items():
        before = contents & settled.keys()
        split = assigned[min(before)] if before else _drawn_split(name, settings)
        result |= dict.fromkeys(contents - before, split)
    return result


def _drawn_split(content: str, settings: SplitSettings) -> Split:
    """Return the split of a content: dev if its hash, as a fraction, is below the share of dev."""
    drawn = hashlib.sha256(f"{settings.seed}/{content}".encode()).digest()
    return "dev" if int.from_bytes(drawn[:8]) / 2**64 < settings.dev else "test"


def digest_of_splits(assigned: Mapping[str, str]) -> str:
    """Return a SHA-256 over content digest -> split, the same in whatever order the images are."""
    lines = "".join(f"{split} {content}\n" for content, split in sorted(assigned.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
