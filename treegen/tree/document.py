"""JSON text <-> document <-> Tree: strict reading with places, one canonical text, digest."""

import hashlib
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from treegen.files import write_atomically
from treegen.text import show
from treegen.tree.model import SCHEMA_ID, ClassRule, Conflict, Group, Review, Tree
from treegen.tree.validation.locations import bracket_deeper_than, place_at
from treegen.tree.validation.problems import Place, Problem, pointer_to

MOST_DEPTH: Final = 100
#: a string or a fraction, which have no limit, or an integer
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|\d++[.eE][\d.eE+-]*+|(?P<integer>\d++)', re.DOTALL)


class _Pairs(dict[str, Any]):
    """An object that remembers duplicate keys."""

    duplicates: tuple[str, ...] = ()


def _walk(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every value of a document with its path; depth is bounded by `MOST_DEPTH`."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*path, index))


def _writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_json(text: str) -> tuple[Any, list[Problem]]:
    """Parse strict JSON; return the data (`None` if unreadable) and problems TG101 and TG102 with locations."""
    odd: list[str] = []  # non-empty if the data needs a walk to locate problems
    try:
        data = json.loads(
            text,
            object_pairs_hook=partial(_object, odd),
            parse_float=partial(_number, odd),
            parse_constant=partial(_number, odd),
        )
    except json.JSONDecodeError as error:
        message = f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        return None, [
            Problem(code="TG101", pointer="", message=message, place=Place(line=error.lineno, column=error.colno))
        ]
    except RecursionError:
        return None, [_too_deep(text)]
    except ValueError as error:
        return None, [_endless_number(text) or Problem(code="TG101", pointer="", message=f"not JSON: {error}")]
    if _deeper(data, MOST_DEPTH):
        return None, [_too_deep(text)]
    problems = list(_odd_values(data)) if odd else []
    return None if any(p.code == "TG101" for p in problems) else data, problems


def _endless_number(text: str) -> Problem | None:
    """Return the first integer too long for Python; its own error message is about Python settings."""
    most = sys.get_int_max_str_digits()
    for token in _TOKEN.finditer(text):
        if token["integer"] and len(token["integer"]) > most:
            place = place_at(text, token.start())
            message = (
                f"a number of {len(token['integer'])} digits at line {place.line}, column {place.column}; "
                f"at most {most} can be read"
            )
            return Problem(code="TG101", pointer="", message=message, place=place)
    return None


def _object(odd: list[str], pairs: list[tuple[str, Any]]) -> _Pairs:
    members = _Pairs(pairs)
    if len(members) != len(pairs):
        members.duplicates = tuple(k for k, count in Counter(k for k, _ in pairs).items() if count > 1)
        odd += members.duplicates
    return members


def _number(odd: list[str], written: str) -> float:
    """Record NaN and Infinity, which Python accepts and JSON does not, and 1e999, which Python reads as infinite."""
    value = float(written)
    if not math.isfinite(value):
        odd.append(written)
    return value


def _odd_values(data: Any) -> Iterator[Problem]:
    for path, value in _walk(data):
        for key in getattr(value, "duplicates", ()):
            message = f"the key {show(key)} is a duplicate; keep one"
            yield Problem(code="TG102", pointer=pointer_to(*path, key), message=message)
        if isinstance(value, float) and not math.isfinite(value):
            message = f"not JSON: {show(value)} is not a JSON number"
            yield Problem(code="TG101", pointer=pointer_to(*path), message=message)


def _deeper(data: Any, most: int) -> bool:
    """Whether objects and lists are nested more than `most` levels deep."""
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(most):
        if not level:
            return False
        values = (v for outer in level for v in (outer.values() if isinstance(outer, dict) else outer))
        level = [v for v in values if isinstance(v, dict | list)]
    return bool(level)


def _too_deep(text: str) -> Problem:
    message = f"nested deeper than {MOST_DEPTH} levels"
    return Problem(
        code="TG101", pointer="", message=message, place=place_at(text, bracket_deeper_than(text, MOST_DEPTH))
    )


def unwritable(data: Any) -> Iterator[Problem]:
    """Yield texts and keys that cannot be encoded as UTF-8 (TG107)."""
    with suppress(ValueError, TypeError, RecursionError):
        compact(data).encode()
        return
    for path, value in _walk(data):
        texts = [value] if isinstance(value, str) else list(value) if isinstance(value, dict) else []
        if not all(_writable(t) for t in texts):
            message = "contains half of a surrogate pair, which UTF-8 cannot encode"
            yield Problem(code="TG107", pointer=pointer_to(*path), message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The content of a tree file: its tree and the digest written in it, if any."""

    tree: Tree
    digest: str | None


def tree_from(data: Any) -> Tree:
    """Build the tree of a document whose types the schema has confirmed. Order is kept."""
    review = data.get("review")
    look_of = {look: name for name, looks in data.get("looks", {}).items() for look in looks}
    return Tree(
        domain=data["domain"],
        groups=tuple(
            Group(name=name, prompt=group["prompt"], options=tuple(group["options"]))
            for name, group in data["classification_groups"].items()
        ),
        rules=tuple(
            ClassRule(name=name, answers=tuple(rule.items()), look_of=look_of.get(name, ""))
            for name, rule in data["rules"].items()
        ),
        review=None
        if review is None
        else Review(
            status=review["status"],
            by=review["by"],
            at=review["at"],
            digest=review["digest"],
            score_json=compact(review.get("score", {})),
            comments=tuple((comment["on"], comment["text"]) for comment in review.get("comments", ())),
        ),
        conflicts=tuple(
            Conflict(what=c["what"], ours_json=compact(c["ours"]), theirs_json=compact(c["theirs"]))
            for c in data.get("conflicts", ())
        ),
    )


def content_of(tree: Tree) -> dict[str, Any]:
    """Return domain, groups, looks and rules as plain data: what the digest covers and the language model sees."""
    return {
        "domain": tree.domain,
        "classification_groups": {g.name: {"prompt": g.prompt, "options": list(g.options)} for g in tree.groups},
        **({"looks": {name: list(looks) for name, looks in tree.looks.items()}} if tree.looks else {}),
        "rules": {rule.name: dict(rule.answers) for rule in tree.rules},
    }


def compact(data: Any) -> str:
    """Return canonical JSON on one line."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def digest_of(tree: Tree) -> str:
    """Return `sha256:` and 64 hex digits over domain, groups, looks and rules, order included.

    A sign-off is not content, a rule is:

    >>> from dataclasses import replace
    >>> pond = Tree(domain="pond", groups=(), rules=())
    >>> signed = replace(pond, review=Review(status="approved", by="Ada", at="", digest=digest_of(pond)))
    >>> digest_of(pond) == digest_of(signed)
    True
    >>> digest_of(pond) == digest_of(replace(pond, rules=(ClassRule(name="Newt", answers=()),)))
    False
    """
    return "sha256:" + hashlib.sha256(compact(content_of(tree)).encode()).hexdigest()


def content_text(tree: Tree) -> str:
    """Return groups, looks and rules as JSON for the language model: one line per group, one line per class."""
    content = content_of(tree)
    groups = [f"    {_text(n)}: {_text(g)}" for n, g in content["classification_groups"].items()]
    rules = [f"    {_text(n)}: {_text(r)}" for n, r in content["rules"].items()]
    head = ["{", '  "classification_groups": {', ",\n".join(groups), "  },", *_looks_lines(tree)]
    return "\n".join([*head, '  "rules": {', ",\n".join(rules), "  }", "}"])


def _looks_lines(tree: Tree) -> list[str]:
    """Return the looks as lines of JSON, one class per line; none if no class has any."""
    looks = [f"    {_text(name)}: {_text(list(names))}" for name, names in tree.looks.items()]
    return ['  "looks": {', ",\n".join(looks), "  },"] if looks else []


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def dump(tree: Tree) -> str:
    """Return the canonical text: 2-space indent, one option and one class per line, trailing newline, fresh digest."""
    lines = [f'  "$schema": {_text(SCHEMA_ID)},', f'  "domain": {_text(tree.domain)},']
    lines += [f'  "digest": {_text(digest_of(tree))},', '  "classification_groups": {']
    for i, group in enumerate(tree.groups):
        options = ",\n".join(f"        {_text(option)}" for option in group.options)
        lines += [f"    {_text(group.name)}: {{", f'      "prompt": {_text(group.prompt)},', '      "options": [']
        lines += [options, "      ]", "    }" + ("," if i < len(tree.groups) - 1 else "")]
    lines += ["  },", *_looks_lines(tree), '  "rules": {']
    lines += [",\n".join(f"    {_text(rule.name)}: {_text(dict(rule.answers))}" for rule in tree.rules)]
    lines += ["  }" + ("," if tree.review or tree.conflicts else "")]
    if tree.review:
        lines += ['  "review": ' + _review_text(tree.review) + ("," if tree.conflicts else "")]
    if tree.conflicts:
        lines += ['  "conflicts": [', ",\n".join(f"    {_conflict_text(c)}" for c in tree.conflicts), "  ]"]
    return "\n".join(["{", *lines, "}"]) + "\n"


def _review_text(review: Review) -> str:
    plain = {"status": review.status, "by": review.by, "at": review.at, "digest": review.digest}
    comments = {"comments": [{"on": on, "text": text} for on, text in review.comments]} if review.comments else {}
    body = json.dumps({**plain, "score": json.loads(review.score_json), **comments}, ensure_ascii=False, indent=2)
    return body.replace("\n", "\n  ")


def _conflict_text(conflict: Conflict) -> str:
    sides = {"ours": json.loads(conflict.ours_json), "theirs": json.loads(conflict.theirs_json)}
    return _text({"what": conflict.what, **sides})


def save(path: Path, tree: Tree, *, before: str | None = None) -> str:
    """Write the canonical text atomically, unless the file holds it already; return the text.

    Args:
        path: the file.
        tree: its new content.
        before: see `treegen.files.write_atomically`.

    Raises:
        ChangedFileError: the file is no longer what it was; the result is kept beside it.
        InputError: it cannot be written.
    """
    text = dump(tree)
    with suppress(OSError):  # no file yet, or unreadable: writing reports the error
        if path.read_bytes() == text.encode():
            return text
    write_atomically(path, text, before=before)
    return text
