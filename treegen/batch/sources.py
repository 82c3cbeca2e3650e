"""Find the pictures that a user names: below a folder, in a manifest or in shards, or the image set of a domain."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import Final

from treegen.batch.interface import NO_LABEL, Source
from treegen.config.domain import Domain, has_domain
from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images import (
    WHOLE,
    Crop,
    Findings,
    LabelledImage,
    Labels,
    labels_of,
    map_splits,
    picture_files,
    read_images,
)
from treegen.images.archives import COMPRESSED, archives_below, count_archives, unpacking
from treegen.images.files import repeated_by_links
from treegen.images.folders import rank_of_path, split_of
from treegen.images.hugging_face import metadata_tables, picture_parquets
from treegen.images.interface import SourceSplit, below
from treegen.images.tables import SUFFIXES as TABLES
from treegen.images.tables import columns_of, guess_columns, guess_split
from treegen.text import counted

_SHARDS: Final = ".tar"
_NOBODY: Final = Domain(folder=Path(), name="none")
_GIVE_LABELS: Final = "name the folders so, or give a table with the columns path,label"
_NO_TABLE_LABELS: Final = {
    "manifest": "a table gives them in a column label, or in another one that a domain.toml names",
    "shards": "give each KEY.png a KEY.cls, or a KEY.json with a key label",
    "hf": "a table gives them in a column label, or in another one that a domain.toml names",
}
_NO_LABELS: Final = (
    "no labels: with --tree or --domain, folders that are named like classes label their pictures; "
    "otherwise give a table with the columns path,label"
)


class AnyLabels(Labels):
    """Labels of any image set: those that are not classes of the domain become classes, and an image may have none."""

    needed = False

    def __init__(self, domain: Domain | None) -> None:
        super().__init__(domain or _NOBODY)
        self.appeared: list[str] = [*(domain.classes if domain else ())]
        self._indices: dict[str, int] = {}

    def find(self, label: str) -> int:
        """Return the index of the class, or the label's number in order of appearance; `NO_LABEL` for an empty one."""
        if not label:
            return NO_LABEL
        index = super().find(label)
        if index is not None:
            return index
        label = self.named(label)
        if label not in self._indices:
            self._indices[label] = len(self.appeared)
            self.appeared.append(label)
        return self._indices[label]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The given pictures, found while `sources` runs.

    Attributes:
        settings: the image set, or a folder without classes if `labels` is `None`.
        root: the folder that the pictures' names are relative to.
        crop: the crop of each picture.
        labels: finds the class of a label; in a folder that of a folder's name; `None` where no labels are known.
        names: of the classes; grows while the set is read if there is no domain.
        own: whether it is the domain's own image set.
        findings: what was left out.
        unlabelled: pictures of a folder that have no label, by the folder.
        labelled: how many pictures have a label, and how many have none.
    """

    settings: ImageSettings
    root: Path
    crop: Crop
    labels: Labels | None
    names: "list[str] | tuple[str, ...]"
    own: bool
    findings: Findings
    unlabelled: Counter[str] = field(default_factory=Counter)
    labelled: Counter[bool] = field(default_factory=Counter)

    def notes(self) -> list[str]:
        """Return what a reader must know of the set and its labels, once all pictures are listed."""
        notes = [*self.findings.all_notes(), *self.sets_below()]
        if self.labels is None:
            return [*notes, _NO_LABELS]
        if order := self.labels.order():
            notes.append(order)
        if self.in_folders and self.unlabelled:
            pictures = sum(self.unlabelled.values())
            have = "pictures have" if pictures > 1 else "picture has"
            notes.append(f"{pictures} {have} no label: not in a folder that is named like a class; {_GIVE_LABELS}")
        if self.in_folders:
            return [*notes, *self.labels.did_you_mean(self.unlabelled)]
        if without := self.labelled[False]:
            which = "no labels" if without == sum(self.labelled.values()) else f"{without} without a label"
            notes.append(f"{which}: {_NO_TABLE_LABELS[self.settings.kind]}")
        others = self.names[len(self.labels.names) :] if self.labels.names else ()  # labels of a table
        return [*notes, *self.labels.did_you_mean((*self.findings.unknown_labels, *others))]

    def sets_below(self) -> list[str]:
        """Say which tars and tables below a folder are not read with it."""
        return list(_not_read_in(self.root)) if self.in_folders else []

    @property
    def in_folders(self) -> bool:
        """Whether it is a folder that is not the domain's own, so that pictures in any folder of it are embedded."""
        return not self.own and self.settings.kind == "folder"

    def sources(self) -> Iterator[Source]:
        """Yield the pictures, in the order of the set; only its table of contents is read."""
        for image in self._in_folders() if self.in_folders else self._in_set():
            try:
                status = image.path.stat()
            except OSError as error:
                self.findings.leave_out(image.path, f"cannot be read: {error.strerror or error}", image.member)
                continue
            if S_ISREG(status.st_mode):
                self.labelled[image.label != NO_LABEL] += 1
                yield Source(image=image, path=image.below(self.root), size=status.st_size, changed=status.st_mtime_ns)

    def _in_set(self) -> Iterator[LabelledImage]:
        assert self.labels is not None
        return read_images(self.settings, self.labels, self.findings)

    def _in_folders(self) -> Iterator[LabelledImage]:
        """Yield all pictures below the folder, folder by folder; a folder named like a class labels its content."""
        folder, label, split, uses = None, NO_LABEL, None, map_splits(self._splits())
        rank = partial(rank_of_path, root=self.root, labels=self.labels)
        repeated = repeated_by_links(picture_files(self.root, Findings()), self.root, rank, self.findings)
        for path in picture_files(self.root, self.findings):
            if path in repeated:
                continue
            if self.labels is not None and path.parent != folder:
                folder, split = path.parent, split_of(path, self.root, self.labels)
                names = (*folder.relative_to(self.root).parts, self.root.name)
                indices = (index for name in names if (index := self.labels.find(name)) is not None)
                label = next(indices, NO_LABEL)
            if self.labels is not None and label == NO_LABEL:
                self.unlabelled[names[0]] += 1
            yield LabelledImage(path=path, label=label, source_split=split, split=uses.get(split) if split else None)
        count_archives(self.root, self.findings)

    def _splits(self) -> set[SourceSplit]:
        """Return the splits of a folder whose pictures may have labels; they are known only after all its pictures."""
        if self.labels is None:
            return set()
        folders = {path.parent: path for path in picture_files(self.root, Findings())}
        return {split for path in folders.values() if (split := split_of(path, self.root, self.labels))}

    def label(self, source: Source) -> str | None:
        """Return the name of its class, if known."""
        return self.names[source.image.label] if source.image.label != NO_LABEL else None


def _not_read_in(root: Path) -> Iterator[str]:
    """Say which tars and tables below a folder are not read with it, and how to read them."""
    tars = archives_below(root, (".tar",))
    parquets, tables = picture_parquets(root, Findings()), metadata_tables(root)
    for paths, one, several in (
        (tars, "tar", "tars"),
        (parquets, "Parquet file with pictures", "Parquet files with pictures"),
        (tables, "metadata table", "metadata tables"),
    ):
        if paths:
            are = "is" if len(paths) == 1 else "are"
            yield (
                f"{counted(len(paths), one, several)} below the folder {are} not read: name the file itself, such as "
                f"{below(paths[0], root)}, or a domain whose domain.toml names the set"
            )


def is_domain(path: Path) -> bool:
    """Whether an image path given by a user refers to a domain's image set."""
    return path.suffix == ".toml" or has_domain(path)


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
        return Listing(
            settings=ImageSettings(folder=path),
            root=path,
            crop=crop,
            labels=Labels(domain) if domain else None,
            names=domain.classes if domain else (),
            own=False,
            findings=findings,
        )
    if path.suffix.lower() == ".json" and path.is_file():
        raise InputError(f"{path}: a tree or another JSON document, not images", "name a folder of images or a domain")
    if path.name.lower().endswith(COMPRESSED):
        raise InputError(f"{path}: a compressed tar, which is not read", unpacking(path.name))
    settings = ImageSettings(shards=path) if path.suffix.lower() == _SHARDS else ImageSettings(manifest=path)
    if settings.manifest and not path.is_file():
        raise InputError(f"{path}: no such folder or file", "name a folder of images, a manifest or a domain")
    labels = AnyLabels(domain)
    return Listing(
        settings=_with_guessed_columns(settings),
        root=settings.root,
        crop=crop,
        labels=labels,
        names=labels.appeared,
        own=False,
        findings=findings,
    )


def _with_guessed_columns(settings: ImageSettings) -> ImageSettings:
    """Return the settings of a table with its columns, where they are not called path and label."""
    if settings.manifest is None or settings.manifest.suffix not in TABLES:
        return settings
    try:
        names, rows = columns_of(settings.manifest)
    except InputError:
        return settings  # reading it says what is wrong
    usual = "path" in names
    guessed = {} if usual else dict(zip(("path", "label"), guess_columns(names, rows), strict=True))
    if "split" not in names:
        guessed["split"] = guess_split(names, rows, ("path", "label") if usual else tuple(guessed.values()))
    return replace(settings, columns=tuple((key, name) for key, name in guessed.items() if name))
