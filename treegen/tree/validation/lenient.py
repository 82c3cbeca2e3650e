"""A tree out of a document that is not quite one: what cannot be held as it is written is read otherwise, and said."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from treegen.text import encodable, show
from treegen.tree.document import tree_from
from treegen.tree.feedback_target import Target
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.review_notes import class_target, group_target, option_target
from treegen.tree.validation.checks import check_text, in_review
from treegen.tree.validation.locations import problem_places
from treegen.tree.validation.normalise import normalise
from treegen.tree.validation.problems import Fix, Problem, errors_of, path_of, pointer_to

#: what a tree cannot hold as it is written; all other problems are those of a tree
_LOSSY: Final = frozenset({"TG102", "TG103", "TG105", "TG107"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A place of a document that was read otherwise than it is written.

    Attributes:
        problem: what is wrong there, and what was read instead; its fix is to take that.
        target: the part of the tree; for an answer, the class and the group.
        value: what was read.
    """

    problem: Problem
    target: Target
    value: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LenientTree:
    """What could be read of a text.

    Attributes:
        tree: `None` if it is not JSON, or not an object.
        readings: what was read otherwise than it is written.
        problems: why there is no tree, with their places.
    """

    tree: Tree | None
    readings: tuple[Reading, ...] = ()
    problems: tuple[Problem, ...] = field(default=())


def read_leniently(text: str) -> LenientTree:
    """Read a tree as far as possible: no part of the text is lost without a reading that says so."""
    checked = check_text(text)
    lossy = [p for p in checked.problems if _is_lossy(p)]
    if checked.document and not lossy:
        return LenientTree(tree=checked.document.tree)
    if not isinstance(checked.data, dict):
        problems = errors_of(checked.problems)
        places = problem_places(text, problems)
        return LenientTree(
            tree=None, problems=tuple(replace(p, place=at) for p, at in zip(problems, places, strict=True))
        )
    tree = _tree_of(checked.data, _unusable(lossy))
    return LenientTree(tree=tree, readings=tuple(_readings(lossy, tree)))


def value_of(tree: Tree, target: Target) -> Any:
    """Return what a tree has at the place of a reading; `None` if it has no such place."""
    if target.kind == "class":
        rule = next((rule for rule in tree.rules if rule.name == target.class_name), None)
        return None if rule is None else (tree.word(rule, target.group),) if target.group else rule.answers
    group = tree.group(target.group)
    if group is None or target.kind == "tree":
        return tree.domain if target.option == "/domain" else None
    return target.option in group.options if target.kind == "option" else (group.prompt, group.options)


def _is_lossy(problem: Problem) -> bool:
    is_rest = in_review(problem) or problem.pointer.startswith("/conflicts")
    return problem.code in _LOSSY or (is_rest and problem.severity == "error" and problem.code != "TG305")


def _unusable(problems: list[Problem]) -> set[str]:
    """Return what is left out: the sign-off, all conflicts or some of them, by their pointers."""
    paths = [path_of(p.pointer) for p in problems if in_review(p) or p.pointer.startswith("/conflicts")]
    return {pointer_to(*path[: 2 if path[0] == "conflicts" else 1]) for path in paths}


def _tree_of(data: dict[str, Any], unusable: set[str]) -> Tree:
    found = data.get("classification_groups")
    groups = tuple(_group(_text(name), group) for name, group in found.items()) if isinstance(found, dict) else ()
    rules = data.get("rules")
    listed = data.get("conflicts")
    sound: dict[str, Any] = {
        "domain": _text(data.get("domain", "")),
        "classification_groups": {},
        "rules": {},
        "review": None if "/review" in unusable else data.get("review"),
        "conflicts": []
        if "/conflicts" in unusable or not isinstance(listed, list)
        else [each for i, each in enumerate(listed) if pointer_to("conflicts", i) not in unusable],
    }
    options = {group.name: group.options for group in groups}
    read = tuple(_rule(_text(name), rule, options) for name, rule in rules.items()) if isinstance(rules, dict) else ()
    return replace(tree_from(sound), groups=groups, rules=read)


def _group(name: str, data: Any) -> Group:
    group = data if isinstance(data, dict) else {}
    options = group.get("options")
    return Group(
        name=name,
        prompt=_text(group.get("prompt", "")),
        options=tuple(map(_text, options)) if isinstance(options, list) else (),
    )


def _rule(name: str, data: Any, options: dict[str, tuple[str, ...]]) -> ClassRule:
    answers = data if isinstance(data, dict) else {}
    read = ((_text(group), _index(value, options.get(_text(group), ()))) for group, value in answers.items())
    return ClassRule(name=name, answers=tuple(read))


def _text(value: Any) -> str:
    """Return a text, or the JSON of anything else."""
    return encodable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _index(value: Any, options: tuple[str, ...]) -> int | None:
    """Return an index that is written as such, as a fraction or a text, or by the option's own words."""
    if isinstance(value, str):
        words = [normalise(option) for option in options]
        if words.count(normalise(value)) == 1:
            return words.index(normalise(value))
        return int(value) if value.isascii() and value.isdecimal() and int(value) < len(options) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == int(value) else None


def _readings(problems: list[Problem], tree: Tree) -> Iterator[Reading]:
    done: set[str] = set()
    for problem in problems:
        target, words = _place(problem, tree)
        if target.kind == "tree" and target.option in done:
            continue  # the sign-off is left out once, however much is wrong with it
        done |= {target.option} if target.kind == "tree" else set()
        fix = Fix(summary="take it as read", edits=())
        message = f"{problem.message}; {words}"
        yield Reading(problem=replace(problem, message=message, fix=fix), target=target, value=value_of(tree, target))


def _place(problem: Problem, tree: Tree) -> tuple[Target, str]:
    """Return the part of the tree that a problem is about, and how it was read."""
    parts = path_of(problem.pointer)
    rest = Target(kind="tree", option=problem.pointer)
    if problem.code == "TG102":
        return rest, "the last one was read"
    match parts:
        case _ if problem.code == "TG105":
            return rest, "read with a sign in its place" if problem.code == "TG107" else "left out"
        case ["review" | "conflicts", *_]:
            return Target(kind="tree", option=pointer_to(*parts[: 2 if parts[0] == "conflicts" else 1])), "left out"
        case ["classification_groups", name, "options", number] if group := tree.group(name):
            option = group.options[int(number)]
            return option_target(name, option), f"read as {show(option)}"
        case ["classification_groups", name, "prompt"] if group := tree.group(name):
            return group_target(name), f"read as {show(group.prompt)}"
        case ["classification_groups", name, *_] if tree.group(name):
            return group_target(name), "read as a group without options"
        case ["rules", name, group_name]:
            rule = next((rule for rule in tree.rules if rule.name == name), None)
            word = tree.word(rule, group_name) if rule else None
            words = f"read as {show(word)}" if word else "read as no answer"
            return Target(kind="class", class_name=name, group=group_name), words
        case ["rules", name]:
            return class_target(name), "read as a class without answers"
        case ["domain"]:
            return rest, f"read as {show(tree.domain)}"
    return rest, "read with a sign in its place" if problem.code == "TG107" else "left out"
