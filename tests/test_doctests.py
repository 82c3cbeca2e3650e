"""The examples in docstrings give what they say."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

import treegen

PACKAGE = Path(treegen.__file__).parent
EXAMPLE = re.compile(r"^ *>>> ", re.MULTILINE)


def examples_of(path: Path) -> int:
    return len(EXAMPLE.findall(path.read_text(encoding="utf-8")))


WITH_EXAMPLES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): count
    for path in sorted(PACKAGE.rglob("*.py"))
    if (count := examples_of(path))
}


def test_the_package_has_examples() -> None:
    assert WITH_EXAMPLES


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_every_example_is_run_and_gives_what_it_says(name: str) -> None:
    """An example that doctest does not find, in a function within a function say, counts as one that fails."""
    done = doctest.testmod(import_module(name))
    assert done.failed == 0
    assert done.attempted == WITH_EXAMPLES[name]
