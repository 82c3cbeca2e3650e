"""The table of optional packages, against pyproject.toml and against every import in the package."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from treegen import extras
from treegen.extras import DISTRIBUTION, EXTRAS, MissingExtraError, explain_import_error, missing_modules, require

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = {name: [Requirement(text) for text in texts] for name, texts in PROJECT["optional-dependencies"].items()}
#: Imported by treegen, and installed by the packages of an extra: module -> extra.
BROUGHT_ALONG = {"httpx": "llm", "huggingface_hub": "clip"}


installed = cache(packages_distributions)  # which reads every file list of the environment


def distribution_of(module: str) -> str:
    """The name on the index of an installed module's distribution."""
    return canonicalize_name(installed()[module][0])


def own(name: str) -> set[str]:
    """The distributions that an extra of pyproject.toml names, without those of the extras that it includes."""
    return {str(canonicalize_name(r.name)) for r in DECLARED[name]} - {DISTRIBUTION}


def test_the_distribution_has_the_name_that_messages_tell() -> None:
    assert PROJECT["name"] == DISTRIBUTION


@pytest.mark.slow
@pytest.mark.parametrize("name", EXTRAS)
def test_an_extra_installs_the_modules_of_the_table_and_no_others(name: str) -> None:
    assert own(name) == {distribution_of(module) for module in EXTRAS[name].modules}
    included = {each for r in DECLARED[name] if r.name == DISTRIBUTION for each in r.extras}
    assert included == set(EXTRAS[name].includes)


def test_all_includes_every_extra_of_the_table_and_users_are_offered_no_others() -> None:
    (everything,) = DECLARED["all"]
    assert everything.extras == set(EXTRAS)
    assert set(DECLARED) - set(EXTRAS) == {"all", "bench", "docs", "dev"}


@pytest.mark.slow
def test_every_import_of_the_package_is_of_the_base_or_in_the_table() -> None:
    base = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    optional = {module for extra in EXTRAS.values() for module in extra.modules} | set(BROUGHT_ALONG)
    imported = set()
    for path in (ROOT / "treegen").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"treegen"}
    assert {"click", "torch", "ray"} <= foreign
    assert {name for name in foreign - optional if distribution_of(name) not in base} == set()


def test_extras_that_messages_and_documents_name_exist() -> None:
    named = set[str]()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(ROOT / "treegen").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert "pip install 'treegen[" not in text, path
        named |= {n for found in re.findall(r"treegen-clip\[([a-z,]+)\]", text) for n in found.split(",")}
        named |= {n for found in re.findall(r"pip install '?\.\[([a-z,]+)\]", text) for n in found.split(",")}
    assert named <= set(DECLARED)


def test_what_is_missing_is_one_sentence_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    there = extras.is_installed
    monkeypatch.setattr(extras, "is_installed", lambda module: module not in ("torch", "ray") and there(module))
    require("llm")
    assert missing_modules("ray") == ("torch", "ray")
    with pytest.raises(MissingExtraError) as caught:
        require("ray", otherwise="or wait")
    assert caught.value.exit_code == 2
    assert caught.value.message == "embedding with Ray needs torch and ray, which are not installed"
    assert caught.value.tip == "pip install 'treegen-clip[ray]'; or wait"
    explained = explain_import_error(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"))
    assert explained is not None
    assert explained.message.endswith("needs torch, which is not installed")


def test_a_package_of_two_included_extras_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "is_installed", lambda module: False)
    assert all(len(set(missing_modules(name))) == len(missing_modules(name)) for name in EXTRAS)
    assert missing_modules("optimize").count("PIL") == 1


def test_an_import_that_fails_for_another_reason_is_not_explained_away() -> None:
    """A fault inside an installed package, or of a module that no extra installs."""
    assert explain_import_error(ImportError("cannot import name 'x'", name="torch")) is None
    assert explain_import_error(ModuleNotFoundError("No module named 'nowhere'", name="nowhere")) is None
    assert explain_import_error(ImportError("no name")) is None
