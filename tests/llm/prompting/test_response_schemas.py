"""The forms of replies: small, closed, all keys required, and a reply in such a form is read."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from tests.llm.reading.test_partial import DATA, LISTED
from treegen.llm.chat.interface import ResponseSchema
from treegen.llm.prompting.response_schemas import (
    GROUPS,
    PATCH,
    REVISED_TREE,
    WHOLE_TREE,
    descriptions_of,
    rules_of,
    tell_apart,
)
from treegen.llm.reading.parser import parse_reply
from treegen.tree.model import Group

NAMES = [f"Class {n}" for n in range(40)]
SIX = [Group(name=f"group {n}", prompt="It is {}.", options=("a", "b")) for n in range(6)]
WIRES = [WHOLE_TREE, REVISED_TREE, GROUPS, PATCH, rules_of(SIX, NAMES), tell_apart(NAMES), descriptions_of(NAMES)]
SHARED = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "anyOf",
    "$ref",
    "$defs",
}


def schemas_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("$defs", {}).values()]
    for part in [*inner, *([schema["items"]] if "items" in schema else [])]:
        yield from schemas_in(part)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_every_object_is_closed_and_needs_all_its_keys(wire: ResponseSchema) -> None:
    jsonschema.Draft202012Validator.check_schema(wire.schema)
    assert wire.name.isidentifier()
    assert wire.schema["type"] == "object"
    for schema in schemas_in(wire.schema):
        assert set(schema) <= SHARED
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
    assert len(json.dumps(wire.schema)) < 5000


def test_a_tree_in_its_form_is_the_tree() -> None:
    """Lists of named entries stand for objects, as strict forms know no names beforehand."""
    jsonschema.validate({**LISTED, "alike": [], "looks": []}, WHOLE_TREE.schema)
    jsonschema.validate({**LISTED, "looks": []}, REVISED_TREE.schema)
    parsed = parse_reply(json.dumps(LISTED))
    assert parsed.data == {key: DATA[key] for key in ("classification_groups", "rules")}


def test_a_name_that_stands_twice_in_such_a_list_is_refused() -> None:
    twice = {**LISTED, "rules": [*LISTED["rules"], LISTED["rules"][0]]}
    assert [p.code for p in parse_reply(json.dumps(twice)).problems] == ["TG102"]
