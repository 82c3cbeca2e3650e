"""Webdataset shards: tars of KEY.jpg with KEY.cls, .json or .txt; members are read in place."""

import json
import posixpath
import re
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.files import kind_of, open_regular
from treegen.images.archives import COMPRESSED, count_archives, open_tar, unpacking
from treegen.images.files import (
    HEAD,
    NO_ENDING,
    OTHER_SUFFIXES,
    POINTER_BYTES,
    PULL,
    SUFFIXES,
    UNREAD_SUFFIXES,
    head_of,
    is_picture,
    is_pointer,
    is_pointer_file,
    leave_out_pointer,
    leave_out_unreadable,
    picture_files,
    unread_kind,
)
from treegen.images.interface import SPLITS, Findings, LabelledImage, Labels, SourceSplit, below, split_called
from treegen.images.pictures import MOST_BYTES
from treegen.text import counted, encodable, show

_RANGE: Final = re.compile(r"\{(\d+)\.\.(\d+)\}")
_CHOICE: Final = re.compile(r"\{([^{}]*,[^{}]*)\}")
_LABELS: Final = ("cls", "label", "json", "txt")  # a text is often a caption, so it is used last
_IN_JSON: Final = ("label", "cls", "class", "class_name", "labels", "classes", "name", "category")
MOST_TARS: Final = 100_000
_MOST_LABEL: Final = 2**20
_MOST_LINKS: Final = 8  # that lead to one file: links may lead in a circle
_GIVE_LABELS: Final = "give each KEY.png a KEY.cls, or a KEY.json with a key label"
_UNCOMPRESS: Final = {
    "a gzip archive": unpacking(".tgz"),
    "an xz archive": unpacking(".txz"),
    "a zstd archive": unpacking(".tzst"),
    "a ZIP archive (or an office document)": "unpack it, and write its files into a tar",
}
_NO_CLASS: Final = "with a label that is not a class"


def read_shards(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`. The split comes from the tar's folder or name (test/0.tar, birds-train.tar), else of its files."""
    paths = shard_paths(settings.source)
    if not paths:
        raise InputError(
            f"{settings.source}: no such tars", "correct `shards` below [images]; an example is data/*.tar"
        )
    first_of = {path.resolve(): path for path in reversed(paths)}  # a link to another tar is not read again
    for path in paths:
        if first_of[path.resolve()] != path:
            continue
        if not path.is_file():
            findings.leave_out(path, "no such tar", exists=False, tip="correct `shards` below [images]")
        elif is_pointer_file(path):
            leave_out_pointer(path, findings, what="tar")
        else:
            yield from _read_tar(path, split_of_tar(path, settings.root), labels, findings)
    if repeated := len(paths) - len(first_of):
        are = counted(repeated, "tar is a link", "tars are links")
        findings.notes.append(f"{are} to another of the set: each tar is read once")
    _note_others(settings, paths, findings, everywhere=labels.needed)
    if labels.needed:
        _count_beside(settings.root, set(paths), findings)


def _note_others(settings: ImageSettings, paths: Sequence[Path], findings: Findings, *, everywhere: bool) -> None:
    """Note the tars beside a set that are not of it: in its folders, or everywhere below, also in other splits."""
    root = settings.root.parent if split_called(settings.root.name) else settings.root
    candidates = {path for folder in {p.parent for p in paths} for path in folder.glob("*.tar")}
    candidates |= set(root.rglob("*.tar")) if everywhere else set()
    read = {path.resolve() for path in paths}
    others = sorted(path for path in candidates - set(paths) if path.is_file() and path.resolve() not in read)
    if others:
        does = "other tar does" if len(others) == 1 else "other tars do"
        first = below(others[0], root)
        findings.notes.append(f"{len(others)} {does} not match {below(settings.source, root)}: first {first}")


def _count_beside(root: Path, tars: Collection[Path], findings: Findings) -> None:
    """Count the pictures below the folder of a set of tars that are loose or in other archives."""
    for picture in picture_files(root, findings):
        findings.pass_over(picture, "in no tar")
    count_archives(root, findings, read=tars)


def shard_paths(pattern: Path) -> list[Path]:
    """Expand a pattern to sorted tars, each once.

    `*`, `?` and `[..]` are a shell's, `{000..012}` and `{train,test}` those of webdataset.
    """
    if choice := _CHOICE.search(str(pattern)):
        start, end = str(pattern)[: choice.start()], str(pattern)[choice.end() :]
        chosen = (path for each in choice[1].split(",") for path in shard_paths(Path(f"{start}{each}{end}")))
        return list(dict.fromkeys(islice(chosen, MOST_TARS)))
    span = _RANGE.search(str(pattern))
    if span:
        first, last = span.groups()
        if int(last) - int(first) >= MOST_TARS:
            raise InputError(f"{pattern}: more than {MOST_TARS} tars", "correct the range in braces")
        numbers = (str(n).zfill(len(first)) for n in range(int(first), int(last) + 1))
        expanded = (Path(str(pattern)[: span.start()] + n + str(pattern)[span.end() :]) for n in numbers)
        paths = list(dict.fromkeys(islice((p for each in expanded for p in shard_paths(each)), MOST_TARS + 1)))
        if len(paths) > MOST_TARS:
            raise InputError(f"{pattern}: more than {MOST_TARS} tars", "correct the ranges in braces")
        return paths
    if not re.search(r"[*?\[]", str(pattern)):
        return [pattern]
    return sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))


def split_of_tar(path: Path, root: Path) -> SourceSplit | None:
    """Return the split that the folders or the name of a tar mean."""
    words = path.relative_to(root).parts
    return next((split for word in words if (split := split_called(word))), SPLITS.get(root.name.lower()))


def splits_in(path: Path, root: Path, labels: Labels) -> set[SourceSplit]:
    """Return the splits of a tar: that of its name, else those that folders within it mean, such as train/0001.png."""
    if split := split_of_tar(path, root):
        return {split}
    splits = set[SourceSplit]()
    try:
        with open_tar(path) as tar:
            for member in tar:
                if member.isfile() and "/" not in member.name:
                    break  # the keys have no folders: a large tar need not be listed twice
                splits |= {split_of_member(member.name, labels)} - {None}  # type: ignore[arg-type]
    except (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError):
        pass  # reading it says so
    return splits


def split_of_member(name: str, labels: Labels) -> SourceSplit | None:
    """Return the split that the folders of a tar's file mean; a class may be called train."""
    folders = name.split("/")[:-1]
    return next((split for n in folders if (split := split_called(n)) and not labels.is_class(n)), None)


def _read_tar(path: Path, split: SourceSplit | None, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """Yield the labelled pictures of a tar; of a damaged one, those before the damage."""
    members = list[tarfile.TarInfo]()
    try:
        with open_tar(path) as tar:
            try:
                members += (member for member in tar if member.isfile() or member.islnk() or member.issym())
                members += _behind_the_end(tar, path, members, findings)
            except (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError) as error:
                reason = f"the tar is damaged after {counted(len(members), 'file')}: {error}"
                findings.leave_out(path, reason, exists=False)
            else:
                if not members:
                    findings.leave_out(path, "the tar is empty", exists=False)
            files = _with_links_resolved(members, path, findings)
            yield from _read_members(tar, path, files, split, labels, findings)
    except (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError) as error:
        kind = kind_of(head_of(path))
        named = path.name.lower().endswith(COMPRESSED)
        tip = unpacking(path.name) if named else _UNCOMPRESS.get(kind, "write the tar again, without compression")
        reason = f"{kind}, not an uncompressed tar" if kind else f"not an uncompressed tar: {error}"
        findings.leave_out(path, reason, exists=False, tip=tip)


def _behind_the_end(
    tar: tarfile.TarFile, path: Path, members: Sequence[tarfile.TarInfo], findings: Findings
) -> list[tarfile.TarInfo]:
    """Return the files after the first end of a tar, where two tars were joined or a header is damaged."""
    end = tar.offset  # of the block that ended the tar, or that is not a header
    with open_regular(path) as file:
        file.seek(end)
        if not any(piece.strip(b"\0") for piece in iter(partial(file.read, 2**20), b"")):
            return []
    with open_tar(path, ignore_zeros=True) as whole:
        behind = [m for m in whole if m.offset >= end and (m.isfile() or m.islnk() or m.issym())]
    found = counted(len(behind), "file was", "files were") if behind else "no file was"
    reason = f"the tar is damaged, or several in one: after {counted(len(members), 'file')} (byte {end}) {found} found"
    findings.leave_out(path, reason, exists=False, tip="write the tar again")
    return behind


def _with_links_resolved(
    members: Sequence[tarfile.TarInfo], path: Path, findings: Findings
) -> Iterator[tarfile.TarInfo]:
    """Yield the files of a tar; a link, as GNU tar writes for the second name of a file, with its target's bytes."""
    of_name = {posixpath.normpath(member.name): member for member in members}
    for member in members:
        target: tarfile.TarInfo | None = member
        for _ in range(_MOST_LINKS):
            if target is None or target.isfile():
                break
            folder = posixpath.dirname(target.name) if target.issym() else ""
            target = of_name.get(posixpath.normpath(posixpath.join(folder, target.linkname)))
        if target is not None and target.isfile():
            if not _is_sane(path, member.name, target, findings):
                continue
            if target is not member:
                member.type, member.size, member.offset_data = tarfile.REGTYPE, target.size, target.offset_data
            yield member
        else:
            reason = f"a link to {show(member.linkname)}, which is not a file of the tar"
            findings.leave_out(path, reason, member.name, exists=False)


def _is_sane(path: Path, name: str, file: tarfile.TarInfo, findings: Findings) -> bool:
    """Return whether a file of a tar, or of a link's name, may be read: a small tar can claim any size, or holes."""
    label = _split_ending(name)[1] in _LABELS
    most = _MOST_LABEL if label else MOST_BYTES
    reason = "a sparse file" if file.issparse() else f"larger than {most // 2**20} MiB" if file.size > most else ""
    if reason:
        findings.leave_out(path, reason, name, kind="with an absurd size", exists=not label)
    return not reason


def _split_key(name: str) -> tuple[str, str]:
    """Split into key and extension as webdataset does: at the first dot of the name's last component."""
    folder, slash, file = name.rpartition("/")
    stem, _, ending = file.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _read_members(
    tar: tarfile.TarFile,
    path: Path,
    members: Iterable[tarfile.TarInfo],
    split: SourceSplit | None,
    labels: Labels,
    findings: Findings,
) -> Iterator[LabelledImage]:
    """Yield the pictures among the files of a tar: of every one that is not read the findings say why.

    webdataset ends a key at the first dot, so that a_v1.0.png has the key a_v1. But a file that is called like the
    picture up to its last dot (a_v1.0.cls) can only be its label; it comes before the label of the key (a_v1.cls).
    """
    before = len(findings.skipped), len(findings.passed_over)
    by_key, by_stem = dict[str, dict[str, tarfile.TarInfo]](), dict[str, dict[str, tarfile.TarInfo]]()
    pictures, duplicates, names = dict[str, list[tarfile.TarInfo]](), set[str](), set[str]()
    other_files = dict[str, str]()
    for member in members:
        (key, ending), (stem, last) = _split_key(member.name), _split_ending(member.name)
        if last in _LABELS and not _hidden(member.name):
            if last in by_stem.setdefault(stem, {}):
                duplicates.add(member.name)
            by_stem[stem].setdefault(last, member)
            if ending in _LABELS:
                by_key.setdefault(key, {}).setdefault(ending, member)
        elif _looks_like_picture(tar, path, member, _unique_name(member, names), findings):
            pictures.setdefault(key, []).append(member)
        else:
            other_files.setdefault(key, member.name)
        names.add(member.name)
    for key, group in pictures.items():  # only now: a label may come after its picture
        names_read = set[str]()
        for member in group:
            own_labels = by_stem.get(_split_ending(member.name)[0])
            label_files = own_labels or by_key.get(key, {})
            if member.name in names_read:
                reason = "its name is a duplicate in the tar, and the first is used"
                kind = "with a duplicate name in the tar"
                findings.leave_out(path, reason, _unique_name(member, names_read), kind=kind)
            elif names_read and not own_labels:
                reason = "another picture with the same key comes first, and the label belongs to that one"
                findings.leave_out(path, reason, member.name, kind="after another picture with the same key")
            elif repeated := [label.name for label in label_files.values() if label.name in duplicates]:
                kind = "with a duplicate label in the tar"
                reason = f"its label {repeated[0]} is a duplicate in the tar"
                findings.leave_out(path, reason, member.name, kind=kind, tip=_GIVE_LABELS)
            elif not leave_out_unreadable(path, member.name, findings, member.name):
                yield from _read_sample(tar, path, member, label_files, split, labels, findings)
            names_read.add(member.name)
    # the picture of a label may be left out for a reason of its own; keys that begin with _ are notes of the program
    # that wrote the tar, not samples
    left_out = (*findings.skipped[before[0] :], *findings.passed_over[before[1] :])
    keys = {*pictures, *(_split_key(each.member)[0] for each in left_out)}
    for label in (member for group in by_stem.values() for member in group.values()):
        key = _split_key(label.name)[0]
        if key not in keys and not key.rpartition("/")[2].startswith("_"):
            other = other_files.get(key)
            reason = f"a label of {show(other)}, not of a picture" if other else "a label without a picture"
            findings.leave_out(path, reason, key, exists=False, tip=_GIVE_LABELS)


def _unique_name(member: tarfile.TarInfo, names: Collection[str]) -> str:
    """Name a member, and where it is in the tar if another of its name comes before it."""
    return f"{member.name}@{member.offset}" if member.name in names else member.name


def _split_ending(name: str) -> tuple[str, str]:
    """Return the stem and the ending, divided at the last dot of the last part of the name."""
    folder, slash, file = name.rpartition("/")
    stem, _, last = file.rpartition(".") if "." in file else (file, "", "")
    return f"{folder}{slash}{stem}", last.lower()


def _looks_like_picture(
    tar: tarfile.TarFile, path: Path, member: tarfile.TarInfo, name: str, findings: Findings
) -> bool:
    """Tell whether a file of a tar may be read as a picture; a picture that may not is counted under the name."""
    ending = f".{_split_ending(member.name)[1]}"
    if ending in SUFFIXES | UNREAD_SUFFIXES and _hidden(member.name):
        findings.pass_over(path, "hidden (the name begins with a dot)", name)
        return False
    if ending in UNREAD_SUFFIXES:
        findings.pass_over(path, ending, name)
    if ending in UNREAD_SUFFIXES | OTHER_SUFFIXES or _hidden(member.name):
        return False
    if ending in SUFFIXES and member.size >= POINTER_BYTES:
        return True
    head = _head_of(tar, member)
    if is_pointer(head, member.size) and (ending in SUFFIXES or NO_ENDING.fullmatch(ending)):
        leave_out_pointer(path, findings, name)
        return False
    if ending in SUFFIXES:
        return True
    if not is_picture(head):
        if kind := unread_kind(head, ending):
            findings.pass_over(path, kind, name)
        return False
    if NO_ENDING.fullmatch(ending):
        return True
    findings.pass_over(path, ending, name)
    return False


def _head_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return the first bytes of a file of a tar; empty where the tar ends before."""
    try:
        file = tar.extractfile(member)
        return file.read(HEAD) if file else b""
    except (tarfile.TarError, OSError):
        return b""


def _hidden(name: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))


def _read_sample(
    tar: tarfile.TarFile,
    path: Path,
    picture: tarfile.TarInfo,
    label_files: Mapping[str, tarfile.TarInfo],
    split: SourceSplit | None,
    labels: Labels,
    findings: Findings,
) -> Iterator[LabelledImage]:
    try:
        label = _label(tar, label_files)
    except (ValueError, tarfile.TarError, OSError) as error:
        if labels.needed:
            reason = f"its label cannot be read: {error}"
            findings.leave_out(path, reason, picture.name, kind="with an unreadable label", tip=_GIVE_LABELS)
            return
        label = ""
    index = labels.find(label) if label or not labels.needed else None
    if not label and labels.needed:
        reason = f"no label: no {', '.join(_LABELS[:-1])} or {_LABELS[-1]} file with its key"
        findings.leave_out(path, reason, picture.name, kind="without a label", tip=_GIVE_LABELS)
    elif labels.needed and labels.names and (other := _contradiction(tar, label_files, index, labels)):
        reason = f"contradictory labels: {show(label)} and {show(other)}"
        findings.leave_out(path, reason, picture.name, kind="with contradictory labels", tip=_GIVE_LABELS)
    elif index is None:
        findings.unknown_labels[labels.named(label)] += 1
        findings.pass_over(path, _NO_CLASS, picture.name)
    else:
        yield LabelledImage(
            path=path,
            label=index,
            member=picture.name,
            offset=picture.offset_data,
            size=picture.size,
            source_split=split or split_of_member(picture.name, labels),
        )


def _contradiction(
    tar: tarfile.TarFile, label_files: Mapping[str, tarfile.TarInfo], index: int | None, labels: Labels
) -> str:
    """Return the label of another label file of a sample, if it is another class; captions are not compared."""
    for ending in label_files.keys() - {"txt"}:
        try:
            label = _label(tar, {ending: label_files[ending]})
        except (ValueError, tarfile.TarError, OSError):
            continue
        if label and labels.find(label) not in (None, index):
            return label
    return ""


def _label(tar: tarfile.TarFile, label_files: Mapping[str, tarfile.TarInfo]) -> str:
    """Return the label of a sample, empty if it has none.

    Raises:
        ValueError: what holds it cannot be read as one label.
    """
    ending = next((e for e in _LABELS if e in label_files), None)
    file = tar.extractfile(label_files[ending]) if ending else None
    if file is None:
        return ""
    try:
        data = file.read()
        if is_pointer(data, len(data)):
            raise ValueError(f"a git-lfs pointer: {PULL}")
        text = data.decode("utf-8-sig")
        return _label_in(json.loads(text)) if ending == "json" else text.strip()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def _label_in(value: object) -> str:
    """Return the one label in a JSON value: a text, a number, a list of one, or an object with a usual key."""
    if isinstance(value, dict):
        keys = [key for key in _IN_JSON if key in value]
        if not keys:
            raise ValueError(f"the JSON has none of the keys {', '.join(_IN_JSON)}")
        return _label_in(value[keys[0]])
    if isinstance(value, list):
        if len(value) != 1:
            raise ValueError(f"the JSON has {len(value)} labels" if value else "the JSON has an empty list")
        return _label_in(value[0])
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
        return encodable(str(value).strip())
    raise ValueError(f"{show(value)} is not a label")
