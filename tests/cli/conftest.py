"""Answers of a language model in files."""

from pathlib import Path

import pytest

from tests.conftest import TREE


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    """A reply with prose around a fenced tree."""
    path = tmp_path / "answer.txt"
    path.write_text(f"Here is the tree.\n\n```json\n{TREE}```\nAnything else?\n", encoding="utf-8")
    return path
