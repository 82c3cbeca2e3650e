"""The lexemes of a reply: where its objects begin and end, what no reader could be sure of, what it says in order.

One lexical grammar for JSON, Python literals and JavaScript objects: they differ in quotation marks and comments only.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from treegen.tree.document import MOST_DEPTH
from treegen.tree.validation.problems import Problem
from treegen.tree.validation.schema import show

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
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)|\"", re.DOTALL)
_BEFORE_KEY: Final = re.compile(r"""["'“”{}\[\],\n]""")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_GOES_ON: Final = re.compile(r"""\s*(?:\}|,\s*(?:["'“]|\w+\s*:))""")
_CLOSES: Final = {"}": "{", "]": "[", ")": "("}
_VALUES: Final = {"null": None, "None": None, "true": True, "True": True, "false": False, "False": False}


class UnreadableError(Exception):
    """A step found a problem that ends the reading."""

    def __init__(self, code: str, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(code=code, pointer=pointer, message=message)


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A bracket, text, word, comma, colon or other sign, and the line of the object it stands in (from 1)."""

    kind: str
    said: str
    line: int


def _at(lexeme: Lexeme, code: str, message: str) -> UnreadableError:
    return UnreadableError(code, f"line {lexeme.line} of the object: {message}")


@dataclass(slots=True)
class _Bracket:
    """A bracket that is open: the keys in it so far, whether it has a comma, and whether texts in it stand together."""

    sign: str
    keys: set[str] = field(default_factory=set)
    comma: bool = False
    joined: Lexeme | None = None


def objects_in(text: str) -> Iterator[str]:
    """The outermost `{...}` of a text, with the `name =` before each; further `name = {...}` right behind belong to it.

    Prose and code fences around them are dropped, and so are placeholders without any key, such as `{}`. An object that
    is not closed runs to the end of the text.

    Raises:
        UnreadableError: TG502 if an object goes on behind its last brace, or if there are more than `MOST_OBJECTS`.
    """
    end = count = seen = 0
    while (start := text.find("{", end)) >= 0:
        line = max(text.rfind("\n", end, start) + 1, end)
        named = _NAME.match(text, line)
        first = line if named and named.end() == start else start
        end = _end_of(text, start)
        while more := _NEXT_NAME.match(text, end):
            end = _end_of(text, more.end())
        if ":" in text[first:end] or text[end - 1] != "}":
            count += 1
            yield text[first:end]
            if _GOES_ON.match(text, end):
                line = text.count("\n", first, end) + 1
                told = f"line {line} of the object: it closes here and yet goes on; check the braces"
                raise UnreadableError("TG502", told)
        seen += 1
        if count > MOST_OBJECTS or seen > 10 * MOST_OBJECTS:
            raise UnreadableError("TG502", f"the reply holds more than {MOST_OBJECTS} objects; answer with one")


def _end_of(text: str, start: int) -> int:
    """Where the bracket at `start` closes, or the end of the text."""
    depth = 0
    for match in _LEXEME.finditer(text, start):
        depth += (match.lastgroup == "open") - (match.lastgroup == "close")
        if depth == 0:
            return match.end()
    return len(text)


def last_stop(text: str, start: int) -> int:
    """Where the last comma or open bracket of an object that is cut off ends; `start` if there is none."""
    end = start
    for match in _LEXEME.finditer(text, start):
        if match.lastgroup == "open" or match.group() == ",":
            end = match.end()
        elif match.lastgroup == "other" and match.group() in "\"'“":
            break  # a text that does not end: commas in it are none
    return end


def scan(text: str) -> Iterator[Lexeme]:
    """Every lexeme but white space, comments included; nothing is refused."""
    line = 1
    for match in _LEXEME.finditer(text):
        kind, said = str(match.lastgroup), match.group()
        if kind != "space":
            yield Lexeme(kind, said, line)
        line += said.count("\n")


def lexemes_of(text: str) -> list[Lexeme]:
    """Without white space and comments.

    Raises:
        UnreadableError: TG502 for a comment with half a pair of quotation marks, TG504 for `...` outside texts and for
            a comment that begins with it.
    """
    found = []
    for lexeme in scan(text):
        kind, said, line = lexeme.kind, lexeme.said, lexeme.line
        if kind == "dots" or (kind == "comment" and _LEFT_OUT.match(said)):
            told = f"line {line} of the object leaves something out with {show(said)}; write everything out"
            raise UnreadableError("TG504", told)
        if kind == "comment" and said[:2] != "/*" and said.count('"') % 2:
            told = f"line {line} of the object: a comment or the end of a text? {show(said)}"
            raise UnreadableError("TG502", told)
        if kind != "comment":
            found.append(lexeme)
    return found


def refuse_unclear(lexemes: Sequence[Lexeme]) -> None:
    """Refuses what the readers behind this would read in silence, each in its own way.

    Raises:
        UnreadableError: TG102 for a key that stands twice, TG501 for nesting too deep, TG502 for brackets that do not
            match, a comma without an entry, or texts without a comma between them, TG503 for brackets that stay open.
    """
    stack: list[_Bracket] = []
    for before, lexeme, after in zip([None, *lexemes], lexemes, [*lexemes[1:], None], strict=False):
        if lexeme.kind == "open":
            stack.append(_Bracket(lexeme.said))
            if len(stack) > MOST_DEPTH:
                raise UnreadableError("TG501", f"the reply is nested deeper than {MOST_DEPTH} levels")
        elif lexeme.kind == "close":
            if not stack or stack.pop().sign != _CLOSES[lexeme.said]:
                raise _at(lexeme, "TG502", f"{lexeme.said!r} closes a bracket of another kind, or none")
        elif stack:
            _refuse_inside(stack[-1], before, lexeme, after)
    if stack:
        told = "the reply ends before its brackets and quotation marks close; give the whole object"
        raise UnreadableError("TG503", told)


def _refuse_inside(bracket: _Bracket, before: Lexeme | None, lexeme: Lexeme, after: Lexeme | None) -> None:
    """What `refuse_unclear` looks for between two brackets."""
    if lexeme.said == ",":
        bracket.comma = True
        if before and (before.said == "," or before.kind == "open"):
            raise _at(lexeme, "TG502", "a comma without an entry before it")
    if lexeme.kind == "text" and before and before.kind == "text":
        bracket.joined = lexeme
    if bracket.joined and (bracket.comma or bracket.sign != "("):  # ("one text in " "two parts") is deliberate
        raise _at(bracket.joined, "TG502", f"two texts without a comma between them: ... {bracket.joined.said}")
    if lexeme.kind in ("text", "word") and after and after.said == ":" and bracket.sign == "{":
        key = text_in(lexeme) if lexeme.kind == "text" else lexeme.said
        if key in bracket.keys:
            raise _at(lexeme, "TG102", f"the key {show(key)} stands twice in one object; keep one")
        bracket.keys.add(key)


def text_in(lexeme: Lexeme) -> str:
    """The text between the quotation marks.

    Raises:
        UnreadableError: TG502 for a prefix such as `f` and for escapes that JSON does not have.
    """
    said = lexeme.said
    width = 3 if len(said) >= 6 and said[:3] in ('"""', "'''") else 1
    inner = _ESCAPE.sub(_as_json, said[width:-width])
    try:
        if said[0] not in "\"'“":
            raise ValueError(said[0])
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        raise _at(lexeme, "TG502", f"a prefix or an escape that JSON does not have: {show(said)}") from None


def _as_json(match: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(match.group(), match.group())


def keys_in(text: str) -> set[str]:
    """Everything that stands before a colon, also in an object that cannot be read."""
    parts = text.split(":")[:-1]
    return {_BEFORE_KEY.split(part.rstrip().rstrip("\"'”"))[-1].strip() for part in parts}


def content_of_lexemes(lexemes: Sequence[Lexeme]) -> list[Any]:
    """Brackets, keys and values in their order, to compare with `content_of_data`.

    Raises:
        UnreadableError: TG501 for a sign that no object has, TG502 for a text without quotation marks.
    """
    content: list[Any] = []
    for lexeme, after in zip(lexemes, [*lexemes[1:], None], strict=False):
        if lexeme.kind in ("open", "close"):
            content.append(("bracket", {"(": "[", ")": "]"}.get(lexeme.said, lexeme.said)))
        elif lexeme.kind == "text":
            content.append((str, text_in(lexeme)))
        elif lexeme.kind == "word":
            key = after is not None and after.said == ":"
            value = lexeme.said if key else _value_of(lexeme)
            content.append((type(value), value))
        elif lexeme.said not in ",:":
            raise _at(lexeme, "TG501", f"cannot be read at {show(lexeme.said)}")
    return content


def _value_of(word: Lexeme) -> Any:
    """null, true, false or a number, the latter as JSON writes it."""
    if word.said in _VALUES:
        return _VALUES[word.said]
    if _NUMBER.fullmatch(word.said) and len(word.said) < 20:
        return json.loads(word.said)
    raise _at(word, "TG502", f"a text without quotation marks: {show(word.said)}")


def content_of_data(value: Any) -> list[Any]:
    """What `content_of_lexemes` gives for a reply that says exactly this."""
    if isinstance(value, dict):
        inner = [part for key, entry in value.items() for part in [(str, key), *content_of_data(entry)]]
        return [("bracket", "{"), *inner, ("bracket", "}")]
    if isinstance(value, list | tuple):
        return [("bracket", "["), *(part for entry in value for part in content_of_data(entry)), ("bracket", "]")]
    return [(type(value), value)]


def plain_text(lexemes: Sequence[Lexeme]) -> str:
    """The reply without comments, each text with JSON's own quotation marks and escapes."""
    texts = (json.dumps(text_in(one), ensure_ascii=False) if one.kind == "text" else one.said for one in lexemes)
    return " ".join(texts)
