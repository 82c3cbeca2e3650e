"""Changes to whole groups and to their prompts."""

from dataclasses import dataclass
from typing import Any, ClassVar

from treegen.text import first_of, quote
from treegen.tree.changes.interface import Answer, Change, ChangeError, MutableTree, Swap
from treegen.tree.changes.order import arranged, describe_order, describe_position, following, inserted, renamed


@dataclass(frozen=True, slots=True, kw_only=True)
class _WholeGroup(Change):
    """A group that is added or removed, with everything in it.

    Attributes:
        answers: class -> its answer in this group, for the classes that have one.
        after: the group before it, `None` at the front.
    """

    group: str
    prompt: str
    options: tuple[str, ...]
    answers: tuple[tuple[str, Answer], ...]
    after: str | None

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("group", "prompt", "options", "answers", "after")}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAdded(_WholeGroup):
    """A new group, with the answers of the classes."""

    kind: ClassVar[str] = "group_added"

    def _describe(self) -> str:
        parts = []
        for option in self.options:
            names = [quote(name) for name, answer in self.answers if answer == option]
            parts.append(f"{quote(option)} ({first_of(names, 3)})" if names else quote(option))
        place = describe_position(self.after)
        return f"group {quote(self.group)} added {place}: {quote(self.prompt)} with {', '.join(parts)}"

    def _make(self, draft: MutableTree) -> None:
        if self.group in draft.prompts:
            raise ChangeError(f"the tree already has a group {quote(self.group)}")
        place = following(list(draft.prompts), self.after)
        draft.prompts = inserted(draft.prompts, self.group, self.prompt, place)
        draft.options = inserted(draft.options, self.group, list(self.options), place)
        for name, answer in self.answers:
            if name in draft.rules:  # skip classes removed in the meantime
                draft.set_answer(name, self.group, answer)

    def _inverse(self) -> "GroupRemoved":
        return GroupRemoved(**self._fields())


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRemoved(_WholeGroup):
    """A removed group, with all answers in it."""

    kind: ClassVar[str] = "group_removed"

    def _describe(self) -> str:
        return f"group {quote(self.group)} removed: {quote(self.prompt)}"

    def _make(self, draft: MutableTree) -> None:
        draft.need_group(self.group)
        del draft.prompts[self.group], draft.options[self.group]
        for rule in draft.rules.values():
            rule.pop(self.group, None)

    def _inverse(self) -> GroupAdded:
        return GroupAdded(**self._fields())


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRenamed(Swap):
    """A renamed group; the rules follow."""

    kind: ClassVar[str] = "group_renamed"
    old: str
    new: str

    @property
    def about(self) -> tuple[str | None, str | None]:
        """The group."""
        return self.old, None

    def _describe(self) -> str:
        return f"group {quote(self.old)} renamed to {quote(self.new)}"

    def _make(self, draft: MutableTree) -> None:
        draft.need_group(self.old)
        if self.new in draft.prompts or any(self.new in rule for rule in draft.rules.values()):
            raise ChangeError(f"there is already a group {quote(self.new)}, or an answer for one")
        draft.prompts = renamed(draft.prompts, self.old, self.new)
        draft.options = renamed(draft.options, self.old, self.new)
        for name, rule in draft.rules.items():
            if self.old in rule:
                draft.rules[name] = renamed(rule, self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsReordered(Swap):
    """A new order of the groups, and of the keys of every rule that was in the old order."""

    kind: ClassVar[str] = "groups_reordered"
    old: tuple[str, ...]
    new: tuple[str, ...]

    def _describe(self) -> str:
        return f"groups {describe_order(self.old, self.new)}"

    def _make(self, draft: MutableTree) -> None:
        before = {name: number for number, name in enumerate(draft.prompts)}
        names = arranged(list(draft.prompts), self.new)
        after = {name: number for number, name in enumerate(names)}
        draft.prompts = {name: draft.prompts[name] for name in names}
        draft.options = {name: draft.options[name] for name in names}
        for name, rule in draft.rules.items():
            places = [before.get(key, len(before)) for key in rule]
            if places == sorted(places):
                draft.rules[name] = dict(sorted(rule.items(), key=lambda pair: after.get(pair[0], len(after))))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptChanged(Swap):
    """A new prompt of a group."""

    kind: ClassVar[str] = "prompt_changed"
    group: str
    old: str
    new: str

    def _describe(self) -> str:
        return f"in group {quote(self.group)} the prompt {quote(self.old)} became {quote(self.new)}"

    def _make(self, draft: MutableTree) -> None:
        draft.need_group(self.group)
        if draft.prompts[self.group] != self.old:
            raise ChangeError(f"the prompt of {quote(self.group)} is now {quote(draft.prompts[self.group])}")
        draft.prompts[self.group] = self.new
