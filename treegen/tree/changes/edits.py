"""A reviewer's edits as lists of atomic changes: one list is one step. Rules are updated automatically."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from treegen.text import quote
from treegen.tree.changes import (
    Answer,
    Change,
    ChangeError,
    ClassAdded,
    ClassesReordered,
    ClassRemoved,
    ClassRenamed,
    DomainChanged,
    GroupAdded,
    GroupRemoved,
    GroupRenamed,
    GroupsReordered,
    LookChanged,
    MutableTree,
    OptionAdded,
    OptionRemoved,
    OptionRenamed,
    OptionsReordered,
    PromptChanged,
    RuleChanged,
)
from treegen.tree.changes.conflicts import conflict_changes
from treegen.tree.changes.difference import difference
from treegen.tree.changes.interface import whole_class, whole_group
from treegen.tree.document import content_of, tree_from
from treegen.tree.merge.disputes import Side, take_side
from treegen.tree.model import Tree
from treegen.tree.validation.fixes import apply_fixes
from treegen.tree.validation.problems import Problem

Changes = tuple[Change, ...]


def _before(names: Sequence[str], name: str) -> str | None:
    place = names.index(name)
    return names[place - 1] if place else None


def _moved(names: Sequence[str], name: str, by: int) -> tuple[str, ...]:
    """Return the names with one moved by some positions, at most to either end."""
    rest = [n for n in names if n != name]
    place = min(max(names.index(name) + by, 0), len(rest))
    return (*rest[:place], name, *rest[place:])


def _text(text: str, what: str) -> str:
    if not text.strip():
        raise ChangeError(f"{what} must not be blank")
    return text.strip()


def users(tree: Tree, group: str, option: str) -> tuple[str, ...]:
    """Return the classes that have an option."""
    return tuple(rule.name for rule in tree.rules if tree.word(rule, group) == option)


def add_option(tree: Tree, group: str, option: str, after: str | None) -> Changes:
    """Add an option after `after`, or at the front."""
    return (OptionAdded(group=group, option=_text(option, "an option"), after=after),)


def rename_option(tree: Tree, group: str, old: str, new: str) -> Changes:
    """Rename an option; empty if the name is the same."""
    new = _text(new, "an option")
    return (OptionRenamed(group=group, old=old, new=new),) if new != old else ()


def delete_option(tree: Tree, group: str, option: str, goes_to: Mapping[str, Answer]) -> Changes:
    """Delete an option.

    Args:
        tree: contains it.
        group: its group.
        option: the option.
        goes_to: for every class that has it, the option that replaces it, or null.

    Raises:
        ChangeError: a class is not named.
    """
    options = MutableTree(tree).need_group(group)
    missing = [name for name in users(tree, group, option) if name not in goes_to]
    if missing:
        raise ChangeError(f"{', '.join(map(quote, missing[:3]))} still has {quote(option)}; name a replacement")
    moved = [
        RuleChanged(class_name=name, group=group, old=option, new=goes_to[name]) for name in users(tree, group, option)
    ]
    return (*moved, OptionRemoved(group=group, option=option, after=_before(options, option)))


def merge_options(tree: Tree, group: str, option: str, into: str) -> Changes:
    """Give all classes of one option another one, and delete the first."""
    return delete_option(tree, group, option, dict.fromkeys(users(tree, group, option), into))


def split_option(tree: Tree, group: str, option: str, new: str, classes: Iterable[str]) -> Changes:
    """Add an option after another and give it to some of that option's classes."""
    chosen = set(classes)
    moved = [
        RuleChanged(class_name=name, group=group, old=option, new=new)
        for name in users(tree, group, option)
        if name in chosen
    ]
    return (*add_option(tree, group, new, option), *moved)


def move_option(tree: Tree, group: str, option: str, by: int) -> Changes:
    """Move an option up (negative) or down."""
    old = tuple(MutableTree(tree).need_group(group))
    new = _moved(old, option, by)
    return (OptionsReordered(group=group, old=old, new=new),) if new != old else ()


def add_group(
    tree: Tree, name: str, prompt: str, options: Sequence[str], after: str | None, answer: Answer = None
) -> Changes:
    """Add a group in which every class has the same answer, or none."""
    answers = tuple((c, answer) for c in tree.rows)
    name = _text(name, "a group's name")
    return (GroupAdded(group=name, prompt=prompt, options=tuple(options), answers=answers, after=after),)


def rename_group(tree: Tree, old: str, new: str) -> Changes:
    """Rename a group."""
    new = _text(new, "a group's name")
    return (GroupRenamed(old=old, new=new),) if new != old else ()


def delete_group(tree: Tree, group: str) -> Changes:
    """Delete a group, with all answers in it."""
    return (GroupRemoved(**whole_group(MutableTree(tree), group)),)


def move_group(tree: Tree, group: str, by: int) -> Changes:
    """Move a group up (negative) or down."""
    old = tuple(g.name for g in tree.groups)
    new = _moved(old, group, by)
    return (GroupsReordered(old=old, new=new),) if new != old else ()


def change_prompt(tree: Tree, group: str, new: str) -> Changes:
    """Change a group's prompt; empty if it is the same."""
    old = MutableTree(tree).prompts[group]
    return (PromptChanged(group=group, old=old, new=new.strip()),) if new.strip() != old else ()


def point_rule(tree: Tree, class_name: str, group: str, answer: Answer) -> Changes:
    """Change a class's answer in a group; empty if it is the same."""
    old = MutableTree(tree).answer(class_name, group)
    return (RuleChanged(class_name=class_name, group=group, old=old, new=answer),) if answer != old else ()


def add_class(tree: Tree, name: str, after: str | None, like: str | None = None) -> Changes:
    """Add a class with the answers of another, or with none."""
    draft = MutableTree(tree)
    answers = tuple((g.name, draft.answer(like, g.name) if like else None) for g in tree.groups)
    return (ClassAdded(class_name=_text(name, "a class's name"), answers=answers, after=after),)


def add_look(tree: Tree, row: str, name: str) -> Changes:
    """Add a look to a class, with the answers of one that it has; a class without looks becomes its own first one.

    Args:
        tree: the tree.
        row: the class, or one of its looks.
        name: of the new look.
    """
    draft, name = MutableTree(tree), _text(name, "a look's name")
    draft.need_class(row)
    class_name = draft.look_of.get(row, row)
    last = tree.looks.get(class_name, (row,))[-1]
    fields = {**whole_class(draft, row, last), "class_name": name, "look_of": class_name}
    first = () if row in draft.look_of else (LookChanged(class_name=row, old="", new=row),)
    return (*first, ClassAdded(**fields))


def rename_class(tree: Tree, old: str, new: str) -> Changes:
    """Rename a class or a look."""
    new = _text(new, "a class's name")
    return (ClassRenamed(old=old, new=new),) if new != old else ()


def delete_class(tree: Tree, name: str) -> Changes:
    """Delete a class or a look, with its rule; a last look that has the name of its class is then the class again."""
    removed = ClassRemoved(**whole_class(MutableTree(tree), name, _before(tree.rows, name)))
    rest = [look for look in tree.looks.get(removed.look_of, ()) if look != name]
    if rest != [removed.look_of]:
        return (removed,)
    return removed, LookChanged(class_name=rest[0], old=rest[0], new="")


def move_class(tree: Tree, name: str, by: int) -> Changes:
    """Move a class up (negative) or down."""
    new = _moved(tree.rows, name, by)
    return (ClassesReordered(old=tree.rows, new=new),) if new != tree.rows else ()


def name_domain(tree: Tree, name: str) -> Changes:
    """Name another domain; empty if the name is the same."""
    name = _text(name, "a domain's name")
    return (DomainChanged(old=tree.domain, new=name),) if name != tree.domain else ()


def fix_problem(tree: Tree, problem: Problem) -> Changes:
    """Return the changes of a problem's certain fix; empty if it has none."""
    fixed, _ = apply_fixes(content_of(tree), (problem,))
    return difference(tree, tree_from(fixed))


def decide(tree: Tree, number: int, side: Side | Literal["file"]) -> Changes:
    """Return the changes that resolve a merge conflict.

    Args:
        tree: has conflicts.
        number: index of the conflict, from 0.
        side: whose changes are applied; `file` leaves the tree as it is.

    Raises:
        ChangeError: the changes of the side no longer fit the tree.
    """
    decided = take_side(tree, side, (number + 1,))
    return (*difference(tree, decided), *conflict_changes(tree.conflicts, decided.conflicts))
