"""The lexemes of a reply: where its objects begin and end, and what no reader could be sure of.

One lexical grammar for JSON, Python literals and JavaScript objects: they differ in quotation marks and comments only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from treegen.text import show
from treegen.tree.document import MOST_DEPTH
from treegen.tree.validation.problems import Problem

MOST_OBJECTS: Final = 1000
_LEXEME: Final = re.compile(
    r'''(?P<text>[rRuUbBfF]{0,2}(?:"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\''''
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|“[^“”\n]*”)"""
    r"""|(?P<comment>\#[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z))|(?P<open>[{\[(])|(?P<close>[}\])])|(?P<dots>\.\.\.|…)"""
    r"""|(?P<space>\s+)|(?P<word>(?:(?!\.\.\.)[^\s,:;=+{}\[\]()"'“”\#/…])+)|(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_NAME: Final = re.compile(r"\s*(?:(?:const|let|var)\s+)?[A-Za-z_][\w.]*\s*(?::[^={\n]*)?=\s*(?=\{)")
_NEXT_NAME: Final = re.compile(r"(?:\s|;|#[^\n]*\n)*[A-Za-z_][\w.]*\s*(?::[^={\n]*)?=\s*(?=\{)")
_LEFT_OUT: Final = re.compile(r"(?:#+|//+|/\*+)\s*(?:\.\.\.|…)")
_BEFORE_KEY: Final = re.compile(r"""["'“”{}\[\],\n]""")
_GOES_ON: Final = re.compile(r"""\s*(?:\}|,\s*(?:["'“]|\w+\s*:))""")


class UnreadableError(Exception):
    """A step found a problem that ends the parsing."""

    def __init__(self, code: str, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(code=code, pointer=pointer, message=message)


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A bracket, text, word, comma, colon or other sign, with its line in the object (from 1)."""

    kind: str
    text: str
    line: int


@dataclass(slots=True)
class _Bracket:
    """A bracket that is open: whether it has a comma, and the first text in it that follows another one."""

    sign: str
    comma: bool = False
    joined: Lexeme | None = None


def objects_in(text: str) -> Iterator[str]:
    """Yield the outermost `{...}` of a text, each with its `name =`; immediately following `name = {...}` are included.

    Prose and code fences around them are dropped, as are placeholders without any key, such as `{}`. An unclosed object
    extends to the end of the text.

    Raises:
        UnreadableError: TG502 if an object continues after its last brace, or if there are more than `MOST_OBJECTS`.
    """
    end = count = total = 0
    while (start := text.find("{", end)) >= 0:
        line = max(text.rfind("\n", end, start) + 1, end)
        assignment = _NAME.match(text, line)
        first = line if assignment and assignment.end() == start else start
        end = _end_of(text, start)
        while following := _NEXT_NAME.match(text, end):
            end = _end_of(text, following.end())
        if ":" in text[first:end] or text[end - 1] != "}":
            count += 1
            yield text[first:end]
            if _GOES_ON.match(text, end):
                line = text.count("\n", first, end) + 1
                message = f"line {line} of the object: it closes here and yet goes on; check the braces"
                raise UnreadableError("TG502", message)
        total += 1
        if count > MOST_OBJECTS or total > 10 * MOST_OBJECTS:
            raise UnreadableError("TG502", f"the reply holds more than {MOST_OBJECTS} objects; answer with one")


def _end_of(text: str, start: int) -> int:
    """Return where the bracket at `start` closes, or the end of the text."""
    depth = 0
    for match in _LEXEME.finditer(text, start):
        depth += (match.lastgroup == "open") - (match.lastgroup == "close")
        if depth == 0:
            return match.end()
    return len(text)


def last_stop(text: str, start: int) -> int:
    """Return the end of the last comma or open bracket of a truncated object; `start` if there is none."""
    end = start
    for match in _LEXEME.finditer(text, start):
        if match.lastgroup == "open" or match.group() == ",":
            end = match.end()
        elif match.lastgroup == "other" and match.group() in "\"'“":
            break  # an unterminated text: commas in it do not count
    return end


def scan(text: str) -> Iterator[Lexeme]:
    """Yield every token except white space, including comments; nothing is refused."""
    line = 1
    for match in _LEXEME.finditer(text):
        kind, value = str(match.lastgroup), match.group()
        if kind != "space":
            yield Lexeme(kind, value, line)
        line += value.count("\n")


def refuse_unclear(text: str) -> None:
    """Refuse what Python and JSON5 would read in silence, each in its own way, and what is not all there.

    Raises:
        UnreadableError: TG501 for nesting too deep, TG502 for texts without a comma between them and for a comment with
            half a pair of quotation marks, TG503 for brackets that stay open, TG504 for `...` outside texts.
    """
    stack: list[_Bracket] = []
    before: Lexeme | None = None
    for lexeme in scan(text):
        if lexeme.kind == "dots" or (lexeme.kind == "comment" and _LEFT_OUT.match(lexeme.text)):
            raise _at(lexeme, "TG504", f"something is left out with {show(lexeme.text)}; write everything out")
        if lexeme.kind == "comment":
            if lexeme.text[:2] != "/*" and lexeme.text.count('"') % 2:
                raise _at(lexeme, "TG502", f"a comment or the end of a text? {show(lexeme.text)}")
            continue
        if lexeme.kind == "open":
            stack.append(_Bracket(lexeme.text))
            if len(stack) > MOST_DEPTH:
                raise UnreadableError("TG501", f"the reply is nested deeper than {MOST_DEPTH} levels")
        elif lexeme.kind == "close" and stack:
            stack.pop()  # of the right kind or not: the readers refuse the latter
        elif stack:
            _refuse_joined(stack[-1], before, lexeme)
        before = lexeme
    if stack:
        message = "the reply ends before its brackets and quotation marks close; give the whole object"
        raise UnreadableError("TG503", message)


def _refuse_joined(bracket: _Bracket, before: Lexeme | None, lexeme: Lexeme) -> None:
    """Refuse what Python reads as one text, unless it is clearly meant: `("one text in " "two parts")`."""
    if lexeme.text == ",":
        bracket.comma = True
    if lexeme.kind == "text" and before and before.kind == "text":
        bracket.joined = lexeme
    if bracket.joined and (bracket.comma or bracket.sign != "("):
        raise _at(bracket.joined, "TG502", f"two texts without a comma between them: ... {bracket.joined.text}")


def _at(lexeme: Lexeme, code: str, message: str) -> UnreadableError:
    return UnreadableError(code, f"line {lexeme.line} of the object: {message}")


def keys_in(text: str) -> set[str]:
    """Return everything before a colon, even in an unreadable object."""
    parts = text.split(":")[:-1]
    return {_BEFORE_KEY.split(part.rstrip().rstrip("\"'”"))[-1].strip() for part in parts}
