"""A tree as text for people and for `git diff`: rules in words, one answer per line."""

from collections.abc import Iterator

from treegen.text import counted, printable
from treegen.tree.document import digest_of
from treegen.tree.model import Tree


def lines_of(tree: Tree) -> Iterator[str]:
    """Yield the tree in words. No line depends on an index, so a diff of two such texts shows what changed."""
    yield f"domain: {printable(tree.domain)}"
    if tree.review:
        stale = "" if tree.review.digest == digest_of(tree) else ", and changed since"
        yield f"{tree.review.status} by {printable(tree.review.by)} at {tree.review.at}{stale}"
    for conflict in tree.conflicts:
        yield f"CONFLICT {printable(conflict.what)}"
    for group in tree.groups:
        yield ""
        yield f"group {printable(group.name)}: {printable(group.prompt)}"
        for option in group.options:
            yield f"  - {printable(option)}"
    options = {group.name: group.options for group in tree.groups}
    for rule in tree.rules:
        yield ""
        yield f"class {printable(rule.name)}" + (f", a look of {printable(rule.look_of)}" if rule.look_of else "")
        for name, index in rule.answers:
            yield f"  {printable(name)}: {_answer(options.get(name), index)}"


def _answer(options: tuple[str, ...] | None, index: int | None) -> str:
    if index is None:
        return "(no answer)"
    if options is None:
        return f"(option {index} of a group that the tree does not have)"
    return printable(options[index]) if 0 <= index < len(options) else f"(option {index}, which does not exist)"


def size_of(tree: Tree) -> str:
    """Return how many groups and classes a tree has."""
    return f"{counted(len(tree.groups), 'group')}, {counted(len(tree.classes), 'class', 'classes')}"
