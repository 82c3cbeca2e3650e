"""Index comments of the article's format, checked against the values next to them.

`"white",  # 0`, `"white",  # Absol, Absol G` next to an option and `"dominant_color": 0,  # white` next to a rule
repeat what the data says. If the two differ, it is unknown which is right, so it is listed, never guessed.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from treegen.llm.reading.lexer import Lexeme, UnreadableError, objects_in, scan
from treegen.llm.reading.parser import GROUP_KEYS
from treegen.text import show
from treegen.tree.model import Group, Tree
from treegen.tree.validation.normalise import normalise

_PARTS: Final = re.compile(r"[,;:/=|]|\s-\s|->|→|\band\b")
_NUMBER: Final = re.compile(r"(?:#|index|option)?\s*(\d{1,6})", re.IGNORECASE)
_OPENS: Final = {"{": "object", "[": "list", "(": "list"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A comment and the value before it on its line: `path` leads to an option or to a rule's answer."""

    line: int
    path: tuple[str | int, ...]
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comments:
    """The results of checking a file's comments.

    Attributes:
        contradictions: one sentence each, with the line.
        agreed: number of comments that the data fully confirms.
        unchecked: (line, comment) of those about something else, or next to several values.
    """

    contradictions: tuple[str, ...] = ()
    agreed: int = 0
    unchecked: tuple[tuple[int, str], ...] = ()


class _Places:
    """Tracks brackets, keys and commas, to know the path of each value."""

    def __init__(self) -> None:
        self._stack: list[list[Any]] = []  # [kind, key or index] of every open bracket
        self._name: str | None = None  # of `name = {`

    @property
    def inside(self) -> bool:
        """Whether a bracket is open."""
        return bool(self._stack)

    def enter(self, lexeme: Lexeme, after: Lexeme | None) -> tuple[str | int, ...] | None:
        """Return the path of the token, if it is a value."""
        top = self._stack[-1] if self._stack else None
        if lexeme.kind == "open":
            self._stack.append([_OPENS[lexeme.text], 0 if lexeme.text != "{" else None])
        elif lexeme.kind == "close":
            if self._stack:
                self._stack.pop()
        elif lexeme.text == "," and top and top[0] == "list":
            top[1] += 1
        elif lexeme.kind in ("text", "word"):
            text = lexeme.text.strip("\"'“”") if lexeme.kind == "text" else lexeme.text
            if after is not None and after.text == ":" and top and top[0] == "object":
                top[1] = text
            elif after is not None and after.text == "=" and not top:
                self._name = text
            elif top:
                return tuple(p for p in (self._name, *(key for _, key in self._stack)) if p is not None)
        return None


def _objects(text: str) -> Iterator[str]:
    """Yield the objects of a text as far as they can be told apart; the reasoning before a reply may hold braces."""
    with suppress(UnreadableError):
        yield from objects_in(text)


def remarks_in(text: str) -> Iterator[Remark]:
    """Yield every comment; `path` is empty unless it follows exactly one option or answer on its line."""
    end = 0
    for part in _objects(text):
        start = text.find(part, end)
        end, before = start + len(part), text.count("\n", 0, start)
        # `objects_in` ends at the last brace; a comment after it on the line belongs to it
        yield from _remarks(part + text[end : text.find("\n", end) if "\n" in text[end:] else len(text)], before)


def _remarks(text: str, before: int) -> Iterator[Remark]:
    places, line, values = _Places(), 0, list[tuple[str | int, ...]]()
    lexemes = list(scan(text))
    # `after` must be the next token that is not a comment: one may come between a key and its colon
    plain = [lexeme for lexeme in lexemes if lexeme.kind != "comment"]
    following = dict(zip(map(id, plain), [*plain[1:], None], strict=False))
    for lexeme in lexemes:
        if lexeme.line != line:
            line, values = lexeme.line, []
        if lexeme.kind == "comment":
            comment = lexeme.text.strip("#/* \t\r\n")
            path = values[0] if len(values) == 1 else ()
            if comment and (values or places.inside):
                yield Remark(line=line + before, path=path, comment=comment)
            continue
        value_path = places.enter(lexeme, following[id(lexeme)])
        if value_path is not None and (option_of(value_path) or answer_of(value_path)):
            values.append(value_path)


def option_of(path: Sequence[str | int]) -> tuple[str, int] | None:
    """Return (group, index) if the path leads to an option."""
    match [p for p in path if p not in GROUP_KEYS] if set(path) & set(GROUP_KEYS) else []:
        case [*_, str() as group, "options", int() as index]:
            return group, index
    return None


def answer_of(path: Sequence[str | int]) -> tuple[str, str] | None:
    """Return (class, group) if the path leads to a rule's answer."""
    match path:
        case [*_, str() as key, str() as name, str() as group] if key == "rules" or key.endswith("_rules"):
            return name, group
    return None


def check_comments(tree: Tree, text: str) -> Comments:
    """Compare every comment with the tree of the same text."""
    contradictions: list[str] = []
    unchecked: list[tuple[int, str]] = []
    agreed = 0
    classes = {normalise(name): name for name in tree.rows}
    for remark in remarks_in(text):
        place = _place(tree, remark.path)
        if place is None:
            unchecked.append((remark.line, remark.comment))
            continue
        group, index = place
        mismatches, open_parts = _compare(tree, group, index, remark.comment, classes)
        contradictions += [f"line {remark.line}: {_where(group, index, remark.path)} {t}" for t in mismatches]
        if open_parts:
            unchecked.append((remark.line, remark.comment))
        agreed += not mismatches and not open_parts
    return Comments(contradictions=tuple(contradictions), agreed=agreed, unchecked=tuple(unchecked))


def _place(tree: Tree, path: Sequence[str | int]) -> tuple[Group, int] | None:
    """Return the group and the index that a comment is about, if the path leads to one."""
    option, answer = option_of(path), answer_of(path)
    name, index = option or (answer[1] if answer else "", None)
    if answer:
        index = next((r.get(name) for r in tree.rules if r.name == answer[0]), None)
    group = tree.group(name)
    return None if group is None or index is None else (group, index)


def _where(group: Group, index: int, path: Sequence[str | int]) -> str:
    if answer := answer_of(path):
        return f"{show(answer[0])} has option {index} in {show(group.name)},"
    return f"option {index} {show(group.options[index])} of {show(group.name)}"


def _compare(tree: Tree, group: Group, index: int, comment: str, classes: dict[str, str]) -> tuple[list[str], bool]:
    """Return where the comment contradicts the data, and whether part of it cannot be checked."""
    options = {normalise(option): i for i, option in enumerate(group.options)}
    normal = normalise(comment)
    # an option or a class may itself contain a comma or "and": the comment as a whole is looked up first
    parts = [comment] if normal in options or normal in classes else [p for p in _PARTS.split(comment) if p.strip()]
    mismatches, unknown = [], False
    for part in parts:
        word, number = normalise(part), _NUMBER.fullmatch(part.strip())
        if word in options and not number:
            if options[word] != index:
                mismatches.append(f"but the comment says {show(part.strip())}, which is option {options[word]}")
        elif number:
            if int(number[1]) != index:
                mismatches.append(f"but the comment says {number[1]}")
        elif word in classes:
            rule = next(r for r in tree.rules if r.name == classes[word])
            if rule.get(group.name) != index:
                has = tree.word(rule, group.name)
                mismatches.append(f"but the comment names {show(rule.name)}, whose rule has {show(has)}")
        else:
            unknown = True
    return mismatches, unknown
