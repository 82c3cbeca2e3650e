"""Changes to the options of a group. Rules follow their options automatically."""

from dataclasses import dataclass
from typing import ClassVar

from treegen.text import quote
from treegen.tree.changes.interface import Change, ChangeError, MutableTree, Swap
from treegen.tree.changes.order import arranged, describe_order, describe_position, index_after


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionAdded(Change):
    """A new option.

    Attributes:
        after: the option before it, `None` at the front.
    """

    kind: ClassVar[str] = "option_added"
    group: str
    option: str
    after: str | None

    def _describe(self) -> str:
        return f"in group {quote(self.group)} the option {quote(self.option)} added {describe_position(self.after)}"

    def _make(self, draft: MutableTree) -> None:
        options = draft.need_group(self.group)
        if self.option in options:
            raise ChangeError(f"the group {quote(self.group)} already has an option {quote(self.option)}")
        place = index_after(options, self.after)
        options.insert(place, self.option)
        draft.shift_indices(self.group, place, 1)

    def _inverse(self) -> "OptionRemoved":
        return OptionRemoved(group=self.group, option=self.option, after=self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRemoved(Change):
    """A removed option. No class may still have it: reassigning its classes takes changes of their own.

    Attributes:
        after: the option that was before it, `None` at the front.
    """

    kind: ClassVar[str] = "option_removed"
    group: str
    option: str
    after: str | None

    def _describe(self) -> str:
        return f"in group {quote(self.group)} the option {quote(self.option)} removed"

    def _make(self, draft: MutableTree) -> None:
        place = draft.place_of(self.group, self.option)
        users = draft.users(self.group, place)
        if users:
            names = ", ".join(quote(name) for name in users[:3]) + (" and others" if len(users) > 3 else "")
            raise ChangeError(f"the option {quote(self.option)} in {quote(self.group)} is still the answer of {names}")
        del draft.options[self.group][place]
        draft.shift_indices(self.group, place + 1, -1)

    def _inverse(self) -> OptionAdded:
        return OptionAdded(group=self.group, option=self.option, after=self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRenamed(Swap):
    """A renamed option; all classes that have it follow."""

    kind: ClassVar[str] = "option_renamed"
    group: str
    old: str
    new: str

    def _describe(self) -> str:
        return f"in group {quote(self.group)} the option {quote(self.old)} became {quote(self.new)}"

    def _make(self, draft: MutableTree) -> None:
        place = draft.place_of(self.group, self.old)
        if self.new in draft.options[self.group]:
            raise ChangeError(f"the group {quote(self.group)} already has an option {quote(self.new)}")
        draft.options[self.group][place] = self.new


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsReordered(Swap):
    """A new order of the options of a group."""

    kind: ClassVar[str] = "options_reordered"
    group: str
    old: tuple[str, ...]
    new: tuple[str, ...]

    def _describe(self) -> str:
        return f"in group {quote(self.group)} options {describe_order(self.old, self.new)}"

    def _make(self, draft: MutableTree) -> None:
        before = draft.need_group(self.group)
        if len(set(before)) != len(before):
            raise ChangeError(f"the group {quote(self.group)} has a duplicate option")
        after = arranged(before, self.new)
        rank = {option: number for number, option in enumerate(after)}
        draft.options[self.group] = after
        draft.map_indices(self.group, [rank[option] for option in before])
