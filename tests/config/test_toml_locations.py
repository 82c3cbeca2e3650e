"""Places of pointers in TOML: by hand, in every example, and in any text."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treegen.config.toml_locations import locate_toml
from treegen.tree.validation.problems import Place, pointer_to

TEXT = '''# a domain
name = "pond"
classes = [
  "Newt = 1",
  "Swan",
]
description = """
noun = "no key"
[images]
"""
split.dev = 0.5
"odd key/~" = 1

[check]   # how it is judged
  severity = { TG603 = "error",
TG205 = "off" }

[notes."a.b"]
'c d' = "= x"
'''


@pytest.mark.parametrize(
    ("pointer", "line", "column"),
    [
        ("", 1, 1),
        ("/name", 2, 1),
        ("/classes/1", 3, 1),
        ("/noun", 1, 1),
        ("/images", 1, 1),
        ("/split", 11, 1),
        ("/split/dev", 11, 1),
        ("/odd key~1~0", 12, 1),
        ("/check", 14, 1),
        ("/check/severity", 15, 3),
        ("/check/severity/TG603", 15, 3),
        ("/notes/a.b", 18, 1),
        ("/notes/a.b/c d", 19, 1),
        ("/notes/none", 18, 1),
    ],
)
def test_a_pointer_is_at_its_key_or_at_its_nearest_parent(pointer: str, line: int, column: int) -> None:
    assert locate_toml(TEXT, [pointer]) == {pointer: Place(line=line, column=column)}


def members(data: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = [m for key, value in data.items() for m in members(value, (*path, key))] if isinstance(data, dict) else []
    return [path, *inner] if path else inner


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "data/domains/valid").glob("*.toml")))
def test_every_key_of_the_examples_is_at_a_line_that_holds_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    found = members(tomllib.loads(text))
    assert found
    for member in found:
        line = lines[locate_toml(text, [pointer_to(*member)])[pointer_to(*member)].line - 1]
        assert any(key in line.replace('\\"', '"') for key in member)


@given(st.text("abc\"'=[]{}.#\n \\", max_size=60))
@pytest.mark.slow
def test_any_text_can_be_searched(text: str) -> None:
    for place in locate_toml(text, ["/a", "/a/b", "/c"]).values():
        assert 1 <= place.line <= text.count("\n") + 1
