"""constraints.txt pins what pyproject.toml asks for, and this environment was made from it."""

import re
import tomllib
from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [*PROJECT["dependencies"], *(r for texts in PROJECT["optional-dependencies"].values() for r in texts)]
LINES = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def pins(environment: dict[str, str]) -> dict[str, str]:
    """Name -> version of all that the lock pins on such a machine."""
    found: dict[str, str] = {}
    for line in LINES:
        if line.marker is None or line.marker.evaluate(environment):
            name = canonicalize_name(line.name)
            assert name not in found, f"{name} is pinned twice"
            found[name] = str(line.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_requirement_is_pinned_to_a_version_that_it_allows(version: str, platform: str) -> None:
    environment = {"python_version": version, "python_full_version": f"{version}.0", "sys_platform": platform}
    pinned = pins(environment)
    for requirement in map(Requirement, REQUIREMENTS):
        name = canonicalize_name(requirement.name)
        if name != PROJECT["name"]:
            assert requirement.specifier.contains(pinned[name], prereleases=True), f"{requirement}: {pinned[name]}"


def test_every_line_is_an_exact_pin() -> None:
    assert len(LINES) > 100
    assert [str(line) for line in LINES if not re.fullmatch(r"==[^,*]+", str(line.specifier))] == []


@pytest.mark.package
def test_this_environment_was_made_from_the_lock() -> None:
    """Whatever else somebody installed: what the lock names has its version, and needs nothing beside the lock."""
    pinned = pins({})
    installed = {canonicalize_name(d.name): d for d in distributions()}
    assert {name: d.version for name, d in installed.items() if pinned.get(name, d.version) != d.version} == {}
    needed = {
        canonicalize_name(requirement.name)
        for name, distribution in installed.items()
        if name in pinned
        for requirement in map(Requirement, distribution.requires or ())
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    assert needed - set(pinned) == set()
