"""Trees of other projects: the article's format and anything the tolerant reader can convert to a tree."""

import ast
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from treegen.exchange.comments import Comments, check_comments
from treegen.exchange.sources import Source
from treegen.llm.reading.lexer import UnreadableError, scan
from treegen.text import counted
from treegen.tree.model import Tree
from treegen.tree.validation.normalise import normalise


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """The plain data of a tree, without a domain if the file names none.

    Attributes:
        data: in the tree's form.
        domain: (name, where it was found), if the file names one.
        worded: number of answers given in words, converted to indices.
    """

    data: dict[str, Any]
    domain: tuple[str, str] | None
    worded: int


def read_article(source: Source) -> Article:
    """Read the tree in the source, converting answers in words to indices."""
    data = {key: value for key, value in source.data.items() if key not in ("digest", "review")}
    domain = None
    if isinstance(data.get("domain"), str) and data["domain"].strip():
        domain = (data["domain"], "the file's key domain")
    elif name := _named_by_rules(source.text):
        domain = (name, f"the file's key {name}_rules")
    rules, worded = _indexed(data)
    return Article(data={**data, **rules}, domain=domain, worded=worded)


def _named_by_rules(text: str) -> str:
    """Return NAME from the key `NAME_rules`; empty if there is none."""
    for lexeme, after in pairwise(scan(text)):
        if lexeme.kind in ("text", "word") and after.text in (":", "=") and "_rules" in lexeme.text:
            with suppress(SyntaxError, ValueError):
                key = str(ast.literal_eval(lexeme.text)) if lexeme.kind == "text" else lexeme.text
                if key.endswith("_rules") and key.removesuffix("_rules").strip():
                    return key.removesuffix("_rules")
    return ""


def _indexed(data: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Replace answers that exactly match one option by its index; keep the rest for the schema to check."""
    groups, rules = data.get("classification_groups"), data.get("rules")
    if not isinstance(groups, dict) or not isinstance(rules, dict):
        return {}, 0
    options = {name: _options(group) for name, group in groups.items()}
    indexed, count = {}, 0
    for name, rule in rules.items():
        indexed[name] = dict(rule) if isinstance(rule, dict) else rule
        for group, answer in rule.items() if isinstance(rule, dict) else ():
            index = options.get(group, {}).get(normalise(answer)) if isinstance(answer, str) else None
            if index is not None:
                indexed[name][group], count = index, count + 1
    return {"rules": indexed}, count


def _options(group: Any) -> dict[str, int]:
    """Map normalised options to indices, without duplicates."""
    options = group.get("options") if isinstance(group, dict) else None
    words = [normalise(o) if isinstance(o, str) else "" for o in options] if isinstance(options, list) else []
    return {word: i for i, word in enumerate(words) if word and words.count(word) == 1}


def article_comments(tree: Tree, source: Source) -> Comments:
    """Compare the comments of the source with its tree; JSON has none, and prose may hold what is not an object."""
    with suppress(UnreadableError):
        return Comments() if source.syntax == "JSON" else check_comments(tree, source.text)
    return Comments()


def worded_note(count: int) -> tuple[str, ...]:
    """Return the report's note on answers in words."""
    were = "was" if count == 1 else "were"
    return (f"{counted(count, 'answer')} given as an option's text {were} converted to its index",) if count else ()
