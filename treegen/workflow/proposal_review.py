"""A proposal under review: the feedback, its change groups, the effect of each, and the reviewer's decisions."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from treegen.errors import TreegenError
from treegen.tree.changes import (
    Change,
    ChangeError,
    ClassAdded,
    ClassRenamed,
    DomainChanged,
    GroupAdded,
    GroupRenamed,
    OptionAdded,
    OptionRenamed,
    PromptChanged,
    RuleChanged,
    apply,
    from_json,
)
from treegen.tree.changes.conflicts import conflict_changes
from treegen.tree.changes.difference import difference
from treegen.tree.document import dump
from treegen.tree.feedback_target import WHOLE, Target
from treegen.tree.merge.three_way import merge
from treegen.tree.model import Tree
from treegen.vcs.versions import tree_of
from treegen.workflow.proposal_units import ChangeGroup, closure, take, units_of, with_locks
from treegen.workflow.session import Session

if TYPE_CHECKING:
    from treegen.clip.preview import Preview

Try = Callable[[Tree, Sequence[Tree]], "tuple[Preview, ...]"]  # as `Evaluator.preview`
Fate = Literal["open", "taken", "rejected"]
_STORED_AS: Final = "proposal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """One step in which change groups were accepted.

    Attributes:
        place: index of the step in the session.
        label: of the step.
        numbers: of the change groups.
        edits: what the reviewer reworded, as changes to the proposed tree.
    """

    place: int
    label: str
    numbers: tuple[int, ...]
    edits: tuple[Change, ...] = ()

    def done_in(self, session: Session) -> bool:
        """Whether the step is in effect: neither undone nor replaced by another."""
        return self.place < session.position and session.steps[self.place].label == self.label


@dataclass(slots=True, kw_only=True)
class ProposalReview:
    """One proposal of a language model for a session's tree.

    Attributes:
        feedback: the request.
        origin: the tree that the proposal was made for.
        proposed: the language model's answer.
        target: what the feedback was about.
        locks: what was locked when it was sent.
        units: its change groups, which are accepted or rejected one by one.
        previews: the effect on the dev split of each group with its prerequisites; empty until computed.
        previewing: whether the previews are being computed.
        previewed: the tree that the previews are, or will be, about.
        fates: the reviewer's decision on each group.
        acceptances: the steps in which groups were accepted, including undone ones.
    """

    feedback: str
    origin: Tree
    proposed: Tree
    target: Target = WHOLE
    locks: frozenset[str] = frozenset()
    units: tuple[ChangeGroup, ...]
    previews: "tuple[Preview, ...]" = ()
    previewing: bool = False
    previewed: Tree | None = None
    fates: list[Fate] = field(default_factory=list)
    acceptances: list[Acceptance] = field(default_factory=list)
    _texts: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls, feedback: str, origin: Tree, proposed: Tree, target: Target, locks: Collection[str]
    ) -> "ProposalReview":
        """Divide a proposed tree into units.

        On a large tree this takes tenths of a second: not for the thread that paints. The trees, which never change,
        are written out here too, so that `keep` after every choice need not do it.
        """
        units = units_of(origin, difference(origin, proposed), target=target, locks=locks)
        return cls(
            feedback=feedback,
            origin=origin,
            proposed=proposed,
            target=target,
            locks=frozenset(locks),
            units=units,
            fates=["open"] * len(units),
            _texts={"origin": dump(origin), "proposed": dump(proposed)},
        )

    @classmethod
    def left_in(cls, session: Session) -> "ProposalReview | None":
        """Restore the last proposal for a session's tree as it was left; `None` if there is none."""
        text = session.stored_text(_STORED_AS)
        if not text:
            return None
        data = json.loads(text)
        origin, proposed = (tree_of(data[key], str(session.path)) for key in ("origin", "proposed"))
        review = cls.of(data["feedback"], origin, proposed, Target(**data["target"]), data["locks"])
        if len(data["fates"]) == len(review.units):  # else an older version grouped them differently
            review.fates = data["fates"]
            review.acceptances = [
                Acceptance(place=place, label=label, numbers=tuple(numbers), edits=tuple(map(from_json, edits)))
                for place, label, numbers, edits in data["acceptances"]
                if session.resumed
            ]
        return review

    @staticmethod
    def forget(session: Session) -> None:
        """Drop the stored proposal; the decisions on it stay."""
        session.store_text(_STORED_AS, "")

    def store(self, session: Session) -> None:
        """Persist the proposal and the decisions so that the next session restores them."""
        acceptances = [(a.place, a.label, a.numbers, [c.as_json() for c in a.edits]) for a in self.acceptances]
        data = {
            "feedback": self.feedback,
            **self._texts,
            "target": asdict(self.target),
            "locks": sorted(self.locks),
            "fates": self.fates,
            "acceptances": acceptances,
        }
        session.store_text(_STORED_AS, json.dumps(data))

    def preview_of(self, number: int) -> "Preview | None":
        """Return the effect of a group, if it is known."""
        return self.previews[number] if number < len(self.previews) else None

    @property
    def open(self) -> int:
        """How many groups are undecided and can be accepted."""
        return sum(fate == "open" and not unit.refused for fate, unit in zip(self.fates, self.units, strict=True))

    def next_open(self, row: int) -> int | None:
        """Return the next group from a number on, round the end, that is open and can be accepted."""
        count = len(self.units)
        numbers = ((row + away) % count for away in range(count))
        return next((n for n in numbers if self.fates[n] == "open" and not self.units[n].refused), None)

    def refresh_locks(self, session: Session) -> None:
        """Refuse what touches the present locks, and free what only touched those that are gone."""
        locks = _original_locks(session, self.origin)
        if locks != self.locks:
            self.locks = locks
            self.units = with_locks(self.units, locks, self.origin)

    def trials(self, session: Session) -> "Callable[[Try], tuple[Preview, ...]]":
        """Return a function that computes, on another thread, the effect of each open group on the session's tree.

        What is not open any more keeps the effect that it had.
        """
        tree, taken, rewordings = session.tree, self.taken, self._rewordings(session)
        units, fates, known = self.units, tuple(self.fates), self.previews

        def compute(preview: Try) -> "tuple[Preview, ...]":
            trees: dict[int, Tree] = {}
            failures: dict[int, str] = {}
            for unit in units:
                if fates[unit.number] == "open" and not unit.refused:
                    try:
                        trees[unit.number] = self._merged(
                            tree, taken, closure(units, [unit.number]) | taken, rewordings
                        )
                    except TreegenError as error:
                        failures[unit.number] = error.message
            found = dict(zip(trees, preview(tree, list(trees.values())), strict=True))
            return tuple(
                found.get(n) or (known[n] if n < len(known) and n not in failures else _no_effect(failures.get(n, "")))
                for n in range(len(units))
            )

        return compute

    @property
    def taken(self) -> frozenset[int]:
        """The numbers of the accepted groups."""
        return frozenset(n for n, fate in enumerate(self.fates) if fate == "taken")

    @property
    def takeable(self) -> list[int]:
        """The open groups that "all" means: neither refused nor outside the target."""
        return [u.number for u in self.units if self.fates[u.number] == "open" and not u.refused and not u.outside]

    def accept(self, session: Session, numbers: Collection[int], edits: Sequence[Change] = ()) -> list[int]:
        """Apply groups and all their prerequisites as one step of the session; return the numbers newly accepted.

        If the reviewer has changed the tree since, the groups are merged into it by name.

        Args:
            session: its tree is changed.
            numbers: of the groups.
            edits: what the reviewer reworded, as changes to the proposed tree.

        Raises:
            ChangeError: a group is refused, or conflicts with what the reviewer changed since; nothing is changed.
        """
        self.refresh_locks(session)
        accepted = closure(self.units, numbers) | self.taken
        new = sorted(accepted - self.taken)
        if not new:
            return []
        in_effect = [acceptance for acceptance in self.acceptances if acceptance.done_in(session)]
        merged = self._merged(session.tree, self.taken, accepted, self._rewordings(session), edits)
        sentence = self.units[new[0]].sentences[0]
        others = f" and {len(new) - 1} more" if len(new) > 1 else ""
        place, label = session.position, f"accepted: {sentence}{others}"
        session.become(label, merged)
        if session.position > place:
            step = Acceptance(place=place, label=label, numbers=tuple(new), edits=tuple(edits))
            self.acceptances = [*in_effect, step]
        self._decide(session, new, "taken", "; ".join(f"with {change.sentence}" for change in edits))
        return new

    def _rewordings(self, session: Session) -> tuple[Change, ...]:
        """Return what the reviewer reworded in the steps that are in effect."""
        return tuple(change for step in self.acceptances if step.done_in(session) for change in step.edits)

    def _merged(
        self,
        tree: Tree,
        taken: Collection[int],
        accepted: Collection[int],
        rewordings: Sequence[Change],
        edits: Sequence[Change] = (),
    ) -> Tree:
        """Return a tree, in which some groups are taken already, with all that are accepted.

        Raises:
            ChangeError: a group is refused, or conflicts with what the reviewer changed since.
        """
        before = self._tree_with(taken, rewordings)
        after = self._tree_with(accepted, [*rewordings, *edits])
        merged = merge(before, tree, after).tree
        if added := conflict_changes(tree.conflicts, merged.conflicts):
            raise ChangeError(f"it conflicts with what you changed since: {added[0].sentence}")
        return merged

    def _tree_with(self, numbers: Collection[int], edits: Sequence[Change]) -> Tree:
        """Return the origin with groups applied and reworded.

        Edits refer to proposed names, so group renames come last.
        """
        accepted = apply(self.origin, take(self.origin, self.units, numbers))
        return apply(accepted, sorted(edits, key=lambda change: isinstance(change, GroupRenamed)))

    def _decide(self, session: Session, numbers: Sequence[int], fate: Fate, why: str) -> None:
        changes = [change for number in numbers for change in self.units[number].changes]
        session.decide(self.feedback, changes, taken=fate == "taken", why=why)
        for number in numbers:
            self.fates[number] = fate
        self.store(session)

    def follow(self, session: Session) -> None:
        """Reopen accepted groups whose step was undone, and accept them again when it is redone."""
        for step in self.acceptances:
            fate: Fate = "taken" if step.done_in(session) else "open"
            if any(self.fates[number] != fate for number in step.numbers):
                self._decide(session, step.numbers, fate, "" if fate == "taken" else "taken, then undone")

    def reject(self, session: Session, number: int, why: str) -> None:
        """Reject a group and those that depend on it; the next request tells the language model, with the reason."""
        dependents = [u.number for u in self.units if u.number == number or number in u.needs]
        self._decide(session, [n for n in dependents if self.fates[n] == "open"], "rejected", why)


def wording(unit: ChangeGroup) -> str | None:
    """Return the text that a group proposes, if it is a prompt, an option or a name."""
    return next((text for change in unit.changes if (text := _text_of(change)) is not None), None)


def reworded(unit: ChangeGroup, text: str) -> tuple[Change, ...]:
    """Return the change to the proposed tree that rewords a group; empty if the text is the same."""
    change = next(c for c in unit.changes if _text_of(c) is not None)
    old = _text_of(change)
    if old is None or old == text:
        return ()
    match change:
        case PromptChanged(group=group) | GroupAdded(group=group):
            return (PromptChanged(group=group, old=old, new=text),)
        case OptionRenamed(group=group) | OptionAdded(group=group):
            return (OptionRenamed(group=group, old=old, new=text),)
        case GroupRenamed():
            return (GroupRenamed(old=old, new=text),)
        case DomainChanged():
            return (DomainChanged(old=old, new=text),)
    return (ClassRenamed(old=old, new=text),)


def reanswered(change: RuleChanged, answer: str | None) -> tuple[Change, ...]:
    """Return the change to the proposed tree that gives its class another answer; empty if it is the same."""
    if answer == change.new:
        return ()
    return (RuleChanged(class_name=change.class_name, group=change.group, old=change.new, new=answer),)


def _text_of(change: Change) -> str | None:
    match change:
        case OptionAdded(option=text) | GroupAdded(prompt=text) | ClassAdded(class_name=text):
            return text
        case PromptChanged() | OptionRenamed() | GroupRenamed() | ClassRenamed() | DomainChanged():
            return str(change.new)
    return None


def _no_effect(failure: str) -> "Preview":
    from treegen.clip.preview import Preview

    return Preview(n=0, before=None, failure=failure)


def _original_locks(session: Session, origin: Tree) -> frozenset[str]:
    """Return the locks of a session by the names that groups and classes had in an earlier tree."""
    names = {"group": {group.name for group in origin.groups}, "class": set(origin.rows)}
    changes = [change for step in session.steps[: session.position] for change in step.changes]
    found = set()
    for lock in session.locks:
        kind, _, name = lock.partition(" ")
        renamed = GroupRenamed if kind == "group" else ClassRenamed
        for change in reversed(changes):
            if name not in names[kind] and isinstance(change, renamed) and change.new == name:
                name = change.old
        found.add(f"{kind} {name}")
    return frozenset(found)
