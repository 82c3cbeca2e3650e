"""Changes to the domain's name, to classes and to their rules."""

from dataclasses import dataclass
from typing import Any, ClassVar

from treegen.text import quote
from treegen.tree.changes.interface import Answer, Change, ChangeError, MutableTree, Swap, describe_answer
from treegen.tree.changes.order import arranged, describe_order, describe_position, following, inserted, renamed


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainChanged(Swap):
    """A change of the tree's domain name."""

    kind: ClassVar[str] = "domain_changed"
    old: str
    new: str

    def _describe(self) -> str:
        return f"the domain {quote(self.old)} became {quote(self.new)}"

    def _make(self, draft: MutableTree) -> None:
        if draft.domain != self.old:
            raise ChangeError(f"the domain is now {quote(draft.domain)}, not {quote(self.old)}")
        draft.domain = self.new


@dataclass(frozen=True, slots=True, kw_only=True)
class _WholeClass(Change):
    """A class that is added or removed, with its rule.

    Attributes:
        answers: group -> the class's answer, in the order of the rule.
        after: the class before it, `None` at the front.
        look_of: the class that it is a look of; empty if it is a class.
    """

    class_name: str
    answers: tuple[tuple[str, Answer], ...]
    after: str | None
    look_of: str = ""

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("class_name", "answers", "after", "look_of")}

    @property
    def _words(self) -> str:
        name = quote(self.class_name)
        return f"look {name} of {quote(self.look_of)}" if self.look_of else f"class {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAdded(_WholeClass):
    """A new class with its answers."""

    kind: ClassVar[str] = "class_added"

    def _describe(self) -> str:
        answers = ", ".join(f"{quote(group)} {describe_answer(answer)}" for group, answer in self.answers)
        return f"{self._words} added {describe_position(self.after)}: {answers}"

    def _make(self, draft: MutableTree) -> None:
        if self.class_name in draft.rules:
            raise ChangeError(f"the tree already has a class {quote(self.class_name)}")
        place = following(list(draft.rules), self.after)
        rule: dict[str, int | None] = {}
        for group, answer in self.answers:  # in the order given, not in that of the groups
            rule[group] = draft.place_of(group, answer) if isinstance(answer, str) else _index(answer)
        if place is None:
            draft.rules[self.class_name] = rule
        else:
            draft.rules = inserted(draft.rules, self.class_name, rule, place)
        if self.look_of:
            draft.look_of[self.class_name] = self.look_of

    def _inverse(self) -> "ClassRemoved":
        return ClassRemoved(**self._fields())


def _index(answer: Answer) -> int | None:
    return answer if isinstance(answer, int) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRemoved(_WholeClass):
    """A removed class, with its rule."""

    kind: ClassVar[str] = "class_removed"

    def _describe(self) -> str:
        return f"{self._words} removed"

    def _make(self, draft: MutableTree) -> None:
        draft.need_class(self.class_name)
        del draft.rules[self.class_name]
        draft.look_of.pop(self.class_name, None)

    def _inverse(self) -> ClassAdded:
        return ClassAdded(**self._fields())


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRenamed(Swap):
    """A renamed class or look, with the same answers; a class without a rule of its own keeps its looks."""

    kind: ClassVar[str] = "class_renamed"
    old: str
    new: str

    @property
    def about(self) -> tuple[str | None, str | None]:
        """Return the original name of a class."""
        return None, self.old

    def _describe(self) -> str:
        return f"class {quote(self.old)} renamed to {quote(self.new)}"

    def _make(self, draft: MutableTree) -> None:
        only_looks = self.old not in draft.rules and self.old in draft.look_of.values()
        if not only_looks:
            draft.need_class(self.old)
        if self.new in draft.rules or (only_looks and self.new in draft.look_of.values()):
            raise ChangeError(f"the tree already has a class {quote(self.new)}")
        if only_looks:
            draft.look_of = {look: self.new if c == self.old else c for look, c in draft.look_of.items()}
            return
        draft.rules = renamed(draft.rules, self.old, self.new)
        draft.look_of = renamed(draft.look_of, self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassesReordered(Swap):
    """A new order of the classes."""

    kind: ClassVar[str] = "classes_reordered"
    old: tuple[str, ...]
    new: tuple[str, ...]

    def _describe(self) -> str:
        return f"classes {describe_order(self.old, self.new)}"

    def _make(self, draft: MutableTree) -> None:
        draft.rules = {name: draft.rules[name] for name in arranged(list(draft.rules), self.new)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LookChanged(Swap):
    """A rule that became a look of a class, or of another one, or a class of its own; empty stands for the last."""

    kind: ClassVar[str] = "look_changed"
    class_name: str
    old: str
    new: str

    def _describe(self) -> str:
        name = quote(self.class_name)
        if not self.new:
            return f"{name} is a class of its own, no longer a look of {quote(self.old)}"
        if self.new == self.class_name:
            return f"class {name} has looks, of which one is {name}"
        return f"{name} became a look of {quote(self.new)}" + (f", before of {quote(self.old)}" if self.old else "")

    def _make(self, draft: MutableTree) -> None:
        draft.need_class(self.class_name)
        current = draft.look_of.get(self.class_name, "")
        if current != self.old:
            state = f"a look of {quote(current)}" if current else "a class of its own"
            raise ChangeError(f"{quote(self.class_name)} is now {state}")
        if self.new:
            draft.look_of[self.class_name] = self.new
        else:
            del draft.look_of[self.class_name]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChanged(Swap):
    """A new answer of a class in one group."""

    kind: ClassVar[str] = "rule_changed"
    class_name: str
    group: str
    old: Answer
    new: Answer

    def _describe(self) -> str:
        old, new = describe_answer(self.old), describe_answer(self.new)
        return f"{quote(self.class_name)} in {quote(self.group)}: {old} became {new}"

    def _make(self, draft: MutableTree) -> None:
        draft.need_class(self.class_name)
        current = draft.answer(self.class_name, self.group)
        if current != self.old:
            place = f"{quote(self.class_name)} in {quote(self.group)}"
            raise ChangeError(f"{place} now has {describe_answer(current)}, not {describe_answer(self.old)}")
        draft.set_answer(self.class_name, self.group, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersReordered(Swap):
    """A new order of the answers in one rule. It affects only the text, not the meaning of the tree."""

    kind: ClassVar[str] = "answers_reordered"
    class_name: str
    old: tuple[str, ...]
    new: tuple[str, ...]

    def _describe(self) -> str:
        return f"the answers of {quote(self.class_name)} are written in another order"

    def _make(self, draft: MutableTree) -> None:
        rule = draft.need_class(self.class_name)
        draft.rules[self.class_name] = {group: rule[group] for group in arranged(list(rule), self.new)}
