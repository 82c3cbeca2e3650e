"""The run of docs/optimize.md on the bundled domain, from its recording."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from treegen.workflow.demo import lay_out

pytest.importorskip("gepa")
pytest.importorskip("dspy")
RECORDING = ROOT / "tests" / "data" / "optimize.jsonl"
REVIEWED = 0.849  # of the demo's reviewed tree


@pytest.mark.slow
def test_the_recorded_run_gains_on_the_test_split_what_it_shows_on_the_confirm_half(
    run: Run, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    lay_out(tmp_path / "demo")
    assert run("draft", tmp_path / "demo", "--no-score", "--model", "replay/conversation.jsonl").code == 0
    tree = tmp_path / "demo" / "tree.json"
    done = run("optimize", tree, "--model", f"replay/{RECORDING}", "--patience", 2, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert (result["stop"], result["replies"], len(RECORDING.read_text().splitlines())) == ("no gain", 12, 12)
    assert [each["fate"] for each in result["rounds"]] == ["accepted"] * 9 + ["no change", "no gain shown"]
    test, paired = result["score"]["test"]["accuracy"], result["score"]["mcnemar"]["parent"]
    assert 0.8 < test < REVIEWED
    assert paired["wins"] > 3 * paired["losses"]
    half = result["confirm"]
    assert half["after"] / half["n"] - test < 0.03
    page = (ROOT / "docs" / "optimize.md").read_text()
    assert f"{100 * test:.1f} % [" in page
    assert f"{100 * (REVIEWED - test):.1f} points short" in page
    figures = f"confirm {half['before'] / half['n']:.3f} -> {half['after'] / half['n']:.3f}, test {test:.3f}"
    record_property("figure", f"recorded optimize run: {figures}, {paired['wins']} won, {paired['losses']} lost")
