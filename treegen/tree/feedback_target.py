"""The target of feedback: the whole tree, a group, one of its options, or a class; and how a user names it."""

from dataclasses import dataclass
from typing import Final, Literal

from treegen.errors import InputError
from treegen.text import did_you_mean, quote
from treegen.tree.model import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A part of a tree.

    Attributes:
        kind: which of the names apply.
        group: for `group` and `option`.
        option: for `option`.
        class_name: for `class`.
    """

    kind: Literal["tree", "group", "option", "class"] = "tree"
    group: str = ""
    option: str = ""
    class_name: str = ""

    @property
    def words(self) -> str:
        """The target in a sentence."""
        if self.kind == "tree":
            return "the tree"
        if self.kind == "class":
            return f"the class {quote(self.class_name)}"
        of = f"the group {quote(self.group)}"
        return of if self.kind == "group" else f"the option {quote(self.option)} of {of}"


WHOLE: Final = Target()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a reviewer asks a language model for.

    Attributes:
        text: the reviewer's words.
        target: what it is about.
        locks: what must not change: `group NAME`, `class NAME`.
        decisions: earlier decisions on proposed changes, oldest first: sentence, taken or not, why (or empty).
        comments: of the reviewers: what each is on, in words, and its text.
    """

    text: str
    target: Target = WHOLE
    locks: frozenset[str] = frozenset()
    decisions: tuple[tuple[str, bool, str], ...] = ()
    comments: tuple[tuple[str, str], ...] = ()

    @property
    def locked_words(self) -> list[str]:
        """The locks in words, sorted by name."""
        parts = (lock.partition(" ") for lock in sorted(self.locks))
        return [f"the {kind} {quote(name)}" for kind, _, name in parts]


def target_of(text: str, tree: Tree) -> Target:
    """Parse `tree`, `group NAME`, `option GROUP: OPTION` or `class NAME`.

    Raises:
        InputError: the tree has no such part.
    """
    kind, _, name = text.partition(" ")
    if text == "tree":
        return WHOLE
    if kind == "group" and tree.group(name):
        return Target(kind="group", group=name)
    if kind == "class" and name in tree.rows:
        return Target(kind="class", class_name=name)
    if kind == "option":
        for group in tree.groups:  # names may contain colons
            option = name.removeprefix(f"{group.name}:").strip()
            if name.startswith(f"{group.name}:") and option in group.options:
                return Target(kind="option", group=group.name, option=option)
    names = [f"group {group.name}" for group in tree.groups] + [f"class {name}" for name in tree.rows]
    names += [f"option {group.name}: {option}" for group in tree.groups for option in group.options]
    raise InputError(
        f"the tree has no {quote(text)}{did_you_mean(text, [n for n in names if n.startswith(kind)] or names)}",
        "use tree, group NAME, option GROUP: OPTION or class NAME, spelled as in the tree",
    )


def lock_of(text: str, tree: Tree) -> str:
    """Return a lock, `group NAME` or `class NAME`, for something in the tree.

    Raises:
        InputError: it is missing, or cannot be locked.
    """
    target = target_of(text, tree)
    if target.kind not in ("group", "class"):
        raise InputError(f"{quote(text)} cannot be locked", "lock a group or a class: group NAME, class NAME")
    return text
