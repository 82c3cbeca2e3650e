"""Webdataset shards: tars of KEY.jpg with KEY.cls, .json or .txt; members are read in place."""

import json
import re
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images.files import HEAD, NO_ENDING, NO_PICTURES, OTHERS, SUFFIXES, is_picture, unreadable_ending
from treegen.images.interface import PARTS, Findings, LabelledImage, Labels, PartName, part_called
from treegen.images.pictures import MOST_BYTES
from treegen.text import show

_RANGE: Final = re.compile(r"\{(\d+)\.\.(\d+)\}")
_LABELS: Final = ("cls", "label", "json", "txt")  # a text is often a caption, so it is used last
_IN_JSON: Final = ("label", "cls", "class", "class_name", "labels", "classes", "name", "category")
MOST_TARS: Final = 100_000
_MOST_LABEL: Final = 2**20
_NO_CLASS: Final = "with a label that is no class"


def read_shards(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`. The split comes from the tar's folder or name: test/0.tar, birds-train-0001.tar."""
    paths = shard_paths(settings.source)
    if not paths:
        raise InputError(f"{settings.source}: no such tars", "correct `shards` below [images], such as data/*.tar")
    for path in paths:
        if path.is_file():
            yield from _read_tar(path, _part_of(path, settings.root), labels, findings)
        else:
            findings.leave_out(path, "no such tar", exists=False)
    beside = sorted({path for folder in {p.parent for p in paths} for path in folder.glob("*.tar")} - set(paths))
    if beside:
        are = "tar beside them is" if len(beside) == 1 else "tars beside them are"
        findings.notes.append(f"{len(beside)} {are} not named by {settings.source.name}: first {beside[0].name}")


def shard_paths(pattern: Path) -> list[Path]:
    """Expand a pattern to sorted tars: `*`, `?`, `[..]` as in a shell, `{000..012}` as in webdataset."""
    found = _RANGE.search(str(pattern))
    if found:
        first, last = found.groups()
        if int(last) - int(first) >= MOST_TARS:
            raise InputError(f"{pattern}: more than {MOST_TARS} tars", "correct the range in braces")
        numbers = (str(n).zfill(len(first)) for n in range(int(first), int(last) + 1))
        expanded = (Path(str(pattern)[: found.start()] + n + str(pattern)[found.end() :]) for n in numbers)
        paths = list(islice((path for each in expanded for path in shard_paths(each)), MOST_TARS + 1))
        if len(paths) > MOST_TARS:
            raise InputError(f"{pattern}: more than {MOST_TARS} tars", "correct the ranges in braces")
        return paths
    if not re.search(r"[*?\[]", str(pattern)):
        return [pattern]
    return sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))


def _part_of(path: Path, root: Path) -> PartName | None:
    words = path.relative_to(root).parts
    return next((part for word in words if (part := part_called(word))), PARTS.get(root.name.lower()))


def _read_tar(path: Path, part: PartName | None, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """Yield the labelled pictures of a tar; of a damaged one, those before the damage."""
    members = list[tarfile.TarInfo]()
    try:
        with tarfile.open(path, "r:") as tar:
            try:
                members += (member for member in tar if member.isfile() and _is_sane(path, member, findings))
            except (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError) as error:
                told = f"the tar is damaged after {len(members)} files: {error}"
                findings.leave_out(path, told, exists=False)
            else:
                if not members:
                    findings.leave_out(path, "the tar is empty", exists=False)
            yield from _read_members(tar, path, members, part, labels, findings)
    except (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError) as error:
        findings.leave_out(path, f"not a tar without compression: {error}", exists=False)


def _is_sane(path: Path, member: tarfile.TarInfo, findings: Findings) -> bool:
    """Tell whether a file of a tar may be read: a small tar can claim any size, or holes of any size."""
    label = _ended(member.name)[1] in _LABELS
    most = _MOST_LABEL if label else MOST_BYTES
    reason = "a sparse file" if member.issparse() else f"larger than {most // 2**20} MiB" if member.size > most else ""
    if reason:
        findings.leave_out(path, reason, member.name, kind="with an absurd size", exists=not label)
    return not reason


def _parted(name: str) -> tuple[str, str]:
    """Split into key and extension as webdataset does: at the first dot of the name's last component."""
    folder, slash, file = name.rpartition("/")
    stem, _, ending = file.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _read_members(
    tar: tarfile.TarFile,
    path: Path,
    members: Sequence[tarfile.TarInfo],
    part: PartName | None,
    labels: Labels,
    findings: Findings,
) -> Iterator[LabelledImage]:
    """Yield the pictures among the files of a tar: of every one that is not read the findings say why.

    webdataset ends a key at the first dot, so that a_v1.0.png has the key a_v1. But a file that is called like the
    picture up to its last dot (a_v1.0.cls) can only be its label; it comes before the label of the key (a_v1.cls).
    """
    by_key, by_stem = dict[str, dict[str, tarfile.TarInfo]](), dict[str, dict[str, tarfile.TarInfo]]()
    pictures, doubled, names = dict[str, list[tarfile.TarInfo]](), set[str](), set[str]()
    for member in members:
        (key, ending), (stem, last) = _parted(member.name), _ended(member.name)
        if last in _LABELS and not _hidden(member.name):
            if last in by_stem.setdefault(stem, {}):
                doubled.add(member.name)
            by_stem[stem].setdefault(last, member)
            if ending in _LABELS:
                by_key.setdefault(key, {}).setdefault(ending, member)
        elif _looks_like_picture(tar, path, member, _apart(member, names), findings):
            pictures.setdefault(key, []).append(member)
        names.add(member.name)
    for key, found in pictures.items():
        taken = set[str]()
        for member in found:
            own = by_stem.get(_ended(member.name)[0])
            beside = own or by_key.get(key, {})
            if member.name in taken:
                told, kind = (
                    "its name occurs twice in the tar, and the first counts",
                    "whose name occurs twice in the tar",
                )
                findings.leave_out(path, told, _apart(member, taken), kind=kind)
            elif taken and not own:
                told = "another picture of the same key comes before it, and the label is that one's"
                findings.leave_out(path, told, member.name, kind="beside another picture of the same key")
            elif twice := [label.name for label in beside.values() if label.name in doubled]:
                kind = "whose label occurs twice in the tar"
                findings.leave_out(path, f"its label {twice[0]} occurs twice in the tar", member.name, kind=kind)
            elif lacking := unreadable_ending(member.name):
                findings.leave_out(path, lacking[1], member.name, kind=lacking[0])
            else:
                yield from _read_sample(tar, path, member, beside, part, labels, findings)
            taken.add(member.name)
    for label in (member for found in by_stem.values() for member in found.values()):
        key = _parted(label.name)[0]
        if key not in pictures and not key.rpartition("/")[2].startswith("_"):
            findings.leave_out(path, "a label without a picture", key, exists=False)


def _apart(member: tarfile.TarInfo, names: Collection[str]) -> str:
    """Name a member, and where it is in the tar if another of its name comes before it."""
    return f"{member.name}@{member.offset}" if member.name in names else member.name


def _ended(name: str) -> tuple[str, str]:
    """Return the stem and the ending, divided at the last dot of the last part of the name."""
    folder, slash, file = name.rpartition("/")
    stem, _, last = file.rpartition(".") if "." in file else (file, "", "")
    return f"{folder}{slash}{stem}", last.lower()


def _looks_like_picture(
    tar: tarfile.TarFile, path: Path, member: tarfile.TarInfo, name: str, findings: Findings
) -> bool:
    """Tell whether a file of a tar may be read as a picture; a picture that may not is counted under the name."""
    ending = f".{_ended(member.name)[1]}"
    if ending in SUFFIXES | OTHERS and _hidden(member.name):
        findings.pass_over(path, "hidden (a name that begins with a dot)", name)
        return False
    if ending in SUFFIXES:
        return True
    if ending in OTHERS:
        findings.pass_over(path, ending, name)
    if ending in OTHERS | NO_PICTURES or _hidden(member.name):
        return False
    file = tar.extractfile(member)
    if file is None or not is_picture(file.read(HEAD)):
        return False
    if NO_ENDING.fullmatch(ending):
        return True
    findings.pass_over(path, ending, name)
    return False


def _hidden(name: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))


def _read_sample(
    tar: tarfile.TarFile,
    path: Path,
    picture: tarfile.TarInfo,
    beside: Mapping[str, tarfile.TarInfo],
    part: PartName | None,
    labels: Labels,
    findings: Findings,
) -> Iterator[LabelledImage]:
    try:
        label = _label(tar, beside)
    except (ValueError, RecursionError, tarfile.TarError, OSError) as error:
        if labels.needed:
            told = f"its label cannot be read: {error}"
            findings.leave_out(path, told, picture.name, kind="whose label cannot be read")
            return
        label = ""
    index = labels.find(label) if label or not labels.needed else None
    if not label and labels.needed:
        told = f"no label: none of {', '.join(_LABELS)} beside it"
        findings.leave_out(path, told, picture.name, kind="without a label")
    elif index is None:
        findings.strangers[labels.named(label)] += 1
        findings.pass_over(path, _NO_CLASS, picture.name)
    else:
        yield LabelledImage(
            path=path, label=index, member=picture.name, offset=picture.offset_data, size=picture.size, part=part
        )


def _label(tar: tarfile.TarFile, beside: Mapping[str, tarfile.TarInfo]) -> str:
    """Return the label of a sample, empty if it has none.

    Raises:
        ValueError: what holds it cannot be read as one label.
    """
    ending = next((e for e in _LABELS if e in beside), None)
    file = tar.extractfile(beside[ending]) if ending else None
    if file is None:
        return ""
    text = file.read().decode("utf-8-sig")
    return _label_in(json.loads(text)) if ending == "json" else text.strip()


def _label_in(found: object) -> str:
    """Return the one label in a JSON value: a text, a number, a list of one, or an object with a usual key."""
    if isinstance(found, dict):
        keys = [key for key in _IN_JSON if key in found]
        if not keys:
            raise ValueError(f"the JSON has none of the keys {', '.join(_IN_JSON)}")
        return _label_in(found[keys[0]])
    if isinstance(found, list):
        if len(found) != 1:
            raise ValueError(f"the JSON holds {len(found)} labels" if found else "the JSON holds an empty list")
        return _label_in(found[0])
    if isinstance(found, float) and found.is_integer():
        return str(int(found))
    if isinstance(found, str | int) and not isinstance(found, bool) and str(found).strip():
        return str(found).strip()
    raise ValueError(f"{show(found)} is not a label")
