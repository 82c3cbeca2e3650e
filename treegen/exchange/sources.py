"""The tree in a file of another program as plain data: which syntax it has, and what was read tolerantly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treegen.errors import InputError
from treegen.files import read_text, refuse_binary
from treegen.llm.reading.lexer import UnreadableError
from treegen.llm.reading.parser import GROUP_KEYS, parse_reply, tree_shape
from treegen.text import printable, quoted
from treegen.tree.document import parse_json, unwritable
from treegen.tree.validation.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A tree as a file holds it.

    Attributes:
        syntax: for the report, such as `JSON`.
        data: plain data in the tree's shape.
        text: the file's text.
        notes: what was read tolerantly, one sentence each.
    """

    path: Path
    syntax: str
    data: dict[str, Any]
    text: str
    notes: tuple[str, ...] = ()


def read_source(path: Path) -> Source:
    """Read a tree from JSON, a Python dict or a code fence.

    Raises:
        InputError: the file cannot be read, is not a tree, or can be read in more than one way; the message has the
            file and the place in it.
    """
    refuse_binary(path)
    text = read_text(path)
    if not text.strip():
        raise InputError(f"{path}: the file is empty", "name the file with the tree")
    data, problems = parse_json(text)
    if data is not None:
        return _json_source(path, text, data, problems)
    if problems and text.lstrip()[:1] in "{[" and not problems[0].message.startswith("not JSON"):
        raise _error(path, problems[0])  # a number or a depth that no other syntax makes readable
    if any(key in text for key in GROUP_KEYS):
        return _reply_source(path, text)
    raise _not_a_tree(path)


def _json_source(path: Path, text: str, data: Any, problems: Sequence[Problem]) -> Source:
    """Read strict JSON, in which no key may be a duplicate."""
    inner = data[0] if isinstance(data, list) and len(data) == 1 else data
    while isinstance(inner, dict) and len(inner) == 1 and not set(inner) & set(GROUP_KEYS):
        inner = next(iter(inner.values()))
    if not isinstance(inner, dict) or not set(inner) & set(GROUP_KEYS):
        raise _not_a_tree(path)
    for problem in [*problems, *unwritable(data)]:
        raise _error(path, problem)
    try:
        return Source(path=path, syntax="JSON", data=tree_shape(data), text=text)
    except UnreadableError as error:
        raise _error(path, error.problem) from None


def _reply_source(path: Path, text: str) -> Source:
    """Read a tree in a code fence, as a Python dict, with comments or trailing commas."""
    parsed = parse_reply(text)
    if parsed.data is None:
        raise _error(path, parsed.problems[0])
    repaired = ["its syntax had to be repaired: check the result carefully"] if parsed.repaired else []
    notes = (*repaired, *parsed.notes)
    return Source(path=path, syntax="Python or fenced JSON", data=parsed.data, text=text, notes=notes)


def _error(path: Path, problem: Problem) -> InputError:
    place = f"{printable(problem.pointer)}: " if problem.pointer else ""
    return InputError(f"{path}: {problem.code} {place}{problem.message}", "correct that place and import again")


def _not_a_tree(path: Path) -> InputError:
    message = f'{path}: not a tree: the key "classification_groups" is not in it'
    tip = f"phrases and texts about classes are notes for a draft: `treegen draft DOMAIN --notes {quoted(path)}`"
    return InputError(message, tip)
