"""All problems of a tree at once: text, schema, then cross checks of the whole tree."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from treegen.errors import ProblemsError
from treegen.files import read_text
from treegen.text import did_you_mean, printable, quoted, show
from treegen.tree.document import Document, digest_of, parse_json, tree_from, unwritable
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.validation.fixes import apply_fixes, blank_fix, rename_fix, with_merge_fix
from treegen.tree.validation.normalise import normalise
from treegen.tree.validation.problems import Edit, Fix, Place, Problem, errors_of, pointer_to
from treegen.tree.validation.schema import schema_problems

#: the largest trees that are read
MOST: Final = {"classes": 50_000, "groups": 2_000, "options": 50_000, "answers": 2_000_000}
#: with any of these, the types of a document are not those of a tree
_UNTYPED = frozenset({"TG101", "TG103", "TG104", "TG107"})
#: with more missing classes, the tree is for another domain, not misspelt


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What was read and everything found wrong with it.

    Attributes:
        document: the tree, even if it has problems; `None` if its types are not those of a tree, or if it has
            unknown keys, which a tree would drop.
        data: the plain data, `None` if the text cannot be read.
        problems: in the order of checks and locations.
    """

    document: Document | None
    data: Any
    problems: tuple[Problem, ...]

    def sound_tree(self, path: Path) -> Tree:
        """Return the tree, which has no errors.

        Raises:
            ProblemsError: it has; the message has the first.
        """
        errors = errors_of(self.problems)
        if self.document and not errors:
            return self.document.tree
        first = f"{errors[0].code} {printable(errors[0].pointer) or '/'}: {errors[0].message}" if errors else ""
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        tip = f"repair it first: `treegen check {quoted(path)}` lists all problems"
        raise ProblemsError(f"{path}: {first}{more}", tip)


def check_text(text: str, *, classes: Sequence[str] | None = None, domain: str | None = None) -> CheckResult:
    """Check the JSON text of a tree; see `check_data`."""
    data, problems = parse_json(text)
    if data is None:
        problems = list(_git_markers(text)) or problems
        if not problems:
            problems = [Problem(code="TG103", pointer="", message="expected an object, found null")]
        return CheckResult(document=None, data=None, problems=tuple(problems))
    if too_many := _too_many(data):
        return CheckResult(document=None, data=None, problems=(too_many,))
    checked = check_data(data, classes=classes, domain=domain, stored=True)
    return CheckResult(document=checked.document, data=data, problems=(*problems, *checked.problems))


def _too_many(data: Any) -> Problem | None:
    """Return TG108 for a document beyond every use, on which the checks would take minutes."""
    document = data if isinstance(data, dict) else {}
    groups, rules = (
        value if isinstance(value := document.get(key), dict) else {} for key in ("classification_groups", "rules")
    )
    options = [group.get("options") for group in groups.values() if isinstance(group, dict)]
    counts = {
        "classes": (len(rules), "/rules"),
        "groups": (len(groups), "/classification_groups"),
        "options": (sum(len(each) for each in options if isinstance(each, list)), "/classification_groups"),
        "answers": (sum(len(rule) for rule in rules.values() if isinstance(rule, dict)), "/rules"),
    }
    for what, (count, pointer) in counts.items():
        if count > MOST[what]:
            message = f"{count} {what}; at most {MOST[what]} are supported"
            return Problem(code="TG108", pointer=pointer, message=message)
    return None


def _git_markers(text: str) -> Iterator[Problem]:
    """Yield TG101 for git conflict markers in text that is not JSON; no line of JSON can start like that."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("<<<<<<< "):
            message = (
                f"the file contains git conflict markers, from line {number}: run `treegen git-setup`, "
                "then `git checkout --merge FILE` to merge again by name"
            )
            yield Problem(code="TG101", pointer="", message=message, place=Place(line=number, column=1))
            return


def check_file(path: Path, *, classes: Sequence[str] | None = None, domain: str | None = None) -> CheckResult:
    """Check a tree file.

    Raises:
        InputError: the file cannot be opened or is not UTF-8.
    """
    return check_text(read_text(path), classes=classes, domain=domain)


def check_data(
    data: Any, *, classes: Sequence[str] | None = None, domain: str | None = None, stored: bool = False
) -> CheckResult:
    """Check plain data as a tree.

    Args:
        data: parsed JSON.
        classes: the classes of the domain, if known; each of them needs a rule.
        domain: the name of the domain, if known.
        stored: the data came from a tree file, so its digest is checked.
    """
    problems = [*schema_problems(data, "tree"), *unwritable(data)]
    outside = {p.code for p in problems if not in_review(p)}
    if outside & _UNTYPED:
        problems += _name_problems(data, classes=classes, domain=domain)
        return CheckResult(document=None, data=data, problems=tuple(problems))
    # a broken sign-off must not hide the problems of the tree: it is left out of the tree that is checked
    sound = {k: v for k, v in data.items() if k != "review"} if any(map(in_review, problems)) else data
    tree = tree_from(sound)
    problems = [with_merge_fix(p, data) if p.code == "TG111" else p for p in problems]
    problems += _blanks(tree)
    problems += cross_problems(tree, classes=classes, domain=domain)
    problems += conflict_problems(tree)
    if stored:
        problems += [*digest_problems(tree, data.get("digest")), *approval_problems(tree)]
    lost = list(_lost_looks(data))
    problems += lost
    # with an unknown key, or a look without a rule, the tree is not returned: saving it would drop them
    document = None if lost or "TG105" in outside else Document(tree=tree, digest=data.get("digest"))
    return CheckResult(document=document, data=data, problems=tuple(problems))


def in_review(problem: Problem) -> bool:
    """Whether the problem is about the sign-off."""
    return problem.pointer == "/review" or problem.pointer.startswith("/review/")


def _name_problems(data: Any, *, classes: Sequence[str] | None, domain: str | None) -> Iterator[Problem]:
    """Yield problems visible from names alone in data of wrong types, so that one repair round shows more."""
    if not isinstance(data, dict):
        return
    groups, rules = data.get("classification_groups"), data.get("rules")
    if isinstance(data.get("domain"), str):
        yield from _domain_problems(data["domain"], domain)
    if isinstance(rules, dict):
        look_of = looks_in(data)
        yield from _classes(
            tuple(ClassRule(name=name, answers=(), look_of=look_of.get(name, "")) for name in rules), classes
        )
    if isinstance(rules, dict) and isinstance(groups, dict):
        valid = {name: rule for name, rule in rules.items() if isinstance(rule, dict)}
        yield from _answers(
            Tree(
                domain="",
                groups=tuple(Group(name=name, prompt="", options=()) for name in groups),
                rules=tuple(ClassRule(name=name, answers=tuple(rule.items())) for name, rule in valid.items()),
            )
        )


def cross_problems(tree: Tree, *, classes: Sequence[str] | None = None, domain: str | None = None) -> Iterator[Problem]:
    """Yield problems that need groups and rules together, or the domain."""
    yield from _domain_problems(tree.domain, domain)
    yield from _classes(tree.rules, classes)
    yield from _rules_beside_looks(tree)
    yield from _answers(tree)
    yield from _twins(tree)
    yield from _unused(tree)


def conflict_problems(tree: Tree) -> Iterator[Problem]:
    """Yield TG305 for every unresolved merge conflict."""
    for number, conflict in enumerate(tree.conflicts):
        message = f"merge conflict: {conflict.what}; `treegen resolve` takes a side"
        yield Problem(code="TG305", pointer=pointer_to("conflicts", number), message=message)


def _domain_problems(domain: str, expected: str | None) -> Iterator[Problem]:
    if expected is not None and domain != expected:
        message = f"the tree is for the domain {show(domain)}, not {show(expected)}"
        yield Problem(code="TG304", pointer="/domain", message=message)


def looks_in(data: dict[str, Any]) -> dict[str, str]:
    """Return look -> class of plain data, as far as it can be read."""
    looks = data.get("looks")
    named = looks.items() if isinstance(looks, dict) else ()
    return {look: name for name, some in named if isinstance(some, list) for look in some if isinstance(look, str)}


def _lost_looks(data: dict[str, Any]) -> Iterator[Problem]:
    """Yield looks that a tree cannot hold: those without a rule, and those that are a look of an earlier class too."""
    first: dict[str, str] = {}
    for name, looks in data.get("looks", {}).items():
        for index, look in enumerate(looks):
            pointer, other = pointer_to("looks", name, index), first.setdefault(look, name)
            if look not in data["rules"]:
                message = f"the look {show(look)} of {show(name)} has no rule; give its option in every group"
                yield Problem(code="TG207", pointer=pointer, message=message, classes=(look,))
            elif other != name:
                message = f"{show(look)} is a look of {show(other)} and of {show(name)}; keep one, or name them apart"
                yield Problem(code="TG207", pointer=pointer, message=message, classes=(look,))


def _rules_beside_looks(tree: Tree) -> Iterator[Problem]:
    """Yield classes that have looks and a rule of their own."""
    looks = tree.looks
    for rule in tree.rules if looks else ():
        if rule.name in looks and not rule.look_of:
            message = f"{show(rule.name)} has looks and a rule of its own; remove the rule, or add it to the looks"
            yield Problem(code="TG208", pointer=pointer_to("rules", rule.name), message=message)


def _classes(rules: Sequence[ClassRule], classes: Sequence[str] | None) -> Iterator[Problem]:
    """Yield classes of the domain, if known, without a rule, and rules without a class of the domain."""
    if classes is None:
        return
    names = tuple(dict.fromkeys(rule.class_name for rule in rules))
    with_looks = {rule.look_of for rule in rules}
    in_domain, have = set(classes), set(names)
    missing = [c for c in classes if c not in have]
    for name in missing:
        message = f"the class {show(name)} has no rule; give its option in every group"
        yield Problem(code="TG201", pointer="/rules", message=message, classes=(name,))
    unknown = [name for name in names if name not in in_domain]
    written = _only_ones(classes) if unknown and missing else {}
    renamed = {name: written.get(word) for word, name in _only_ones(unknown).items()}
    for name in unknown:
        message = f"the domain has no class {show(name)}" + did_you_mean(name, missing)
        right = renamed.get(name)
        key = "looks" if name in with_looks else "rules"
        fix = rename_fix(name, right, key) if right and right not in have else None
        yield Problem(code="TG203", pointer=pointer_to(key, name), message=message, fix=fix)


def _answers(tree: Tree) -> Iterator[Problem]:
    """Yield rules without any answer, answers for unknown groups, and groups without an answer."""
    names = {g.name: g for g in tree.groups}
    folded = _only_ones(names)
    for rule in tree.rules:
        answers = dict(rule.answers)
        if all(index is None for index in answers.values()):
            message = f"the rule of {show(rule.name)} answers nothing; give its option in at least one group"
            yield Problem(code="TG201", pointer=pointer_to("rules", rule.name), message=message)
            continue
        if answers.keys() == names.keys():
            continue
        unknown = [g for g in answers if g not in names]
        renamed = {wrong: folded.get(word) for word, wrong in _only_ones(unknown).items()}
        for group in unknown:
            yield _unknown_group(rule, group, renamed.get(group), answers, list(names))
        for group in names:
            if group not in answers and group not in renamed.values():
                message = f"{show(rule.name)} has no answer in {show(group)}; give the index of its option, or null"
                yield Problem(code="TG206", pointer=pointer_to("rules", rule.name), message=message, group=group)


def _only_ones(names: Iterable[str]) -> dict[str, str]:
    """Map normalised name -> name, without ambiguous ones: for those no fix is certain."""
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(normalise(name), []).append(name)
    return {word: same[0] for word, same in folded.items() if len(same) == 1}


def _unknown_group(
    rule: ClassRule, group: str, same: str | None, answers: dict[str, int | None], names: Sequence[str]
) -> Problem:
    """Return TG202, with a fix if the name is a variant spelling of a group that has no answer yet."""
    pointer = pointer_to("rules", rule.name, group)
    message = f"{show(rule.name)} has an answer for the group {show(group)}, which the tree does not have"
    if same is None or same in answers:
        return Problem(code="TG202", pointer=pointer, message=message + did_you_mean(group, names))
    edits = (
        Edit(op="remove", pointer=pointer),
        Edit(op="add", pointer=pointer_to("rules", rule.name, same), value=answers[group]),
    )
    return Problem(
        code="TG202",
        pointer=pointer,
        message=f"{message}; did you mean {show(same)}?",
        fix=Fix(summary=f"rename it to {show(same)}", edits=edits),
    )


def _twins(tree: Tree) -> Iterator[Problem]:
    """Yield classes that nothing can distinguish, and looks of a class with the same rule."""
    groups = [g.name for g in tree.groups]
    first: dict[tuple[int | None, ...], ClassRule] = {}
    for rule in tree.rules:
        answers = dict(rule.answers)
        if all(index is None for index in answers.values()):  # TG201 says so already
            continue
        key = tuple(map(answers.get, groups))
        earlier = first.setdefault(key, rule)
        if earlier.name == rule.name:
            continue
        message = f"{show(rule.name)} has the same answers as {show(earlier.name)}; "
        same = earlier.class_name == rule.class_name
        message += "one of the two looks is enough" if same else "nothing can tell them apart"
        code, pointer = "TG209" if same else "TG204", pointer_to("rules", rule.name)
        yield Problem(code=code, pointer=pointer, message=message, classes=(earlier.name,))


def _unused(tree: Tree) -> Iterator[Problem]:
    """Yield options that no rule points to."""
    used = {answer for rule in tree.rules for answer in rule.answers}
    for group in tree.groups:
        for index, option in enumerate(group.options):
            if (group.name, index) not in used:
                pointer = pointer_to("classification_groups", group.name, "options", index)
                message = f"no class has {show(option)} in {show(group.name)}"
                yield Problem(code="TG205", pointer=pointer, message=message)


def _blanks(tree: Tree) -> Iterator[Problem]:
    """Yield texts with leading or trailing white space."""
    for group in tree.groups:
        texts = [(("prompt",), group.prompt), *((("options", i), option) for i, option in enumerate(group.options))]
        for path, text in texts:
            if text != text.strip() and text.strip():
                pointer = pointer_to("classification_groups", group.name, *path)
                message = f"white space around {show(text)}"
                yield Problem(code="TG113", pointer=pointer, message=message, fix=blank_fix(pointer, text))


def digest_problems(tree: Tree, written: str | None) -> Iterator[Problem]:
    """Yield a missing or stale digest."""
    current = digest_of(tree)
    if written != current:
        missing = written is None
        message = (
            "the digest is missing" if missing else "the digest does not match the content: edited by hand or merged"
        )
        edit = Edit(op="add" if missing else "replace", pointer="/digest", value=current)
        fix = Fix(summary="write the digest", edits=(edit,))
        yield Problem(code="TG301" if missing else "TG302", pointer="/digest", message=message, fix=fix)


def approval_problems(tree: Tree) -> Iterator[Problem]:
    """Yield a stale approval."""
    if tree.review and tree.review.digest != digest_of(tree):
        message = f"approved by {show(tree.review.by)} on {show(tree.review.at)}, and changed since"
        yield Problem(code="TG303", pointer="/review/digest", message=message)


def fix_all(
    checked: CheckResult, *, classes: Sequence[str] | None = None, domain: str | None = None
) -> tuple[Tree | None, tuple[Problem, ...]]:
    """Apply the certain fixes; return the tree and the problems that were fixed.

    The tree is `None` if something would be lost: wrong types, a duplicate key, a broken review.
    """
    if any(p.code == "TG102" or (in_review(p) and p.severity == "error") for p in checked.problems):
        return None, ()
    fixed, done = checked, []
    while fixes := [p for p in fixed.problems if p.fix]:  # stripped texts can become equal; ends, as nothing grows
        data, _ = apply_fixes(fixed.data, fixes)
        if data == fixed.data:
            break
        fixed = check_data(data, classes=classes, domain=domain)
        done += fixes
    return (fixed.document.tree, tuple(done)) if fixed.document else (None, ())
