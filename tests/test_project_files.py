"""The files about the project say what pyproject.toml says: workflows, hooks, citation."""

import tomllib
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from treegen import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_tests_run_on_the_versions_of_python_that_the_project_names() -> None:
    """On Linux and macOS, from the lowest that it requires."""
    matrix = read(".github/workflows/tests.yml")["jobs"]["test"]["strategy"]["matrix"]
    named = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert matrix["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_use_the_lowest_python_or_all_and_call_targets_that_exist(path: Any) -> None:
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
        for step in job["steps"]:
            python = step.get("with", {}).get("python-version", "${{ matrix.python }}")
            assert python in ("${{ matrix.python }}", PROJECT["requires-python"].removeprefix(">="))
            if step.get("run", "").startswith("make "):
                assert f"\n{step['run'].split()[1]}:" in targets


def test_hooks_run_what_make_check_runs() -> None:
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert [hook["id"] for hook in repository["hooks"]] == ["ruff", "ruff-format", "mypy", "treegen-check"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in repository["hooks"])


def test_the_citation_is_of_this_version_and_license() -> None:
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["license"])
    assert {"message", "title", "authors"} <= citation.keys()
