"""The signal flags: what is committed belongs together, and `rebuild.py` makes it again offline."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from treegen.config.domain import load_domain

SOURCE = ROOT / "examples" / "signals"


def _read(folder: Path) -> Any:
    return json.loads((folder / "tree.json").read_text(encoding="utf-8"))


def test_the_committed_tree_is_approved_as_it_stands() -> None:
    """`check --require-approved` passes, and the approval names the digest of the content."""
    command = [sys.executable, "-m", "treegen", "check", "tree.json", "--require-approved"]
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 errors" in done.stdout
    tree = _read(SOURCE)
    assert tuple(tree["rules"]) == load_domain(SOURCE).classes
    assert tree["review"]["digest"] == tree["digest"]


def test_the_committed_report_and_readme_show_the_approved_score() -> None:
    """The report is of the approved content, has its accuracy, is small and loads nothing; so has the README."""
    tree = _read(SOURCE)
    report = (SOURCE / "report.html").read_text(encoding="utf-8")
    accuracy, n = f"{tree['review']['score']['accuracy']:.1%}".replace("%", " %"), tree["review"]["score"]["n"]
    assert f"on {accuracy} of {n} test images" in report
    assert tree["digest"].removeprefix("sha256:")[:12] in report
    assert len(report) < 1_000_000
    assert 'src="http' not in report
    assert f"| tree, revision 2 | {accuracy} |" in (SOURCE / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_rebuilding_gives_the_committed_tree_and_history(tmp_path: Path) -> None:
    """With half the pictures: the same content, the same changes in words, an accuracy far above the names'."""
    command = [sys.executable, str(SOURCE / "rebuild.py"), str(tmp_path / "out"), "--count", "16"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built, committed = _read(tmp_path / "out"), _read(SOURCE)
    assert built["digest"] == committed["digest"]
    assert built["review"]["by"] == committed["review"]["by"]
    history = (tmp_path / "out" / "history.md").read_text(encoding="utf-8")
    assert history == (SOURCE / "history.md").read_text(encoding="utf-8")
    score = built["review"]["score"]
    assert score["n"] == 208
    assert 0.05 < score["accuracy"] < 0.25
    assert score["baseline"] < 0.08
    assert "of 208 test images" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
