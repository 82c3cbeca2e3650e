"""What a merge cannot decide: each kind in words, and the changes that would take one side or the other."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from treegen.errors import InputError
from treegen.text import quote
from treegen.tree.changes import (
    ABSENT,
    Answer,
    Change,
    ChangeError,
    ClassRemoved,
    ClassRenamed,
    DomainChanged,
    GroupRemoved,
    GroupRenamed,
    LookChanged,
    MutableTree,
    OptionAdded,
    OptionRemoved,
    PromptChanged,
    RuleChanged,
    apply,
    from_json,
)
from treegen.tree.changes.interface import describe_answer, whole_class, whole_group
from treegen.tree.document import compact
from treegen.tree.model import Conflict, Tree

Side = Literal["ours", "theirs"]
Resolutions = dict[Side, tuple[Change, ...]]


def other(side: Side) -> Side:
    """Return the other side."""
    return "theirs" if side == "ours" else "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """One thing on which the sides disagree. `draft` holds the merged tree when it is described and resolved."""

    def describe(self) -> str:
        """Describe the dispute."""
        raise NotImplementedError

    def resolutions(self, draft: MutableTree) -> Resolutions:
        """Return for each side the changes that take it."""
        raise NotImplementedError

    def conflict(self, draft: MutableTree) -> Conflict:
        """Return the conflict to write into the merged tree."""
        sides = {side: compact([c.as_json() for c in changes]) for side, changes in self.resolutions(draft).items()}
        return Conflict(what=self.describe(), ours_json=sides["ours"], theirs_json=sides["theirs"])


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDispute(Dispute):
    """Both sides changed the domain."""

    ours: str
    theirs: str

    def describe(self) -> str:
        """Describe the dispute."""
        return f"the domain: ours {quote(self.ours)}, theirs {quote(self.theirs)}"

    def resolutions(self, draft: MutableTree) -> Resolutions:
        """Return the changes per side; the tree has ours."""
        return {"ours": (), "theirs": (DomainChanged(old=self.ours, new=self.theirs),)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NameDispute(Dispute):
    """Both sides renamed the same group or class."""

    what: Literal["group", "class"]
    base: str
    ours: str
    theirs: str

    def describe(self) -> str:
        """Describe the dispute."""
        return f"{self.what} {quote(self.base)}: ours renamed it to {quote(self.ours)}, theirs to {quote(self.theirs)}"

    def resolutions(self, draft: MutableTree) -> Resolutions:
        """Return the changes per side; the tree has ours."""
        kind = GroupRenamed if self.what == "group" else ClassRenamed
        return {"ours": (), "theirs": (kind(old=self.ours, new=self.theirs),)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptDispute(Dispute):
    """Both sides changed the same prompt."""

    group: str
    ours: str
    theirs: str

    def describe(self) -> str:
        """Describe the dispute."""
        return f"the prompt of {quote(self.group)}: ours {quote(self.ours)}, theirs {quote(self.theirs)}"

    def resolutions(self, draft: MutableTree) -> Resolutions:
        """Return the changes per side; the tree has ours."""
        return {"ours": (), "theirs": (PromptChanged(group=self.group, old=self.ours, new=self.theirs),)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceDispute(Dispute):
    """One side removed a group or class that the other changed. The tree keeps it."""

    what: Literal["group", "class"]
    name: str
    remover: Side

    def describe(self) -> str:
        """Describe the dispute."""
        return f"{self.what} {quote(self.name)}: {self.remover} removed it, {other(self.remover)} changed it"

    def resolutions(self, draft: MutableTree) -> Resolutions:
        """Return the changes per side; the tree still has the group or class."""
        if self.what == "group":
            removal: Change = GroupRemoved(**whole_group(draft, self.name))
        else:
            names = list(draft.rules)
            place = names.index(self.name)
            removal = ClassRemoved(**whole_class(draft, self.name, names[place - 1] if place else None))
        return _by_side({self.remover: (removal,), other(self.remover): ()})


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionDispute(Dispute):
    """One side removed an option that the other uses. The tree keeps it.

    Attributes:
        users: the classes that have it in the merged tree, with the remover's answer for each.
        renamed: the remover's likely new name for it.
    """

    group: str
    option: str
    remover: Side
    users: tuple[tuple[str, Answer], ...]
    renamed: str | None

    def describe(self) -> str:
        """Describe the dispute."""
        names = ", ".join(quote(name) for name, _ in self.users)
        what = f"renamed it to {quote(self.renamed)}" if self.renamed else "removed it"
        place = f"the option {quote(self.option)} in {quote(self.group)}"
        return f"{place}: {self.remover} {what}, {other(self.remover)} uses it for {names}"

    def resolutions(self, draft: MutableTree) -> Resolutions:
        """Return the changes per side; the tree still has the option."""
        options = draft.options[self.group]
        moved = tuple(
            RuleChanged(class_name=name, group=self.group, old=self.option, new=self._replacement(answer, options))
            for name, answer in self.users
        )
        return _by_side(
            {
                self.remover: (*moved, _removal(options, self.group, self.option)),
                other(self.remover): (),
            }
        )

    def _replacement(self, answer: Answer, options: Sequence[str]) -> Answer:
        candidate = self.renamed or answer
        return candidate if candidate in options and candidate != self.option else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDispute(Dispute):
    """Both sides changed a class's answer. The tree has ours.

    Attributes:
        dropped: theirs removed the option that is our answer.
    """

    class_name: str
    group: str
    base: Answer
    ours: Answer
    theirs: Answer
    dropped: bool = False

    def describe(self) -> str:
        """Describe the dispute."""
        was = "" if self.base is ABSENT else f", before {describe_answer(self.base)}"
        place = f"{quote(self.class_name)} in {quote(self.group)}"
        return f"{place}: ours {describe_answer(self.ours)}, theirs {describe_answer(self.theirs)}{was}"

    def resolutions(self, draft: MutableTree) -> Resolutions:
        """Return the changes per side; a removed option is added again for the side that uses it."""
        change = RuleChanged(class_name=self.class_name, group=self.group, old=self.ours, new=self.theirs)
        options = draft.options[self.group]
        changes: tuple[Change, ...] = (change,)
        if isinstance(self.theirs, str) and self.theirs not in options:
            changes = (
                OptionAdded(group=self.group, option=self.theirs, after=options[-1] if options else None),
                change,
            )
        if self.dropped and isinstance(self.ours, str):
            changes = (*changes, _removal(options, self.group, self.ours))
        return {"ours": (), "theirs": changes}


@dataclass(frozen=True, slots=True, kw_only=True)
class LookDispute(Dispute):
    """Both sides made a rule a look of different classes; empty stands for a class of its own. The tree has ours."""

    class_name: str
    ours: str
    theirs: str

    def describe(self) -> str:
        """Describe the dispute."""
        ours, theirs = (f"a look of {quote(c)}" if c else "a class of its own" for c in (self.ours, self.theirs))
        return f"{quote(self.class_name)}: ours {ours}, theirs {theirs}"

    def resolutions(self, draft: MutableTree) -> Resolutions:
        """Return the changes per side; the tree has ours."""
        return {"ours": (), "theirs": (LookChanged(class_name=self.class_name, old=self.ours, new=self.theirs),)}


@dataclass(frozen=True, slots=True, kw_only=True)
class GapDispute(Dispute):
    """A class of one side and a group of the other: neither side gave an answer."""

    class_name: str
    group: str
    class_side: Side

    def describe(self) -> str:
        """Describe the dispute."""
        place = f"{quote(self.class_name)} in {quote(self.group)}"
        return (
            f"{place}: no answer, since only {self.class_side} has the class and only {other(self.class_side)} the "
            "group; taking either side writes null"
        )

    def resolutions(self, draft: MutableTree) -> Resolutions:
        """Return null as the answer for either side."""
        null = (RuleChanged(class_name=self.class_name, group=self.group, old=ABSENT, new=None),)
        return {"ours": null, "theirs": null}


def _removal(options: Sequence[str], group: str, option: str) -> OptionRemoved:
    before = options[: options.index(option)]
    return OptionRemoved(group=group, option=option, after=before[-1] if before else None)


def _by_side(sides: Resolutions) -> Resolutions:
    return {"ours": sides["ours"], "theirs": sides["theirs"]}


def changes_of(conflict: Conflict, side: Side) -> tuple[Change, ...]:
    """Return the changes that take a side.

    Raises:
        ChangeError: they cannot be read because the file was edited.
    """
    import json

    text = conflict.ours_json if side == "ours" else conflict.theirs_json
    data: list[Any] = json.loads(text)
    return tuple(from_json(change) for change in data)


def resolve(tree: Tree, number: int, side: Side) -> Tree:
    """Resolve one conflict by taking a side.

    Args:
        tree: has conflicts.
        number: index of the conflict, from 0.
        side: whose changes are applied.

    Raises:
        ChangeError: the tree has changed since, and they no longer fit.
    """
    conflict = tree.conflicts[number]
    rest = (*tree.conflicts[:number], *tree.conflicts[number + 1 :])
    # a side's changes were computed on the merged tree; resolving other conflicts first may have removed an
    # option that they need, or made one of them unnecessary
    resolved = tree
    for change in changes_of(conflict, side):
        if not _is_needless(resolved, change):
            resolved = apply(resolved, (*_restored_option(resolved, change), change))
        if isinstance(change, ClassRenamed | GroupRenamed):
            rest = tuple(_with_rename(c, change) for c in rest)
        if isinstance(change, ClassRemoved | GroupRemoved):
            rest = tuple(remaining for c in rest if (remaining := _without(c, change)))
    return replace(resolved, conflicts=rest)


def _with_rename(conflict: Conflict, renamed: ClassRenamed | GroupRenamed) -> Conflict:
    """Apply a rename to a remaining conflict; leave one that was edited by hand as it is."""
    with suppress(ChangeError):
        sides = [[_renamed(c, renamed).as_json() for c in changes_of(conflict, side)] for side in ("ours", "theirs")]
        return replace(conflict, ours_json=compact(sides[0]), theirs_json=compact(sides[1]))
    return conflict


def _without(conflict: Conflict, removed: ClassRemoved | GroupRemoved) -> Conflict | None:
    """Drop from a remaining conflict what concerns a removed class or group; `None` if nothing is left."""
    try:
        before = [changes_of(conflict, side) for side in ("ours", "theirs")]
    except ChangeError:  # edited by hand: keep it
        return conflict
    place = 1 if isinstance(removed, ClassRemoved) else 0
    after = [[c for c in changes if c.about[place] != removed.about[place]] for changes in before]
    # a conflict with one empty side still offers a choice; with two it has nothing left to decide
    if not any(after) and any(before):
        return None
    ours, theirs = (compact([c.as_json() for c in changes]) for changes in after)
    return replace(conflict, ours_json=ours, theirs_json=theirs)


def _renamed(change: Change, renamed: ClassRenamed | GroupRenamed) -> Change:
    def named(name: Any) -> Any:
        return renamed.new if name == renamed.old else name

    field = "class_name" if isinstance(renamed, ClassRenamed) else "group"
    applies = hasattr(change, field)
    values: dict[str, Any] = {field: named(getattr(change, field))} if applies else {}
    if isinstance(change, ClassRemoved | GroupRemoved):  # what its inverse would restore
        if (field == "class_name") == isinstance(change, ClassRemoved):
            values["after"] = named(change.after)
        else:
            values["answers"] = tuple((named(name), answer) for name, answer in change.answers)
    return replace(change, **values)


def take_side(tree: Tree, side: Side | Literal["file"], numbers: Sequence[int] = ()) -> Tree:
    """Resolve the conflicts with the given numbers (from 1), or all.

    Args:
        tree: has conflicts.
        side: whose changes are applied; `file` leaves the tree as it is and drops the conflicts.
        numbers: of the conflicts; empty means all.

    Raises:
        InputError: there is no conflict with that number.
        ChangeError: the changes of a side no longer fit the tree.
    """
    count = len(tree.conflicts)
    if unknown := [n for n in numbers if not 1 <= n <= count]:
        raise InputError(f"there is no conflict {unknown[0]}", f"the tree has {count}")
    chosen = {n - 1 for n in numbers} or set(range(count))
    # from the last to the first, as resolving a conflict shifts the numbers of those after it
    for number in sorted(chosen, reverse=True):
        if side == "file":
            tree = replace(tree, conflicts=(*tree.conflicts[:number], *tree.conflicts[number + 1 :]))
        else:
            tree = resolve(tree, number, side)
    return tree


def _restored_option(tree: Tree, change: Change) -> tuple[Change, ...]:
    """Add the option that a rule needs again if an earlier conflict removed it."""
    group = tree.group(change.group) if isinstance(change, RuleChanged) else None
    if group is None or not isinstance(change, RuleChanged) or not isinstance(change.new, str):
        return ()
    if change.new in group.options:
        return ()
    return (OptionAdded(group=group.name, option=change.new, after=group.options[-1] if group.options else None),)


def _is_needless(tree: Tree, change: Change) -> bool:
    """Whether the change is unnecessary: the option was added again already, or another conflict still needs it."""
    if isinstance(change, OptionAdded):
        group = tree.group(change.group)
        return group is not None and change.option in group.options
    if isinstance(change, OptionRemoved):
        return any(tree.word(rule, change.group) == change.option for rule in tree.rules)
    return False
