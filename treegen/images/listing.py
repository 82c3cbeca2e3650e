"""List the images of a domain, whatever the kind of image set."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from treegen.config.domain import Domain, read_class_names
from treegen.config.settings import ImageSettings
from treegen.config.trust import Trust
from treegen.errors import InputError
from treegen.images.files import PULL, is_pointer_file
from treegen.images.folders import folder_outside, read_folders
from treegen.images.hugging_face import read_hugging_face
from treegen.images.interface import (
    Findings,
    ImageSet,
    LabelledImage,
    Labels,
    Reader,
    Skipped,
    SourceSplit,
    below,
    shown,
    take_census,
)
from treegen.images.manifests import read_manifest
from treegen.images.pictures import check_header, hash_image
from treegen.images.shards import read_shards, shard_paths, splits_in
from treegen.images.splitting import assign_splits, fixed_splits
from treegen.text import counted, quoted, show

_READERS: Final[dict[str, Reader]] = {
    "folder": read_folders,
    "manifest": read_manifest,
    "shards": read_shards,
    "hf": read_hugging_face,
}
OUTSIDE: Final = "outside of the domain's folder, which is not trusted to read it: see treegen trust"
_MOST_NAMED: Final = 5
_OUTSIDE_KIND: Final = "outside of the domain's folder (treegen trust)"
_LEAK: Final = "the same picture is in the test split: left out of the dev split"


def list_images(domain: Domain, hash_of: Callable[[LabelledImage], str] | None = None) -> ImageSet:
    """Find the images of a domain and hash their contents; nothing is decoded yet.

    Args:
        domain: its [images] name the set.
        hash_of: returns the SHA-256 of an image's bytes; reads them by default. May raise OSError or ValueError.

    Raises:
        InputError: the domain names no images, the set is missing or broken as a whole, or it has no image of any
            class.
    """
    settings, labels = _settings(domain), labels_of(domain)
    findings, images = Findings(), list[LabelledImage]()
    for image in read_images(settings, labels, findings):
        try:
            images.append(replace(image, digest=(hash_of or hash_image)(image)))
        except OSError as error:
            findings.leave_out(image.path, f"cannot be read: {error.strerror or error}", image.member)
        except ValueError as error:
            findings.leave_out(image.path, str(error), image.member)
    if not images:
        raise _no_images(settings, labels, findings)
    remaining, leaking, leaks = _without_leaks(images)
    return ImageSet(
        images=remaining,
        skipped=(*findings.skipped, *leaking),
        unknown_labels=tuple(sorted(findings.unknown_labels.items())),
        leaks=leaks,
        passed_over=tuple(findings.passed_over),
        notes=_notes(labels, findings),
        root=settings.root,
    )


def survey_images(domain: Domain) -> ImageSet:
    """Find the images of a domain as `list_images` does, but read their headers only: their digests are their names.

    Raises:
        InputError: see `list_images`.
    """

    def name_of(image: LabelledImage) -> str:
        check_header(image)
        return f"{shown(image.path)}//{image.member}"

    found = list_images(domain, name_of)
    return replace(found, notes=(*found.notes, *_entries_without_pictures(found.skipped)), decoded=False)


def _entries_without_pictures(skipped: Sequence[Skipped]) -> Iterator[str]:
    """Note what is named and is no picture file, and so is in no count of files: missing files, damaged tars."""
    entries = [f"{shown(each.member or each.path.name)}: {each.reason}" for each in skipped if not each.exists]
    if entries:
        more = f"; and {len(entries) - _MOST_NAMED} more" if len(entries) > _MOST_NAMED else ""
        subject = counted(len(entries), "entry of the set is", "entries of the set are")
        yield f"{subject} not used: {'; '.join(entries[:_MOST_NAMED])}{more}"


def is_there(settings: ImageSettings) -> bool:
    """Whether the folder, the table or at least one tar that the settings name exists."""
    if settings.kind == "shards":
        return any(path.is_file() for path in shard_paths(settings.source))
    return settings.source.exists()


def _notes(labels: Labels, findings: Findings) -> tuple[str, ...]:
    """Return what a reader must know of a set: its splits, what numbers mean, what labels may mean."""
    order = labels.order()
    return (*findings.all_notes(), *([order] if order else []), *labels.did_you_mean(findings.unknown_labels))


def _settings(domain: Domain) -> ImageSettings:
    if domain.images is None:
        raise InputError(f"the domain {domain.name!r} has no images", "add [images] with a folder to domain.toml")
    return domain.images


def labels_of(domain: Domain) -> Labels:
    """Return the label mapping of the domain's own image set.

    Raises:
        InputError: the file of class names cannot be read.
    """
    return Labels(domain, _numbered(domain.images) if domain.images else None)


def read_images(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """Yield the images of a set, without digests; see `Reader`.

    What a domain.toml names outside of its folder is only read if the user has allowed it. Of a set that has splits,
    pictures outside of them are left out.

    Raises:
        TrustError: the set itself is outside.
    """
    images = _READERS[settings.kind](settings, labels, findings)
    if settings.domain_folder is not None:
        images = _trusted(settings, settings.domain_folder, images, findings)
    if settings.kind == "shards":  # known by the names of the tars, so that a list of millions is not held
        tars = shard_paths(settings.source)
        splits = set[SourceSplit | None]().union(*(splits_in(path, settings.root, labels) for path in tars))
    else:
        images = iter(listed := list(images))
        splits = {image.source_split for image in listed}

    def place_of(image: LabelledImage) -> str:
        if image.member:
            within = image.member.rpartition("/")[0] if image.path.suffix.lower() == ".tar" else ""
            return show(below(image.path, settings.root) + (f"/{within}" if within else ""))
        if settings.kind == "manifest":
            return f"no split in {show(settings.source.name)}"
        return show(folder_outside(image.path, settings.root, labels))

    yield from assign_splits(images, {s for s in splits if s}, findings, place_of if labels.needed else None)


def _trusted(
    settings: ImageSettings, folder: Path, images: Iterator[LabelledImage], findings: Findings
) -> Iterator[LabelledImage]:
    """Yield the images that may be read; the others join the findings."""
    trust = Trust(folder)
    for path in (settings.source, settings.root) if is_there(settings) else ():
        trust.require_path(path, f"[images] {settings.kind}")
    inside = dict[Path, bool]()
    for image in images:
        path, parent = image.path, image.path.parent
        if parent not in inside:
            inside[parent] = trust.allows_path(parent)
        if (inside[parent] and not path.is_symlink()) or trust.allows_path(path):
            yield image
        else:
            tip = f"`treegen trust {quoted(folder)}` shows what the folder asks for, and allows it"
            findings.leave_out(path, OUTSIDE, image.member, kind=_OUTSIDE_KIND, tip=tip)


def _numbered(settings: ImageSettings) -> tuple[str, ...] | None:
    """Return the names that numbers stand for: from the settings, or next to shards, as clip_benchmark stores them."""
    path = settings.classnames
    if path and settings.domain_folder:
        Trust(settings.domain_folder).require_path(path, "[images] classnames")
    if path is None and settings.kind == "shards":
        path = next((p for f in (settings.root, settings.root.parent) if (p := f / "classnames.txt").is_file()), None)
    if path and is_pointer_file(path):
        raise InputError(f"{path}: a git-lfs pointer, not the class names", PULL)
    return read_class_names(path) if path else None


def _without_leaks(
    images: Sequence[LabelledImage],
) -> tuple[tuple[LabelledImage, ...], tuple[Skipped, ...], int]:
    """Drop dev images whose content the set has in test too: the two splits must not overlap.

    Returns:
        The images, those left out, and their number of contents.
    """
    fixed = fixed_splits(images)
    remaining, leaking, contents = list[LabelledImage](), list[Skipped](), set[str]()
    for image in images:
        if image.split == "dev" and fixed[image.digest] == "test":
            leaking.append(Skipped(path=image.path, reason=_LEAK, member=image.member, kind="of dev that test has too"))
            contents.add(image.digest)
        else:
            remaining.append(image)
    return tuple(remaining), tuple(leaking), len(contents)


def _no_images(settings: ImageSettings, labels: Labels, findings: Findings) -> InputError:
    """Explain why nothing in a set can be used; the tip is about what most of the pictures lack."""
    message = f"{settings.source}: no image of any of the {counted(len(labels.names), 'class', 'classes')}"
    if findings.unknown_labels:
        names = ", ".join(show(name) for name, _ in findings.unknown_labels.most_common(5))
        message += f"; labels that are not classes: {names}"
    if findings.skipped:
        first = findings.skipped[0]
        name = first.below(settings.root) if settings.kind == "shards" else first.path
        message += f"; {len(findings.skipped)} cannot be used, first {name}: {first.reason}"
    files = take_census((), (*findings.skipped, *findings.passed_over), settings.root)
    if files.found:
        message += f"; {files.sentence(settings.root.name)}"
    message = "; ".join([message, *findings.notes[:_MOST_NAMED]])
    return InputError(message, _most_common_tip(settings, labels, findings))


def tip_of(passed_over: Sequence[Skipped]) -> str:
    """Return what to do about most of the pictures that are in no table, or within archives; empty for others."""
    kinds = Counter(each.tip for each in passed_over)
    return kinds.most_common(1)[0][0] if kinds else ""


def _most_common_tip(settings: ImageSettings, labels: Labels, findings: Findings) -> str:
    tips = Counter(each.tip for each in findings.skipped)
    tip, count = tips.most_common(1)[0] if tips else ("", 0)
    if count > sum(findings.unknown_labels.values()):
        return tip or "check the content of the files"
    if meant := labels.did_you_mean(findings.unknown_labels):
        return meant[0]
    if findings.unknown_labels and settings.kind != "folder":
        return "its labels must be class names or other names below [aliases]"
    if tip := tip_of(findings.passed_over):
        return tip
    if settings.kind in ("folder", "hf"):
        return "expected one folder per class, named like the class or a name below [aliases], with PNG or JPEG files"
    return "the set is empty: name another one below [images]"
