"""The complete set of atomic changes, and operations on lists of them."""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from treegen.text import quote
from treegen.tree.changes.classes import (
    AnswersReordered,
    ClassAdded,
    ClassesReordered,
    ClassRemoved,
    ClassRenamed,
    DomainChanged,
    LookChanged,
    RuleChanged,
)
from treegen.tree.changes.conflicts import ConflictAdded, ConflictRemoved
from treegen.tree.changes.groups import GroupAdded, GroupRemoved, GroupRenamed, GroupsReordered, PromptChanged
from treegen.tree.changes.interface import ABSENT, Answer, Change, ChangeError, MutableTree
from treegen.tree.changes.options import OptionAdded, OptionRemoved, OptionRenamed, OptionsReordered
from treegen.tree.model import Tree

__all__ = [
    "ABSENT",
    "KINDS",
    "Answer",
    "AnswersReordered",
    "Change",
    "ChangeError",
    "ClassAdded",
    "ClassRemoved",
    "ClassRenamed",
    "ClassesReordered",
    "ConflictAdded",
    "ConflictRemoved",
    "DomainChanged",
    "GroupAdded",
    "GroupRemoved",
    "GroupRenamed",
    "GroupsReordered",
    "LookChanged",
    "MutableTree",
    "OptionAdded",
    "OptionRemoved",
    "OptionRenamed",
    "OptionsReordered",
    "PromptChanged",
    "RuleChanged",
    "apply",
    "from_json",
]

#: every kind of change, by name
KINDS: Final[dict[str, type[Change]]] = {
    kind.kind: kind
    for kind in (
        DomainChanged,
        GroupAdded,
        GroupRemoved,
        GroupRenamed,
        GroupsReordered,
        PromptChanged,
        OptionAdded,
        OptionRemoved,
        OptionRenamed,
        OptionsReordered,
        ClassAdded,
        ClassRemoved,
        ClassRenamed,
        ClassesReordered,
        LookChanged,
        RuleChanged,
        AnswersReordered,
        ConflictAdded,
        ConflictRemoved,
    )
}


def apply(tree: Tree, changes: Iterable[Change]) -> Tree:
    """Apply changes to the tree, one after the other. The sign-off stays as it is.

    Raises:
        ChangeError: a change does not fit the tree; nothing is changed.
    """
    draft = MutableTree(tree)
    for change in changes:
        change.make(draft)
    return draft.frozen(tree)


def from_json(data: Any) -> Change:
    """Read a change from the output of `Change.as_json`.

    Raises:
        ChangeError: the kind is unknown, or the fields are not those of the kind.
    """
    name = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in KINDS:
        raise ChangeError(f"unknown kind of change: {quote(data)}")
    kind = KINDS[name]
    values = {key: _read(value) for key, value in data.items() if key not in ("kind", "sentence")}
    hints = get_type_hints(kind)
    expected = {f.name: hints[f.name] for f in fields(kind) if f.default is MISSING or f.name in values}
    if set(values) != set(expected) or not all(_is_a(values[key], hint) for key, hint in expected.items()):
        raise ChangeError(f"wrong fields for a change of kind {quote(kind.kind)}: {quote(data)}")
    return kind(**values)


def _read(value: Any) -> Any:
    if value == {"absent": True}:
        return ABSENT
    return tuple(_read(v) for v in value) if isinstance(value, list) else value


def _is_a(value: Any, hint: Any) -> bool:
    """Whether a value matches a field's type."""
    inner = get_args(hint)
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        return len(value) == len(kinds) and all(map(_is_a, value, kinds))
    if get_origin(hint) is Literal:
        return value in inner
    return any(_is_a(value, one) for one in inner) if inner else type(value) is hint
