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
from treegen.images import ImageSet, LabelledImage, as_divided, list_images
from treegen.tree.document import digest_of
from treegen.workflow.workspace import Workspace, split_settings


def measure(
    plan: Plan, table: ParquetFolder, encoder: str, rule: str, listed: KeySet, cache: EmbeddingCache | None = None
) -> dict[str, Any] | None:
    """Return the accuracy over the rows of the listed pictures, with n and interval.

    Of the domain's own images it is that of the test part, and counts as a look at it; so it is of a folder or a table
    in which every picture with a label has the content of one of them. Other images count unless the domain has their
    content itself: by its dev part its trees may have been chosen, and its test part is looked at where looks are
    counted.

    Args:
        plan: whose tree has answered.
        table: the answers; rows of earlier runs, of pictures that are gone, do not count.
        encoder: its fingerprint.
        rule: the decision rule with its parameters, in words.
        listed: paths of this run's pictures, as `key_of` gives them.
        cache: remembers the contents of the domain's own images, so that they are not read again.

    Returns:
        `part` (`test`, or `all` for images that are not the domain's own), `n`, `correct`, `accuracy`, `interval`,
        and `left_out`, the number of other listed images with a class; `None` without a tree, without images that
        count, or where the domain seals the test part.
    """
    if plan.tree is None or plan.workspace is None:
        return None
    labels = {name: index for index, name in enumerate(plan.workspace.domain.classes)}
    found = table.rows(("path", "digest", "label", "part", "predicted"))
    rows = [row for row in found if row[2] in labels and key_of(row[0]) in listed]
    images = as_divided(
        [
            LabelledImage(path=Path(path), digest=digest, label=labels[label], part=part)
            for path, digest, label, part, _ in rows
        ],
        plan.listing.settings.kind,
    )
    domains = images if plan.listing.own else _own_images(plan.workspace.domain, cache) if rows else []
    contents = {image.digest for image in domains}
    own = plan.listing.own or (bool(rows) and all(image.digest in contents for image in images))
    if own and plan.workspace.domain.split.sealed:
        return None
    counts = _counting(plan.workspace, images, domains, own=own)
    counted = [row[2] == row[4] for row, counts_too in zip(rows, counts, strict=True) if counts_too]
    if not counted:
        return None
    if own:
        workspace, looked = plan.workspace, ImageSet(images=tuple(domains)).digest
        look = (digest_of(plan.tree), encoder, rule)
        workspace.store.look(looked, split_settings(workspace.domain.split), [look])
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
