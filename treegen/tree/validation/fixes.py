"""Certain fixes: what they are, and how to apply them to plain data."""

import copy
from collections.abc import Iterable
from typing import Any

from treegen.text import show
from treegen.tree.validation.problems import Edit, Fix, Problem, path_of, pointer_to


def blank_fix(pointer: str, text: str) -> Fix:
    """Return the fix for white space around a text."""
    return Fix(summary="remove the white space", edits=(Edit(op="replace", pointer=pointer, value=text.strip()),))


def rename_fix(wrong: str, right: str, key: str = "rules") -> Fix:
    """Return the fix for a class name in a variant spelling; its rule, or its looks, keep their position."""
    move = Edit(op="move", pointer=pointer_to(key, right), source=pointer_to(key, wrong))
    return Fix(summary=f"rename it to {show(right)}", edits=(move,))


def with_merge_fix(problem: Problem, data: Any) -> Problem:
    """Add the fix to a TG111 if the option exactly repeats an earlier one and two distinct ones remain."""
    group, index = _option(problem.pointer)
    try:
        options = data["classification_groups"][group]["options"]
        first = options.index(options[index])
    except LookupError:  # half a surrogate pair in the name: not representable in a pointer
        return problem
    if first == index or len(set(filter(lambda o: isinstance(o, str), options))) < 2:
        return problem
    fix = Fix(
        summary=f"remove it; its classes get the identical option {first}",
        edits=(Edit(op="merge", pointer=problem.pointer, value=first),),
    )
    return Problem(code=problem.code, pointer=problem.pointer, message=problem.message, fix=fix)


def apply_fixes(data: Any, problems: Iterable[Problem]) -> tuple[Any, int]:
    """Apply every certain fix to a copy of the data; return it and the number of fixes.

    Fixes refer to the original data. So edits of texts and answers come first, then options are merged from last to
    first so that no index moves before it is used, and finally classes are renamed.
    """
    fixes = [problem.fix for problem in problems if problem.fix]
    data = copy.deepcopy(data)
    for edit in sorted((edit for fix in fixes for edit in fix.edits), key=_turn):
        _apply(data, edit)
    return data, len(fixes)


def _turn(edit: Edit) -> tuple[int, int]:
    if edit.op == "merge":
        return 1, -_option(edit.pointer)[1]
    return (2 if edit.op == "move" else 0), 0


def _option(pointer: str) -> tuple[str, int]:
    """Return group and index of an option's pointer."""
    _, group, _, index = path_of(pointer)
    return group, int(index)


def _apply(data: Any, edit: Edit) -> None:
    if edit.op == "merge":
        _merge(data, *_option(edit.pointer), edit.value)
        return
    *parents, last = path_of(edit.pointer)
    for part in parents:
        data = data[int(part)] if isinstance(data, list) else data[part]
    key = int(last) if isinstance(data, list) else last
    if edit.op == "remove":
        del data[key]
    elif edit.op == "move":
        wrong = path_of(edit.source)[-1]
        members = [(last if name == wrong else name, value) for name, value in data.items()]
        data.clear()
        data.update(members)
    else:
        data[key] = edit.value


def _merge(data: Any, group: str, later: int, earlier: Any) -> None:
    """Remove an option that repeats an earlier one; the answers of all rules keep their meaning."""
    del data["classification_groups"][group]["options"][later]
    for rule in data["rules"].values():
        index = rule.get(group)
        if type(index) is int and index >= later:
            rule[group] = earlier if index == later else index - 1
