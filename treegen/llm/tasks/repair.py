"""Repair of a long tree: only the failing places are sent, and a JSON Patch (RFC 6902) of them suffices."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Final

from treegen.config.class_notes import notes_of
from treegen.config.domain import Domain
from treegen.llm.chat.interface import Message
from treegen.llm.prompting.languages import language_of
from treegen.llm.prompting.templates import render
from treegen.llm.reading.parser import parse_patch, parse_reply
from treegen.llm.reading.repairs import (
    Notes,
    alike_in,
    leave_out,
    only,
    renamed,
    repair_answers,
    repair_groups,
    settle_alike,
    with_fixes,
)
from treegen.llm.tasks.attempts import Read, Reader
from treegen.text import show
from treegen.tree.model import Group
from treegen.tree.validation.checks import check_data, looks_in
from treegen.tree.validation.folding import fold
from treegen.tree.validation.problems import Problem, errors_of, path_of, pointer_to

_PATCHABLE: Final = ("classification_groups", "rules", "looks")
_NOT_THE_MODELS: Final = ("$schema", "digest", "review", "conflicts", "domain")
_MOST_SHOWN: Final = 60  # places per request; the rest wait for the next


def check_tree_data(
    domain: Domain, data: dict[str, Any], *, repaired: bool = False, remarks: tuple[str, ...] = ()
) -> Read:
    """Check a reply's tree against the domain, after all repairs that are certain.

    Name, digest and approval are not the model's to set.
    """
    notes = Notes()
    content = only(data, _PATCHABLE, notes, silent=(*_NOT_THE_MODELS, "alike"))
    alike = alike_in(data.get("alike"), domain.classes, notes)
    if isinstance(content.get("looks"), dict):
        content["looks"] = only(renamed(content["looks"], domain.classes, notes), domain.classes, notes)
    if not content.get("looks"):
        content.pop("looks", None)
    if "classification_groups" in content:
        content["classification_groups"] = groups = repair_groups(content["classification_groups"], notes)
        if "rules" in content:
            content["rules"] = repair_answers(groups, content["rules"], notes)
    content = with_fixes({"domain": domain.name, **content}, domain.classes, notes)
    if "rules" in content:
        looks = looks_in(content)
        rows = [name for name in domain.classes if name not in looks.values()]
        content["rules"] = leave_out(content["rules"], [*rows, *looks], notes)
    checked = check_data(content, classes=domain.classes)
    tree = checked.document.tree if checked.document else None
    content = {
        **{key: value for key, value in content.items() if key != "domain"},
        **({"alike": alike} if alike else {}),
    }
    problems = tuple(settle_alike(checked.problems, alike))
    return Read(problems=problems, data=content, tree=tree, repaired=repaired, notes=remarks + notes.sentences)


def tree_reader(domain: Domain, base: dict[str, Any] | None = None, *, may_be_alike: bool = True) -> Reader:
    """Return a reader of a whole tree or, given a base to repair, of a JSON Patch of it.

    Args:
        domain: names the classes.
        base: groups and rules as plain data. An unusable reply leaves them unchanged.
        may_be_alike: a reply may list classes that it cannot tell apart; in a revision it makes no equal rules.
    """

    def read(text: str, finish: str | None) -> Read:
        patch = parse_patch(text) if base is not None and finish != "length" else None
        if base is not None and patch is not None:
            return _patched(domain, base, patch)
        parsed = parse_reply(text, finish=finish)
        if parsed.data is not None:
            if not may_be_alike:
                parsed.data.pop("alike", None)
            return check_tree_data(domain, parsed.data, repaired=parsed.repaired, remarks=parsed.notes)
        if base is None:
            return Read(problems=parsed.problems)
        before = check_tree_data(domain, base)
        return Read(problems=(*parsed.problems, *before.problems), data=before.data, tree=before.tree)

    return read


def _patched(domain: Domain, base: dict[str, Any], patch: Sequence[dict[str, Any]]) -> Read:
    """Apply all steps of a patch to the base; if one fails, return the base and the failing step."""
    import jsonpatch
    from jsonpointer import JsonPointerException

    patched = copy.deepcopy(base)
    looks = looks_in(patched)
    for name in (
        *looks,
        *(c for c in domain.classes if c not in looks.values()),
    ):  # lets a patch add a missing rule one answer at a time
        if isinstance(patched.setdefault("rules", {}), dict):
            patched["rules"].setdefault(name, {})
    for number, step in enumerate(patch, 1):
        try:
            _refuse_elsewhere(step)
            patched = jsonpatch.apply_patch(patched, [step], in_place=True)
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, ValueError, KeyError, IndexError) as why:
            message = f"step {number} of the patch cannot be made: {_reason(why)}; no step was made"
            place = step.get("path")
            failed = Problem(code="TG505", pointer=place if isinstance(place, str) else "", message=message)
            before = check_tree_data(domain, base)
            return Read(problems=(failed, *before.problems), data=before.data, tree=before.tree)
    if isinstance(patched["rules"], dict):
        patched["rules"] = {
            name: rule for name, rule in patched["rules"].items() if rule != {} or name in base["rules"]
        }
    return check_tree_data(domain, patched)


def _refuse_elsewhere(step: dict[str, Any]) -> None:
    """Refuse patch steps outside groups, looks and rules.

    Raises:
        ValueError: the step is outside.
    """
    for key in ("path", "from"):
        place = step.get(key, "/rules" if key == "from" else None)
        if not isinstance(place, str) or place.split("/")[1:2] not in [[part] for part in _PATCHABLE]:
            raise ValueError(
                f"{key} must be a JSON Pointer below /looks, /classification_groups or /rules, not {show(place)}"
            )


def _reason(why: Exception) -> str:
    return " ".join(str(why.args[0] if why.args else type(why).__name__).split())[:200]


def repair_request(domain: Domain, data: dict[str, Any], problems: Sequence[Problem]) -> tuple[Message, ...]:
    """Return a request to repair a tree that shows only what is needed for it.

    Args:
        domain: supplies the notes on the classes concerned.
        data: groups and rules, possibly of wrong types.
        problems: what to fix; only those of severity error are sent.
    """
    errors = errors_of(problems)[:_MOST_SHOWN]
    fragments: dict[str, Any] = {}
    for problem in errors:
        for pointer, value in _fragments(data, problem):
            fragments.setdefault(pointer, value)
    names = {part for pointer in fragments for part in [_class_at(pointer)] if part}
    names |= {name for problem in errors for name in problem.classes}
    notes = [(name, note) for name, note in notes_of(domain, names)["notes"].items() if name in names]
    text = render(
        "mend",
        domain.folder,
        problems=list(fold(errors, most=None)),
        noun=domain.noun,
        fragments=list(fragments.items()),
        notes=notes,
        groups=_groups_needed(data, errors),
        **language_of(domain),
    )
    return Message(role="system", content=render("system", domain.folder)), Message(role="user", content=text)


def _fragments(data: dict[str, Any], problem: Problem) -> Iterator[tuple[str, Any]]:
    """Yield what is at the problem's place: whole rules and groups."""
    parts = path_of(problem.pointer)
    if len(parts) >= 2:
        pointer = pointer_to(*parts[:2])
        yield pointer, _at(data, parts[:2])
    if problem.code == "TG204":  # also show the other twin
        failing = _at(data, parts[:2])
        rules = data.get("rules", {})
        for name, rule in rules.items():
            if rule == failing and name != parts[1]:
                yield pointer_to("rules", name), rule
    if problem.code == "TG201" and problem.pointer == "/rules":
        for name in problem.classes:
            yield pointer_to("rules", name), None


def _class_at(pointer: str) -> str:
    parts = path_of(pointer)
    return parts[1] if len(parts) > 1 and parts[0] == "rules" else ""


def _at(data: Any, parts: Sequence[str]) -> Any:
    """Return the value at a path, `None` if there is none."""
    for part in parts:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _groups_needed(data: dict[str, Any], problems: Sequence[Problem]) -> list[Group]:
    """Return the groups whose options must be known: one for a single answer, all for a whole rule."""
    groups = data.get("classification_groups")
    by_name = groups if isinstance(groups, dict) else {}
    needed: set[str] = set()
    for problem in problems:
        parts = path_of(problem.pointer)
        if parts[:1] == ["rules"]:
            needed |= {parts[2]} if len(parts) > 2 and parts[2] in by_name else set(by_name)
    return [
        Group(name=name, prompt=str(group.get("prompt", "")), options=tuple(map(str, group.get("options") or ())))
        for name, group in by_name.items()
        if name in needed and isinstance(group, dict) and isinstance(group.get("options"), list)
    ]
