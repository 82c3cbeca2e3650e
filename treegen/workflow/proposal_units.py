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
    # Needs are those of whole units: were each step of an answer to need for itself, a choice could take half of it.
    direct = [set[int]() for _ in numbers]
    for place, needed in enumerate(_needed(changes)):
        own = numbers[owner[place]]
        direct[own] |= {numbers[owner[earlier]] for earlier in needed} - {own}
    needs = _all_needs(direct)
    units = [
        ChangeGroup(
            number=number,
            changes=tuple(changes[p] for p in own),
            places=tuple(own),
            needs=needs[number],
            outside=any(_outside(changes[p], target, names) for p in own),
            refused=next((told for p in own if (told := _locked(changes[p], locks, names))), ""),
        )
        for number, own in enumerate(places)
    ]
    units = _with_new_options(units, target)
    # Last, and from the list as it is: needs hold their own needs already, so no refusal has to be passed on twice.
    return tuple(_refused_with(unit, units) for unit in units)


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
    taken = set(chosen)  # once: made anew for each unit, it is what makes the choice of all of them slow
    for unit in (units[number] for number in sorted(chosen)):
        if unit.refused:
            raise ChangeError(f"{unit.sentences[0]}: {unit.refused}")
        missing = [units[n].sentences[0] for n in sorted(unit.needs - taken)]
        if missing:
            raise ChangeError(f"{unit.sentences[0]}: it needs what is not taken: {'; '.join(missing[:3])}")
    # In the order of the proposal, not of the choice: an answer's option must be there before it, and go after it.
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
        found = (change.old, change.new) if isinstance(change, RuleChanged) else ()
        return {self._options.get((group, word), word) for word in found if isinstance(word, str)}


def _owners(changes: Sequence[Change]) -> list[int]:
    """Return, for each change, the index of the first change of its group.

    These form one group: replacing a classification group by another of the same name; several steps of one answer; all
    mere reorderings of answers.
    """
    first: dict[tuple[object, ...], int] = {}
    keys: list[tuple[object, ...]] = []
    for place, change in enumerate(changes):
        if isinstance(change, GroupAdded | GroupRemoved):
            keys.append(("group", change.group))
        elif isinstance(change, RuleChanged):
            keys.append(("rule", change.class_name, change.group))
        else:
            keys.append(("order",) if isinstance(change, AnswersReordered) else ("change", place))
        first.setdefault(keys[-1], place)
    return [first[key] for key in keys]


def _needed(changes: Sequence[Change]) -> list[set[int]]:
    """For each change the places of earlier ones without which it does not fit.

    Every change is asked what it speaks of, then noted under what it makes or frees. An index that is filled on the
    way holds earlier places only: a change must not find itself, nor a name that is made after it.
    """
    made = _Made()
    needed = []
    for place, change in enumerate(changes):
        needed.append(made.needed_by(change))
        made.note(place, change)
    return needed


class _Made:
    """Where the changes so far have made or freed something, by name: no change is compared with each one before it."""

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
            case GroupRemoved(group=group):  # a group that replaces it must wait, a new class does not see it
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
            return set()  # they come first, and speak of the names of the old tree
        group, name = change.about
        found = [self._groups.get(group, ()), self._classes.get(name, ())]  # nothing is noted under None
        match change:
            case GroupAdded():
                found += [self._classes.get(each, ()) for each, _ in change.answers]
            case ClassAdded():
                found += [self._new_groups.get(each, ()) for each, _ in change.answers]
                found += [self._options.get((each, word), ()) for each, word in change.answers if isinstance(word, str)]
            case OptionRemoved():
                found.append(self._freed.get((change.group, change.option), ()))
            case RuleChanged(old=old, new=new) if isinstance(old, int) or isinstance(new, int):
                # a bare index moves with every option that comes or goes
                found.append(self._inside.get(change.group, ()))
            case RuleChanged(old=old, new=new):
                words = [word for word in (old, new) if isinstance(word, str)]
                found += [self._options.get((change.group, word), ()) for word in words]
        return set().union(*found)


def _all_needs(direct: Sequence[set[int]]) -> list[frozenset[int]]:
    """For each unit what it needs, and what that needs.

    Units can need each other in a circle (an answer in two steps, the removed option between them), so there is no
    order in which all that a unit needs is known before it. What is finished is complete all the same, and is not
    walked through again. The latest need comes first: it mostly holds the earlier ones, which are skipped then.
    """
    finished: list[frozenset[int]] = []
    for number in range(len(direct)):
        found, left = set[int](), [number]
        while left:
            for other in sorted(direct[left.pop()] - found, reverse=True):
                if other in found:
                    continue
                found.add(other)
                if other < number:
                    found |= finished[other]
                else:
                    left.append(other)
        finished.append(frozenset(found - {number}))
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
    wanted = {n for unit in units if not unit.outside for n in unit.needs}
    new = {u.number for u in units if u.number in wanted and all(isinstance(c, OptionAdded) for c in u.changes)}
    return [replace(unit, outside=False) if unit.number in new else unit for unit in units]


def _locked(change: Change, locks: Collection[str], names: _Names) -> str:
    """Describe the lock that the change touches; empty for none.

    A group's lock covers its name, prompt, options and answers. A class's lock covers its name and its answers; neither
    renaming an option nor adding a group changes a class's answers.
    """
    group = names.group(change)
    if group is not None and f"group {group}" in locks:
        return f"the group {quote(group)} is locked"
    touched = [] if isinstance(change, AnswersReordered | ClassAdded) else [change.about[1]]
    if isinstance(change, GroupRemoved):
        touched = [name for name, answer in change.answers if answer not in (None, ABSENT)]
    for name in map(names.class_, touched):
        if f"class {name}" in locks:
            return f"the class {quote(name)} is locked"
    return ""


def _refused_with(unit: ChangeGroup, units: Sequence[ChangeGroup]) -> ChangeGroup:
    """Refuse a group that needs a refused one."""
    if unit.refused:
        return unit
    for other in sorted(unit.needs):
        if units[other].refused:
            return replace(unit, refused=f"it needs another change, and {units[other].refused}")
    return unit


def _without_answer(tree: Tree, changes: Sequence[Change]) -> list[Change]:
    """Return null answers for new groups and classes that have no answer for each other."""
    groups = {c.group for c in changes if isinstance(c, GroupAdded)}
    classes = {c.class_name for c in changes if isinstance(c, ClassAdded)}
    if not groups and not classes:  # nearly always: the tree of each single unit need not be made to see this
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
