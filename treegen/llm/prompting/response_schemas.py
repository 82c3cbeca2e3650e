"""Response schemas: small JSON Schemas, within the subset that providers share.

Every object is closed and all its keys are required, as strict modes demand; where names are not known beforehand,
a list of named entries stands for an object. Lengths, ranges and exclusivity are checked here, for every reply.
"""

from collections.abc import Sequence
from typing import Any, Final

from treegen.llm.chat.interface import ResponseSchema
from treegen.tree.model import Group

Schema = dict[str, Any]


def _closed(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_TEXT: Final[Schema] = {"type": "string"}
_INDEX: Final[Schema] = {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}
_ALIKE: Final = _list(_list(_TEXT))
_QUESTION: Final = _closed(prompt=_TEXT, options=_list(_TEXT))
_GROUPS: Final = _list(_closed(name=_TEXT, prompt=_TEXT, options=_list(_TEXT)))
_ANSWERS: Final = _list(_closed(group=_TEXT, option=_INDEX))
_RULES: Final = _list(_closed(**{"class": _TEXT}, answers=_ANSWERS))
_LOOKS: Final = _list(_closed(**{"class": _TEXT}, looks=_list(_TEXT)))

WHOLE_TREE: Final = ResponseSchema(
    name="tree", schema=_closed(classification_groups=_GROUPS, rules=_RULES, alike=_ALIKE, looks=_LOOKS)
)
REVISED_TREE: Final = ResponseSchema(
    name="tree", schema=_closed(classification_groups=_GROUPS, rules=_RULES, looks=_LOOKS)
)
GROUPS: Final = ResponseSchema(name="groups", schema=_closed(classification_groups=_GROUPS))
PATCH: Final = ResponseSchema(
    name="patch",
    schema=_closed(
        patch=_list(
            _closed(
                op={"type": "string", "enum": ["add", "replace", "remove", "test"]},
                path=_TEXT,
                value={"anyOf": [_TEXT, {"type": "integer"}, {"type": "null"}, _list(_TEXT), _QUESTION]},
            )
        )
    ),
)


def rules_of(groups: Sequence[Group], classes: Sequence[str]) -> ResponseSchema:
    """Return the schema of one rule for each of the classes, by name."""
    rule = _closed(**{group.name: _INDEX for group in groups})
    rules = _closed(**{name: {"$ref": "#/$defs/rule"} for name in classes})
    looks = _list(_closed(name=_TEXT, **{"class": _TEXT}, answers={"$ref": "#/$defs/rule"}))
    schema = _closed(rules=rules, alike=_ALIKE, looks=looks)
    return ResponseSchema(name="rules", schema={**schema, "$defs": {"rule": rule}})


def tell_apart(classes: Sequence[str]) -> ResponseSchema:
    """Return the schema of groups that distinguish classes, with the answers of these classes in words."""
    answer = _closed(group=_TEXT, option={"anyOf": [_TEXT, {"type": "null"}]})
    rules = _closed(**{name: {"$ref": "#/$defs/answers"} for name in classes})
    schema = _closed(classification_groups=_GROUPS, rules=rules, alike=_ALIKE)
    return ResponseSchema(name="apart", schema={**schema, "$defs": {"answers": _list(answer)}})


def descriptions_of(classes: Sequence[str]) -> ResponseSchema:
    """Return the schema of one text for each of the classes, by name."""
    return ResponseSchema(name="descriptions", schema=_closed(descriptions=_closed(**dict.fromkeys(classes, _TEXT))))


def answers_to(groups: Sequence[Group]) -> ResponseSchema:
    """Return the schema of what is seen in a picture, then of one option for each group, null where it is not seen."""
    options = {
        group.name: {"anyOf": [{"type": "string", "enum": list(group.options)}, {"type": "null"}]} for group in groups
    }
    return ResponseSchema(name="answers", schema=_closed(seen=_TEXT, answers=_closed(**options)))
