"""Fold problems of one kind into one: a reply that forgot 41 classes has one thing to say, not 41."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from treegen.text import first_of, show
from treegen.tree.validation.problems import Problem, path_of

_LEAST: Final = 4  # of one kind; fewer take no more room than the sentence
#: code -> the sentence for several of it; every other code is shown by its first, with the number of others
_SENTENCES: Final = {
    "TG201": "{count} classes without a rule: {names}; give their options in every group",
    "TG201 rule": "{count} rules that answer nothing: {names}; give their options in at least one group",
    "TG202": "{count} classes have an answer for the group {group}, which the tree does not have: {names}",
    "TG203": "{count} rules for classes that the domain does not have: {names}",
    "TG204": "{count} classes have the same answers as another, and nothing can tell them apart: {names}",
    "TG205": "{count} options of {group} that no class has: {names}",
    "TG206": "{count} classes have no answer in {group}: {names}; give the index of its option, or null",
}


def fold(problems: Iterable[Problem], *, most: int | None = 10) -> tuple[Problem, ...]:
    """Return the problems, with four or more of one kind as a single one at the place of the first.

    Args:
        problems: in any order; their code, and the group that they concern, make the kind.
        most: names that a folded problem lists; `None` lists all, for a reader who has to act on each.
    """
    kinds: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(_kind(problem), []).append(problem)
    folded: list[Problem] = []
    for same in kinds.values():
        folded += [_as_one(same, most)] if len(same) >= _LEAST else same
    return tuple(folded)


def _kind(problem: Problem) -> tuple[str, ...]:
    return _sentence_of(problem), problem.severity, *path_of(problem.pointer)[:1], _group(problem)


def _sentence_of(problem: Problem) -> str:
    """Return the key of the sentence: of the code, and of a class without a rule or a rule without an answer."""
    is_rule = problem.code == "TG201" and len(path_of(problem.pointer)) > 1
    return "TG201 rule" if is_rule else problem.code


def _group(problem: Problem) -> str:
    path = path_of(problem.pointer)
    place = {"classification_groups": 1, "rules": 2}.get(path[0] if path else "")
    return problem.group or (path[place] if place and len(path) > place else "")


def _as_one(same: Sequence[Problem], most: int | None) -> Problem:
    first, names = same[0], [_subject(problem) for problem in same]
    listed = first_of(names, len(names) if most is None else most)
    sentence = _SENTENCES.get(_sentence_of(first))
    if sentence is None:
        others = ", ".join(dict.fromkeys(names[1:][:most]))
        message = f"{first.message} (and {len(same) - 1} more of this kind: {others})"
        return replace(first, message=message, fix=None)
    message = sentence.format(count=len(same), names=listed, group=show(_group(first)))
    root = "".join(f"/{part}" for part in path_of(first.pointer)[:1])
    return replace(first, pointer=root, message=message, fix=None, place=None)


def _subject(problem: Problem) -> str:
    """Return what the problem is about: a class, with the one that it is equal to, or a place in a group."""
    path = path_of(problem.pointer)
    if len(path) < 2:
        return ", ".join(map(show, problem.classes)) or show(problem.pointer)
    if problem.code == "TG204":
        return " = ".join(map(show, [path[1], *problem.classes]))
    if path[0] == "classification_groups" and len(path) > 3:
        return f"option {path[3]}" if problem.code == "TG205" else f"{show(path[1])} option {path[3]}"
    return show(path[1])
