"""The base of all changes, and the mutable form of a tree that changes are applied to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, ClassVar, Final, Literal, Self

from treegen.errors import ProblemsError
from treegen.text import quote
from treegen.tree.changes.order import inserted
from treegen.tree.model import ClassRule, Group, Tree


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"


#: the rule does not name the group at all: an error in the tree, unlike null
ABSENT: Final = Absent.ABSENT

#: The option's text; its bare index if the option is missing or a duplicate; null; or absent.
Answer = str | int | None | Literal[Absent.ABSENT]


class ChangeError(ProblemsError):
    """A change does not fit the tree: what it refers to is missing, already exists, or is still in use."""


class MutableTree:
    """A tree that can be changed in place. Everything is found by name; indices follow their options.

    If a rule's keys are in group order they stay so: a new key is inserted before the first key of a later group.

    Attributes:
        prompts: group -> prompt, in the order of the groups.
        options: group -> options.
        rules: class (or look) -> group -> index, in the order of the classes.
        look_of: look -> the class that it is a look of.
        conflicts: unresolved merge conflicts.
    """

    def __init__(self, tree: Tree) -> None:
        self.domain = tree.domain
        self.prompts = {group.name: group.prompt for group in tree.groups}
        self.options = {group.name: list(group.options) for group in tree.groups}
        self.rules = {rule.name: dict(rule.answers) for rule in tree.rules}
        self.look_of = {rule.name: rule.look_of for rule in tree.rules if rule.look_of}
        self.conflicts = list(tree.conflicts)

    def frozen(self, like: Tree) -> Tree:
        """Return the tree as an immutable value, with the sign-off of `like`."""
        return Tree(
            domain=self.domain,
            groups=tuple(
                Group(name=name, prompt=prompt, options=tuple(self.options[name]))
                for name, prompt in self.prompts.items()
            ),
            rules=tuple(
                ClassRule(name=name, answers=tuple(rule.items()), look_of=self.look_of.get(name, ""))
                for name, rule in self.rules.items()
            ),
            review=like.review,
            conflicts=tuple(self.conflicts),
        )

    def need_group(self, group: str) -> list[str]:
        """Return the options of the group.

        Raises:
            ChangeError: there is no such group.
        """
        if group not in self.options:
            raise ChangeError(f"the tree has no group {quote(group)}")
        return self.options[group]

    def need_class(self, name: str) -> dict[str, int | None]:
        """Return the rule of the class.

        Raises:
            ChangeError: there is no such class.
        """
        if name not in self.rules:
            raise ChangeError(f"the tree has no class {quote(name)}")
        return self.rules[name]

    def place_of(self, group: str, option: str) -> int:
        """Return the index of an option.

        Raises:
            ChangeError: the group or the option is missing, or the option is a duplicate.
        """
        options = self.need_group(group)
        if options.count(option) != 1:
            problem = "is a duplicate" if option in options else "is not"
            raise ChangeError(f"the option {quote(option)} {problem} in the group {quote(group)}")
        return options.index(option)

    def answer(self, class_name: str, group: str) -> Answer:
        """Return the rule's answer in words."""
        rule = self.rules[class_name]
        if group not in rule:
            return ABSENT
        index, options = rule[group], self.options.get(group, ())
        if index is None or not 0 <= index < len(options):
            return index
        return options[index] if options.count(options[index]) == 1 else index

    def set_answer(self, class_name: str, group: str, answer: Answer) -> None:
        """Set the rule's answer.

        Raises:
            ChangeError: the option is not in the group.
        """
        rule = self.need_class(class_name)
        if answer is ABSENT:
            rule.pop(group, None)
            return
        index = self.place_of(group, answer) if isinstance(answer, str) else answer
        if group in rule:
            rule[group] = index
        else:
            self.rules[class_name] = inserted(rule, group, index, self._later(rule, group))

    def _later(self, rule: Iterable[str], group: str) -> str | None:
        """Return the first key of the rule that belongs to a later group."""
        if group not in self.prompts:
            return None
        names = list(self.prompts)
        later = set(names[names.index(group) + 1 :])
        return next((key for key in rule if key in later), None)

    def users(self, group: str, index: int) -> list[str]:
        """Return the classes whose rule has this index in the group."""
        return [name for name, rule in self.rules.items() if rule.get(group) == index and group in rule]

    def shift_indices(self, group: str, start: int, by: int) -> None:
        """Shift all indices from `start` on, so that rules follow moved options; out-of-range indices shift too."""
        for rule in self.rules.values():
            index = rule.get(group)
            if index is not None and index >= start:
                rule[group] = index + by

    def map_indices(self, group: str, moved: Sequence[int]) -> None:
        """Map every index in range to its new one."""
        for rule in self.rules.values():
            index = rule.get(group)
            if index is not None and 0 <= index < len(moved):
                rule[group] = moved[index]


def whole_group(draft: MutableTree, name: str) -> dict[str, Any]:
    """Return the fields of `GroupAdded` and `GroupRemoved` for a group of the draft."""
    names = list(draft.prompts)
    place = names.index(name)
    return {
        "group": name,
        "prompt": draft.prompts[name],
        "options": tuple(draft.options[name]),
        "answers": tuple((c, draft.answer(c, name)) for c, rule in draft.rules.items() if name in rule),
        "after": names[place - 1] if place else None,
    }


def whole_class(draft: MutableTree, name: str, after: str | None) -> dict[str, Any]:
    """Return the fields of `ClassAdded` and `ClassRemoved` for a class of the draft, after `after`."""
    answers = tuple((group, draft.answer(name, group)) for group in draft.rules[name])
    look_of = {"look_of": draft.look_of[name]} if name in draft.look_of else {}
    return {"class_name": name, "answers": answers, "after": after, **look_of}


def describe_answer(answer: Answer) -> str:
    """Describe an answer in a sentence."""
    if answer is None:
        return "no answer"
    if answer is ABSENT:
        return "nothing at all"
    return quote(answer) if isinstance(answer, str) else f"option {answer}, which does not exist or is a duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One atomic difference between two trees, by name: it can be applied, undone, described and written as JSON."""

    kind: ClassVar[str] = ""

    @property
    def sentence(self) -> str:
        """The change in words."""
        return self._describe()

    @property
    def about(self) -> tuple[str | None, str | None]:
        """The group and the class that it touches, by their names before the change."""
        return getattr(self, "group", None), getattr(self, "class_name", None)

    def make(self, draft: MutableTree) -> None:
        """Apply the change.

        Raises:
            ChangeError: it does not fit; the draft must then be discarded.
        """
        self._make(draft)

    def inverse(self) -> "Change":
        """Return the change that undoes this one; `difference.undo` also restores what an invalid tree leaves over."""
        return self._inverse()

    def as_json(self) -> dict[str, Any]:
        """Return kind, sentence and every field that is not at its default; `changes.from_json` reads it."""
        values = ((f.name, f.default, getattr(self, f.name)) for f in fields(self))
        plain = {name: _plain(value) for name, default, value in values if value != default}
        return {"kind": self.kind, "sentence": self.sentence, **plain}

    def _describe(self) -> str:
        raise NotImplementedError

    def _make(self, draft: MutableTree) -> None:
        raise NotImplementedError

    def _inverse(self) -> "Change":
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap(Change):
    """A change from one value to another; its inverse goes the other way."""

    old: Any
    new: Any

    def _inverse(self) -> Self:
        return replace(self, old=self.new, new=self.old)


def _plain(value: Any) -> Any:
    if value is ABSENT:
        return {"absent": True}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
