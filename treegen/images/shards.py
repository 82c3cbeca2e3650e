"""Webdataset shards: tars of KEY.jpg with KEY.cls, .json or .txt; members are read in place."""

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images.interface import PARTS, SUFFIXES, Findings, LabelledImage, Labels, PartName

_RANGE: Final = re.compile(r"\{(\d+)\.\.(\d+)\}")
_LABELS: Final = ("cls", "label", "json", "txt")  # a text is often a caption, so it is used last
_IN_JSON: Final = ("label", "cls", "class", "class_name")


def read_shards(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`. The split comes from the tar's folder or name: test/0.tar, birds-train-0001.tar."""
    paths = shard_paths(settings.source)
    if not paths:
        raise InputError(f"{settings.source}: no such tars", "mend `shards` below [images], such as data/*.tar")
    for path in paths:
        if path.is_file():
            yield from _read_tar(path, _part_of(path, settings.root), labels, findings)
        else:
            findings.leave_out(path, "no such tar")


def shard_paths(pattern: Path) -> list[Path]:
    """Expand a pattern to sorted tars: `*`, `?`, `[..]` as in a shell, `{000..012}` as in webdataset."""
    found = _RANGE.search(str(pattern))
    if found:
        first, last = found.groups()
        numbers = (str(n).zfill(len(first)) for n in range(int(first), int(last) + 1))
        expanded = (Path(str(pattern)[: found.start()] + n + str(pattern)[found.end() :]) for n in numbers)
        return [path for each in expanded for path in shard_paths(each)]
    if not re.search(r"[*?\[]", str(pattern)):
        return [pattern]
    return sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))


def _part_of(path: Path, root: Path) -> PartName | None:
    words = [*path.relative_to(root.parent).parts[:-1], *re.split(r"[-_.]", path.name)]
    return next((PARTS[word.lower()] for word in words if word.lower() in PARTS), None)


def _read_tar(path: Path, part: PartName | None, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """Yield the labelled pictures of a tar; of a damaged one, those before the damage."""
    samples: dict[str, dict[str, tarfile.TarInfo]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            try:
                for member in tar:
                    if member.isfile():
                        key, ending = _parted(member.name)
                        samples.setdefault(key, {}).setdefault(ending, member)
            except (tarfile.TarError, OSError, ValueError) as error:
                findings.leave_out(path, f"the tar is damaged after {len(samples)} pictures: {error}")
            else:
                if not samples:
                    findings.leave_out(path, "the tar is empty")
            for key, members in samples.items():
                yield from _read_sample(tar, path, key, members, part, labels, findings)
    except (tarfile.TarError, OSError, ValueError) as error:
        findings.leave_out(path, f"not a tar without compression: {error}")


def _parted(name: str) -> tuple[str, str]:
    """Split into key and extension as webdataset does: at the first dot of the name's last component."""
    folder, slash, file = name.rpartition("/")
    stem, _, ending = file.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _read_sample(
    tar: tarfile.TarFile,
    path: Path,
    key: str,
    members: Mapping[str, tarfile.TarInfo],
    part: PartName | None,
    labels: Labels,
    findings: Findings,
) -> Iterator[LabelledImage]:
    picture = next((m for ending, m in members.items() if f".{ending.rpartition('.')[2]}" in SUFFIXES), None)
    if picture is None:
        if not key.rpartition("/")[2].startswith((".", "_")) and set(members) & set(_LABELS):
            findings.leave_out(path, "a label without a picture", key)
        return
    try:
        label = _label(tar, members)
    except (ValueError, RecursionError, tarfile.TarError, OSError) as error:
        findings.leave_out(path, f"its label cannot be read: {error}", picture.name)
        return
    index = labels.find(label) if label else None
    if not label:
        findings.leave_out(path, f"no label: none of {', '.join(_LABELS)} beside it", picture.name)
    elif index is None:
        findings.strangers[labels.named(label)] += 1
    else:
        yield LabelledImage(
            path=path, label=index, member=picture.name, offset=picture.offset_data, size=picture.size, part=part
        )


def _label(tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]) -> str:
    """Return the label of a sample, empty if it has none."""
    ending = next((e for e in _LABELS if e in members), None)
    file = tar.extractfile(members[ending]) if ending else None
    if file is None:
        return ""
    text = file.read().decode("utf-8-sig")
    if ending != "json":
        return text.strip()
    found = json.loads(text)
    values = [found[key] for key in _IN_JSON if key in found] if isinstance(found, dict) else [found]
    return str(values[0]).strip() if values and isinstance(values[0], str | int) else ""
