"""Repairs of what a reply says that are certain, and so cost no request. Each is counted and reported in a note.

What was not asked for is left out, with a note; everything that could be meant in two ways stays a problem.
"""

import html
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from treegen.text import counted, first_of, show
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.fixes import apply_fixes
from treegen.tree.validation.normalise import normalise
from treegen.tree.validation.problems import Problem, path_of, pointer_to

Plain = dict[str, Any]
_GROUP_KEYS: Final = ("prompt", "options")
_MOST_NAMED: Final = 3
_LONGEST: Final = 60  # characters of an option
_VARIES: Final = "varies within the class, so null: {}"
_NO_OPTION: Final = "no option fits, so null: {}"
#: words for null -> what the note says of it
_NOTHING: Final = {
    "null": "",
    **dict.fromkeys(("varies", "varied", "variable", "vary", "varie"), _VARIES),
    **dict.fromkeys(("none", "none fit", "none fits", "no option", "no option fit", "n/a", "unknown"), _NO_OPTION),
}
_TAG: Final = re.compile(r"</?(?:b|i|em|strong|u|s|code|span|mark|small|sub|sup|br|p|li|font)\b[^<>]*>", re.IGNORECASE)
_EMPHASIS: Final = re.compile(r"(?<!\w)(\*\*|__|\*|`)(?=\S)(.+?)(?<=\S)\1(?!\w)")
_ENTITY: Final = re.compile(r"&(?:#\d+|#x[0-9a-fA-F]+|[A-Za-z]{2,31});")
_INVISIBLE: Final = re.compile("[\u00ad\u200b\u2060\ufeff]")
_BULLET: Final = re.compile(r"^[-*•‣▪·–]\s+(?=\D)")
_NUMBER: Final = re.compile(r"^\(?(\d{1,3}|[a-z])[.)]\s+(?=\S)")


@dataclass(slots=True)
class Notes:
    """What was repaired or left out, by kind, with what it was about."""

    subjects: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, subject: object) -> None:
        """Count one repair of a kind; `kind` holds one `{}` for what it is about."""
        self.subjects.setdefault(kind, []).append(show(subject))

    @property
    def sentences(self) -> tuple[str, ...]:
        """One sentence for each kind, with its number and the first subjects."""
        return tuple(kind.format(_first(names)) for kind, names in self.subjects.items())


def _first(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    times = f" ({counted(len(names), 'time')})" if len(names) > len(distinct) else ""
    return first_of(distinct, _MOST_NAMED) + times


def only(data: Mapping[str, Any], keys: Collection[str], notes: Notes, *, silent: Collection[str] = ()) -> Plain:
    """Leave out the keys that were not asked for."""
    for key in data:
        if key not in keys and key not in silent:
            notes.add("ignored keys that were not asked for: {}", key)
    return {key: value for key, value in data.items() if key in keys}


def repair_groups(groups: Any, notes: Notes) -> Any:
    """Clean prompts and options of markup, and leave out further keys of groups."""
    if not isinstance(groups, dict):
        return groups
    return {name: _group(group, notes) for name, group in groups.items()}


def _group(group: Any, notes: Notes) -> Any:
    if not isinstance(group, dict):
        return group
    cleaned = only(group, _GROUP_KEYS, notes) if set(_GROUP_KEYS) <= set(group) else dict(group)
    if isinstance(cleaned.get("prompt"), str):
        cleaned["prompt"] = _prompt(cleaned["prompt"], notes)
    if isinstance(cleaned.get("options"), list):
        cleaned["options"] = _options(cleaned["options"], notes)
    return cleaned


def _prompt(text: str, notes: Notes) -> str:
    plain = _plain(text)
    if "{{}}" in plain:
        plain = plain.replace("{{}}", "{}")
    if plain != text:
        notes.add("removed markup from {}", text)
    return plain


def _options(options: list[Any], notes: Notes) -> list[Any]:
    """Remove markup, bullets, and numbers that count the options."""
    if not all(isinstance(option, str) for option in options):
        return options
    plain = [_BULLET.sub("", _plain(option)) for option in options]
    marks = [_NUMBER.match(option) for option in plain]
    if len(options) > 1 and all(marks) and _count([mark[1] for mark in marks if mark]):
        plain = [option[mark.end() :] for option, mark in zip(plain, marks, strict=True) if mark]
    for before, after in zip(options, plain, strict=True):
        if before != after:
            notes.add("removed markup from {}", before)
    return plain


def _count(marks: Sequence[str]) -> bool:
    """Whether list marks count on from 0, 1 or a: a number in an option, such as "2. row", does not."""
    if marks[0].isdigit():
        return marks[0] in ("0", "1") and list(map(int, filter(str.isdigit, marks))) == list(
            range(int(marks[0]), int(marks[0]) + len(marks))
        )
    return [ord(mark) for mark in marks] == list(range(ord("a"), ord("a") + len(marks)))


def _plain(text: str) -> str:
    """Remove markup; the text itself where nothing else would be left."""
    plain = _INVISIBLE.sub("", text)
    plain = html.unescape(plain) if _ENTITY.search(plain) else plain
    plain = _TAG.sub("", plain)
    plain = _EMPHASIS.sub(r"\2", plain)
    plain = plain.strip() if plain != text else plain
    return plain or text


def repair_answers(groups: Any, rules: Any, notes: Notes) -> Any:
    """Replace options in words, whole numbers such as 0.0, and numbers in quotation marks by indices."""
    if not isinstance(rules, dict) or not isinstance(groups, dict):
        return rules
    places = {normalise(name): _places(group) for name, group in groups.items()}
    return {
        name: {
            group: _index(places.get(normalise(group), {}), answer, f"{name} in {group}", notes)
            for group, answer in rule.items()
        }
        if isinstance(rule, dict)
        else rule
        for name, rule in rules.items()
    }


def _places(group: Any) -> dict[str, int]:
    """Return normalised option -> index, without options that look the same."""
    options = group.get("options") if isinstance(group, dict) else None
    listed = options if isinstance(options, list) else []
    texts = [normalise(option) if isinstance(option, str) else "" for option in listed]
    return {text: index for index, text in enumerate(texts) if text and texts.count(text) == 1}


def _index(places: Mapping[str, int], answer: Any, where: str, notes: Notes) -> Any:
    if isinstance(answer, float) and answer.is_integer():
        notes.add("read {} as a whole number", answer)
        return int(answer)
    if not isinstance(answer, str):
        return answer
    place = places.get(normalise(answer))
    if place is None and normalise(answer) in _NOTHING:
        if sentence := _NOTHING[normalise(answer)]:
            notes.add(sentence, where)
        return None
    if place is None and places and re.fullmatch(r"[0-9]{1,3}", answer.strip()):
        place = int(answer)
    if place is None:
        return answer
    notes.add("read options in words as their indices: {}", answer)
    return place


def renamed(values: Mapping[str, Any], wanted: Sequence[str], notes: Notes) -> Plain:
    """Spell keys as the names that were asked for, where exactly one of those differs in case, width or space alone."""
    requested = set(wanted)
    missing = [name for name in wanted if name not in values]
    strange = [name for name in values if name not in requested]
    words, taken = Counter(map(normalise, missing)), Counter(map(normalise, strange))
    spelt = {normalise(name): name for name in missing if words[normalise(name)] == 1}
    right = {
        name: spelt[normalise(name)] for name in strange if normalise(name) in spelt and taken[normalise(name)] == 1
    }
    for name in right:
        notes.add("read {} as the name that differs in spelling alone", name)
    return {right.get(name, name): value for name, value in values.items()}


def grow(groups: Plain, rules: Any, notes: Notes) -> Plain:
    """Add options for the words that rules give in place of an index; a reviewer has to look at them.

    Args:
        groups: checked plain data.
        rules: answers after `repair_answers`; these stay words, since other rules may add options too.
        notes: takes what was added.
    """
    grown = {name: {**group, "options": list(group["options"])} for name, group in groups.items()}
    for name, rule in rules.items() if isinstance(rules, dict) else ():
        for group, answer in rule.items() if isinstance(rule, dict) else ():
            if group in grown and _is_option(answer) and normalise(answer) not in _places(grown[group]):
                grown[group]["options"].append(answer.strip())
                notes.add("added options that the rules give: {}", f"{answer.strip()} ({group} of {name})")
    return grown


def _is_option(answer: Any) -> bool:
    return isinstance(answer, str) and bool(normalise(answer)) and len(answer) <= _LONGEST and "{" not in answer


def alike_in(value: Any, classes: Sequence[str], notes: Notes) -> list[list[str]]:
    """Return the classes that a reply cannot tell apart, as lists of two or more; one list may stand alone."""
    lists = value if isinstance(value, list) else []
    if lists and all(isinstance(name, str) for name in lists):
        lists = [lists]
    clusters, known = [], set(classes)
    for names in lists:
        listed = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
        spelt = list(renamed(dict.fromkeys(listed), classes, notes))
        for name in spelt:
            if name not in known:
                notes.add("ignored classes under alike that were not asked for: {}", name)
        cluster = [name for name in spelt if name in known]
        clusters += [cluster] if len(cluster) > 1 else []
    return clusters


def settle_alike(problems: Iterable[Problem], alike: Sequence[Sequence[str]]) -> list[Problem]:
    """Replace the equal rules of classes that the model cannot tell apart by a problem for a person."""
    settled = [p for p in problems if not (p.code == "TG204" and _are_alike(p, alike))]
    for first, *others in alike:
        for name in others:
            message = (
                f"the model cannot tell {show(name)} from {show(first)}: compare their pictures, and give an answer "
                "that differs, or make them one class"
            )
            settled.append(Problem(code="TG506", pointer=pointer_to("rules", name), message=message, classes=(first,)))
    return settled


def _are_alike(problem: Problem, alike: Sequence[Sequence[str]]) -> bool:
    names = {*path_of(problem.pointer)[1:2], *problem.classes}
    return any(names <= set(cluster) for cluster in alike)


def leave_out(rules: Any, wanted: Sequence[str], notes: Notes, *, what: str = "rules") -> Any:
    """Leave out what concerns classes that were not asked for, if those that were are all there."""
    if not isinstance(rules, dict) or not all(name in rules for name in wanted):
        return rules
    requested = set(wanted)
    for name in rules:
        if name not in requested:
            notes.add(f"ignored {what} of classes that were not asked for: {{}}", name)
    return {name: rule for name, rule in rules.items() if name in requested}


def leave_out_answers(rules: Any, groups: Mapping[str, Any], notes: Notes) -> Any:
    """Leave out answers in groups that were not asked for, where a rule answers all that were."""
    if not isinstance(rules, dict):
        return rules
    return {name: _rule(rule, groups, notes) for name, rule in rules.items()}


def _rule(rule: Any, groups: Mapping[str, Any], notes: Notes) -> Any:
    if not isinstance(rule, dict) or not all(group in rule for group in groups):
        return rule
    for group in rule:
        if group not in groups:
            notes.add("ignored answers in groups that were not asked for: {}", group)
    return {group: answer for group, answer in rule.items() if group in groups}


def with_fixes(tree: Plain, classes: Sequence[str] | None, notes: Notes, *, below: str = "") -> Plain:
    """Apply the fixes that `check --fix` makes, at places below a key: names spelt differently, repeated options.

    Args:
        tree: plain data with `domain`.
        classes: those that need a rule.
        notes: takes what was done.
        below: `rules` leaves the groups as they are.
    """
    while True:
        fixable = [p for p in check_data(tree, classes=classes).problems if p.fix and _is_below(p, below)]
        if not fixable:
            return tree
        before = tree
        try:
            tree, _ = apply_fixes(tree, fixable)
        except LookupError:  # half a surrogate pair in a name, which no pointer can hold
            return tree
        if tree == before:
            return tree
        for problem in fixable:
            if problem.fix:
                notes.add("fixed {}", f"{problem.pointer}: {problem.fix.summary}")


def _is_below(problem: Problem, key: str) -> bool:
    return not key or path_of(problem.pointer)[:1] == [key]
