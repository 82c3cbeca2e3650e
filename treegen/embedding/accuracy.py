"""How well a tree's answers agree with the labels of the pictures, on those that may be reported on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from treegen.clip.statistics import wilson_interval
from treegen.embedding.parquet import ParquetFolder
from treegen.embedding.planning import Plan
from treegen.images import ImageSet, LabelledImage
from treegen.tree.document import digest_of
from treegen.workspace import split_settings


def measure(plan: Plan, table: ParquetFolder, encoder: str, rule: str) -> dict[str, Any] | None:
    """Accuracy over all rows of a table, with n and interval.

    Of the domain's own images it is that of the test part, and counts as a look at it. Other images count, but for
    contents that the domain has in its dev part: its trees may have been chosen by them.

    Args:
        plan: whose tree has answered.
        table: the answers.
        encoder: its fingerprint.
        rule: the decision rule with its parameters, in words.

    Returns:
        `part` (`test`, or `all` for images that are not the domain's own), `n`, `correct`, `accuracy`, `interval`,
        and `left_out`, the number of images of the dev part; `None` without a tree, without images of its
        classes, or where the domain seals the test part.
    """
    if plan.tree is None or plan.workspace is None or (plan.listing.own and plan.workspace.domain.split.sealed):
        return None
    labels = {name: index for index, name in enumerate(plan.workspace.domain.classes)}
    rows = [row for row in table.rows(("path", "digest", "label", "part", "predicted")) if row[2] in labels]
    images = [
        LabelledImage(path=Path(path), digest=digest, label=labels[label], part=part)
        for path, digest, label, part, _ in rows
    ]
    parts = _parts(plan, images)
    counted = [
        label == predicted
        for image, (_, _, label, _, predicted) in zip(images, rows, strict=True)
        if parts.get(image.digest, "test") == "test" and image.part != "dev"
    ]
    if not counted:
        return None
    if plan.listing.own:
        workspace, looked = plan.workspace, ImageSet(images=tuple(images)).digest
        look = (digest_of(plan.tree), encoder, rule)
        workspace.store.look(looked, split_settings(workspace.domain.split), [look])
    n, correct = len(counted), sum(counted)
    return {
        "part": "test" if plan.listing.own else "all", "n": n, "correct": correct, "accuracy": correct / n,
        "interval": list(wilson_interval(correct, n)), "left_out": len(rows) - n,
    }  # fmt: skip


def _parts(plan: Plan, images: Sequence[LabelledImage]) -> dict[str, str]:
    """Content digest -> part: of the domain's own images as `treegen score` divides them, of others as recorded."""
    assert plan.workspace is not None
    if plan.listing.own:
        return plan.workspace.divide(images)
    return plan.workspace.recorded_parts()
