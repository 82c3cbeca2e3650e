"""Reads a tree out of an LLM's reply: tolerant of wrapping and syntax, strict about meaning.

Steps: strip reasoning, take the fenced block (or the outermost braces), drop `name =`, read as JSON, then as Python
literals, then with json-repair. Whatever can be read in two ways, is cut off or abbreviated is a problem, not a guess.
"""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from treegen.tree.document import parse_json
from treegen.tree.keywords import show
from treegen.tree.problems import Problem, pointer_to

MOST_CHARACTERS: Final = 4 * 2**20
_THINK: Final = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_THINK: Final = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_FENCE: Final = re.compile(r"^[ \t]*(```+|~~~+)[^\n`]*\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
_NAME: Final = re.compile(r"\A\s*[A-Za-z_][\w.]*\s*(?::[^={\n]*)?=\s*(?=[{(])")
_LEXEME: Final = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<comment>\#[^\n]*|//[^\n]*|/\*.*?\*/)|(?P<open>[{\[(])"""
    r"""|(?P<close>[}\])])|(?P<dots>\.\.\.|…)|(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The plain data of a reply, or the problems that kept it from being read.

    Attributes:
        data: in the tree's own shape (`domain` not yet set), `None` if there are problems.
        problems: TG102 and TG501 to TG504.
        repaired: the syntax had to be repaired by json-repair; a reviewer should know.
    """

    data: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()
    repaired: bool = False


class _UnreadableError(Exception):
    """A step found a problem that ends the reading."""

    def __init__(self, code: str, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(code=code, pointer=pointer, message=message)


def parse_reply(text: str, *, finish: str | None = None) -> Parsed:
    """Reads the tree of a reply.

    Args:
        text: the reply.
        finish: the provider's finish reason; a reply cut at the token limit is not repaired.
    """
    try:
        if finish == "length":
            raise _UnreadableError("TG503", "the reply was cut at the token limit; give the whole object, shorter")
        if len(text) > MOST_CHARACTERS:
            raise _UnreadableError("TG501", f"the reply is longer than {MOST_CHARACTERS} characters")
        block, inner = _one_block(_without_reasoning(text))
        data, repaired = inner if inner is not None else _read(block)
        return Parsed(data=tree_shape(data), repaired=repaired)
    except _UnreadableError as error:
        return Parsed(data=None, problems=(error.problem,))
    except RecursionError:
        told = "the reply is nested too deeply"
        return Parsed(data=None, problems=(Problem(code="TG501", pointer="", message=told),))


def _without_reasoning(text: str) -> str:
    """Without `<think>` blocks; an end tag alone closes what began before the text did."""
    return _OPEN_THINK.sub("", _THINK.sub("", text)).strip("﻿ \n\r\t")


def _one_block(text: str) -> tuple[str, tuple[Any, bool] | None]:
    """The text that holds the tree and, where it had to be read to tell, its data.

    With several fenced blocks the one that reads as a tree is meant; two different ones are ambiguous.
    """
    blocks = [m.group(2) for m in _FENCE.finditer(text)]
    if not blocks:
        start = text.find("{")
        if start < 0:
            raise _UnreadableError("TG501", "the reply holds no JSON object; answer with the object and nothing else")
        return _outermost(text), None
    if len(blocks) == 1:
        return blocks[0], None
    found: list[tuple[str, tuple[Any, bool]]] = []
    for block in blocks:
        try:
            data, repaired = _read(block)
            shaped = tree_shape(data)
        except _UnreadableError:
            continue
        if not any(shaped == tree_shape(earlier[1][0]) for earlier in found):
            found.append((block, (data, repaired)))
    if len(found) > 1:
        raise _UnreadableError("TG502", f"the reply holds {len(found)} different trees; answer with one")
    return found[0] if found else (blocks[-1], None)


def _outermost(text: str) -> str:
    """From the first brace (with a `name =` before it) to the last one; prose around it is dropped."""
    start, end = text.find("{"), text.rfind("}")
    line = text.rfind("\n", 0, start) + 1
    named = _NAME.match(text[line:])
    return text[line if named else start : end + 1 if end > start else len(text)]


def _read(text: str) -> tuple[Any, bool]:
    """The data of one block, and whether json-repair was needed."""
    data, problems = parse_json(text.strip())
    if data is not None and not problems:
        return data, False
    twice = next((p for p in problems if p.code == "TG102"), None)
    if twice:
        raise _UnreadableError("TG102", twice.message, twice.pointer)
    _refuse_cut_or_abbreviated(text)
    try:
        return _read_python(text), False
    except (SyntaxError, ValueError, MemoryError):
        return _read_repaired(text), True


def _refuse_cut_or_abbreviated(text: str) -> None:
    """TG503 for brackets that do not close, TG504 for `...` outside texts."""
    depth = 0
    for match in _LEXEME.finditer(text):
        depth += (match.lastgroup == "open") - (match.lastgroup == "close")
        if match.lastgroup == "dots":
            raise _UnreadableError(
                "TG504", f"the reply leaves something out with {match.group()!r}; write everything out"
            )
    if depth > 0 and text.rstrip()[-1:] not in ("}", ")", ";"):
        raise _UnreadableError("TG503", "the reply ends before its brackets close; give the whole object")


def _read_python(text: str) -> Any:
    """Python literals: one expression, or assignments of literals; SyntaxError or ValueError if it is not that."""
    source = text.strip().rstrip(";")
    _refuse_adjacent_texts(source)
    module = ast.parse(source)
    _refuse_double_keys(module)
    values: dict[str, Any] = {}
    for statement in module.body:
        if isinstance(statement, ast.Expr) and len(module.body) == 1:
            return ast.literal_eval(statement.value)
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        value = getattr(statement, "value", None)
        if not isinstance(target, ast.Name) or value is None:
            raise ValueError("not an assignment of a literal")
        values[target.id] = ast.literal_eval(value)
    if not values:
        raise ValueError("empty")
    return next(iter(values.values())) if len(values) == 1 else values


def _refuse_adjacent_texts(source: str) -> None:
    """`["a" "b"]` is one text to Python and two to a reader. In parentheses the joining is deliberate."""
    brackets: list[str] = []
    before = -1
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.OP and token.string in "([{":
                brackets.append(token.string)
            elif token.type == tokenize.OP and token.string in ")]}" and brackets:
                brackets.pop()
            if token.type in (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT):
                continue
            if token.type == tokenize.STRING and before == tokenize.STRING and (brackets or ["["])[-1] != "(":
                told = f"two texts without a comma between them, line {token.start[0]}: ... {token.string}"
                raise _UnreadableError("TG502", told)
            before = token.type
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return  # not Python: the caller's own reading says so


def _refuse_double_keys(module: ast.Module) -> None:
    for node in ast.walk(module):
        if isinstance(node, ast.Dict):
            keys = [k.value for k in node.keys if isinstance(k, ast.Constant)]
            for key in keys:
                if keys.count(key) > 1:
                    raise _UnreadableError("TG102", f"the key {show(key)} stands twice in one object; keep one")


def _read_repaired(text: str) -> Any:
    """json-repair, with the checks it lacks: it keeps the last of two equal keys and drops what it cannot place."""
    import json_repair

    body = _NAME.sub("", text)
    data = json_repair.loads(_plain(body))
    if not isinstance(data, dict):
        raise _UnreadableError(
            "TG501", "the reply cannot be read as a JSON object; answer with the object and nothing else"
        )
    written = sum(1 for _ in _keys_in(body))
    if written > _count_keys(data):
        raise _UnreadableError(
            "TG502", f"the reply has {written} keys, of which only {_count_keys(data)} can be placed"
        )
    return data


def _plain(text: str) -> str:
    """Without comments outside texts."""
    return "".join(m.group() for m in _LEXEME.finditer(text) if m.lastgroup != "comment")


def _keys_in(text: str) -> Iterator[str]:
    """Quoted texts that are followed by a colon."""
    lexemes = [m for m in _LEXEME.finditer(text) if m.lastgroup != "comment" and not m.group().isspace()]
    for i, match in enumerate(lexemes[:-1]):
        if match.lastgroup == "text" and lexemes[i + 1].group() == ":":
            yield match.group()


def _count_keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(_count_keys(v) for v in value.values())
    return sum(_count_keys(v) for v in value) if isinstance(value, list) else 0


def tree_shape(data: Any) -> dict[str, Any]:
    """The tree's own shape from the shapes that replies and older files use.

    Known: `classification_groups` or `classification_cot` for the groups, `rules` or one `<name>_rules` for the rules,
    one object around both, tuples for lists. Anything else stays and is for the schema to refuse.

    Raises:
        _UnreadableError: there is no object with groups and rules, or there are two candidates for one of them.
    """
    data = _listed(data)
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise _UnreadableError("TG501", f"expected one JSON object, found {show(data)}")
    while len(data) == 1 and isinstance(inner := next(iter(data.values())), dict) and not _groups_in(data):
        data = inner
    if not _groups_in(data):
        raise _UnreadableError(
            "TG501", f'the object has no key "classification_groups"; it has {", ".join(map(show, data))}'
        )
    groups, rules = _groups_in(data), [k for k in data if k == "rules" or str(k).endswith("_rules")]
    for keys, what in ((groups, "groups"), (rules, "rules")):
        if len(keys) > 1:
            raise _UnreadableError(
                "TG502", f"two keys for the {what}: {', '.join(map(show, keys))}", pointer_to(str(keys[1]))
            )
    named = {groups[0]: "classification_groups", **({rules[0]: "rules"} if rules else {})}
    return {named.get(key, str(key)): value for key, value in data.items()}


def _groups_in(data: dict[str, Any]) -> list[str]:
    return [k for k in ("classification_groups", "classification_cot") if k in data]


def _listed(value: Any) -> Any:
    """Tuples as lists, keys as texts; anything that JSON cannot hold becomes a text for the schema to refuse."""
    if isinstance(value, dict):
        return {str(k): _listed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(str(value))
