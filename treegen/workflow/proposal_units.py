"""Split a proposal into change groups: the smallest parts that a reviewer can accept or reject, with dependencies.

A change may depend on others: an option can be removed only after its classes are moved, a new class may need a new
option. So every group lists the groups it needs, and any selection closed under `needs` can be applied.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from treegen.text import quote
from treegen.tree.changes import (
    ABSENT,
    Answer,
    AnswersReordered,
    Change,
    ChangeError,
    ClassAdded,
    ClassRemoved,
    ClassRenamed,
    GroupAdded,
    GroupRemoved,
    GroupRenamed,
    LookChanged,
    OptionAdded,
    OptionRemoved,
    OptionRenamed,
    RuleChanged,
)
from treegen.tree.changes.interface import MutableTree
from treegen.tree.feedback_target import WHOLE, Target
from treegen.tree.model import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeGroup:
    """A part of a proposal that is accepted or rejected as a whole.

    Attributes:
        number: its index among the groups.
        changes: in the order in which they are applied.
        places: their indices in the proposal.
        needs: numbers of the groups that must be accepted with it, transitively.
        outside: it touches something outside the target of the feedback.
        refused: why it must not be accepted: it touches a lock, or needs something that does. Empty if allowed.
    """

    number: int
    changes: tuple[Change, ...]
    places: tuple[int, ...]
    needs: frozenset[int] = frozenset()
    outside: bool = False
    refused: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Its changes in words."""
        return tuple(change.sentence for change in self.changes)


def units_of(
    tree: Tree, changes: Sequence[Change], *, target: Target = WHOLE, locks: Collection[str] = ()
) -> tuple[ChangeGroup, ...]:
    """Group the changes of a proposal.

    Args:
        tree: the tree that the changes apply to.
        changes: from `difference`, in its order.
        target: what the feedback was about; groups elsewhere are `outside`.
        locks: `group NAME` and `class NAME`, by their names in the tree; groups that touch one are `refused`.
    """
    names = _Names(changes)
    owner = _owners(changes)
    numbers = {first: number for number, first in enumerate(sorted(set(owner)))}
    places: list[list[int]] = [[] for _ in numbers]
    for place, first in enumerate(owner):
        places[numbers[first]].append(place)
    # Collect the needs per group, not per change: otherwise a selection could contain half of an answer's steps.
    direct = [set[int]() for _ in numbers]
    for place, needed in enumerate(_needed(changes)):
        group = numbers[owner[place]]
        direct[group] |= {numbers[owner[earlier]] for earlier in needed} - {group}
    needs = _all_needs(direct)
    units = [
        ChangeGroup(
            number=number,
            changes=tuple(changes[p] for p in members),
            places=tuple(members),
            needs=needs[number],
            outside=any(_outside(changes[p], target, names) for p in members),
        )
        for number, members in enumerate(places)
    ]
    return with_locks(_with_new_options(units, target), locks, tree)


def with_locks(units: Sequence[ChangeGroup], locks: Collection[str], tree: Tree) -> tuple[ChangeGroup, ...]:
    """Refuse the groups of a proposal that touch a lock, or need one that does, and no others.

    Args:
        units: all of the proposal.
        locks: as for `units_of`.
        tree: the one that the groups were made for.
    """
    names = _Names(change for unit in units for change in unit.changes)

    def refusal(unit: ChangeGroup) -> str:
        return next((reason for change in unit.changes if (reason := _locked(change, locks, names, tree))), "")

    touched = [replace(unit, refused=refusal(unit)) for unit in units]
    # Last, in one pass: `needs` is transitive already, so a refusal need not be passed on step by step.
    return tuple(_refused_with(unit, touched) for unit in touched)


def closure(units: Sequence[ChangeGroup], chosen: Iterable[int]) -> frozenset[int]:
    """Return the numbers of the chosen groups and of all that they need."""
    return frozenset(n for number in chosen for n in (number, *units[number].needs))


def take(tree: Tree, units: Sequence[ChangeGroup], chosen: Collection[int]) -> tuple[Change, ...]:
    """Return the changes of the chosen groups, in an order in which each can be applied.

    Where the proposal had no answer for a kept class in a new classification group, or the reverse, the answer is null.

    Args:
        tree: the one that the groups were made for.
        units: all of the proposal.
        chosen: numbers of groups; must include their prerequisites.

    Raises:
        ChangeError: a group is refused, or a prerequisite is not chosen.
    """
    selected = set(chosen)  # built once: rebuilding it per unit makes selecting all of them slow
    for unit in (units[number] for number in sorted(chosen)):
        if unit.refused:
            raise ChangeError(f"{unit.sentences[0]}: {unit.refused}")
        missing = [units[n].sentences[0] for n in sorted(unit.needs - selected)]
        if missing:
            raise ChangeError(f"{unit.sentences[0]}: it requires what is not accepted: {'; '.join(missing[:3])}")
    # In the proposal's order: an option must be added before an answer uses it, and removed only after the last use.
    pairs = [pair for n in chosen for pair in zip(units[n].places, units[n].changes, strict=True)]
    changes = tuple(change for _, change in sorted(pairs, key=lambda pair: pair[0]))
    return changes if len(pairs) == sum(len(u.changes) for u in units) else (*changes, *_without_answer(tree, changes))


def alone(tree: Tree, units: Sequence[ChangeGroup]) -> list[tuple[Change, ...]]:
    """Return, per group, its changes with its prerequisites, for `Evaluator.preview`; empty for a refused one."""
    return [() if unit.refused else take(tree, units, closure(units, (unit.number,))) for unit in units]


class _Names:
    """The original names of groups, classes and options that later changes refer to by their new names."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._groups, self._classes = dict[str, str](), dict[str, str]()
        self._options: dict[tuple[str, str], str] = {}
        for change in changes:
            if isinstance(change, GroupRenamed):
                self._groups[change.new] = change.old
            elif isinstance(change, ClassRenamed):
                self._classes[change.new] = change.old
            elif isinstance(change, OptionRenamed):
                self._options[change.group, change.new] = change.old

    def group(self, change: Change) -> str | None:
        """Return the original name of the change's group, if it has one."""
        name = change.about[0]
        return None if name is None else self._groups.get(name, name)

    def class_(self, name: str | None) -> str | None:
        """Return the original name of a class."""
        return None if name is None else self._classes.get(name, name)

    def words(self, change: Change) -> set[object]:
        """Return the original names of the options that the change refers to."""
        group = change.about[0] or ""
        if isinstance(change, OptionAdded | OptionRemoved):
            return {change.option}
        if isinstance(change, OptionRenamed):
            return {change.old}
        answers = (change.old, change.new) if isinstance(change, RuleChanged) else ()
        return {self._options.get((group, word), word) for word in answers if isinstance(word, str)}


def _owners(changes: Sequence[Change]) -> list[int]:
    """Return, for each change, the index of the first change of its group.

    These form one group: replacing a classification group by another of the same name; several steps of one answer; all
    mere reorderings of answers; and everything that makes looks of a class, or makes it one look again.
    """
    with_looks = {name for change in changes if (name := _look_of(change))}
    first: dict[tuple[object, ...], int] = {}
    keys: list[tuple[object, ...]] = []
    for place, change in enumerate(changes):
        if isinstance(change, GroupAdded | GroupRemoved):
            keys.append(("group", change.group))
        elif isinstance(change, RuleChanged):
            keys.append(("rule", change.class_name, change.group))
        elif name := _look_of(change) or _own_class(change, with_looks):
            keys.append(("looks", name))
        else:
            keys.append(("order",) if isinstance(change, AnswersReordered) else ("change", place))
        first.setdefault(keys[-1], place)
    return [first[key] for key in keys]


def _look_of(change: Change) -> str:
    """Return the class whose looks a change adds, removes or alters; empty for any other change."""
    if isinstance(change, ClassAdded | ClassRemoved):
        return change.look_of
    return (change.new or change.old) if isinstance(change, LookChanged) else ""


def _own_class(change: Change, names: Collection[str]) -> str:
    """Return the class whose own rule a change adds, removes or renames, if it is one of the names."""
    match change:
        case ClassAdded(class_name=name) | ClassRemoved(class_name=name) | ClassRenamed(old=name) if name in names:
            return name
    return ""


def _needed(changes: Sequence[Change]) -> list[set[int]]:
    """Return, for each change, the places of the earlier changes that it requires.

    Look each change up before noting it, so that it finds only earlier places: never itself, nor a name made later.
    """
    index = _Made()
    needed = []
    for place, change in enumerate(changes):
        needed.append(index.needed_by(change))
        index.note(place, change)
    return needed


class _Made:
    """Index by name of what the changes so far have made or freed; avoids comparing all pairs of changes."""

    def __init__(self) -> None:
        self._groups = defaultdict[str | None, list[int]](list)
        self._new_groups = defaultdict[str | None, list[int]](list)
        self._classes = defaultdict[str | None, list[int]](list)
        self._options = defaultdict[tuple[str, str], list[int]](list)
        self._freed = defaultdict[tuple[str, Answer], list[int]](list)
        self._inside = defaultdict[str, list[int]](list)

    def note(self, place: int, change: Change) -> None:
        """Note what the change makes, and what it frees."""
        match change:
            case GroupRenamed(new=group) | GroupAdded(group=group):
                self._groups[group].append(place)
                self._new_groups[group].append(place)
            case GroupRemoved(group=group):  # a group that replaces it must wait; a new class is not affected
                self._groups[group].append(place)
            case ClassRenamed(new=name) | ClassAdded(class_name=name):
                self._classes[name].append(place)
            case ClassRemoved():
                for freed in change.answers:
                    self._freed[freed].append(place)
            case OptionRenamed(group=group, new=word) | OptionAdded(group=group, option=word):
                self._options[group, word].append(place)
            case RuleChanged():
                self._freed[change.group, change.old].append(place)
        if not isinstance(change, GroupRenamed | GroupAdded | GroupRemoved) and change.about[0] is not None:
            self._inside[change.about[0]].append(place)

    def needed_by(self, change: Change) -> set[int]:
        """Return the places of what the change refers to, or of what frees an option that it removes."""
        if isinstance(change, GroupRenamed | ClassRenamed):
            return set()  # renames come first, and refer to the old tree's names
        group, name = change.about
        needs = [self._groups.get(group, ()), self._classes.get(name, ())]  # None has no entry
        match change:
            case GroupAdded():
                needs += [self._classes.get(each, ()) for each, _ in change.answers]
            case ClassAdded():
                needs += [self._new_groups.get(each, ()) for each, _ in change.answers]
                needs += [self._options.get((each, word), ()) for each, word in change.answers if isinstance(word, str)]
            case OptionRemoved():
                needs.append(self._freed.get((change.group, change.option), ()))
            case RuleChanged(old=old, new=new) if isinstance(old, int) or isinstance(new, int):
                # a bare index shifts with every option that is added or removed
                needs.append(self._inside.get(change.group, ()))
            case RuleChanged(old=old, new=new):
                words = [word for word in (old, new) if isinstance(word, str)]
                needs += [self._options.get((change.group, word), ()) for word in words]
        return set().union(*needs)


def _all_needs(direct: Sequence[set[int]]) -> list[frozenset[int]]:
    """Return, for each group, everything that it needs directly or indirectly.

    Groups can need each other in a cycle (an answer in two steps, with an option removed in between), so they have no
    topological order: walk the graph from each group, but reuse the complete sets of those that are finished.
    """
    finished: list[frozenset[int]] = []
    for number in range(len(direct)):
        needed, stack = set[int](), [number]
        while stack:
            # latest first: its set mostly contains the earlier ones, which are then skipped
            for other in sorted(direct[stack.pop()] - needed, reverse=True):
                if other in needed:
                    continue
                needed.add(other)
                if other < number:
                    needed |= finished[other]
                else:
                    stack.append(other)
        finished.append(frozenset(needed - {number}))
    return finished


def _outside(change: Change, target: Target, names: _Names) -> bool:
    """Whether the change is outside the target of the feedback."""
    if target.kind == "tree":
        return False
    if target.kind == "class":
        return names.class_(change.about[1]) != target.class_name
    elsewhere = names.group(change) != target.group
    return elsewhere or (target.kind == "option" and target.option not in names.words(change))


def _with_new_options(units: list[ChangeGroup], target: Target) -> list[ChangeGroup]:
    """Count an added option as inside the target if a group inside the target needs it."""
    if target.kind not in ("class", "option"):
        return units
    needed = {n for unit in units if not unit.outside for n in unit.needs}
    new = {u.number for u in units if u.number in needed and all(isinstance(c, OptionAdded) for c in u.changes)}
    return [replace(unit, outside=False) if unit.number in new else unit for unit in units]


def _locked(change: Change, locks: Collection[str], names: _Names, tree: Tree) -> str:
    """Describe the lock that the change touches; empty for none.

    A group's lock covers its name, prompt, options and answers. A class's lock covers its name and its answers, in
    words: an option that only locked classes have may not be renamed, while others profit from a better word for all.
    Adding a group changes no answer of a class.
    """
    group = names.group(change)
    if group is not None and f"group {group}" in locks:
        return f"the group {quote(group)} is locked"
    users = _users(tree, group or "", change.old) if isinstance(change, OptionRenamed) else []
    if isinstance(change, OptionRenamed) and users and all(f"class {name}" in locks for name in users):
        return f"only the class {quote(users[0])} has the option {quote(change.old)}, and it is locked"
    touched = [] if isinstance(change, AnswersReordered | ClassAdded) else [change.about[1]]
    if isinstance(change, GroupRemoved):
        touched = [name for name, answer in change.answers if answer not in (None, ABSENT)]
    for name in map(names.class_, touched):
        if f"class {name}" in locks:
            return f"the class {quote(name)} is locked"
    return ""


def _users(tree: Tree, group: str, option: str) -> list[str]:
    """Return the classes that have an option."""
    found = tree.group(group)
    place = found.options.index(option) if found and option in found.options else None
    return [] if place is None else [rule.name for rule in tree.rules if rule.get(group) == place]


def _refused_with(unit: ChangeGroup, units: Sequence[ChangeGroup]) -> ChangeGroup:
    """Refuse a group that needs a refused one."""
    if unit.refused:
        return unit
    for other in sorted(unit.needs):
        if units[other].refused:
            return replace(unit, refused=f"it requires another change, and {units[other].refused}")
    return unit


def _without_answer(tree: Tree, changes: Sequence[Change]) -> list[Change]:
    """Return null answers for new groups and classes that have no answer for each other."""
    groups = {c.group for c in changes if isinstance(c, GroupAdded)}
    classes = {c.class_name for c in changes if isinstance(c, ClassAdded)}
    if not groups and not classes:  # nearly always; saves building the tree
        return []
    draft = MutableTree(tree)
    for change in changes:
        change.make(draft)
    return [
        RuleChanged(class_name=name, group=group, old=ABSENT, new=None)
        for name, rule in draft.rules.items()
        for group in draft.prompts
        if (name in classes or group in groups) and group not in rule
    ]
