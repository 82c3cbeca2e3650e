"""A proposal under review: what was asked, its units, what each would do, and what the reviewer made of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from treegen.proposals import Unit, alone, closure, take, units_of
from treegen.session import Session
from treegen.tree.changes import (
    Change,
    ChangeError,
    ClassRenamed,
    GroupRenamed,
    OptionAdded,
    OptionRenamed,
    PromptChanged,
    apply,
)
from treegen.tree.changes.conflicts import conflict_changes
from treegen.tree.difference import difference
from treegen.tree.merging import merge
from treegen.tree.model import Tree
from treegen.tree.targets import Target

if TYPE_CHECKING:
    from treegen.clip.previewing import Preview

Fate = Literal["open", "taken", "rejected"]


@dataclass(slots=True, kw_only=True)
class Asked:
    """One proposal of a language model for a session's tree.

    Attributes:
        feedback: what was asked.
        origin: the tree that the proposal was made for.
        units: its parts, which are taken or left one by one.
        previews: what each unit, with what it needs, would do on the dev part; empty until it is computed.
        fates: what the reviewer made of each unit.
    """

    feedback: str
    origin: Tree
    units: tuple[Unit, ...]
    previews: "tuple[Preview, ...]" = ()
    fates: list[Fate] = field(default_factory=list)

    @classmethod
    def of(cls, feedback: str, origin: Tree, proposed: Tree, target: Target, locks: Collection[str]) -> "Asked":
        """The units of a proposed tree."""
        units = units_of(origin, difference(origin, proposed), target=target, locks=locks)
        return cls(feedback=feedback, origin=origin, units=units, fates=["open"] * len(units))

    @property
    def variants(self) -> list[tuple[Change, ...]]:
        """What `Evaluator.preview` is asked for."""
        return alone(self.origin, self.units)

    @property
    def taken(self) -> frozenset[int]:
        """The numbers of the units that were taken."""
        return frozenset(n for n, fate in enumerate(self.fates) if fate == "taken")

    @property
    def takeable(self) -> list[int]:
        """The open units that "all" means: neither refused nor outside what was asked."""
        return [
            u.number for u in self.units if self.fates[u.number] == "open" and not u.refused and not u.outside
        ]  # fmt: skip

    def accept(self, session: Session, numbers: Collection[int], edits: Sequence[Change] = ()) -> list[int]:
        """Makes units, with all that they need, one step of the session; returns the numbers that were taken.

        Where the reviewer has changed the tree since, the units are merged into it by names.

        Args:
            session: its tree is changed.
            numbers: of the units.
            edits: what the reviewer words otherwise, as changes of the proposed tree.

        Raises:
            ChangeError: a unit is refused, or contradicts what the reviewer changed since; nothing is changed.
        """
        wanted = closure(self.units, numbers) | self.taken
        before = apply(self.origin, take(self.origin, self.units, self.taken))
        after = apply(apply(self.origin, take(self.origin, self.units, wanted)), edits)
        new = sorted(wanted - self.taken)
        if not new:
            return []
        merged = merge(before, session.tree, after)
        added = conflict_changes(session.tree.conflicts, merged.tree.conflicts)
        if added:
            raise ChangeError(f"it contradicts what you changed since: {added[0].sentence}")
        sentence = self.units[new[0]].sentences[0]
        more = f" and {len(new) - 1} more" if len(new) > 1 else ""
        session.become(f"accepted: {sentence}{more}", merged.tree)
        for number in new:
            self.fates[number] = "taken"
        why = "; ".join(f"with {change.sentence}" for change in edits)
        session.decide(self.feedback, [c for n in new for c in self.units[n].changes], taken=True, why=why)
        return new

    def reject(self, session: Session, number: int, why: str) -> None:
        """Leaves a unit, and those that need it; the next request tells the language model, and why."""
        for unit in self.units:
            if (unit.number == number or number in unit.needs) and self.fates[unit.number] == "open":
                self.fates[unit.number] = "rejected"
                session.decide(self.feedback, unit.changes, taken=False, why=why)


def wording(unit: Unit) -> str | None:
    """The text that a unit proposes, if it is about one: a prompt, an option, a name."""
    return next((text for change in unit.changes if (text := _text_of(change)) is not None), None)


def reworded(unit: Unit, text: str) -> tuple[Change, ...]:
    """The change of the proposed tree that words a unit otherwise; nothing if the text is the same."""
    change = next(c for c in unit.changes if _text_of(c) is not None)
    old = _text_of(change)
    if old is None or old == text:
        return ()
    match change:
        case PromptChanged(group=group):
            return (PromptChanged(group=group, old=old, new=text),)
        case OptionRenamed(group=group) | OptionAdded(group=group):
            return (OptionRenamed(group=group, old=old, new=text),)
        case GroupRenamed():
            return (GroupRenamed(old=old, new=text),)
    return (ClassRenamed(old=old, new=text),)


def _text_of(change: Change) -> str | None:
    if isinstance(change, OptionAdded):
        return change.option
    return change.new if isinstance(change, PromptChanged | OptionRenamed | GroupRenamed | ClassRenamed) else None
