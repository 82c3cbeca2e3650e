"""Image sets, and the interface of their readers."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal, Protocol
from unicodedata import combining, normalize

from treegen.config.domain import Domain
from treegen.config.settings import ImageSettings
from treegen.history.score_document import FileCounts, LeftOutFiles

Crop = tuple[float, float, float, float]
WHOLE: Final[Crop] = (0.0, 0.0, 1.0, 1.0)
Split = Literal["dev", "test"]
SourceSplit = Literal["train", "val", "test"]

#: names of splits in image sets -> which of the three is meant
SPLITS: Final[dict[str, SourceSplit]] = {
    "dev": "val",
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_SPLIT: Final = re.compile(rf"(?:^|[-._ 0-9])({'|'.join(SPLITS)})(?:$|[-._ 0-9])", re.IGNORECASE)
_SYNSET: Final = re.compile(r"n\d{8}(?:[-_. ].*)?")
_MOST_COMPARED: Final = 2000  # classes among which one of nearly the same name is looked for
_MOST_NAMES: Final = 1000  # of files that were left out for one reason: a score is kept with each revision
_MOST_SUGGESTED: Final = 10  # labels that get a line of their own


def split_called(name: str) -> SourceSplit | None:
    """Return the split that the name of a folder or a tar means.

    The keyword stands alone or between hyphens, dots, underscores, spaces and digits: train2017, my-test_images.

    Source: huggingface/datasets, data_files.py (`SPLIT_KEYWORDS` and its patterns of folder and file names).
    """
    match = _SPLIT.search(name)
    return SPLITS[match[1].lower()] if match else None


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
        source_split: the split that the set itself names.
        split: what it is used for by `splitting.map_splits`; `None` where hash and seed decide.
        cluster: the object that several pictures show, or where else they come from; empty if the set does not say.
        look: the look of the class that it shows, for diagnosis; empty if the set does not say.
    """

    path: Path
    label: int
    digest: str = ""
    member: str = ""
    offset: int = 0
    size: int | None = None
    crop: Crop | None = None
    source_split: SourceSplit | None = None
    split: Split | None = None
    cluster: str = ""
    look: str = ""

    @property
    def name(self) -> str:
        """The last component of its name, for lists."""
        return self.member.rpartition("/")[2] or self.path.name

    def below(self, folder: Path) -> str:
        """Return its name below a folder, encodable as UTF-8, so that stored names contain no machine's folders."""
        return below(self.path, folder) + (f"/{shown(self.member)}" if self.member else "")


def clusters_of(images: Sequence[LabelledImage]) -> tuple[int, ...] | None:
    """Return the cluster of each image (B) as a number, one apart where the set names none; `None` if it names none."""
    if not any(image.cluster for image in images):
        return None
    numbers: dict[str, int] = {}
    keys = [image.cluster or f" {place}" for place, image in enumerate(images)]  # names have no space before them
    return tuple(numbers.setdefault(key, len(numbers)) for key in keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An image that was left out, and why.

    Attributes:
        path: the file, or the tar that holds it.
        reason: why, in words.
        member: its name within a tar.
        kind: the reason as it follows a number: "in no class folder".
        exists: whether it is a picture file: not a file that is missing, a folder or a whole tar.
        tip: what to do about it; empty if that depends on the file.
    """

    path: Path
    reason: str
    member: str = ""
    kind: str = "that cannot be read"
    exists: bool = True
    tip: str = ""

    def below(self, folder: Path) -> str:
        """Return its name below a folder."""
        return below(self.path, folder) + (f"/{shown(self.member)}" if self.member else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Picture files left out for one reason: their number, and the names of the first or of all."""

    kind: str
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Counts of the picture files of a set: each was read, or left out for one reason.

    Attributes:
        read: files that were read.
        left_out: the others by reason, the most common first.
        decoded: whether their pixels were read, not only their headers.
    """

    read: int
    left_out: tuple[LeftOut, ...]
    decoded: bool = True

    @property
    def found(self) -> int:
        """The number of all picture files."""
        return self.read + sum(each.count for each in self.left_out)

    def sentence(self, place: str) -> str:
        """Return the census in one line, of a set that lies below `place`, which is left out if it is `.`."""
        files = "picture file" if self.found == 1 else "picture files"
        where = "" if place == "." else f" below {place}"
        sentence = f"{'read' if self.decoded else 'checked'} {self.read} of {self.found} {files}{where}"
        listed = ", ".join(f"{each.count} {each.kind}" for each in self.left_out)
        return f"{sentence}; left out: {listed}" if listed else sentence

    def as_json(self) -> FileCounts:
        """Return the census as plain data."""
        left_out: list[LeftOutFiles] = [
            {"reason": e.kind, "count": e.count, "paths": list(e.names)} for e in self.left_out
        ]
        return {"found": self.found, "read": self.read, "left_out": left_out}


def take_census(images: "Iterable[LabelledImage]", left_out: Iterable[Skipped], root: Path) -> Census:
    """Count the files of images and of what was left out, each once; a file that any image is of was read."""
    paths = RealPaths()
    read = {(paths.of(image.path), image.member) for image in images}
    others: dict[tuple[str, str], Skipped] = {}
    for each in left_out:
        key = paths.of(each.path), each.member
        if each.exists and key not in read:
            others.setdefault(key, each)
    return Census(read=len(read), left_out=by_reason(others.values(), root))


def by_reason(left_out: Iterable[Skipped], root: Path) -> tuple[LeftOut, ...]:
    """Group files that were left out by their reason, the most common first; of many the first are named."""
    names: dict[str, list[str]] = {}
    for each in left_out:
        names.setdefault(each.kind, []).append(each.below(root))
    ordered = sorted(names.items(), key=lambda pair: -len(pair[1]))
    return tuple(LeftOut(kind=kind, count=len(listed), names=tuple(listed[:_MOST_NAMES])) for kind, listed in ordered)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """The labelled images of a domain in the order of the set, and what was left out.

    Attributes:
        images: the usable images.
        skipped: images that cannot be read, each with its reason.
        unknown_labels: labels (or folders) that are not classes, each with its number of images, which are left out.
        leaks: number of contents that the set has in both dev and test; their dev copies are among the skipped.
        passed_over: other picture files that are not read, such as those in no class folder.
        notes: what else there is to know of the set, in sentences.
        root: the folder below which images are named.
        decoded: whether pictures that cannot be decoded are among the skipped.
    """

    images: tuple[LabelledImage, ...]
    skipped: tuple[Skipped, ...] = ()
    unknown_labels: tuple[tuple[str, int], ...] = ()
    leaks: int = 0
    passed_over: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    root: Path = Path()
    decoded: bool = True

    @property
    def files(self) -> Census:
        """Counts of the picture files of the set."""
        counted = take_census(self.images, (*self.skipped, *self.passed_over), self.root)
        return replace(counted, decoded=self.decoded)

    @property
    def in_two_classes(self) -> int:
        """Number of contents that are in more than one class: at least one of their labels is wrong."""
        return len(self.named_in_two_classes)

    @property
    def named_in_two_classes(self) -> list[str]:
        """Contents that occur in more than one class, each by its names: "a/1.png = b/2.png"."""
        of_content: dict[tuple[str, Crop | None], dict[int, LabelledImage]] = {}
        for image in self.images:
            of_content.setdefault((image.digest, image.crop), {}).setdefault(image.label, image)
        several = (list(of_label.values()) for of_label in of_content.values() if len(of_label) > 1)
        return [" = ".join(image.below(self.root) for image in images) for images in several]

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
        counted: whether a label was a number that was counted through an order of names.
    """

    needed = True

    def __init__(self, domain: Domain, numbered: tuple[str, ...] | None = None) -> None:
        """Compare names in Unicode's form NFC; other names are the domain's [aliases].

        Args:
            domain: its classes and aliases.
            numbered: the names that integer labels stand for; the domain's classes if not given, but where a class is
                itself called by a number, numbers are names.
        """
        self.names = domain.classes
        self._classes = {normalize("NFC", name): index for index, name in reversed([*enumerate(domain.classes)])}
        for name, others in domain.aliases:
            for other in others:
                self._classes.setdefault(normalize("NFC", other), self._classes[normalize("NFC", name)])
        self.counted, self._given = False, numbered is not None
        self._numbered = numbered or ()
        if numbered is None and not any(name.isdecimal() for name in self._classes):
            self._numbered = domain.classes

    @property
    def numbered(self) -> tuple[str, ...]:
        """The names that whole numbers stand for, in their order; none where numbers are names."""
        return self._numbered

    def number_with(self, names: tuple[str, ...]) -> None:
        """Count numbers through the names that the set itself brings along, unless the user gave others."""
        if not self._given:
            self._numbered, self._given = names, True

    def find(self, label: str) -> int | None:
        """Return the index of the class, `None` if the label matches none."""
        named = self.named(label)
        return self._classes.get(normalize("NFC", named))

    def is_class(self, name: str) -> bool:
        """Tell whether a name is that of a class, or another name of one."""
        return normalize("NFC", name) in self._classes

    def named(self, label: str) -> str:
        """Return the label, or the name that it is the number of; 1.0, as tables with gaps have it, is 1."""
        if self._classes and normalize("NFC", label) not in self._classes and re.fullmatch(r"\d+\.0+", label):
            label = label.partition(".")[0]
        if not label.isdecimal() or len(label) > 9:
            return label
        known = normalize("NFC", label) in self._classes and not self._given
        number = len(self._numbered) if known else int(label)
        if number >= len(self._numbered):
            return label
        self.counted = True
        return self._numbered[number]

    def order(self) -> str:
        """Return which class each number means, in words; empty if no label was a number."""
        if not self.counted:
            return ""
        pairs = [f"{number} = {name}" for number, name in enumerate(self._numbered[:_MOST_SUGGESTED])]
        more = (
            f", ... {len(self._numbered) - 1} = {self._numbered[-1]}" if len(self._numbered) > _MOST_SUGGESTED else ""
        )
        return f"numeric labels are counted from 0: {', '.join(pairs)}{more}"

    def near(self, label: str) -> str | None:
        """Return the class whose name or alias is nearly the label; `None` if there is none."""
        if label.isdecimal() or len(self._classes) > _MOST_COMPARED:
            return None
        bare = {_normalised(name): index for name, index in reversed(self._classes.items())}
        key = _normalised(label)
        close = [key] if key in bare else get_close_matches(key, [name for name in bare if name], n=1, cutoff=0.8)
        return self.names[bare[close[0]]] if close and close[0] else None

    def did_you_mean(self, unknown_labels: Iterable[str]) -> list[str]:
        """Return which classes unknown labels may mean, with the lines to add to domain.toml."""
        aliases, messages, synsets = dict[str, list[str]](), list[str](), list[str]()
        for label in list(dict.fromkeys(unknown_labels)):
            if name := self.near(label):
                aliases.setdefault(name, []).append(label)
            elif self.names and _SYNSET.fullmatch(label):
                synsets.append(label)
        for name, others in list(aliases.items())[:_MOST_SUGGESTED]:
            listed = ", ".join(json.dumps(other, ensure_ascii=False) for other in others[:_MOST_SUGGESTED])
            messages.append(f"{listed}: did you mean {name}? Then add below [aliases]: {alias_line(name, others)}")
        if synsets:
            line = alias_line(self.names[0], synsets[:1])
            message = "synset ids of ImageNet, not class names; add below [aliases] the class of each, such as"
            messages.append(f"{', '.join(synsets[:5])}: {message} {line}")
        return messages


def alias_line(name: str, others: Iterable[str]) -> str:
    """Return the line of TOML that gives a class other names."""
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
    return f"{key} = {json.dumps(list(others), ensure_ascii=False)}"


def _normalised(label: str) -> str:
    """Return a label without case, accents, a number in front, and signs between its words."""
    plain = "".join(c for c in normalize("NFKD", label).casefold() if not combining(c))
    return " ".join(re.sub(r"^n?\d+[-._ ]+", "", plain.strip()).replace("_", " ").replace("-", " ").split())


class Findings:
    """What a reader left out, collected while it reads."""

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []
        self.unknown_labels: Counter[str] = Counter()
        self.passed_over: list[Skipped] = []
        self.notes: list[str] = []
        self.links = 0  # paths to a picture that is in the set under another path
        self.linked = dict[str, Path]()  # the files that links lead to, with the path that counts

    def all_notes(self) -> Iterator[str]:
        """Yield the notes, and one of the links."""
        yield from self.notes
        if self.links:
            paths = "path is a link" if self.links == 1 else "paths are links"
            yield f"{self.links} {paths} to a picture that is in the folder too: each file counts once"

    def leave_out(
        self,
        path: Path,
        reason: str,
        member: str = "",
        *,
        kind: str = "that cannot be read",
        exists: bool = True,
        tip: str = "",
    ) -> None:
        """Record an unreadable image, or with `exists=False` something that is not a picture file: a folder, a tar."""
        self.skipped.append(Skipped(path=path, reason=reason, member=member, kind=kind, exists=exists, tip=tip))

    def pass_over(self, path: Path, kind: str, member: str = "", *, tip: str = "") -> None:
        """Count a picture file that is left out although it is not damaged."""
        self.passed_over.append(Skipped(path=path, reason=kind, member=member, kind=kind, tip=tip))


class Reader(Protocol):
    """Reads one kind of image set."""

    def __call__(self, settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
        """Yield the images, without digests and without decoding; what is left out is added to the findings.

        Raises:
            InputError: the set as a whole cannot be read; for a table the message gives the line.
        """
        ...


class RealPaths:
    """Resolves the links in paths; those of a folder only once."""

    def __init__(self) -> None:
        self._folders = dict[str, str]()

    def of(self, path: Path) -> str:
        """Return the file that a path leads to, with `..` and links resolved."""
        if path.name == ".." or path.is_symlink():
            return os.path.realpath(path)
        folder = str(path.parent)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return f"{self._folders[folder].rstrip(os.sep)}{os.sep}{path.name}"


def shown(path: Path | str) -> str:
    """Return the path as text that UTF-8 can encode: undecodable bytes become \\xe9 and the like."""
    return os.fsencode(path).decode(errors="backslashreplace")


def below(path: Path, folder: Path) -> str:
    """Return the path relative to a folder, with slashes; a path outside of it uses `..`."""
    try:
        return shown(Path(os.path.relpath(path, folder))).replace(os.sep, "/")
    except ValueError:  # another drive
        return path.name
