"""treegen's own keywords, tested through the schema files: JSON Schema ignores a misspelt keyword silently."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from treegen.resources import read_schema, schema_names
from treegen.tree.validation.schema import schema_problems, validator_of

OWN = {"slots", "distinctNormalised", "indexInto"}
STANDARD = set(Draft202012Validator.VALIDATORS) | {
    "$schema",
    "$id",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
}
OF_NAMES = ("properties", "$defs", "patternProperties")


def findings(data: Any) -> list[tuple[str, tuple[str | int, ...]]]:
    """Keyword and path of every error that the schema file itself yields."""
    return [(str(e.validator), tuple(e.absolute_path)) for e in validator_of("tree").iter_errors(data)]


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and every schema inside it; names of properties are not taken for keywords."""
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword, value in schema.items():
        if keyword in OF_NAMES:
            inner = list(value.values())
        elif keyword in OWN | {"const", "enum", "default", "examples", "dependentRequired"}:
            inner = []
        else:
            inner = value if isinstance(value, list) else [value]
        for each in inner:
            yield from subschemas(each)


@pytest.mark.parametrize("name", schema_names())
def test_each_schema_is_itself_valid(name: str) -> None:
    schema = json.loads(read_schema(name))
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith(f"urn:treegen:{name}:")


@pytest.mark.parametrize("name", schema_names())
def test_each_schema_uses_only_keywords_that_the_validator_knows(name: str) -> None:
    used = {keyword for schema in subschemas(json.loads(read_schema(name))) for keyword in schema}
    assert used <= STANDARD | OWN
    assert set(validator_of(name).VALIDATORS) >= OWN


@pytest.mark.parametrize("name", schema_names())
def test_each_property_of_each_schema_has_a_description_for_an_editor_to_show(name: str) -> None:
    found = [
        item for schema in subschemas(json.loads(read_schema(name))) for item in schema.get("properties", {}).items()
    ]
    assert found
    assert [key for key, schema in found if not schema.get("description", "").strip()] == []


def test_the_schemas_of_tree_and_domain_are_there() -> None:
    assert {"tree", "domain"} <= set(schema_names())


@pytest.mark.parametrize(
    ("prompt", "faulty"), [("a {}", 0), ("a", 1), ("{} and {}", 1), ("{{}}", 0), ("{0}", 1), ("", 1)]
)
def test_slots_demands_exactly_one_pair_of_braces(content: dict[str, Any], prompt: str, faulty: int) -> None:
    content["classification_groups"]["colour"]["prompt"] = prompt
    assert findings(content) == [("slots", ("classification_groups", "colour", "prompt"))] * faulty


@pytest.mark.parametrize(("option", "faulty"), [("{}", 1), ("{} legs {}", 1), ("{", 0), ("}{", 0), ("{0}", 0)])
def test_an_option_must_not_hold_a_pair_of_braces(content: dict[str, Any], option: str, faulty: int) -> None:
    content["classification_groups"]["legs"]["options"][1] = option
    found = schema_problems(content, "tree")
    place = "/classification_groups/legs/options/1"
    assert [(p.code, p.pointer) for p in found] == [("TG110", place)] * faulty
    assert all("an option must not contain {}" in p.message for p in found)


@pytest.mark.parametrize("value", [5, None, ["{}"], {"a": "{}"}, True])
def test_slots_leaves_what_is_no_text_to_the_type(content: dict[str, Any], value: Any) -> None:
    content["classification_groups"]["colour"]["prompt"] = value
    assert findings(content) == [("type", ("classification_groups", "colour", "prompt"))]


def test_distinct_normalised_points_at_every_later_option_that_is_the_same(content: dict[str, Any]) -> None:
    content["classification_groups"]["legs"]["options"] = ["The Wing", "four", "wings", "FOUR", "ｗｉｎｇ"]
    place = ("classification_groups", "legs", "options")
    assert findings(content) == [("distinctNormalised", (*place, i)) for i in (2, 3, 4)]
    assert 'option 2 "wings" is the same as option 0 "The Wing"' in schema_problems(content, "tree")[0].message


def test_distinct_normalised_passes_over_options_that_are_no_text(content: dict[str, Any]) -> None:
    content["classification_groups"]["legs"]["options"] = [1, 1, ["no"], "no"]
    place = ("classification_groups", "legs", "options")
    assert sorted(findings(content)) == [("type", (*place, i)) for i in (0, 1, 2)]
    content["classification_groups"]["legs"]["options"] = "no no"
    assert findings(content) == [("type", place)]


@pytest.mark.parametrize(("index", "faulty"), [(0, 0), (2, 0), (3, 1), (10**30, 1), (10**400, 1)])
def test_index_into_demands_an_index_within_the_groups_own_options(
    content: dict[str, Any], index: int, faulty: int
) -> None:
    content["rules"]["Newt"]["legs"] = index
    assert findings(content) == [("indexInto", ("rules", "Newt", "legs"))] * faulty


def test_index_into_says_which_indices_there_are(content: dict[str, Any]) -> None:
    content["rules"]["Newt"]["legs"] = 3
    (problem,) = schema_problems(content, "tree")
    assert (problem.code, problem.pointer) == ("TG112", "/rules/Newt/legs")
    assert problem.message == '"Newt" has option 3 in "legs", which has 3 options (0 to 2)'


@pytest.mark.parametrize("index", [None, True, 1.0, "1", -1])
def test_index_into_leaves_what_is_no_index_to_the_other_keywords(content: dict[str, Any], index: Any) -> None:
    content["rules"]["Newt"]["legs"] = index
    assert "indexInto" not in [keyword for keyword, _ in findings(content)]


def test_index_into_says_nothing_about_a_group_that_is_unknown_or_broken(content: dict[str, Any]) -> None:
    content["rules"]["Newt"]["wings"] = 9
    content["rules"]["Newt"]["legs"] = 9
    content["classification_groups"]["legs"] = {"prompt": "{} legs", "options": "no"}
    content["classification_groups"]["colour"] = 5
    assert {keyword for keyword, _ in findings(content)} == {"type"}
    content["classification_groups"] = []
    assert findings(content) == [("type", ("classification_groups",))]


@pytest.mark.parametrize("value", [True, False, 1.0, 0.0, "0", [], {}])
def test_only_whole_numbers_and_null_are_indices(content: dict[str, Any], value: Any) -> None:
    content["rules"]["Newt"]["legs"] = value
    (problem,) = schema_problems(content, "tree")
    assert (problem.code, problem.pointer) == ("TG103", "/rules/Newt/legs")
    assert problem.message.startswith("expected a whole number or null, found ")


def test_a_negative_index_is_told_with_the_smallest_one_allowed(content: dict[str, Any]) -> None:
    content["rules"]["Newt"]["legs"] = -1
    (problem,) = schema_problems(content, "tree")
    assert (problem.code, problem.message) == ("TG106", "must be at least 0: -1")


def test_a_missing_key_and_an_unknown_key_are_named(content: dict[str, Any]) -> None:
    del content["domain"]
    content["domian"] = "pond"
    missing, unknown = schema_problems(content, "tree")
    assert (missing.code, missing.pointer, missing.message) == ("TG104", "", 'the key "domain" is missing')
    assert (unknown.code, unknown.pointer) == ("TG105", "/domian")
    assert unknown.message.startswith('unknown key "domian"; known keys: $schema, classification_groups, conflicts')
