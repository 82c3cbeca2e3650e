"""Which groups, options, classes and answers of a tree differ from an earlier one, by their names."""

from collections.abc import Collection
from dataclasses import dataclass

from treegen.tree.model import ClassRule, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedParts:
    """Parts of a tree that are new or not as they were.

    Attributes:
        groups: new, or with another prompt or other options.
        options: group and option that are new in it.
        classes: new ones.
        answers: class and group with another answer; not those of new classes and groups.
    """

    groups: frozenset[str] = frozenset()
    options: frozenset[tuple[str, str]] = frozenset()
    classes: frozenset[str] = frozenset()
    answers: frozenset[tuple[str, str]] = frozenset()


def changed_parts(old: Tree, new: Tree) -> ChangedParts:
    """Compare two trees by names; unlike in `difference`, renamed parts are new ones."""
    if old is new:
        return ChangedParts()
    groups = {group.name: group for group in old.groups}
    rules = {rule.name: rule for rule in old.rules}
    same = {g.name for g in new.groups if g.name in groups and g.options == groups[g.name].options}
    answers = {
        (rule.name, group)
        for rule in new.rules
        if rule.name in rules and (rule != rules[rule.name] or len(same) < len(new.groups))
        for group in _other_answers(old, rules[rule.name], new, rule, same, groups.keys())
    }
    return ChangedParts(
        groups=frozenset(g.name for g in new.groups if g != groups.get(g.name)),
        options=frozenset(
            (g.name, option)
            for g in new.groups
            if g.name in groups and g.name not in same
            for option in set(g.options) - set(groups[g.name].options)
        ),
        classes=frozenset(set(new.rows) - rules.keys()),
        answers=frozenset(answers),
    )


def _other_answers(
    old: Tree, before: ClassRule, new: Tree, after: ClassRule, same: set[str], groups: Collection[str]
) -> list[str]:
    """Return the groups of both trees in which a class has another answer, in words.

    Words are looked up only where options have changed: a tree of a thousand classes is compared after each edit.
    """
    here, there = dict(before.answers), dict(after.answers)
    return [
        group
        for group, index in there.items()
        if group in groups
        and not (group in same and group in here and here[group] == index)
        and (old.word(before, group), group in here) != (new.word(after, group), True)
    ]
