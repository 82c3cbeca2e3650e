"""Each promise of docs/promises.md names tests that exist."""

import ast
import re

import pytest

from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
#: sections that promise nothing to be tested
EXPLAINED = ("What is not promised",)


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_keeps_a_promise_exists(file: str, test: str) -> None:
    module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert test in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_every_promise_names_a_test() -> None:
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    promises = [
        promise
        for section in sections
        if not section.startswith(EXPLAINED)
        for promise in re.split(r"^- ", section, flags=re.MULTILINE)[1:]
    ]
    assert len(promises) > 15
    assert [promise for promise in promises if "`tests/" not in promise] == []
