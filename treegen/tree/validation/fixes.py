"""Repairs that are certain: what they are, and how they are applied to plain data."""

import copy
from collections.abc import Iterable
from typing import Any

from treegen.text import show
from treegen.tree.validation.problems import Edit, Fix, Problem, path_of, pointer_to


def blank_fix(pointer: str, text: str) -> Fix:
    """The fix for white space around a text."""
    return Fix(summary="remove the white space", edits=(Edit(op="replace", pointer=pointer, value=text.strip()),))


def rename_fix(wrong: str, right: str) -> Fix:
    """The fix for a class whose name is written differently; its rule keeps its place."""
    move = Edit(op="move", pointer=pointer_to("rules", right), source=pointer_to("rules", wrong))
    return Fix(summary=f"rename it to {show(right)}", edits=(move,))


def with_merge_fix(problem: Problem, data: Any) -> Problem:
    """A TG111 with its fix, if the option is literally an earlier one and two others stay to choose from."""
    group, index = _option(problem.pointer)
    try:
        options = data["classification_groups"][group]["options"]
        first = options.index(options[index])
    except LookupError:  # half a surrogate pair in the name: the pointer cannot hold it
        return problem
    if first == index or len(set(filter(lambda o: isinstance(o, str), options))) < 2:
        return problem
    fix = Fix(
        summary=f"remove it; its classes get option {first}, which says the same",
        edits=(Edit(op="merge", pointer=problem.pointer, value=first),),
    )
    return Problem(code=problem.code, pointer=problem.pointer, message=problem.message, fix=fix)


def apply_fixes(data: Any, problems: Iterable[Problem]) -> tuple[Any, int]:
    """The data with every certain fix applied (the input is left as it is), and how many there were.

    Fixes are written for the data as it was: what changes texts and answers comes first, then options are merged from
    the last to the first, so that no index moves before it is used, and at last classes get their names.
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
    """Group and index of an option's pointer."""
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
    """Removes an option that says what an earlier one says; the answers of all rules keep their meaning."""
    del data["classification_groups"][group]["options"][later]
    for rule in data["rules"].values():
        index = rule.get(group)
        if type(index) is int and index >= later:
            rule[group] = earlier if index == later else index - 1
