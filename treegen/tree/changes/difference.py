"""A short list of changes that turns one tree into another, detecting renames; and the undo of a change.

The list is built by applying each change to a copy of the first tree, stage by stage, until it equals the second;
so `apply(a, difference(a, b)) == b` holds for any two trees, including invalid ones.
"""

from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, TypeVar

from treegen.tree.changes import (
    Answer,
    AnswersReordered,
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
    apply,
)
from treegen.tree.changes.conflicts import conflict_changes
from treegen.tree.changes.interface import whole_class, whole_group
from treegen.tree.model import Tree
from treegen.tree.validation.normalise import normalise

T = TypeVar("T")
ALIKE: Final = 0.5  # from this similarity on, a removed and an added name are a rename
_MOST_PAIRS: Final = 2500  # of removed and added names; beyond, the trees just differ


def difference(old: Tree, new: Tree) -> tuple[Change, ...]:
    """Return the changes that lead from `old` to `new`, in a valid order. Empty if the trees are equal.

    Sign-off and conflicts are not content and are not compared.

    >>> from treegen.tree.model import Group
    >>> def pond(*options: str) -> Tree:
    ...     return Tree(domain="pond", groups=(Group(name="legs", prompt="{} legs", options=options),), rules=())
    >>> difference(pond("no", "four"), pond("no", "two", "four"))
    (OptionAdded(group='legs', option='two', after='no'),)
    """
    return tuple(_Difference(old, new).changes())


def undo(tree: Tree, *changes: Change) -> tuple[Change, ...]:
    """Return what takes the changes back after they were made on the tree: nearly always their inverses alone.

    Where a tree has errors (an answer for an unknown group, say), the inverses may not restore everything; then more
    changes follow. All inverses are made before the trees are compared: to compare after each would take the square
    of the time.
    """
    back = tuple(change.inverse() for change in reversed(changes))
    after = apply(tree, changes)
    try:
        restored = apply(after, back)
    except ChangeError:  # an inverse did not restore what the one before it speaks of
        return (*difference(after, tree), *conflict_changes(after.conflicts, tree.conflicts))
    return back if restored == tree else (*back, *difference(restored, tree))


def _matches(
    removed: Sequence[str], added: Sequence[str], likeness: Callable[[str, str], float]
) -> list[tuple[str, str]]:
    """Pair similar removed and added names (likeness above 0), most similar first, each name once."""
    if len(removed) * len(added) > _MOST_PAIRS:
        return []
    scored = [(likeness(a, b), -i, -j, a, b) for i, a in enumerate(removed) for j, b in enumerate(added)]
    pairs: dict[str, str] = {}
    # -i and -j: of equally similar pairs the one that comes first in the trees wins
    for score, _, _, a, b in sorted(scored, reverse=True):
        if score > 0 and a not in pairs and b not in pairs.values():
            pairs[a] = b
    return list(pairs.items())


def resemblance(a: str, b: str) -> float:
    """Return the similarity of two texts, 0 to 1."""
    return SequenceMatcher(None, normalise(a), normalise(b), autojunk=False).ratio()


def _overlap(a: set[T], b: set[T]) -> float:
    """Return the Jaccard index, 0 for two empty sets."""
    return len(a & b) / len(a | b) if a or b else 0.0


def _before(names: Sequence[str]) -> dict[str, str | None]:
    """Map every name to the one before it."""
    return dict(zip(names, [None, *names], strict=False))


def _in_words(answer: Answer) -> Answer:
    """Replace a bare index by null."""
    return None if isinstance(answer, int) else answer


def renamed_looks(old: MutableTree, new: MutableTree) -> dict[str, str]:
    """Return old name -> new name of the classes without a rule of their own of which all remaining looks moved."""
    result: dict[str, str] = {}
    for name in dict.fromkeys(old.look_of.values()):
        after = {new.look_of.get(look, "") for look, c in old.look_of.items() if c == name and look in new.rules}
        other = after.pop() if len(after) == 1 else ""
        taken = other in (*old.rules, *old.look_of.values(), *result.values())
        if other and not taken and name not in old.rules and name not in new.look_of.values():
            result[name] = other
    return result


class _Difference:
    """One comparison: `draft` is transformed step by step from the old tree to the new one."""

    def __init__(self, old: Tree, new: Tree) -> None:
        self.draft, self.new = MutableTree(old), MutableTree(new)

    def _applied(self, change: Change) -> Change:
        change.make(self.draft)
        return change

    def changes(self) -> Iterator[Change]:
        """Yield the changes; each is applied to the draft before the next one is computed."""
        draft, new = self.draft, self.new
        if draft.domain != new.domain:
            yield self._applied(DomainChanged(old=draft.domain, new=new.domain))
        # renames first: only then is a missing name really removed or added. Classes are added after groups and
        # options, since their answers must refer to options that exist in the draft by then
        yield from self._renamed_groups()
        yield from self._renamed_classes()
        yield from self._renamed_looks()
        yield from self._removed_classes()
        yield from self._removed_groups()
        for group in new.prompts:
            if group in draft.prompts:
                yield from self._inside(group)
        yield from self._added_groups()
        groups, new_order = tuple(draft.prompts), tuple(new.prompts)
        if groups != new_order:  # before adding classes, whose answers are in the new order
            yield self._applied(GroupsReordered(old=groups, new=new_order))
        yield from self._added_classes()
        for name in new.rules:
            before, after = (look_of.get(name, "") for look_of in (draft.look_of, new.look_of))
            if before != after:
                yield self._applied(LookChanged(class_name=name, old=before, new=after))
        # an option cannot be removed while a rule uses it: move the rules to words, remove, then set bare indices
        yield from self._changed_rules(words_only=True)
        yield from self._removed_options()
        yield from self._changed_rules()
        yield from self._orders()

    def _renamed_groups(self) -> Iterator[Change]:
        removed = [g for g in self.draft.prompts if g not in self.new.prompts]
        added = [g for g in self.new.prompts if g not in self.draft.prompts]
        # rules may have answers for groups that do not exist; `GroupRenamed` refuses such a name
        taken = {group for rule in self.draft.rules.values() for group in rule} - set(self.draft.prompts)
        free = [g for g in added if g not in taken]
        for old, new in _matches(removed, free, self._group_likeness) if removed and free else ():
            yield self._applied(GroupRenamed(old=old, new=new))

    def _group_likeness(self, old: str, new: str) -> float:
        options = _overlap(set(self.draft.options[old]), set(self.new.options[new]))
        same_prompt = self.draft.prompts[old] == self.new.prompts[new]
        return options + same_prompt if options == 1.0 or (options + same_prompt) / 2 >= ALIKE else 0.0

    def _renamed_classes(self) -> Iterator[Change]:
        removed = [c for c in self.draft.rules if c not in self.new.rules]
        added = [c for c in self.new.rules if c not in self.draft.rules]
        if not removed or not added:
            return
        before = {name: self._words(self.draft, name) for name in removed}
        after = {name: self._words(self.new, name) for name in added}

        def likeness(old: str, new: str) -> float:
            same = len(before[old] & after[new]) / max(len(before[old]), len(after[new]), 1)
            return same if same == 1.0 or (same >= ALIKE and resemblance(old, new) >= ALIKE) else 0.0

        for old, new in _matches(removed, added, likeness):
            yield self._applied(ClassRenamed(old=old, new=new))

    def _renamed_looks(self) -> Iterator[Change]:
        """Yield new names of classes that have looks, and no rule of their own."""
        for old, new in renamed_looks(self.draft, self.new).items():
            yield self._applied(ClassRenamed(old=old, new=new))

    @staticmethod
    def _words(draft: MutableTree, name: str) -> set[tuple[str, Answer]]:
        return {(group, draft.answer(name, group)) for group in draft.rules[name]}

    def _removed_classes(self) -> Iterator[Change]:
        previous: str | None = None
        for name in list(self.draft.rules):
            if name in self.new.rules:
                previous = name
            else:
                yield self._applied(ClassRemoved(**whole_class(self.draft, name, previous)))

    def _removed_groups(self) -> Iterator[Change]:
        """Remove groups that are gone, and those with a duplicate option: there, options are ambiguous."""
        for name in list(self.draft.prompts):
            here, there = self.draft.options[name], self.new.options.get(name)
            unclear = there is not None and here != there and any(len(set(o)) < len(o) for o in (here, there))
            if there is None or unclear:
                yield self._applied(GroupRemoved(**whole_group(self.draft, name)))

    def _inside(self, group: str) -> Iterator[Change]:
        """Yield the prompt change, renamed and new options. Options are removed later, when no rule uses them."""
        old, new = self.draft.prompts[group], self.new.prompts[group]
        if old != new:
            yield self._applied(PromptChanged(group=group, old=old, new=new))
        here, there = self.draft.options[group], self.new.options[group]
        if here == there:
            return
        removed, added = [o for o in here if o not in there], [o for o in there if o not in here]
        if removed and added:
            for a, b in _matches(removed, added, self._option_likeness(group)):
                yield self._applied(OptionRenamed(group=group, old=a, new=b))
        before = _before(there)
        for option in there:
            if option not in self.draft.options[group]:
                yield self._applied(OptionAdded(group=group, option=option, after=before[option]))

    def _option_likeness(self, group: str) -> Callable[[str, str], float]:
        """Compare options by the classes that have them, then by their text; unused ones by text alone."""
        before, after = self._users(self.draft, group), self._users(self.new, group)

        def likeness(a: str, b: str) -> float:
            users = _overlap(before.get(a, set()), after.get(b, set()))
            if users == 0.0 and (before.get(a) or after.get(b)):
                return 0.0
            words = resemblance(a, b)
            return users + words if max(users, words) >= ALIKE else 0.0

        return likeness

    @staticmethod
    def _users(draft: MutableTree, group: str) -> dict[Answer, set[str]]:
        users: dict[Answer, set[str]] = {}
        for name in draft.rules:
            users.setdefault(draft.answer(name, group), set()).add(name)
        return users

    def _added_groups(self) -> Iterator[Change]:
        for name in self.new.prompts:
            if name not in self.draft.prompts:
                values = whole_group(self.new, name)
                values["answers"] = tuple((c, a) for c, a in values["answers"] if c in self.draft.rules)
                yield self._applied(GroupAdded(**values))

    def _added_classes(self) -> Iterator[Change]:
        for name, before in _before(list(self.new.rules)).items():
            if name not in self.draft.rules:
                values = whole_class(self.new, name, before)
                values["answers"] = tuple((group, _in_words(answer)) for group, answer in values["answers"])
                yield self._applied(ClassAdded(**values))

    def _changed_rules(self, *, words_only: bool = False) -> Iterator[Change]:
        """Yield changed answers; a bare index must wait for the new options, as it could mean another option before."""
        # comparing indices of unchanged groups avoids translating 30,000 answers to words
        same = {g for g, options in self.new.options.items() if options == self.draft.options.get(g)}
        for name, rule in self.new.rules.items():
            here = self.draft.rules[name]
            for group in dict.fromkeys((*rule, *here)):
                if group in same and group in here and group in rule and here[group] == rule[group]:
                    continue
                old, new = self.draft.answer(name, group), self.new.answer(name, group)
                if words_only and isinstance(new, int):
                    if not isinstance(old, str) or old in self.new.options.get(group, ()):
                        continue
                    new = None  # until the old option is removed
                if old != new and not (words_only and isinstance(old, int)):
                    yield self._applied(RuleChanged(class_name=name, group=group, old=old, new=new))

    def _removed_options(self) -> Iterator[Change]:
        for group, options in self.new.options.items():
            remaining = set(options)
            for option in [o for o in self.draft.options[group] if o not in remaining]:
                after = _before(self.draft.options[group])[option]
                yield self._applied(OptionRemoved(group=group, option=option, after=after))

    def _orders(self) -> Iterator[Change]:
        for group, options in self.new.options.items():
            here = tuple(self.draft.options[group])
            if here != tuple(options):
                yield self._applied(OptionsReordered(group=group, old=here, new=tuple(options)))
        classes, new_order = tuple(self.draft.rules), tuple(self.new.rules)
        if classes != new_order:
            yield self._applied(ClassesReordered(old=classes, new=new_order))
        for name, rule in self.new.rules.items():
            here = tuple(self.draft.rules[name])
            if here != tuple(rule):
                yield self._applied(AnswersReordered(class_name=name, old=here, new=tuple(rule)))
