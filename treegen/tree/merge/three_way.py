"""Three-way merge by name: answers are compared in words, and indices are recomputed.

Nothing is decided silently. For each class and group the merged answer is the one that one side changed, or the
base's, or a conflict. A conflict loses nothing: the merged tree keeps what was removed, and our wording where both
sides have one.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from treegen.errors import ProblemsError
from treegen.text import first_of, quote
from treegen.tree.changes import (
    ABSENT,
    Answer,
    ChangeError,
    ClassRenamed,
    GroupRenamed,
    MutableTree,
    OptionRenamed,
    apply,
)
from treegen.tree.changes.difference import ALIKE, difference, renamed_looks, resemblance
from treegen.tree.document import content_of
from treegen.tree.merge.disputes import (
    Dispute,
    DomainDispute,
    GapDispute,
    LookDispute,
    NameDispute,
    OptionDispute,
    PresenceDispute,
    PromptDispute,
    RuleDispute,
    Side,
    other,
)
from treegen.tree.model import ClassRule, Conflict, Group, Review, Tree
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.problems import Problem, errors_of, path_of, pointer_to

SIDES: Final[tuple[Side, Side]] = ("ours", "theirs")
EMPTY: Final = Tree(domain="", groups=(), rules=())  # the base of two newly added files
_Finder = Callable[[Tree, Tree], dict[str, str]]
_UNCLEAR: Final = frozenset({"TG111", "TG112", "TG202"})  # errors that leave an answer without words


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """A merged tree, including its conflicts.

    Attributes:
        notes: what was merged without a conflict but a reader should know.
        problems: errors introduced by the merge: neither side has them.
    """

    tree: Tree
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is left to decide."""
        return not self.tree.conflicts and not self.problems


def merge(base: Tree, ours: Tree, theirs: Tree, *, follow_renames: bool = False) -> MergeResult:
    """Merge two sides' changes to one tree.

    A mere rename of a group or class by one side is applied to the other. An option that one side renamed while the
    other gave it to a class is a conflict, unless `follow_renames`: then the class gets the new name.

    Args:
        base: the common ancestor; `EMPTY` if there is none.
        ours: one side; its order and wording win where nothing else decides.
        theirs: the other side.
        follow_renames: apply option renames to the other side's new uses.

    Raises:
        ProblemsError: a tree has an index out of range, identical options, or answers for unknown groups, so that it
            cannot be merged by name.
    """
    problems = {
        name: errors_of(check_data(content_of(tree)).problems)
        for name, tree in (("base", base), ("ours", ours), ("theirs", theirs))
        if tree is not EMPTY
    }
    for name, errors in problems.items():
        unclear = next((p for p in errors if p.code in _UNCLEAR), None)
        if unclear:
            message = f"{name} cannot be merged by name: {unclear.code} {unclear.pointer}: {unclear.message}"
            raise ProblemsError(message, "fix it first, then merge again")
    merged = _Merge(base, ours, theirs, follow_renames)
    tree = merged.tree()
    # errors that a side already has are not the merge's fault: reporting them would block every merge of such a tree
    preexisting = {_error(p) for side in SIDES for p in problems[side]}
    gaps = {pointer_to("rules", d.class_name) for d in merged.disputes if isinstance(d, GapDispute)}
    new = [p for p in errors_of(check_data(content_of(tree)).problems) if _error(p) not in preexisting]
    new = [p for p in new if not any(_same_rules(p, side) for side in (ours, theirs))]
    # a gap is a missing answer that its dispute already asks about
    new = [p for p in new if not (p.code == "TG206" and p.pointer in gaps)]
    return MergeResult(tree=tree, notes=tuple(merged.notes), problems=tuple(new))


def _error(problem: Problem) -> tuple[str, str, str]:
    """Return what identifies an error in two trees: an option's index may have changed."""
    return problem.code, re.sub(r"(/options)/\d+$", r"\1", problem.pointer), problem.message


def _same_rules(problem: Problem, side: Tree) -> bool:
    """Return whether a problem is two classes with identical rules that a side has too, whichever it names first."""
    if problem.code != "TG204":
        return False
    rules = {rule.name: dict(rule.answers) for rule in side.rules}
    one, other = rules.get(path_of(problem.pointer)[-1]), rules.get(problem.classes[0])
    return one is not None and one == other


class _Merge:
    """One merge. First the names of all three trees are unified, then every part is merged on its own."""

    def __init__(self, base: Tree, ours: Tree, theirs: Tree, follow_renames: bool) -> None:
        self.disputes: list[Dispute] = []
        self.notes: list[str] = []
        self._followed: list[tuple[Side, str, str, str]] = []
        self._renamed: dict[Side, set[str]] = {"ours": set(), "theirs": set()}
        self._trees: dict[Side, Tree] = {"ours": ours, "theirs": theirs}
        self._review = _later_review(base, ours, theirs)
        self._base_tree = base
        # groups before classes: classes are matched by their answers, which are looked up under the groups' names
        self._follow("group", _same_groups)
        self._follow("class", _same_classes)
        if follow_renames:
            for side in SIDES:
                self._follow_options(side)
        # drafts are made last: renames replace the trees
        self.base = MutableTree(self._base_tree)
        self.sides: dict[Side, MutableTree] = {side: MutableTree(self._trees[side]) for side in SIDES}
        self._renamed_options: dict[Side, dict[tuple[str, str], str]] = {
            side: {
                (change.group, change.old): change.new
                for change in difference(self._base_tree, self._trees[side])
                if isinstance(change, OptionRenamed)
            }
            for side in SIDES
        }

    def tree(self) -> Tree:
        """Build the merged tree with its conflicts."""
        domain = self._domain()
        self._note_followed()
        groups, classes = self._present("group"), self._present("class")
        words = {(c, g): self._merged_answer(c, g) for c in classes for g in groups}
        merged = []
        for name in groups:
            options = self._options(name, {c: words[c, name] for c in classes})
            merged.append(Group(name=name, prompt=self._prompt(name), options=tuple(options)))
        rules = tuple(
            ClassRule(
                name=c,
                answers=tuple(_answers((g, words[c, g.name]) for g in merged)),
                look_of=self._merged_look(c),
            )
            for c in classes
        )
        tree = Tree(domain=domain, groups=tuple(merged), rules=rules, review=self._review)
        draft = MutableTree(tree)
        conflicts = (*self._open_conflicts(), *(d.conflict(draft) for d in self.disputes))
        return replace(tree, conflicts=conflicts)

    def _open_conflicts(self) -> list[Conflict]:
        """Return conflicts of an earlier merge that are still open; one resolved by either side is resolved."""
        sides = [{c.what: c for c in self._trees[side].conflicts} for side in SIDES]
        before = {c.what for c in self._base_tree.conflicts}
        return [c for what, c in (sides[0] | sides[1]).items() if what not in before or all(what in s for s in sides)]

    def _follow(self, what: str, find: "_Finder") -> None:
        """Apply one side's renames to the other two trees as well."""
        renames = {side: find(self._base_tree, self._trees[side]) for side in SIDES}
        for side in SIDES:
            for old, new in renames[side].items():
                theirs = renames[other(side)].get(old)
                if theirs is not None and theirs != new:
                    # both renamed it: base and theirs take our name, so that its content is merged as one thing
                    if side == "theirs":
                        continue  # reported when ours was processed
                    self.disputes.append(
                        NameDispute(what="group" if what == "group" else "class", base=old, ours=new, theirs=theirs)
                    )
                self._rename(side, what, old, new, theirs)

    def _rename(self, side: Side, what: str, old: str, new: str, theirs: str | None) -> None:
        kind = GroupRenamed if what == "group" else ClassRenamed
        opposite = other(side)
        try:
            base = apply(self._base_tree, (kind(old=old, new=new),))
            away = self._trees[opposite]
            if theirs is not None and theirs != new:
                away = apply(away, (kind(old=theirs, new=new),))
            elif old in ((*away.rows, *away.classes) if what == "class" else [g.name for g in away.groups]):
                away = apply(away, (kind(old=old, new=new),))
        except ChangeError:  # the name is taken: a removal and an addition, not a rename
            return
        self._base_tree, self._trees[opposite] = base, away
        self._renamed[side].add(new)
        self._followed.append((side, what, old, new))

    def _note_followed(self) -> None:
        """Note where the other side's changes to a renamed group or class were carried over."""
        for side, what, old, new in self._followed:
            draft = self.sides[other(side)]
            present = new in (draft.prompts if what == "group" else draft.rules)
            if present and self._changed(what, new, other(side)):
                message = f"{side} renamed the {what} {quote(old)} to {quote(new)}"
                self.notes.append(f"{message}; the changes of {other(side)} to it were carried over")

    def _follow_options(self, side: Side) -> None:
        for change in difference(self._base_tree, self._trees[side]):
            if isinstance(change, OptionRenamed):
                try:
                    base = apply(self._base_tree, (change,))
                    away = apply(self._trees[other(side)], (change,))
                except ChangeError:  # the other side removed or renamed it too, or has the new name
                    continue
                self._base_tree, self._trees[other(side)] = base, away

    def _domain(self) -> str:
        base, ours, theirs = self.base.domain, self.sides["ours"].domain, self.sides["theirs"].domain
        if ours == theirs or theirs == base:
            return ours
        if ours == base:
            return theirs
        self.disputes.append(DomainDispute(ours=ours, theirs=theirs))
        return ours

    def _present(self, what: str) -> list[str]:
        """Return the groups or classes of the merged tree, in its order."""
        base, ours, theirs = (
            list(draft.prompts if what == "group" else draft.rules)
            for draft in (self.base, self.sides["ours"], self.sides["theirs"])
        )
        names: dict[Side, set[str]] = {"ours": set(ours), "theirs": set(theirs)}
        members, in_base = set(), set(base)
        # a name that neither side has is gone, and a new one is taken from either side; only a removal has to be judged
        for name in dict.fromkeys((*ours, *theirs)):
            missing_side = next((side for side in SIDES if name not in names[side]), None)
            if missing_side is None or name not in in_base:
                members.add(name)
            elif self._changed(what, name, other(missing_side)):
                self.disputes.append(
                    PresenceDispute(what="group" if what == "group" else "class", name=name, remover=missing_side)
                )
                members.add(name)
            elif what == "group":
                self._note_lost_answers(name, missing_side)
        return _order(base, ours, theirs, members)

    def _changed(self, what: str, name: str, side: Side) -> bool:
        """Whether the side changed a group or class that both it and the base have."""
        base, draft = self.base, self.sides[side]
        if name in self._renamed[side]:
            return True
        if what == "group":
            if base.prompts[name] != draft.prompts[name] or set(base.options[name]) != set(draft.options[name]):
                return True
            return any(base.answer(c, name) != draft.answer(c, name) for c in base.rules if c in draft.rules)
        if base.look_of.get(name) != draft.look_of.get(name):
            return True
        return any(base.answer(name, g) != draft.answer(name, g) for g in base.prompts if g in draft.prompts)

    def _note_lost_answers(self, group: str, remover: Side) -> None:
        """Note answers of new classes that were lost because the other side removed the group."""
        draft = self.sides[other(remover)]
        for name in draft.rules:
            answer = draft.answer(name, group)
            if name not in self.base.rules and isinstance(answer, str):
                self.notes.append(
                    f"{quote(name)} lost its answer {quote(answer)} in {quote(group)}: {remover} removed the group"
                )

    def _prompt(self, group: str) -> str:
        base, ours, theirs = (
            draft.prompts.get(group) for draft in (self.base, self.sides["ours"], self.sides["theirs"])
        )
        if ours is None or theirs is None:
            return ours if ours is not None else theirs or ""
        if ours == theirs:
            return ours
        if base in (ours, theirs):
            self._note_stale_answers(group, "theirs" if theirs == base else "ours")
            return ours if theirs == base else theirs
        self.disputes.append(PromptDispute(group=group, ours=ours, theirs=theirs))
        return ours

    def _note_stale_answers(self, group: str, side: Side) -> None:
        """Note answers that a side gave while the other changed the prompt; they are kept."""
        draft, base = self.sides[side], self.base
        answered = [
            name
            for name in draft.rules
            if isinstance(self._answer_of(draft, name, group), str)
            and self._answer_of(draft, name, group) != self._answer_of(base, name, group)
        ]
        if answered:
            names = first_of([*map(quote, answered)], 3)
            message = f"{other(side)} changed the prompt of {quote(group)}"
            self.notes.append(f"{message}, and {side} answered the old one for {names}: do the answers still fit?")

    def _merged_answer(self, name: str, group: str) -> Answer:
        """Return the merged answer of a class in a group."""
        base = self._answer_of(self.base, name, group)
        answers: dict[Side, Answer] = {}
        for side in SIDES:
            draft = self.sides[side]
            deleted = (name in self.base.rules and name not in draft.rules) or (
                group in self.base.prompts and group not in draft.prompts
            )
            answers[side] = base if deleted else self._answer_of(draft, name, group)
        ours, theirs = answers["ours"], answers["theirs"]
        if ours == theirs:
            if ours is ABSENT and not any(name in d.rules and group in d.prompts for d in self.sides.values()):
                owner: Side = "ours" if name in self.sides["ours"].rules else "theirs"
                self.disputes.append(GapDispute(class_name=name, group=group, class_side=owner))
            return ours
        if theirs == base:
            return ours
        if ours == base:
            return theirs
        self.disputes.append(RuleDispute(class_name=name, group=group, base=base, ours=ours, theirs=theirs))
        return ours

    def _merged_look(self, name: str) -> str:
        """Return the class that a rule is a look of in the merged tree; empty if of none."""
        base = self.base.look_of.get(name, "")
        has = {side: name in draft.rules for side, draft in self.sides.items()}
        values = {side: draft.look_of.get(name, "") for side, draft in self.sides.items()}
        ours, theirs = (values[side] if has[side] else values[other(side)] for side in SIDES)
        if ours == theirs or theirs == base:
            return ours
        if ours == base:
            return theirs
        self.disputes.append(LookDispute(class_name=name, ours=ours, theirs=theirs))
        return ours

    @staticmethod
    def _answer_of(draft: MutableTree, name: str, group: str) -> Answer:
        return draft.answer(name, group) if name in draft.rules and group in draft.prompts else ABSENT

    def _options(self, group: str, words: dict[str, Answer]) -> list[str]:
        """Return the options of the merged group; an option that a class uses is never left out."""
        base = self.base.options.get(group, [])
        lists = {side: self.sides[side].options.get(group) for side in SIDES}
        ours, theirs = lists["ours"], lists["theirs"]
        # answers are merged before options: the merged answers decide which removed options must stay
        members, used = set(), set(words.values())
        if ours is None or theirs is None:  # a side lacks the group: the other's options, and those in use
            existing = ours or theirs or []
            return _order(base, existing, existing, {*existing, *(o for o in base if o in used)})
        for option in dict.fromkeys((*base, *ours, *theirs)):
            lacking = [side for side in SIDES if option not in (lists[side] or ())]
            if not lacking or option not in base:
                members.add(option)
            elif option in used:
                members.add(option)
                if len(lacking) == 1:
                    self._option_in_use(group, option, lacking[0], [c for c, w in words.items() if w == option])
        return _order(base, ours, theirs, members)

    def _option_in_use(self, group: str, option: str, remover: Side, users: Sequence[str]) -> None:
        """Record a dispute for an option that one side removed and classes use, unless all are disputed anyway."""
        open_ones = {
            d.class_name: number
            for number, d in enumerate(self.disputes)
            if isinstance(d, RuleDispute) and d.group == group and d.ours == option
        }
        free = [name for name in users if name not in open_ones]
        if free:
            answers = tuple((name, self._answer_of(self.sides[remover], name, group)) for name in free)
            renamed = self._renamed_options[remover].get((group, option))
            self.disputes.append(
                OptionDispute(group=group, option=option, remover=remover, users=answers, renamed=renamed)
            )
        # every user is disputed already: taking theirs in such a dispute must then also drop the option
        elif remover == "theirs":
            for number in open_ones.values():
                dispute = self.disputes[number]
                assert isinstance(dispute, RuleDispute)
                self.disputes[number] = replace(dispute, dropped=True)


def _later_review(base: Tree, ours: Tree, theirs: Tree) -> Review | None:
    """Return the sign-off that one side changed, or the later one. It names its content, so a merge makes it stale."""
    if ours.review == theirs.review or theirs.review == base.review:
        return ours.review
    if ours.review == base.review or ours.review is None:
        return theirs.review
    return ours.review if theirs.review is None or ours.review.at >= theirs.review.at else theirs.review


def _answers(words: Iterable[tuple[Group, Answer]]) -> Iterator[tuple[str, int | None]]:
    """Yield a rule as indices."""
    for group, word in words:
        if word is not ABSENT:
            yield group.name, group.options.index(word) if isinstance(word, str) else None


def _order(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], members: set[str]) -> list[str]:
    """Sort the members as the side that changed the order did, ours if both; insert the other side's in their order."""
    common = set(base) & set(ours)
    ours_unmoved = [n for n in ours if n in common] == [n for n in base if n in common]
    first, second = (theirs, ours) if ours_unmoved else (ours, theirs)
    result = [name for name in first if name in members]
    placed = set(result)
    # each missing name goes behind its predecessor on its own side, or to the front if it had none
    before: str | None = None
    for name in (*second, *(n for n in base if n in members)):
        if name in members and name not in placed:
            result.insert(result.index(before) + 1 if before is not None else 0, name)
            placed.add(name)
        if name in members:
            before = name
    return result


def _same_groups(base: Tree, side: Tree) -> dict[str, str]:
    """Return groups that the side only renamed: same content, and no other candidate."""
    removed = [(g.name, (g.prompt, g.options)) for g in base.groups if side.group(g.name) is None]
    added = [(g.name, (g.prompt, g.options)) for g in side.groups if base.group(g.name) is None]
    return _only_pairs(removed, added)


def _same_classes(base: Tree, side: Tree) -> dict[str, str]:
    """Return classes that the side only renamed: similar names, and no other class with these answers.

    A class that has looks, and no rule of its own, is found by them.
    """
    groups = list(dict.fromkeys(g.name for g in (*base.groups, *side.groups)))

    def answers_of_unmatched(tree: Tree, other: Tree) -> list[tuple[str, tuple[Answer, ...]]]:
        """Answers of the classes that only the one tree has: mostly none, where all would be 30,000 look-ups."""
        names = set(tree.rows) - set(other.rows)
        draft = MutableTree(tree) if names else None
        return [(n, tuple(draft.answer(n, g) for g in groups)) for n in draft.rules if n in names] if draft else []

    no_answer = {None, ABSENT}
    removed = [(n, s) for n, s in answers_of_unmatched(base, side) if not set(s) <= no_answer]
    added = answers_of_unmatched(side, base)
    rows = {a: b for a, b in _only_pairs(removed, added).items() if resemblance(a, b) >= ALIKE}
    return {**rows, **renamed_looks(MutableTree(base), MutableTree(side))} if base.looks else rows


def _only_pairs(removed: Sequence[tuple[str, Hashable]], added: Sequence[tuple[str, Hashable]]) -> dict[str, str]:
    """Pair names of equal content where exactly one removed and one added name have it."""
    before, after = Counter(what for _, what in removed), Counter(what for _, what in added)
    names = {what: name for name, what in added}
    return {name: names[what] for name, what in removed if before[what] == 1 and after[what] == 1}
