"""What differs between two trees, in words and by names: an index that moved with its option is no change."""

from collections.abc import Iterator
from dataclasses import dataclass

from treegen.tree.keywords import show
from treegen.tree.model import ClassRule, Group, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference: its kind (such as `rule_changed`), the group and class it touches, and a sentence."""

    kind: str
    sentence: str
    group: str | None = None
    class_name: str | None = None


def difference(old: Tree, new: Tree) -> tuple[Change, ...]:
    """The changes that lead from `old` to `new`: groups first, then rules. Empty if they say the same."""
    return (*_domain_change(old, new), *_group_changes(old, new), *_rule_changes(old, new))


def _domain_change(old: Tree, new: Tree) -> Iterator[Change]:
    if old.domain != new.domain:
        yield Change(kind="domain_changed", sentence=f"the domain {show(old.domain)} became {show(new.domain)}")


def _group_changes(old: Tree, new: Tree) -> Iterator[Change]:
    for group in old.groups:
        if new.group(group.name) is None:
            yield Change(kind="group_removed", group=group.name, sentence=f"group {show(group.name)} removed")
    for group in new.groups:
        before = old.group(group.name)
        if before is None:
            options = ", ".join(show(o) for o in group.options)
            told = f"group {show(group.name)} added: {show(group.prompt)} with {options}"
            yield Change(kind="group_added", group=group.name, sentence=told)
        else:
            yield from _inside_group(before, group)
    common_old = [g.name for g in old.groups if new.group(g.name)]
    if common_old != [g.name for g in new.groups if old.group(g.name)]:
        order = ", ".join(show(g.name) for g in new.groups)
        yield Change(kind="groups_reordered", sentence=f"groups now in the order {order}")


def _inside_group(old: Group, new: Group) -> Iterator[Change]:
    place = f"in group {show(new.name)}"
    if old.prompt != new.prompt:
        told = f"{place} the prompt {show(old.prompt)} became {show(new.prompt)}"
        yield Change(kind="prompt_changed", group=new.name, sentence=told)
    gone = [o for o in old.options if o not in new.options]
    come = [o for o in new.options if o not in old.options]
    if len(gone) == len(come) and len(old.options) == len(new.options):
        for a, b in zip(old.options, new.options, strict=True):
            if a != b and a in gone and b in come:
                yield Change(
                    kind="option_renamed", group=new.name, sentence=f"{place} the option {show(a)} became {show(b)}"
                )
                gone.remove(a)
                come.remove(b)
    for option in gone:
        yield Change(kind="option_removed", group=new.name, sentence=f"{place} the option {show(option)} removed")
    for option in come:
        yield Change(kind="option_added", group=new.name, sentence=f"{place} the option {show(option)} added")
    if [o for o in old.options if o in new.options] != [o for o in new.options if o in old.options]:
        yield Change(kind="options_reordered", group=new.name, sentence=f"{place} the options now in another order")


def _rule_changes(old: Tree, new: Tree) -> Iterator[Change]:
    before = {rule.name: rule for rule in old.rules}
    after = {rule.name: rule for rule in new.rules}
    for name in before:
        if name not in after:
            yield Change(kind="class_removed", class_name=name, sentence=f"class {show(name)} removed")
    renamed = {
        (group.name, a, b)
        for group in new.groups
        if (earlier := old.group(group.name)) and len(earlier.options) == len(group.options)
        for a, b in zip(earlier.options, group.options, strict=True)
        if a not in group.options and b not in earlier.options
    }
    for name, rule in after.items():
        if name not in before:
            told = f"class {show(name)} added: {_words(new, rule)}"
            yield Change(kind="class_added", class_name=name, sentence=told)
            continue
        for group in new.groups:
            if old.group(group.name) is None:
                continue
            a, b = _answer(old, before[name], group.name), _answer(new, rule, group.name)
            if a != b and (group.name, a, b) not in renamed:
                told = f"{show(name)} in {show(group.name)}: {_shown(a)} became {_shown(b)}"
                yield Change(kind="rule_changed", group=group.name, class_name=name, sentence=told)
    common = [n for n in before if n in after]
    if common != [n for n in after if n in before]:
        yield Change(kind="classes_reordered", sentence="classes now in another order")


def _answer(tree: Tree, rule: ClassRule, group: str) -> str | int | None:
    """The option's word, the bare index where it is out of range, `None` for no answer."""
    word = answer_word(tree, rule, group)
    return rule.get(group) if word is None else word


def _shown(answer: str | int | None) -> str:
    if answer is None:
        return "no answer"
    return show(answer) if isinstance(answer, str) else f"option {answer}, which does not exist"


def _words(tree: Tree, rule: ClassRule) -> str:
    return ", ".join(f"{show(g.name)} {_shown(_answer(tree, rule, g.name))}" for g in tree.groups)


def answer_word(tree: Tree, rule: ClassRule, group: str) -> str | None:
    """The option that the rule names in the group; `None` for null, a missing answer or an index out of range."""
    index, found = rule.get(group), tree.group(group)
    if found is None or index is None or not 0 <= index < len(found.options):
        return None
    return found.options[index]
