"""Random folders, embedded without a domain and with one: files on disk = listed + left out by name."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.images.test_census import CLASSES, FILES, File, write
from treegen.batch.interface import NO_LABEL
from treegen.batch.sources import list_sources
from treegen.config.domain import Domain


@pytest.mark.slow
@pytest.mark.parametrize("named", [False, True])
@settings(deadline=None, max_examples=100)
@given(files=FILES)
def test_of_any_folder_every_picture_is_listed_or_left_out(named: bool, files: Sequence[File]) -> None:
    """With a domain, what lies below a folder that is called like a class has its label, and nothing else has one."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "set"
        root.mkdir()
        found = write(root, files)
        listing = list_sources(root, Domain(folder=root, name="pond", classes=CLASSES) if named else None, own=False)
        labels = {source.path: source.image.label for source in listing.sources()}
        findings = listing.findings
        left_out = [each.below(root) for each in (*findings.skipped, *findings.passed_over) if each.exists]
        assert sorted([*labels, *left_out]) == sorted(found)
        for path, label in labels.items():
            classes = [CLASSES.index(name) for name in path.split("/")[:-1] if name in CLASSES]
            assert label == (classes[0] if classes and named else NO_LABEL)
        assert named or any("no labels" in note for note in listing.notes())
