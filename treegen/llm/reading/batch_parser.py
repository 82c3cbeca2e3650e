"""Readers for the steps of a batched draft: groups alone, the rules of some classes, and what separates equal rules."""

from collections.abc import Sequence
from math import prod
from typing import Any

from treegen.config.domain import Domain
from treegen.llm.reading.parser import keyed, parse_reply
from treegen.llm.reading.repairs import (
    Notes,
    alike_in,
    grow,
    leave_out,
    leave_out_answers,
    only,
    renamed,
    repair_answers,
    repair_groups,
    settle_alike,
    with_fixes,
)
from treegen.llm.tasks.attempts import Read, Reader
from treegen.text import counted, show
from treegen.tree.model import Group
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.problems import Problem, errors_of, pointer_to

Plain = dict[str, Any]


def groups_reader(domain: Domain) -> Reader:
    """Return a reader of groups; `data` is `{NAME: {"prompt": ..., "options": [...]}}`."""

    def read(text: str, finish: str | None) -> Read:
        parsed = parse_reply(text, finish=finish)
        if parsed.data is None:
            return Read(problems=parsed.problems)
        notes = Notes()
        groups = _repaired_groups(domain, only(parsed.data, ["classification_groups"], notes), notes)
        problems = [*_group_problems(domain, groups)]
        if not errors_of(problems) and (room := prod(len(g["options"]) for g in groups.values())) < len(domain.classes):
            message = (
                f"the options of the groups make {counted(room, 'different rule')}, too few for "
                f"{len(domain.classes)} classes; give more groups or options"
            )
            problems.append(Problem(code="TG204", pointer="/classification_groups", message=message))
        remarks = (*parsed.notes, *notes.sentences)
        return Read(problems=tuple(problems), data=groups, repaired=parsed.repaired, notes=remarks)

    return read


def _repaired_groups(domain: Domain, data: Plain, notes: Notes) -> Any:
    """Return the groups of a reply after all repairs that are certain; those of wrong types as they are."""
    groups = repair_groups(data["classification_groups"], notes)
    tree = with_fixes({"domain": domain.name, "classification_groups": groups, "rules": {}}, None, notes)
    return tree["classification_groups"]


def _group_problems(domain: Domain, groups: Any) -> list[Problem]:
    """Return the problems of groups that have no rules yet."""
    checked = check_data({"domain": domain.name, "classification_groups": groups, "rules": {}})
    return [p for p in checked.problems if p.pointer.startswith("/classification_groups") and p.code != "TG205"]


def rules_reader(domain: Domain, groups: Plain, batch: Sequence[str]) -> Reader:
    """Return a reader of some classes' rules.

    Its `data` is `{"rules": {CLASS: {GROUP: ANSWER}}, "alike": [[CLASS, ...]]}`, in the order of the classes. An answer
    is an index, null, or words that become an option of the group. If classes have further looks, these have rules too,
    and `data` a key `looks`: class -> its own name and theirs.
    """

    def read(text: str, finish: str | None) -> Read:
        parsed = parse_reply(text, finish=finish, shape=keyed("rules"))
        if parsed.data is None:
            return Read(problems=parsed.problems)
        notes = Notes()
        reply = only(parsed.data, ["rules", "alike", "looks"], notes)
        looks, further = _further_looks(reply.get("looks"), batch, notes)
        if isinstance(reply["rules"], dict):
            reply["rules"] = {**reply["rules"], **further}
        rows, extra = [*batch, *further], {"looks": looks} if looks else {}
        rules, alike = repair_answers(groups, reply["rules"], notes), alike_in(reply.get("alike"), batch, notes)
        tree = {"domain": domain.name, "classification_groups": groups, **extra, "rules": rules}
        rules = leave_out(with_fixes(tree, batch, notes, below="rules")["rules"], rows, notes)
        rules = leave_out_answers(rules, groups, notes)
        grown = grow(groups, rules, notes)
        indexed = repair_answers(grown, rules, Notes())
        checked = check_data({**tree, "classification_groups": grown, "rules": indexed}, classes=batch).problems
        problems = tuple(p for p in checked if p.code not in ("TG204", "TG205"))  # only all batches together show these
        remarks = (*parsed.notes, *notes.sentences)
        if errors_of(problems):
            data = {"rules": rules, "alike": alike, **extra}
            return Read(problems=problems, repaired=parsed.repaired, data=data, notes=remarks)
        ordered = {name: {group: rules[name][group] for group in groups} for name in rows}
        data = {"rules": ordered, "alike": alike, **extra}
        return Read(problems=problems, data=data, repaired=parsed.repaired, notes=remarks)

    return read


def _further_looks(value: Any, batch: Sequence[str], notes: Notes) -> tuple[dict[str, list[str]], Plain]:
    """Return class -> its own name and those of its further looks, and the rules of these."""
    looks: dict[str, list[str]] = {}
    rules: Plain = {}
    for look, entry in value.items() if isinstance(value, dict) else ():
        owner = entry.get("class") if isinstance(entry, dict) else None
        name = next(iter(renamed({owner: None}, batch, notes))) if isinstance(owner, str) else ""
        if name not in batch or look in batch or not isinstance(entry.get("answers"), dict):
            notes.add("ignored looks of classes that were not asked for, or without answers: {}", look)
            continue
        looks.setdefault(name, [name]).append(look)
        rules[look] = entry["answers"]
    return looks, rules


def apart_reader(
    domain: Domain, groups: Plain, rules: Plain, alike: Sequence[str], looks: Plain | None = None
) -> Reader:
    """Return a reader of what separates classes; `data` is the whole tree with it (`classification_groups`, `rules`).

    Args:
        domain: the tree's domain.
        groups: the groups so far.
        rules: the rules so far, of all classes.
        alike: the classes in question; nothing else may change.
        looks: of the classes that have several, whose rules are theirs.
    """
    extra = {"looks": looks} if looks else {}

    def read(text: str, finish: str | None) -> Read:
        parsed = parse_reply(text, finish=finish, shape=keyed("rules"))
        if parsed.data is None:
            return Read(problems=parsed.problems)
        notes = Notes()
        reply = only(parsed.data, ["classification_groups", "rules", "alike"], notes)
        declared = alike_in(reply.get("alike"), alike, notes)
        more = repair_groups(reply.get("classification_groups") or {}, notes)
        problems, grown = _with_groups(domain, groups, more)
        answers = repair_answers(grown, reply["rules"], notes)
        grown = grow(grown, answers, notes)
        answers = _requested(repair_answers(grown, answers, Notes()), rules, alike, notes)
        problems += _untyped(answers)
        remarks = (*parsed.notes, *notes.sentences)
        if problems:
            return Read(problems=tuple(problems), repaired=parsed.repaired, notes=remarks)
        merged = _with_answers(grown, rules, alike, answers)
        tree = {"domain": domain.name, "classification_groups": grown, **extra, "rules": merged}
        checked = check_data(tree, classes=domain.classes).problems
        problems = [p for p in settle_alike(checked, declared) if p.code != "TG205" and _concerns(p, alike)]
        data = {"classification_groups": grown, **extra, "rules": merged, "alike": declared}
        return Read(problems=tuple(problems), data=data, repaired=parsed.repaired, notes=remarks)

    return read


def _with_groups(domain: Domain, groups: Plain, more: Any) -> tuple[list[Problem], Plain]:
    """Add new groups and new options; existing ones must stay as they are."""
    if not isinstance(more, dict):
        message = f"expected an object of groups, found {show(more)}"
        return [Problem(code="TG103", pointer="/classification_groups", message=message)], groups
    problems = [p for p in _group_problems(domain, more) if p.severity == "error"] if more else []
    for name, group in more.items():
        old = groups.get(name)
        options = group.get("options") if isinstance(group, dict) else None
        if old and isinstance(options, list) and options[: len(old["options"])] != old["options"]:
            message = f"{show(name)} is a group already; it may be given further options behind those it has"
            pointer = pointer_to("classification_groups", name, "options")
            problems.append(Problem(code="TG106", pointer=pointer, message=message))
    if problems:
        return problems, groups
    grown = {name: {**group, "options": {**group, **more.get(name, {})}["options"]} for name, group in groups.items()}
    return [], {**grown, **{name: group for name, group in more.items() if name not in groups}}


def _requested(answers: Any, rules: Plain, alike: Sequence[str], notes: Notes) -> Any:
    """Leave out rules of classes that were not requested; those that only repeat the known ones without a word."""
    if not isinstance(answers, dict):
        return answers
    requested: Plain = {}
    for name, rule in renamed(answers, alike, notes).items():
        if name in alike:
            requested[name] = rule
        elif not (isinstance(rule, dict) and name in rules and rule.items() <= rules[name].items()):
            notes.add("ignored rules of classes that were not asked for: {}", name)
    return requested


def _untyped(answers: Any) -> list[Problem]:
    if not isinstance(answers, dict):
        message = f"expected an object of rules, found {show(answers)}"
        return [Problem(code="TG103", pointer="/rules", message=message)]
    return [
        Problem(code="TG103", pointer=pointer_to("rules", name), message=f"expected an object, found {show(rule)}")
        for name, rule in answers.items()
        if not isinstance(rule, dict)
    ]


def _with_answers(groups: Plain, rules: Plain, alike: Sequence[str], answers: Plain) -> Plain:
    """Merge the new answers into all rules; other classes answer null in a new group."""
    nothing = dict.fromkeys(groups)
    return {
        name: {**nothing, **rule, **(answers.get(name, {}) if name in alike else {})} for name, rule in rules.items()
    }


def _concerns(problem: Problem, alike: Sequence[str]) -> bool:
    """Whether the problem concerns this request: other classes with equal rules are handled later."""
    return problem.code != "TG204" or any(problem.pointer == pointer_to("rules", name) for name in alike)


def as_groups(groups: Plain) -> list[Group]:
    """Convert checked plain data to groups."""
    return [Group(name=n, prompt=g["prompt"], options=tuple(g["options"])) for n, g in groups.items()]
