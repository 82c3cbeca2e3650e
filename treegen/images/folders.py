"""Image sets with one folder per class, at any depth."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Final

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images.archives import count_archives
from treegen.images.files import picture_files, repeated_by_links
from treegen.images.interface import Findings, LabelledImage, Labels, SourceSplit, shown, split_called

_NO_CLASS = "in no class folder"
_SPLIT_RANKS: Final[tuple[SourceSplit | None, ...]] = ("test", "val", "train", None)


def read_folders(settings: ImageSettings, labels: Labels, findings: Findings) -> Iterator[LabelledImage]:
    """See `Reader`."""
    if not settings.source.is_dir():
        what = "a file, not a folder" if settings.source.exists() else "no such image folder"
        raise InputError(f"{settings.source}: {what}", "correct `folder` below [images] in domain.toml")
    yield from images_of_folders(settings.source, labels, findings)
    count_archives(settings.source, findings)


def images_of_folders(
    root: Path,
    labels: Labels,
    findings: Findings,
    *,
    without: Collection[Path] = (),
    is_named: Callable[[Path], bool] = lambda _: False,
) -> Iterator[LabelledImage]:
    """Yield the images by class and name. A folder named like a class sets the class of all below; the outermost wins.

    Args:
        root: the folder above.
        labels: finds the classes.
        findings: collects what is left out.
        without: folders whose pictures are read elsewhere.
        is_named: whether a picture is read elsewhere, as a table names it.

    Raises:
        InputError: the root cannot be read.
    """
    try:
        tops = [p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{root}: cannot be read: {error.strerror or error}", "check who may read it") from None
    of_class, tops_with_pictures = dict[int, list[Path]](), set[str]()
    paths = sorted(picture_files(root, findings, without=without), key=attrgetter("parts"))
    repeated = repeated_by_links(paths, root, partial(rank_of_path, root=root, labels=labels), findings)
    for path in paths:
        names = path.relative_to(root).parts[:-1]
        tops_with_pictures.update(names[:1])
        if path in repeated or is_named(path):
            continue
        label = next((class_index for name in names if (class_index := labels.find(name)) is not None), None)
        if label is not None:
            of_class.setdefault(label, []).append(path)
        else:
            findings.pass_over(path, _NO_CLASS)
            if names:
                findings.unknown_labels[_unknown_label(names)] += 1
    for name in tops:
        if name not in tops_with_pictures and labels.find(name) is None and not without:
            findings.unknown_labels[name] += 0
    findings.notes += _note_unknown_splits(of_class, root, labels)
    splits = dict[Path, SourceSplit | None]()
    for index, paths in sorted(of_class.items()):
        for path in paths:
            if path.parent not in splits:
                splits[path.parent] = split_of(path, root, labels)
            yield LabelledImage(path=path, label=index, source_split=splits[path.parent])


def _note_unknown_splits(of_class: Mapping[int, Sequence[Path]], root: Path, labels: Labels) -> Iterator[str]:
    """Note where the classes are in several folders that are not called like splits, such as entrenamiento/Newt."""
    above, classes = Counter[Path](), dict[Path, set[int]]()
    for index, paths in of_class.items():
        for path in paths:
            names = path.relative_to(root).parts[:-1]
            depth = next(at for at, name in enumerate(names) if labels.find(name) is not None)
            above[Path(*names[:depth])] += 1
            classes.setdefault(Path(*names[:depth]), set()).add(index)
    several = {folder: count for folder, count in above.items() if len(classes[folder]) > 1}
    if len(several) > 1 and not any(split_called(name) for folder in several for name in folder.parts):
        listed = ", ".join(f"{shown(folder)} ({count})" for folder, count in several.items())
        yield f"the classes are in several folders, {listed}, none called like a split: all are divided by seed"


def rank_of_path(path: Path, root: Path, labels: Labels | None) -> tuple[int, bool, bool]:
    """Return the order of paths to one file: those of the test split first, then of others, of classes, not links."""
    if labels is None:
        return 0, False, path.is_symlink()
    names = path.relative_to(root).parts[:-1]
    split = _SPLIT_RANKS.index(split_of(path, root, labels))
    return split, all(labels.find(name) in (None, -1) for name in names), path.is_symlink()


def _unknown_label(names: Sequence[str]) -> str:
    """Return which folder may be called like a class: the one below that of a split, or else the outermost."""
    below_split = next((names[at + 1 :] for at, name in enumerate(names) if split_called(name)), ())
    return below_split[0] if below_split else next((name for name in names if not split_called(name)), names[0])


def split_of(path: Path, root: Path, labels: Labels) -> SourceSplit | None:
    """Return the split named first among the folders from the root to the file; a class may be called train."""
    folders = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    return next((split for n in folders if (split := split_called(n)) and labels.find(n) is None), None)


def folder_outside(path: Path, root: Path, labels: Labels) -> str:
    """Name the folder below the root that a picture outside the splits is in: that above its class, else its class."""
    folders = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    depth = next((at for at, name in enumerate(folders) if labels.find(name) is not None), len(folders))
    return shown("/".join(folders[: max(depth, 1)])) or "."
