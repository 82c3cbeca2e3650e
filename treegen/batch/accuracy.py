"""Agreement of a tree's answers with the pictures' labels, on pictures that may be reported on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from treegen.batch.interface import KeySet
from treegen.batch.parquet import ParquetFolder, key_of
from treegen.batch.plan import Plan
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.embedding.embed import read_image_set
from treegen.clip.metrics.statistics import wilson_interval
from treegen.config.domain import Domain
from treegen.errors import InputError
from treegen.images import ImageSet, LabelledImage, list_images
from treegen.tree.document import digest_of
from treegen.workflow.workspace import Workspace, split_settings


def measure(
    plan: Plan, table: ParquetFolder, encoder: str, rule: str, listed: KeySet, cache: EmbeddingCache | None = None
) -> dict[str, Any] | None:
    """Return the accuracy over the rows of the listed pictures, with n and interval.

    For the domain's own images this is the accuracy on the test split, and counts as one evaluation of it; so it does
    for a folder or a table in which every labelled picture has the content of one of them. Other images count unless
    the domain contains them: its trees may have been chosen on its dev split, and its test split is only evaluated
    where evaluations are counted.

    Args:
        plan: supplies the tree and the listing.
        table: the answers; rows of earlier runs for pictures that no longer exist are ignored.
        encoder: the encoder's fingerprint.
        rule: the decision rule with its parameters, in words.
        listed: paths of this run's pictures, as keys from `key_of`.
        cache: remembers the contents of the domain's own images, so that they are not read again.

    Returns:
        `part` (`test`, or `all` for images other than the domain's own), `n`, `correct`, `accuracy`, `interval`, and
        `left_out`, the number of other listed images with a class; `None` without a tree, without images that count, or
        if the domain seals the test split.
    """
    if plan.tree is None or plan.workspace is None:
        return None
    labels = {name: index for index, name in enumerate(plan.workspace.domain.classes)}
    table_rows = table.rows(("path", "digest", "label", "part", "predicted"))
    rows = [row for row in table_rows if row[2] in labels and key_of(row[0]) in listed]
    images = [
        LabelledImage(path=Path(path), digest=digest, label=labels[label], part=part)
        for path, digest, label, part, _ in rows
    ]
    domains = images if plan.listing.own else _own_images(plan.workspace.domain, cache) if rows else []
    contents = {image.digest for image in domains}
    own = plan.listing.own or (bool(rows) and all(image.digest in contents for image in images))
    if own and plan.workspace.domain.split.sealed:
        return None
    eligible = _counting(plan.workspace, images, domains, own=own)
    counted = [row[2] == row[4] for row, counts in zip(rows, eligible, strict=True) if counts]
    if not counted:
        return None
    if own:
        workspace, image_digest = plan.workspace, ImageSet(images=tuple(domains)).digest
        evaluation = (digest_of(plan.tree), encoder, rule)
        contents = {row[1] for row, counts in zip(rows, eligible, strict=True) if counts}
        split = split_settings(workspace.domain.split)
        workspace.store.record_evaluations(image_digest, split, [evaluation], contents)
    n, correct = len(counted), sum(counted)
    return {
        "part": "test" if own else "all",
        "n": n,
        "correct": correct,
        "accuracy": correct / n,
        "interval": list(wilson_interval(correct, n)),
        "left_out": len(rows) - n,
    }


def _counting(
    workspace: Workspace, images: Sequence[LabelledImage], domains: Sequence[LabelledImage], *, own: bool
) -> list[bool]:
    """Whether each image counts: of the domain's own, those that `treegen score` assigns to the test split."""
    if own:
        parts = workspace.divide(domains)
        return [parts[image.digest] == "test" and image.part != "dev" for image in images]
    recorded = {*workspace.recorded_parts(), *(image.digest for image in domains)}
    return [image.digest not in recorded and image.part != "dev" for image in images]


def _own_images(domain: Domain, cache: EmbeddingCache | None) -> Sequence[LabelledImage]:
    """Return the domain's own images with their digests; none if it has none that can be read."""
    try:
        return (read_image_set(domain, cache) if cache else list_images(domain)).images
    except InputError:
        return ()
