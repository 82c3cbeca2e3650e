"""Reads a tree out of an LLM's reply: tolerant of wrapping and syntax, strict about meaning.

Steps: strip reasoning, find the outermost braces (with `name =` before them), read as JSON, else as Python literals,
else as JSON5. Each of the three is an exact grammar: whatever none of them reads, can be read in two ways, is cut off
or abbreviated is a problem for the model to repair, not a guess.
"""

import ast
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from treegen.llm.reading.lexer import UnreadableError, keys_in, objects_in, refuse_unclear
from treegen.llm.reading.variants import read_with_variants
from treegen.text import show
from treegen.tree.document import parse_json
from treegen.tree.validation.locations import place_at
from treegen.tree.validation.problems import Problem, pointer_to

MOST_CHARACTERS: Final = 4 * 2**20
_THINK: Final = re.compile(r"<(?:think(?:ing)?|reasoning|thought)>", re.IGNORECASE)
_END_THINK: Final = re.compile(r"</(?:think(?:ing)?|reasoning|thought)>", re.IGNORECASE)
#: json5 is written in Python: 100,000 characters a second
MOST_CHARACTERS_OF_JSON5: Final = 2**19
_JSON_WORDS: Final = {"null": None, "true": True, "false": False}
#: a backslash that begins no escape, or half a surrogate pair: the three notations read these differently
_UNSHARED: Final = re.compile(r"(?<!\\)(?:\\\\)*\\(?![\\\"'/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_FENCED: Final = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LIST: Final = re.compile(r"(?:[A-Za-z_]\w*\s*=\s*)?[\[(]")
GROUP_KEYS: Final = ("classification_groups", "classification_cot")
_KEYS: Final = frozenset({*GROUP_KEYS, "rules", "prompt", "options"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedReply:
    """The plain data of a reply, or the problems that kept it from being read.

    Attributes:
        data: in the tree's own shape (`domain` not yet set), `None` if there are problems.
        problems: TG102 and TG501 to TG504.
        repaired: the syntax is neither JSON nor Python and was read as JSON5; a reviewer should know.
        notes: one sentence on a mistake of the notation that was undone; a reviewer should know it too.
    """

    data: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()
    repaired: bool = False
    notes: tuple[str, ...] = ()


def parse_reply(text: str, *, finish: str | None = None, shape: "Shape | None" = None) -> ParsedReply:
    """Parse the tree in a reply.

    Args:
        text: the reply.
        finish: the provider's finish reason; a reply truncated at the token limit is not repaired.
        shape: what to look for, if not a tree.
    """
    try:
        if finish == "length":
            raise UnreadableError("TG503", "the reply was cut at the token limit; give the whole object, shorter")
        if len(text) > MOST_CHARACTERS:
            raise UnreadableError("TG501", f"the reply is longer than {MOST_CHARACTERS} characters")
        wanted = shape or Shape()
        parsed, note = read_with_variants(
            _without_reasoning(text), lambda variant: _one_object(list(objects_in(variant)), wanted)
        )
        return replace(parsed, notes=(note,)) if note else parsed
    except UnreadableError as error:
        return ParsedReply(data=None, problems=(error.problem,))
    except RecursionError:
        message = "the reply is nested too deeply"
        return ParsedReply(data=None, problems=(Problem(code="TG501", pointer="", message=message),))


def parse_patch(text: str) -> list[Any] | None:
    """Return the operations of a JSON Patch (RFC 6902) reply, bare or below one key; `None` if it is not one."""
    try:
        (value, _), _ = read_with_variants(_without_reasoning(text), read_value)
    except UnreadableError:
        return None
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if isinstance(value, dict) and {"op", "path"} <= set(value):
        value = [value]
    patch = isinstance(value, list) and all(isinstance(step, dict) and "op" in step for step in value)
    return value if patch else None


def answer_begins(text: str) -> int | None:
    """Return where the first object after the reasoning starts; `None` if there is none yet."""
    ends = [match.end() for match in _END_THINK.finditer(text)]
    after = ends[-1] if ends else 0
    opened, brace = _THINK.search(text, after), text.find("{", after)
    return None if brace < 0 or (opened and opened.start() < brace) else brace


def read_value(text: str) -> tuple[Any, bool]:
    """One object or list of any shape, read as tolerantly as a reply, and whether it is JSON5.

    Code fences and prose around one object are dropped; around a list there may be a fence or `name =`.

    Raises:
        UnreadableError: there is none, there are several, or it can be read in more than one way.
    """
    if len(text) > MOST_CHARACTERS:
        raise UnreadableError("TG501", f"longer than {MOST_CHARACTERS} characters")
    try:
        fenced = _FENCED.findall(text)
        inner = fenced[0].strip() if len(fenced) == 1 else text.strip()
        # check for a list first: `objects_in` would yield its elements one by one
        parts = [inner] if _LIST.match(inner) else list(objects_in(inner))
        if len(parts) != 1:
            message = f"{len(parts)} objects found, expected one" if parts else "neither an object nor a list"
            raise UnreadableError("TG502" if parts else "TG501", message)
        data, repaired = _read(parts[0])
        return _listed(data), repaired
    except RecursionError:
        raise UnreadableError("TG501", "nested too deeply") from None


def _without_reasoning(text: str) -> str:
    """Drop `<think>` blocks; an end tag without a start tag closes a block from before the text."""
    *parts, rest = _END_THINK.split(text)
    answers: list[str] = []
    for part in parts:
        opened = _THINK.search(part)
        # an end tag without a start tag: the template opened the block, so everything so far was reasoning
        answers = [*answers, part[: opened.start()]] if opened else []
    opened = _THINK.search(rest)
    if opened and "{" not in rest[: opened.start()]:  # within an object it is data
        raise UnreadableError("TG503", "the reply ends inside its reasoning; answer with the object and nothing else")
    return "".join([*answers, rest])


def _one_object(objects: Sequence[str], shape: "Shape") -> ParsedReply:
    """Return the only object of that shape among those of a reply.

    Other objects (such as an example) are allowed as long as they do not mention its groups and classes.
    """
    candidates: dict[str, ParsedReply] = {}
    rejected: list[tuple[str, UnreadableError]] = []
    for text in objects:
        try:
            data, repaired = _read(text)
            shaped = shape.of(data)
            # keyed by content: the same tree given twice is one answer, two different ones are a problem
            candidates.setdefault(json.dumps(shaped), ParsedReply(data=shaped, repaired=repaired))
        except UnreadableError as error:
            rejected.append((text, error))
    if len(candidates) > 1:
        raise UnreadableError("TG502", f"the reply holds {len(candidates)} different {shape.plural}; answer with one")
    if not candidates:
        message = "the reply holds no JSON object; answer with the object and nothing else"
        # report what is wrong with the object that looks like the answer, not with an example before it
        likely = [why for text, why in rejected if any(key in text for key in shape.keys)]
        raise next(iter([*likely, *(why for _, why in rejected)]), UnreadableError("TG501", message))
    (tree,) = candidates.values()
    for text, _ in rejected:
        _refuse_same_subject(text, tree.data or {})
    return tree


def _refuse_same_subject(text: str, tree: dict[str, Any]) -> None:
    """Refuse another object that has one of the tree's names as a key: it may be a correction or a fragment."""
    names = {*tree, *(name for part in tree.values() if isinstance(part, dict) for name in part)}
    if common := keys_in(text) & (names | _KEYS):
        message = f"beside the tree stands another object with the key {show(min(common))}; answer with one object"
        raise UnreadableError("TG502", message)


def _read(text: str) -> tuple[Any, bool]:
    """Read one object, and say whether it is JSON5."""
    # JSON first: fast, exact and by far the most frequent, so the checks below are only for what deviates
    data, problems = parse_json(text)
    if data is not None and not problems:
        return data, False
    duplicate = next((p for p in problems if p.code == "TG102"), None)
    if duplicate:
        raise UnreadableError("TG102", duplicate.message, duplicate.pointer)
    # before Python and JSON5, which would silently read adjacent texts, `...` and odd escapes, each in its own way
    refuse_unclear(text)
    if bad_escape := _UNSHARED.search(text):
        raise _unreadable(text, bad_escape.end() - 1, "an escape outside JSON, or half of a surrogate pair")
    try:
        return _read_python(text), False  # before JSON5, whose reader is slow
    except SyntaxError as error:
        # the offset of the failure: the message should point at the place where the better reader stopped
        lines = text.split("\n")[: (error.lineno or 1) - 1]
        return _read_json5(text, sum(len(line) + 1 for line in lines) + (error.offset or 1) - 1), True
    except (ValueError, TypeError, MemoryError, SystemError):  # a set of lists; nesting that ast gives up on
        return _read_json5(text, 0), True


class _JsonWords(ast.NodeTransformer):
    """Makes `null`, `true` and `false` literals: JSON with a trailing comma is then Python, and read fast."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a word of JSON."""
        return ast.copy_location(ast.Constant(_JSON_WORDS[node.id]), node) if node.id in _JSON_WORDS else node


def _read_python(text: str) -> Any:
    """Read Python literals: one expression, or assignments of literals.

    Raises:
        SyntaxError, ValueError: it is not that, or has an escape that Python does not have.
        UnreadableError: TG102 for a name or key that is given twice.
    """
    if "\\/" in text:
        raise ValueError("Python has no such escape")
    module = _JsonWords().visit(ast.parse(text.lstrip()))
    for node in ast.walk(module):
        if isinstance(node, ast.Dict):
            _refuse_duplicates(str(key.value) for key in node.keys if isinstance(key, ast.Constant))
    if len(module.body) == 1 and isinstance(expression := module.body[0], ast.Expr):
        return ast.literal_eval(expression.value)
    values: list[tuple[str, Any]] = []
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=literal):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as literal):
                pass
            case _:
                raise ValueError("not an assignment of a literal")
        values.append((name, ast.literal_eval(literal)))
    _refuse_duplicates(name for name, _ in values)
    return values[0][1] if len(values) == 1 else dict(values)


def _read_json5(text: str, reached: int) -> Any:
    """Read JSON5 from the first bracket on, which may stand behind `name =`.

    Args:
        text: what is not Python.
        reached: how far Python came: the problem is where the better of the two readers stopped.

    Raises:
        UnreadableError: TG102 for a key that is given twice, TG502 for what is not JSON5.
    """
    import json5

    if len(text) > MOST_CHARACTERS_OF_JSON5:
        message = (
            f"neither JSON nor Python, and too long to be read as JSON5 (over {MOST_CHARACTERS_OF_JSON5} characters)"
        )
        raise UnreadableError("TG502", f"{message}; write plain JSON")
    list_start = _LIST.match(text)
    start = list_start.end() - 1 if list_start else text.index("{")
    value, error, place = json5.parse(text, start=start, object_pairs_hook=_object)
    if error is not None:
        raise _unreadable(text, max(place, reached), "neither JSON nor Python nor JSON5")
    return value


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(pairs)
    _refuse_duplicates(key for key, _ in pairs)
    return dict(pairs)


def _refuse_duplicates(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UnreadableError("TG102", f"the key {show(name)} is given twice in one object; keep one")
        seen.add(name)


def _unreadable(text: str, offset: int, what: str) -> UnreadableError:
    place = place_at(text, offset)
    excerpt = text[offset : offset + 30].partition("\n")[0]
    message = f"line {place.line}, column {place.column} of the object: {what} at {show(excerpt)}; write plain JSON"
    return UnreadableError("TG502", message)


def tree_shape(data: Any) -> dict[str, Any]:
    """Convert the forms that replies and older files use to the tree's own.

    Known: `classification_groups` or `classification_cot` for the groups, `rules` or one `<name>_rules` for the rules,
    one object around both, tuples for lists. Anything else is kept for the schema to refuse.

    Raises:
        UnreadableError: there is no object with groups and rules, or there are two candidates for one of them.
    """
    data = _decoded(_listed(data))
    if isinstance(data, list) and len(data) == 1:
        data = _decoded(data[0])
    if not isinstance(data, dict):
        raise UnreadableError("TG501", f"expected one JSON object, found {show(data)}")
    # unwrap `{"tree": {...}}`, but never the groups themselves: a tree without rules has one key, too
    while len(data) == 1 and isinstance(inner := next(iter(data.values())), dict) and not _groups_in(data):
        data = inner
    if not _groups_in(data):
        raise UnreadableError(
            "TG501", f'the object has no key "classification_groups"; its keys are {show(list(data))}'
        )
    groups, rules = _groups_in(data), [k for k in data if k == "rules" or str(k).endswith("_rules")]
    for keys, what in ((groups, "groups"), (rules, "rules")):
        if len(keys) > 1:
            raise UnreadableError(
                "TG502", f"two keys for the {what}: {', '.join(map(show, keys))}", pointer_to(str(keys[1]))
            )
    keys_of_tree = {groups[0]: "classification_groups", **({rules[0]: "rules"} if rules else {})}
    return {keys_of_tree.get(key, str(key)): entries_by_name(value) for key, value in data.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What to look for in a reply.

    Attributes:
        of: converts the data to its own form, or raises `UnreadableError`.
        keys: the wanted object contains one of them.
        plural: what to call several of them.
    """

    of: Callable[[Any], dict[str, Any]] = tree_shape
    keys: tuple[str, ...] = GROUP_KEYS
    plural: str = "trees"


def keyed(key: str) -> Shape:
    """Return the shape of an object with that key, possibly wrapped in another."""

    def of(data: Any) -> dict[str, Any]:
        data = _decoded(_listed(data))
        while (
            isinstance(data, dict)
            and len(data) == 1
            and key not in data
            and isinstance(next(iter(data.values())), dict)
        ):
            data = next(iter(data.values()))
        if not isinstance(data, dict) or key not in data:
            keys = f"; its keys are {show(list(data))}" if isinstance(data, dict) else ""
            raise UnreadableError("TG501", f"the object has no key {show(key)}{keys}")
        return {str(name): entries_by_name(value) for name, value in data.items()}

    return Shape(of=of, keys=(key,), plural="answers")


def entries_by_name(value: Any) -> Any:
    """Convert a list of named entries to the object that it stands for; return anything else unchanged.

    Response schemas cannot contain names that are not known beforehand: `[{"name": "colour", "prompt": ...}]` for
    groups, `[{"class": "Wren", "answers": [{"group": "colour", "option": 0}]}]` for rules.

    Raises:
        UnreadableError: a duplicate name.
    """
    if isinstance(value, dict):
        return {key: entries_by_name(inner) for key, inner in value.items()} if _has_answers(value) else value
    name = next((key for key in ("name", "class", "group") if _all_have(value, key)), None)
    if name is None:
        return value
    by_name: dict[str, Any] = {}
    for entry in value:
        if entry[name] in by_name:
            raise UnreadableError("TG102", f"{show(entry[name])} is given twice; keep one")
        rest = {key: inner for key, inner in entry.items() if key != name}
        inner = next(iter(rest.values())) if name != "name" and len(rest) == 1 else rest
        by_name[entry[name]] = entries_by_name(inner)
    return by_name


def _has_answers(value: dict[str, Any]) -> bool:
    """Whether the values are lists of answers."""
    return bool(value) and all(_all_have(inner, "group") for inner in value.values())


def _all_have(value: Any, key: str) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(e, dict) and len(e) > 1 and isinstance(e.get(key), str) for e in value)
    )


def _decoded(data: Any) -> Any:
    """Read the values of an object that hold JSON as a text, as `{"tree": "{...}"}` does."""
    return {key: _json_in(value) for key, value in data.items()} if isinstance(data, dict) else data


def _json_in(value: Any) -> Any:
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    inner, problems = parse_json(value)
    return _listed(inner) if isinstance(inner, dict | list) and not problems else value


def _groups_in(data: dict[str, Any]) -> list[str]:
    return [k for k in GROUP_KEYS if k in data]


def _listed(value: Any) -> Any:
    """Convert tuples to lists and numeric keys to texts; refuse anything else that JSON does not have."""
    if isinstance(value, dict):
        bad_key = next((k for k in value if not isinstance(k, str | int) or isinstance(k, bool)), "")
        if bad_key != "":
            raise UnreadableError("TG501", f"a key must be a text: {bad_key!r}")
        return {_written(str(k)): _listed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise UnreadableError("TG502", f"{value} is not a number of JSON")
    if not isinstance(value, str | int | float | bool | None):
        raise UnreadableError("TG501", f"JSON has no {type(value).__name__}; use a list or a text")
    return _written(value) if isinstance(value, str) else value


def _written(text: str) -> str:
    """Return the text, unless it is an ellipsis or has a control character: `"\\frame"` has a form feed in JSON."""
    if text.strip() in ("...", "…"):
        raise UnreadableError("TG504", f"the reply leaves something out with {show(text)}; write everything out")
    if _CONTROL.search(text):
        raise UnreadableError("TG502", f"a control character in {show(text)}: an escape that was not meant?")
    return text
