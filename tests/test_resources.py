import json
from pathlib import Path

import pytest

from treegen import resources
from treegen.errors import InputError
from treegen.resources import data_dir, read_schema, schema_names, sketchbook_dir

ROOT = Path(__file__).parents[1]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package without any data yet."""
    package = tmp_path / "treegen"
    package.mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", package)
    return package


@pytest.mark.parametrize("name", ["prompts", "schemas", "examples"])
def test_the_data_folders_of_the_checkout_are_found(name: str) -> None:
    assert data_dir(name) == ROOT / name


def test_the_folder_in_the_wheel_is_found_where_there_is_no_checkout(package: Path) -> None:
    (package / "schemas").mkdir()
    (package.parent / "schemas").mkdir()  # a stranger's folder beside an installed package
    assert data_dir("schemas") == package / "schemas"


def test_the_checkout_comes_before_a_stale_copy_in_the_package(package: Path) -> None:
    (package.parent / "pyproject.toml").touch()
    (package / "schemas").mkdir()
    assert data_dir("schemas") == package / "schemas"
    (package.parent / "schemas").mkdir()
    assert data_dir("schemas") == package.parent / "schemas"


def test_an_installation_without_its_data_says_what_to_do(package: Path) -> None:
    with pytest.raises(InputError, match="'prompts' is missing from this installation") as caught:
        data_dir("prompts")
    assert caught.value.tip == "install treegen again"


def test_every_schema_is_listed_by_name_and_reads_as_json() -> None:
    names = schema_names()
    assert names == sorted(names)
    assert all(json.loads(read_schema(name))["type"] == "object" for name in names)


@pytest.mark.parametrize("name", ["none", "", "../pyproject", "tree.schema.json", "TREE"])
def test_an_unknown_schema_is_refused_with_the_names_there_are(name: str) -> None:
    with pytest.raises(InputError, match="no schema named") as caught:
        read_schema(name)
    assert "domain" in caught.value.tip
    assert "tree" in caught.value.tip


def test_the_bundled_domain_lies_among_the_examples() -> None:
    assert sketchbook_dir() == ROOT / "examples" / "sketchbook"
