"""The edits that a language model replies with, applied one after the other by the editing functions."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from treegen.errors import TreegenError
from treegen.text import quote
from treegen.tree.changes import (
    ABSENT,
    Change,
    ChangeError,
    GroupAdded,
    MutableTree,
    RuleChanged,
    apply,
)
from treegen.tree.changes.difference import difference
from treegen.tree.changes.edits import (
    add_option,
    change_prompt,
    delete_group,
    delete_option,
    point_rule,
    rename_option,
    users,
)
from treegen.tree.model import Tree
from treegen.workflow.proposal_units import ChangeGroup, take, units_of

Edit = Mapping[str, Any]
MOST: Final = 60  # edits of one reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What a list of edits makes of a tree.

    Attributes:
        base: the tree.
        units: the changes, in the smallest parts that can be left out; those that touch a lock are refused.
        refused: why edits, or parts of them, are left out, in sentences.
    """

    base: Tree
    units: tuple[ChangeGroup, ...]
    refused: tuple[str, ...]

    @property
    def allowed(self) -> frozenset[int]:
        """The numbers of the units that touch no lock."""
        return frozenset(unit.number for unit in self.units if not unit.refused)

    def tree(self, chosen: Collection[int]) -> Tree:
        """Return the tree with some of the units, which must include what they need."""
        return apply(self.base, take(self.base, self.units, chosen))

    def without(self, chosen: frozenset[int], number: int) -> frozenset[int]:
        """Return the chosen units without one and those that need it."""
        return frozenset(n for n in chosen if n != number and number not in self.units[n].needs)


def edit(tree: Tree, edits: Iterable[Any], *, locks: Collection[str] = (), rule_edits: bool = True) -> Edited:
    """Apply edits as far as they can be applied.

    Args:
        tree: without errors.
        edits: plain data; each is one of the kinds in `_KINDS`.
        locks: `group NAME` and `class NAME`, which stay as they are.
        rule_edits: allow changes of the answers in existing groups.
    """
    changed, refused = tree, list[str]()
    for number, each in enumerate(edits, 1):
        if number > MOST:
            refused.append(f"only the first {MOST} changes were read")
            break
        try:
            changed = apply(changed, _changes(changed, each))
        except TreegenError as error:
            refused.append(f"change {number}: {error.message}")
        except (KeyError, ValueError, TypeError, AttributeError):
            refused.append(f"change {number}: it cannot be read: {quote(each)[:200]}")
    units = units_of(tree, difference(tree, changed), locks=locks)
    units = units if rule_edits else _with_rules_kept(tree, units)
    refused += [f"{unit.sentences[0]}: {unit.refused}" for unit in units if unit.refused]
    return Edited(base=tree, units=units, refused=tuple(refused))


def _with_rules_kept(tree: Tree, units: Sequence[ChangeGroup]) -> tuple[ChangeGroup, ...]:
    """Refuse the units that change an answer in an existing group, and those that need one."""
    groups = {group.name for group in tree.groups}

    def is_kept(change: Change) -> bool:
        return isinstance(change, RuleChanged) and change.group in groups and change.old is not ABSENT

    changing = {unit.number for unit in units if any(map(is_kept, unit.changes))}
    reason = "answers are not to be changed"
    return tuple(
        replace(unit, refused=reason) if not unit.refused and ({unit.number} | unit.needs) & changing else unit
        for unit in units
    )


def prune(edited: Edited, chosen: frozenset[int], value: Callable[[frozenset[int]], float]) -> frozenset[int]:
    """Leave out, one after the other, the units without which the tree is worth more.

    Args:
        edited: the edits.
        chosen: the units to begin with.
        value: of a selection; minus infinity if it cannot be scored.
    """
    best = value(chosen)
    for number in sorted(chosen, reverse=True):  # the later ones need the earlier ones
        rest = edited.without(chosen, number)
        # a margin: rounding must not decide, as an interrupted run has to decide the same when it is resumed
        if number in chosen and (worth := value(rest)) > best + 1e-6:
            chosen, best = rest, worth
    return chosen


def _changes(tree: Tree, each: Edit) -> Sequence[Change]:
    kind = each.get("do") if isinstance(each, Mapping) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ChangeError(f"`do` must be one of {', '.join(map(quote, _KINDS))}")
    return _KINDS[kind](tree, each)


def _text(each: Edit, key: str) -> str:
    value = each.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ChangeError(f"{quote(key)} must be a text")
    return value.strip()


def _group(tree: Tree, each: Edit) -> str:
    name = _text(each, "group")
    MutableTree(tree).need_group(name)
    return name


def _answer(each: Edit, key: str) -> str | None:
    return None if each.get(key) is None else _text(each, key)


def _reword(tree: Tree, each: Edit) -> Sequence[Change]:
    return rename_option(tree, _group(tree, each), _text(each, "option"), _text(each, "to"))


def _prompt(tree: Tree, each: Edit) -> Sequence[Change]:
    return change_prompt(tree, _group(tree, each), _text(each, "to"))


def _point(tree: Tree, each: Edit) -> Sequence[Change]:
    group, name, option = _group(tree, each), _text(each, "class"), _answer(each, "option")
    MutableTree(tree).need_class(name)
    return point_rule(tree, name, group, option)


def _add_option(tree: Tree, each: Edit) -> Sequence[Change]:
    group, option = _group(tree, each), _text(each, "option")
    options = MutableTree(tree).need_group(group)
    added = add_option(tree, group, option, options[-1] if options else None)
    with_it = apply(tree, added)
    classes = each.get("classes") or ()
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ChangeError('"classes" must be a list of classes')
    for name in classes:
        MutableTree(tree).need_class(name)
    return (*added, *(change for name in classes for change in point_rule(with_it, name, group, option)))


def _remove_option(tree: Tree, each: Edit) -> Sequence[Change]:
    group, option, into = _group(tree, each), _text(each, "option"), _answer(each, "into")
    return delete_option(tree, group, option, dict.fromkeys(users(tree, group, option), into))


def _add_group(tree: Tree, each: Edit) -> Sequence[Change]:
    name, prompt, answers = _text(each, "group"), _text(each, "prompt"), each.get("answers")
    if not isinstance(answers, Mapping):
        raise ChangeError('"answers" must be an object: class, option or null')
    draft = MutableTree(tree)
    for other in answers:
        draft.need_class(other)
    given = [answer for answer in answers.values() if answer is not None]
    listed = each.get("options") or []
    if not isinstance(listed, list) or not all(isinstance(option, str) for option in (*listed, *given)):
        raise ChangeError("options and answers must be texts")
    options = tuple(dict.fromkeys(option.strip() for option in (*listed, *given)))
    words = {other: answer and answer.strip() for other, answer in answers.items()}
    last = tree.groups[-1].name if tree.groups else None
    return (
        GroupAdded(
            group=name,
            prompt=prompt,
            options=options,
            answers=tuple((rule.name, words.get(rule.name)) for rule in tree.rules),
            after=last,
        ),
    )


def _remove_group(tree: Tree, each: Edit) -> Sequence[Change]:
    if len(tree.groups) < 2:
        raise ChangeError("the last group cannot be removed")
    return delete_group(tree, _group(tree, each))


_KINDS: Final[Mapping[str, Callable[[Tree, Edit], Sequence[Change]]]] = {
    "reword": _reword,
    "prompt": _prompt,
    "answer": _point,
    "add option": _add_option,
    "remove option": _remove_option,
    "add group": _add_group,
    "remove group": _remove_group,
}
