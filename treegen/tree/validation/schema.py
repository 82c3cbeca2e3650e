"""treegen's own JSON Schema keywords and the validator that knows them.

JSON Schema silently ignores misspelt keywords, so each of these has a test of its own.
"""

import json
import math
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from treegen.resources import read_schema
from treegen.text import counted, show
from treegen.tree.validation.fast_path import doubtful_part
from treegen.tree.validation.normalise import normalise
from treegen.tree.validation.problems import Problem, pointer_to

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPE_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}
_WANTED = {
    "object": "an object",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_CODES = {
    "slots": "TG110",
    "distinctNormalised": "TG111",
    "indexInto": "TG112",
    "type": "TG103",
    "required": "TG104",
    "dependentRequired": "TG104",
}


def _required(_: Any, keys: list[str], value: Any, __: Any) -> "Iterator[ValidationError]":
    """JSON Schema's own keyword: its message alone would say which key is missing."""
    from jsonschema.exceptions import ValidationError

    for key in keys if isinstance(value, dict) else ():
        if key not in value:
            yield ValidationError(f"the key {show(key)} is missing")


def _dependent_required(_: Any, dependents: dict[str, list[str]], value: Any, __: Any) -> "Iterator[ValidationError]":
    from jsonschema.exceptions import ValidationError

    for key, required in dependents.items() if isinstance(value, dict) else ():
        for missing in required if key in value else ():
            if missing not in value:
                yield ValidationError(f"the key {show(missing)} is missing; {show(key)} requires it")


def _slots(_: Any, expected: int, value: Any, __: Any) -> "Iterator[ValidationError]":
    from jsonschema.exceptions import ValidationError

    if isinstance(value, str) and (count := value.count("{}")) != expected:
        message = "the prompt must contain {} exactly once" if expected else "an option must not contain {}"
        yield ValidationError(f"{message}, found {count}: {show(value)}")


def _distinct(_: Any, enabled: bool, value: Any, __: Any) -> "Iterator[ValidationError]":
    from jsonschema.exceptions import ValidationError

    if not enabled or not isinstance(value, list):
        return
    first: dict[str, int] = {}
    for index, option in enumerate(value):
        if isinstance(option, str):
            earlier = first.setdefault(normalise(option), index)
            if earlier != index:
                yield ValidationError(
                    f"option {index} {show(option)} is the same as option {earlier} {show(value[earlier])}; "
                    "options must exclude each other",
                    path=[index],
                )


def _index_into(_: Any, spec: dict[str, str], value: Any, __: Any) -> "Iterator[ValidationError]":
    """Check that every index below `indices` is within the list `key` of the same-named object below `lists`."""
    from jsonschema.exceptions import ValidationError

    if not isinstance(value, dict):
        return
    lists, owners = value.get(spec["lists"]), value.get(spec["indices"])
    if not isinstance(lists, dict) or not isinstance(owners, dict):
        return
    lengths = {
        name: len(entry[spec["key"]])
        for name, entry in lists.items()
        if isinstance(entry, dict) and isinstance(entry.get(spec["key"]), list)
    }
    for owner, indices in owners.items():
        for name, index in indices.items() if isinstance(indices, dict) else ():
            if isinstance(index, bool) or not isinstance(index, int) or name not in lengths:
                continue
            if index >= lengths[name]:  # the schema's own minimum rejects negative ones
                size = counted(lengths[name], "option")
                valid = f" (0 to {lengths[name] - 1})" if lengths[name] else ""
                yield ValidationError(
                    f"{show(owner)} has option {index} in {show(name)}, which has {size}{valid}",
                    path=[spec["indices"], owner, name],
                )


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: Any, value: Any) -> bool:
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


@cache
def validator_of(schema: str) -> Any:
    """Return a Draft 2020-12 validator of `schemas/SCHEMA.schema.json` that also knows treegen's keywords."""
    from jsonschema import Draft202012Validator, validators

    extended: Any = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {
            "required": _required,
            "dependentRequired": _dependent_required,
            "slots": _slots,
            "distinctNormalised": _distinct,
            "indexInto": _index_into,
        },
        # 1.0 is not an index, and TOML's nan is not a fraction: it passes every limit
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number}),
    )
    return extended(json.loads(read_schema(schema)))


def schema_problems(data: Any, schema: str) -> list[Problem]:
    """Return all findings of the schema, ordered by pointer."""
    problems: list[Problem] = []
    if schema == "tree" and isinstance(data, dict):
        data = doubtful_part(data)
        if data is None:
            return []
    for error in validator_of(schema).iter_errors(data):
        problems += problems_of(error)
    return sorted(problems, key=lambda p: (p.pointer, p.code))


def problems_of(error: "ValidationError") -> list[Problem]:
    """Translate one schema error into problems in treegen's words."""
    path, keyword = list(error.absolute_path), str(error.validator)
    value: Any = error.instance
    expected: Any = error.validator_value
    if keyword == "additionalProperties" and expected is False:
        allowed = set((error.schema if isinstance(error.schema, dict) else {}).get("properties", {}))
        extra = [k for k in value if k not in allowed]
        hint = f"; known keys: {', '.join(sorted(allowed))}"
        return [
            Problem(code="TG105", pointer=pointer_to(*path, k), message=f"unknown key {show(k)}{hint}") for k in extra
        ]
    code, message = _CODES.get(keyword, "TG106"), error.message
    if keyword == "type":
        types = " or ".join(_WANTED[t] for t in ([expected] if isinstance(expected, str) else expected))
        message = f"expected {types}, found {_TYPE_NAMES.get(type(value), 'something else')}: {show(value)}"
    elif code == "TG106":
        message = _not_allowed(keyword, expected, value)
    return [Problem(code=code, pointer=pointer_to(*path), message=message, fix=None)]


def _not_allowed(keyword: str, expected: Any, value: Any) -> str:
    """Return the message for a value that has the right type but is not allowed."""
    if keyword == "pattern" and expected == "\\S":
        return f"must not be blank: {show(value)}"
    sentences = {
        "minItems": f"expected at least {expected} entries, found {len(value) if isinstance(value, list) else 0}",
        "maxItems": f"expected at most {expected} entries, found {len(value) if isinstance(value, list) else 0}",
        "uniqueItems": f"an entry is a duplicate: {show(value)}",
        "minProperties": "must not be empty",
        "minimum": f"must be at least {expected}: {show(value)}",
        "maximum": f"must be at most {expected}: {show(value)}",
        "exclusiveMinimum": f"must be more than {expected}: {show(value)}",
        "exclusiveMaximum": f"must be less than {expected}: {show(value)}",
        "const": f"must be {show(expected)}: {show(value)}",
        "enum": f"must be one of {show(expected)}: {show(value)}",
        "pattern": f"must match {expected}: {show(value)}",
    }
    return sentences.get(keyword, f"not allowed by {keyword}: {show(value)}")
