"""benchmarks/drafting.py, with replies from the generator's own truth: by files, recorded, replayed, compared."""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from islands import Island
creatures = Island.named("notes-1").creatures()
tree = {"classification_groups": {}, "rules": {name: {} for name in creatures}}
for attribute, prompt in (("colour", "The creature is {}."), ("form", "creature like a {}"), ("feature", "It has {}.")):
    options = sorted({getattr(look, attribute) for look in creatures.values()})
    tree["classification_groups"][attribute] = {"prompt": prompt, "options": options}
    for name, look in creatures.items():
        tree["rules"][name][attribute] = options.index(getattr(look, attribute))
print(json.dumps(tree))
"""


RunBenchmark = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunBenchmark:
    """Runs the benchmark as its command does, in this process: most of its time is the import of the libraries."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")

    def call(*arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["drafting.py", *map(str, arguments)])
        try:
            runpy.run_path(str(ROOT / "benchmarks" / "drafting.py"), run_name="__main__")
        except SystemExit as ended:
            if ended.code:  # 0: it waits for a reply
                raise
        return capsys.readouterr().out

    return call


@pytest.fixture
def truth() -> dict[str, Any]:
    command = [sys.executable, "-c", SCRIPT, str(ROOT / "benchmarks")]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


@pytest.mark.slow
def test_two_versions_are_drafted_by_files_recorded_and_compared(
    run: RunBenchmark, tmp_path: Path, truth: dict[str, Any]
) -> None:
    prompts = tmp_path / "mine"
    prompts.mkdir()
    (prompts / "repair.jinja").write_text("Again: {{ problems | length }} problems.")
    common = ("--only", "notes-1", "--count", "4", "--prompts", prompts)
    manual = tmp_path / "asked"
    run(*common, "--manual", manual)
    assert "Build a classification tree" in (manual / "notes-1" / "request-1.md").read_text()
    (manual / "notes-1" / "reply-1.md").write_text(json.dumps(truth))
    run(*common, "--manual", manual)  # now the other version asks
    other = manual / "mine" / "notes-1"
    (other / "reply-1.md").write_text(json.dumps({**truth, "rules": {}}))
    (other / "reply-2.md").write_text(json.dumps(truth))
    table = run(*common, "--manual", manual)
    assert "Again: 2 problems." in (other / "request-2.md").read_text()
    assert "0 of 1" in table
    assert "1 of 1" in table
    assert "mine against built-in: +0.0% of 28 images, 0 won, 0 lost (McNemar p = 1)" in table


@pytest.mark.slow
def test_what_is_recorded_is_replayed_with_its_templates_and_the_same_figures(
    run: RunBenchmark, tmp_path: Path, truth: dict[str, Any]
) -> None:
    folder = tmp_path / "asked" / "notes-1"
    folder.mkdir(parents=True)
    (folder / "reply-1.md").write_text(json.dumps(truth))
    common = ("--only", "notes-1", "--count", "4", "--json")
    recorded = json.loads(run(*common, "--manual", tmp_path / "asked", "--record", tmp_path / "kept"))
    assert (tmp_path / "kept" / "draft.jinja").read_bytes() == (ROOT / "prompts" / "draft.jinja").read_bytes()
    (first, total), comparison = recorded["drafts"], recorded["comparison"]
    assert comparison is None
    assert first["tree"] == total["tree"]
    assert first["tree"]["n"] == 28
    assert first["tree"]["accuracy"] > first["baseline"]["accuracy"]
    assert (first["valid_at_first"], first["replies"], first["groups"]) == (1, 1, 3)
    (tmp_path / "asked").rename(tmp_path / "away")
    replayed = json.loads(run("--against", tmp_path / "kept", "--count", "4", "--json"))
    assert [{**draft, "version": "built-in"} for draft in replayed["drafts"]] == recorded["drafts"]


@pytest.mark.slow
def test_the_readers_conversations_are_replayed(run: RunBenchmark) -> None:
    """All that is committed, on a few pictures: one tree a domain, valid at first, far above the names."""
    recorded = ROOT / "benchmarks" / "drafting"
    drafts = json.loads(run("--count", "4", "--json"))["drafts"]
    domains, total = drafts[:-1], drafts[-1]
    assert [draft["domain"] for draft in domains] == ["notes-1", "notes-2", "pictures-3"]
    assert [(draft["valid_at_first"], draft["replies"], draft["groups"]) for draft in domains] == [
        (1, 1, 5),
        (1, 1, 5),
        (3, 3, 5),
    ]
    assert [len((recorded / f"{draft['domain']}.jsonl").read_text().splitlines()) for draft in domains] == [1, 1, 3]
    assert total["tree"]["n"] == 4 * 40 // 2
    assert total["tree"]["interval"][0] > total["baseline"]["interval"][1]
    assert {"draft.jinja", "describe.jinja", "system.jinja"} <= {path.name for path in recorded.glob("*.jinja")}
