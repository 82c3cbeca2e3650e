"""A proposal as units: the smallest parts that a reviewer can take or leave, and what each needs.

A change may only fit after others: a removed option needs its classes moved first, a new class the new option that it
has. So every unit names the units it needs, and any choice that is closed under `needs` can be made.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from treegen.tree.changes import (
    ABSENT,
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
    apply,
)
from treegen.tree.changes.interface import MutableTree
from treegen.tree.feedback_target import WHOLE, Target
from treegen.tree.model import Tree
from treegen.tree.validation.schema import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeGroup:
    """A part of a proposal that is taken or left as a whole.

    Attributes:
        number: its place among the units.
        changes: in the order in which they are made.
        places: where they stand in the proposal.
        needs: numbers of the units that must be taken with it, those that these need included.
        outside: it touches something that was not asked for.
        refused: why it must not be taken: it touches a lock, or needs something that does. Empty if it may.
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
    """The units of a proposal.

    Args:
        tree: what the changes are made on.
        changes: of `difference`, in its order.
        target: what was asked about; units elsewhere are `outside`.
        locks: `group NAME` and `class NAME`, as they are called in the tree: units that touch one are `refused`.
    """
    names = _Names(changes)
    owner = _owners(changes)
    numbers = {first: number for number, first in enumerate(sorted(set(owner)))}
    places: list[list[int]] = [[] for _ in numbers]
    for place, first in enumerate(owner):
        places[numbers[first]].append(place)
    direct = [set[int]() for _ in numbers]
    for place in range(len(changes)):
        own = numbers[owner[place]]
        direct[own] |= {numbers[owner[earlier]] for earlier in _needed(changes, place)} - {own}
    units = [
        ChangeGroup(
            number=number,
            changes=tuple(changes[p] for p in own),
            places=tuple(own),
            needs=_all_needs(number, direct),
            outside=any(_outside(changes[p], target, names) for p in own),
            refused=next((told for p in own if (told := _locked(changes[p], locks, names))), ""),
        )
        for number, own in enumerate(places)
    ]
    units = _with_new_options(units, target)
    return tuple(_refused_with(unit, units) for unit in units)


def closure(units: Sequence[ChangeGroup], chosen: Iterable[int]) -> frozenset[int]:
    """The numbers of the units chosen and of all that they need."""
    return frozenset(n for number in chosen for n in (number, *units[number].needs))


def take(tree: Tree, units: Sequence[ChangeGroup], chosen: Collection[int]) -> tuple[Change, ...]:
    """The changes that make the chosen units, in an order in which each can be made.

    A class that is kept and a group that is new, or the other way round, get no answer (null) where the proposal had
    none for them.

    Args:
        tree: the one that the units were made for.
        units: all of the proposal.
        chosen: numbers of units; those they need must be among them.

    Raises:
        ChangeError: a unit is refused, or one that it needs is not chosen.
    """
    for unit in (units[number] for number in sorted(chosen)):
        if unit.refused:
            raise ChangeError(f"{unit.sentences[0]}: {unit.refused}")
        missing = [units[n].sentences[0] for n in sorted(unit.needs - set(chosen))]
        if missing:
            raise ChangeError(f"{unit.sentences[0]}: it needs what is not taken: {'; '.join(missing[:3])}")
    pairs = [pair for n in chosen for pair in zip(units[n].places, units[n].changes, strict=True)]
    changes = tuple(change for _, change in sorted(pairs, key=lambda pair: pair[0]))
    return changes if len(pairs) == sum(len(u.changes) for u in units) else (*changes, *_without_answer(tree, changes))


def alone(tree: Tree, units: Sequence[ChangeGroup]) -> list[tuple[Change, ...]]:
    """For each unit the changes of it and of what it needs, for `Evaluator.preview`; none for a refused one."""
    return [() if unit.refused else take(tree, units, closure(units, (unit.number,))) for unit in units]


class _Names:
    """What groups, classes and options of later changes are called in the tree that the first change is made on."""

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
        """The group that the change is in, if there is one."""
        name = change.about[0]
        return None if name is None else self._groups.get(name, name)

    def class_(self, name: str | None) -> str | None:
        """The class."""
        return None if name is None else self._classes.get(name, name)

    def words(self, change: Change) -> set[object]:
        """The options that the change speaks of."""
        group = change.about[0] or ""
        if isinstance(change, OptionAdded | OptionRemoved):
            return {change.option}
        if isinstance(change, OptionRenamed):
            return {change.old}
        found = (change.old, change.new) if isinstance(change, RuleChanged) else ()
        return {self._options.get((group, word), word) for word in found if isinstance(word, str)}


def _owners(changes: Sequence[Change]) -> list[int]:
    """For each change the place of the first of its unit.

    One unit: what replaces a group by another of the same name; several steps of one answer; all answers that are only
    written in another order.
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


def _needed(changes: Sequence[Change], place: int) -> set[int]:
    """The places of earlier changes without which this one does not fit."""
    change = changes[place]
    return {earlier for earlier in range(place) if _needs(change, changes[earlier])}


def _needs(change: Change, earlier: Change) -> bool:
    """Whether a change speaks of something that an earlier one made, or removes what an earlier one freed."""
    group, name = change.about
    if isinstance(change, GroupRenamed | ClassRenamed):
        return False  # they come first
    answers = dict(change.answers) if isinstance(change, ClassAdded) else {}
    if isinstance(earlier, GroupRenamed | GroupAdded | GroupRemoved):
        made = earlier.new if isinstance(earlier, GroupRenamed) else earlier.group
        return group == made or (made in answers and not isinstance(earlier, GroupRemoved))
    if isinstance(earlier, ClassRenamed | ClassAdded):
        made = earlier.new if isinstance(earlier, ClassRenamed) else earlier.class_name
        return name == made or (isinstance(change, GroupAdded) and made in dict(change.answers))
    if isinstance(change, OptionRemoved):
        return _frees(earlier, change)
    if isinstance(change, RuleChanged) and any(isinstance(a, int) for a in (change.old, change.new)):
        return earlier.about[0] == group  # a bare index moves with every option that comes or goes
    if isinstance(earlier, OptionAdded | OptionRenamed):
        word = earlier.new if isinstance(earlier, OptionRenamed) else earlier.option
        if isinstance(change, RuleChanged):
            return group == earlier.group and word in (change.old, change.new)
        return answers.get(earlier.group) == word
    return False


def _frees(earlier: Change, removed: OptionRemoved) -> bool:
    """Whether a class that had the option has it no more, or is gone."""
    if isinstance(earlier, RuleChanged):
        return earlier.group == removed.group and earlier.old == removed.option
    return isinstance(earlier, ClassRemoved) and dict(earlier.answers).get(removed.group) == removed.option


def _all_needs(number: int, direct: Sequence[set[int]]) -> frozenset[int]:
    """What a unit needs, and what that needs."""
    found, left = set[int](), [number]
    while left:
        for other in direct[left.pop()] - found:
            found.add(other)
            left.append(other)
    return frozenset(found - {number})


def _outside(change: Change, target: Target, names: _Names) -> bool:
    """Whether the change is about something else than what was asked."""
    if target.kind == "tree":
        return False
    if target.kind == "class":
        return names.class_(change.about[1]) != target.class_name
    elsewhere = names.group(change) != target.group
    return elsewhere or (target.kind == "option" and target.option not in names.words(change))


def _with_new_options(units: list[ChangeGroup], target: Target) -> list[ChangeGroup]:
    """A new option that something asked for needs was asked for as well."""
    if target.kind not in ("class", "option"):
        return units
    wanted = {n for unit in units if not unit.outside for n in unit.needs}
    new = {u.number for u in units if u.number in wanted and all(isinstance(c, OptionAdded) for c in u.changes)}
    return [replace(unit, outside=False) if unit.number in new else unit for unit in units]


def _locked(change: Change, locks: Collection[str], names: _Names) -> str:
    """Which lock the change touches, in words; empty for none.

    A group's lock covers its name, prompt, options and the answers in it. A class's lock covers its name and its
    answers; another word for an option moves no class, and a new group takes nothing from one.
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
    """A unit that needs a refused one is refused as well."""
    for other in sorted(unit.needs):
        if not unit.refused and units[other].refused:
            return replace(unit, refused=f"it needs another change, and {units[other].refused}")
    return unit


def _without_answer(tree: Tree, changes: Sequence[Change]) -> list[Change]:
    """Null where a new group and a class, or a new class and a group, have no answer for each other."""
    draft = MutableTree(apply(tree, changes))
    groups = {c.group for c in changes if isinstance(c, GroupAdded)}
    classes = {c.class_name for c in changes if isinstance(c, ClassAdded)}
    return [
        RuleChanged(class_name=name, group=group, old=ABSENT, new=None)
        for name in draft.rules
        for group in draft.prompts
        if (name in classes or group in groups) and draft.answer(name, group) is ABSENT
    ]
