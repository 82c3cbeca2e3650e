"""What a reviewer notes beside a tree: which groups and classes are reviewed, and comments."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from treegen.tree.changes import Change, ClassRenamed, GroupRenamed, OptionRenamed
from treegen.tree.document import compact
from treegen.tree.feedback_target import Target
from treegen.tree.model import ClassRule, Group, Tree

NoteKind = Literal["reviewed", "comment", "read", "adjudicated"]
#: kind and target -> the digest of what was reviewed, the comment, the hash of the file that was read so, or by second
#: reviewers what was decided
Notes = Mapping[tuple[NoteKind, Target], str]
NO_NOTES: Final[Notes] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteChange:
    """One note that is written, replaced or removed; an empty text stands for no note."""

    kind: NoteKind
    target: Target
    old: str
    new: str

    def inverse(self) -> "NoteChange":
        """Return the change that takes this one back."""
        return replace(self, old=self.new, new=self.old)

    def as_json(self) -> list[str]:
        """Return it as plain data."""
        return [self.kind, target_text(self.target), self.old, self.new]

    @classmethod
    def from_json(cls, data: Any) -> "NoteChange":
        """Read the output of `as_json`."""
        kind, target, old, new = data
        return cls(kind=kind, target=read_target(target), old=old, new=new)


def target_text(target: Target) -> str:
    """Return a target as a text that `read_target` reads."""
    return compact([target.kind, target.group, target.option, target.class_name])


def read_target(text: str) -> Target:
    """Read the output of `target_text`."""
    kind, group, option, class_name = json.loads(text)
    return Target(kind=kind, group=group, option=option, class_name=class_name)


def group_target(name: str) -> Target:
    """Return a group as a target."""
    return Target(kind="group", group=name)


def class_target(name: str) -> Target:
    """Return a class as a target."""
    return Target(kind="class", class_name=name)


def option_target(group: str, option: str) -> Target:
    """Return an option as a target."""
    return Target(kind="option", group=group, option=option)


def applied(notes: Notes, changes: Iterable[NoteChange]) -> Notes:
    """Return the notes after changes."""
    result = dict(notes)
    for change in changes:
        result[change.kind, change.target] = change.new
    return {key: text for key, text in result.items() if text}


def followed(notes: Notes, before: Tree, after: Tree, changes: Iterable[Change]) -> Notes:
    """Return the notes by the names that groups, options and classes have after changes.

    A review outlasts a group's new name, which is in every rule; any other change of what was reviewed makes it void.
    """
    steps = tuple(changes)
    result = notes
    for change in steps:
        if isinstance(change, GroupRenamed | OptionRenamed | ClassRenamed):
            result = {(kind, _renamed(target, change)): text for (kind, target), text in result.items()}
    if result is notes or not all(isinstance(change, GroupRenamed) for change in steps):
        return result
    valid = reviewed(before, notes)
    again = {renamed(target, steps) for target in valid}
    return {**result, **{("reviewed", target): fingerprint(after, target) for target in again}}


def renamed(target: Target, changes: Iterable[Change]) -> Target:
    """Return a target by the names that its group, option or class has after changes."""
    for change in changes:
        target = _renamed(target, change)
    return target


def _renamed(target: Target, change: Change) -> Target:
    match change:
        case GroupRenamed() if target.group == change.old:
            return replace(target, group=change.new)
        case OptionRenamed() if (target.group, target.option) == (change.group, change.old):
            return replace(target, option=change.new)
        case ClassRenamed() if target.class_name == change.old:
            return replace(target, class_name=change.new)
    return target


def fingerprint(tree: Tree, target: Target) -> str:
    """Return the digest of what a reviewer of a group or class sees; empty if the tree has no such thing.

    The order of groups, options and classes is not part of it, nor is the name of a class.
    """
    if target.kind == "group":
        group = tree.group(target.group)
        return _group_digest(group) if group else ""
    rule = next((rule for rule in tree.rules if rule.name == target.class_name), None)
    return _rule_digest(rule, _options(tree)) if rule else ""


def reviewed(tree: Tree, notes: Notes) -> frozenset[Target]:
    """Return the groups and classes that are marked as reviewed and have not changed since."""
    marks = {target: text for (kind, target), text in notes.items() if kind == "reviewed"}
    options = _options(tree)
    digests = {target: _group_digest(group) for group in tree.groups if (target := group_target(group.name)) in marks}
    digests |= {
        target: _rule_digest(rule, options) for rule in tree.rules if (target := class_target(rule.name)) in marks
    }
    return frozenset(target for target, digest in digests.items() if marks[target] == digest)


def comments(tree: Tree, notes: Notes) -> dict[Target, str]:
    """Return the comments on what the tree has, in its order: groups with their options, then classes."""
    written = {target: text for (kind, target), text in notes.items() if kind == "comment"}
    targets = [
        target
        for group in tree.groups
        for target in (group_target(group.name), *(option_target(group.name, option) for option in group.options))
    ]
    targets += map(class_target, tree.rows)
    return {target: written[target] for target in targets if target in written}


def _options(tree: Tree) -> dict[str, tuple[str, ...]]:
    return {group.name: group.options for group in tree.groups}


def _group_digest(group: Group) -> str:
    return _digest([group.prompt, *sorted(group.options)])


def _rule_digest(rule: ClassRule, options: Mapping[str, tuple[str, ...]]) -> str:
    return _digest(sorted([name, _word(index, options.get(name, ()))] for name, index in rule.answers))


def _word(index: int | None, options: tuple[str, ...]) -> str:
    """Return an answer as a text that no other answer has."""
    return f"={options[index]}" if index is not None and 0 <= index < len(options) else f"#{index}"


def _digest(content: object) -> str:
    return hashlib.sha256(compact(content).encode(errors="surrogatepass")).hexdigest()[:16]
