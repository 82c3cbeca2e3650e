"""The single changes that a search tries, as the editing functions make them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from treegen.tree.changes import Change
from treegen.tree.changes.edits import delete_group, merge_options, point_rule, rename_option, users
from treegen.tree.model import Group, Tree

Kind = Literal["answer", "merge", "drop", "reword"]
#: group -> other wordings for its options, in any order
Wordings = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One change of the tree.

    Attributes:
        kind: `answer` re-points a rule or sets it to null, `merge` gives the classes of one option another one and
            deletes it, `drop` deletes a group, `reword` changes the words of an option.
        group: index of the group.
        row: index of the class, for `answer`.
        option: index of the option: the new answer (`None` for null), or what is merged away or reworded.
        into: index of the option that stays, for `merge`.
        words: the new words, for `reword`.
    """

    kind: Kind
    group: int
    row: int = -1
    option: int | None = None
    into: int = -1
    words: str = ""

    @property
    def follows_model(self) -> bool:
        """Whether it may make a rule say what CLIP answers instead of what is true of the class."""
        return self.kind in ("answer", "merge")

    def changes(self, tree: Tree) -> tuple[Change, ...]:
        """Return the changes, by name."""
        group = tree.groups[self.group]
        if self.kind == "drop":
            return delete_group(tree, group.name)
        if self.kind == "answer":
            answer = None if self.option is None else group.options[self.option]
            return point_rule(tree, tree.rules[self.row].name, group.name, answer)
        assert self.option is not None
        if self.kind == "merge":
            return merge_options(tree, group.name, group.options[self.option], group.options[self.into])
        return rename_option(tree, group.name, group.options[self.option], self.words)


def candidates_of(
    tree: Tree, *, wordings: Wordings, locks: Collection[str] = (), rule_edits: bool = True
) -> Iterator[Candidate]:
    """Yield every single change of a tree that its locks allow.

    Args:
        tree: without errors.
        wordings: other words for the options.
        locks: `group NAME` and `class NAME`; nothing that touches them is tried.
        rule_edits: also changes of rules; merges change rules too.
    """
    for place, group in enumerate(tree.groups):
        if f"group {group.name}" in locks:
            continue
        if rule_edits:
            yield from _answers(tree, place, group, locks)
            yield from _merges(tree, place, group, locks)
        classes = [rule.name for rule in tree.rules if rule.get(group.name) is not None]
        if len(tree.groups) > 1 and _free(classes, locks):
            yield Candidate(kind="drop", group=place)
        yield from _rewordings(tree, place, group, wordings.get(group.name, ()), locks)


def _free(classes: Iterable[str], locks: Collection[str]) -> bool:
    return not any(f"class {name}" in locks for name in classes)


def _answers(tree: Tree, place: int, group: Group, locks: Collection[str]) -> Iterator[Candidate]:
    for row, rule in enumerate(tree.rules):
        if _free([rule.name], locks):
            for option in (None, *range(len(group.options))):
                if option != rule.get(group.name):
                    yield Candidate(kind="answer", group=place, row=row, option=option)


def _merges(tree: Tree, place: int, group: Group, locks: Collection[str]) -> Iterator[Candidate]:
    if len(group.options) > 2:
        for option, words in enumerate(group.options):
            if _free(users(tree, group.name, words), locks):
                for into in range(len(group.options)):
                    if into != option:
                        yield Candidate(kind="merge", group=place, option=option, into=into)


def _rewordings(
    tree: Tree, place: int, group: Group, words: Collection[str], locks: Collection[str]
) -> Iterator[Candidate]:
    for option, current in enumerate(group.options):
        if _free(users(tree, group.name, current), locks):
            for other in words:
                if other not in group.options:
                    yield Candidate(kind="reword", group=place, option=option, words=other)
