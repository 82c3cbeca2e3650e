"""Which files an export writes, and what it refuses."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE
from treegen.errors import InputError, ProblemsError
from treegen.exchange.exporting import FORMATS, export_tree, load_tree, refuse_targets, write_export
from treegen.tree.document import tree_from

SAMPLE = tree_from(json.loads(TREE))


def test_every_format_but_safetensors_needs_the_tree_alone(tmp_path: Path) -> None:
    for form in FORMATS[:-1]:
        exported = export_tree(SAMPLE, form)
        paths = write_export(exported, tmp_path / form)
        assert all(p.read_bytes() for p in paths)
        assert len(paths) == (2 if form == "clip-benchmark" else 1)
    with pytest.raises(InputError, match="embedded prompts"):
        export_tree(SAMPLE, "safetensors")
    with pytest.raises(InputError, match="no format"):
        export_tree(SAMPLE, "xml")


def test_a_tree_with_errors_is_refused_with_a_tip(tmp_path: Path) -> None:
    path, empty = tmp_path / "tree.json", tmp_path / "empty"
    path.write_text(TREE.replace('"size": 1}', '"size": 9}'), encoding="utf-8")
    empty.mkdir()
    with pytest.raises(ProblemsError, match="TG112") as found:
        load_tree(path)
    assert "treegen check" in found.value.tip
    with pytest.raises(ProblemsError, match="TG112"):
        load_tree(tmp_path)
    with pytest.raises(InputError, match=r"a folder without tree\.json"):
        load_tree(empty)


def test_targets_are_refused(tmp_path: Path) -> None:
    tree, other = tmp_path / "tree.json", tmp_path / "x"
    tree.write_text(TREE, encoding="utf-8")
    other.write_text("mine", encoding="utf-8")
    cases = [
        ("csv", tree, True, "tree itself"),
        ("csv", tmp_path, True, "folder"),
        ("csv", other, False, "exists"),
        ("clip-benchmark", other, True, "is a file"),
    ]
    for form, out, force, told in cases:
        with pytest.raises(InputError, match=told):
            refuse_targets(form, out, source=tree, force=force)
    refuse_targets("csv", other, source=tree, force=True)
    assert other.read_text(encoding="utf-8") == "mine"
