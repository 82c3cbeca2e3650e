"""Agreement of a tree's answers with the pictures' labels, on pictures that may be reported on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from treegen.batch.interface import KeySet
from treegen.batch.parquet import ParquetFolder, key_of
from treegen.batch.plan import Plan
from treegen.clip.metrics.statistics import wilson_interval
from treegen.images import ImageSet, LabelledImage, as_divided
from treegen.tree.document import digest_of
from treegen.workflow.workspace import split_settings


def measure(plan: Plan, table: ParquetFolder, encoder: str, rule: str, listed: KeySet) -> dict[str, Any] | None:
    """Return the accuracy over the rows of the listed pictures, with n and interval.

    For the domain's own images this is the test split's, and is recorded as a test evaluation. Other images count
    unless the domain contains them: its trees may have been chosen on its dev split, and its test split is only
    evaluated where evaluations are counted.

    Args:
        plan: supplies the tree and the listing.
        table: the answers; rows of earlier runs for pictures that no longer exist are ignored.
        encoder: the encoder's fingerprint.
        rule: the decision rule with its parameters, in words.
        listed: paths of this run's pictures, as keys from `key_of`.

    Returns:
        `part` (`test`, or `all` for images other than the domain's own), `n`, `correct`, `accuracy`, `interval`, and
        `left_out`, the number of other listed images with a class; `None` without a tree, without images that count, or
        if the domain seals the test split.
    """
    if plan.tree is None or plan.workspace is None or (plan.listing.own and plan.workspace.domain.split.sealed):
        return None
    labels = {name: index for index, name in enumerate(plan.workspace.domain.classes)}
    table_rows = table.rows(("path", "digest", "label", "part", "predicted"))
    rows = [row for row in table_rows if row[2] in labels and key_of(row[0]) in listed]
    images = as_divided(
        [
            LabelledImage(path=Path(path), digest=digest, label=labels[label], part=part)
            for path, digest, label, part, _ in rows
        ],
        plan.listing.settings.kind,
    )
    eligible = _counting(plan, images)
    counted = [row[2] == row[4] for row, counts in zip(rows, eligible, strict=True) if counts]
    if not counted:
        return None
    if plan.listing.own:
        workspace, image_digest = plan.workspace, ImageSet(images=tuple(images)).digest
        evaluation = (digest_of(plan.tree), encoder, rule)
        contents = {row[1] for row, counts in zip(rows, eligible, strict=True) if counts}
        split = split_settings(workspace.domain.split)
        workspace.store.record_evaluations(image_digest, split, [evaluation], contents)
    n, correct = len(counted), sum(counted)
    return {
        "part": "test" if plan.listing.own else "all",
        "n": n,
        "correct": correct,
        "accuracy": correct / n,
        "interval": list(wilson_interval(correct, n)),
        "left_out": len(rows) - n,
    }


def _counting(plan: Plan, images: Sequence[LabelledImage]) -> list[bool]:
    """Whether each image counts: of the domain's own, those that `treegen score` assigns to the test split."""
    assert plan.workspace is not None
    if plan.listing.own:
        parts = plan.workspace.divide(images)
        return [parts[image.digest] == "test" and image.part != "dev" for image in images]
    recorded = plan.workspace.recorded_parts()
    return [image.digest not in recorded and image.part != "dev" for image in images]
