"""Agreement of a tree's answers with the pictures' labels, on pictures that may be reported on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from treegen.batch.interface import KeySet
from treegen.batch.parquet import RECOGNISED, ParquetFolder, key_of
from treegen.batch.plan import Plan
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.embedding.embed import read_image_set
from treegen.clip.metrics.statistics import wilson_interval
from treegen.config.domain import Domain
from treegen.errors import InputError
from treegen.images import ImageSet, LabelledImage, list_images
from treegen.text import counted, first_of
from treegen.tree.document import digest_of
from treegen.workflow.workspace import Workspace, split_settings

_MOST_NAMED: Final = 5


def measure(
    plan: Plan, table: ParquetFolder, encoder: str, rule: str, listed: KeySet, elsewhere: Sequence[LabelledImage] = ()
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Return the accuracy over the rows of the listed pictures, with n and interval; and notes.

    For the domain's own images this is the accuracy on the test split, and counts as one evaluation of it; so it does
    for a folder or a table in which every labelled picture has the content of one of them. Other images count unless
    the domain contains them: its trees may have been chosen on its dev split, and its test split is only evaluated
    where evaluations are counted. A picture of the domain's own set that has no label here has the label it has there.

    Args:
        plan: supplies the tree and the listing.
        table: the answers; rows of earlier runs for pictures that no longer exist are ignored.
        encoder: the encoder's fingerprint.
        rule: the decision rule with its parameters, in words; empty without a tree.
        listed: paths of this run's pictures, as keys from `key_of`.
        elsewhere: the domain's own images, unless it is these that are embedded.

    Returns:
        `part` (`test`, or `all` for images other than the domain's own), `n`, `correct`, `accuracy`, `interval`, and
        `left_out`, the number of other listed images with a class; `None` without a tree, without images that count, or
        if the domain seals the test split. And what to know of the domain's own pictures elsewhere.
    """
    if plan.workspace is None:
        return None, ()
    domain = plan.workspace.domain
    labels = {name: index for index, name in enumerate(domain.classes)}
    rows, notes = _labelled_rows(table, listed, domain, elsewhere, answers=plan.tree is not None)
    if plan.tree is None:
        return None, notes
    images = [
        LabelledImage(path=Path(path), digest=digest, label=labels[label], split=part)
        for path, digest, label, part, *_ in rows
    ]
    domains = images if plan.listing.own else elsewhere
    contents = {image.digest for image in domains}
    own = plan.listing.own or (bool(rows) and all(image.digest in contents for image in images))
    if own and domain.split.sealed:
        return None, notes
    eligible = _counting(plan.workspace, images, domains, own=own)
    hits = [row[2] == row[4] for row, counts in zip(rows, eligible, strict=True) if counts]
    if not hits:
        return None, notes
    if own:
        workspace, image_digest = plan.workspace, ImageSet(images=tuple(domains)).digest
        evaluation = (digest_of(plan.tree), encoder, rule)
        contents = {row[1] for row, counts in zip(rows, eligible, strict=True) if counts}
        split = split_settings(workspace.domain.split)
        workspace.store.record_evaluations(image_digest, split, [evaluation], contents)
    n, correct = len(hits), sum(hits)
    accuracy = {
        "part": "test" if own else "all",
        "n": n,
        "correct": correct,
        "accuracy": correct / n,
        "interval": list(wilson_interval(correct, n)),
        "left_out": len(rows) - n,
    }
    return accuracy, notes


def _labelled_rows(
    table: ParquetFolder, listed: KeySet, domain: Domain, own: Sequence[LabelledImage], *, answers: bool
) -> tuple[list[tuple[Any, ...]], tuple[str, ...]]:
    """Return the rows whose class is known, and notes on those that are the domain's own pictures under other names.

    Args:
        table: with the columns path, digest, label, part and, if there are `answers`, predicted.
        listed: paths of this run's pictures.
        domain: names the classes.
        own: the pictures of its image set, which are recognised by content.
        answers: whether a tree answered.
    """
    classes, names = {*domain.classes}, dict[str, set[str]]()
    for image in own:
        names.setdefault(image.digest, set()).add(domain.classes[image.label])
    rows, recognised, others = list[tuple[Any, ...]](), 0, list[str]()
    for row in table.rows((RECOGNISED, "path", "digest", "label", "part", *(["predicted"] if answers else []))):
        by_content, path, digest, label, *rest = row
        if key_of(path) not in listed:
            continue
        there = names.get(digest, set())
        if label in classes and not by_content:
            rows.append(row[1:])
            if there and label not in there:
                others.append(f"{path} ({label}, there {min(there)})")
        elif len(there) == 1:
            rows.append((path, digest, min(there), *rest))
            recognised += 1
    notes = list[str]()
    if recognised:
        subject = counted(recognised, "picture without a label here is", "pictures without a label here are")
        notes.append(f"{subject} the domain's own, recognised by content: label and split are those of its image set")
    if others:
        subject = counted(len(others), "picture has", "pictures have")
        notes.append(f"{subject} another label here than in the domain's image set: {first_of(others, _MOST_NAMED)}")
    return rows, tuple(notes)


def _counting(
    workspace: Workspace, images: Sequence[LabelledImage], domains: Sequence[LabelledImage], *, own: bool
) -> list[bool]:
    """Whether each image counts: of the domain's own, those that `treegen score` assigns to the test split."""
    if own:
        assigned = workspace.divide(domains)
        return [assigned[image.digest] == "test" and image.split != "dev" for image in images]
    recorded = {*workspace.recorded_splits(), *(image.digest for image in domains)}
    return [image.digest not in recorded and image.split != "dev" for image in images]


def own_images(domain: Domain, cache: EmbeddingCache | None) -> Sequence[LabelledImage]:
    """Return the domain's own images with their digests; none if it has none that can be read."""
    try:
        return (read_image_set(domain, cache) if cache else list_images(domain)).images
    except InputError:
        return ()
