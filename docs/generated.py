"""Parts of the reference that are made from the program: tables in MyST Markdown."""

import json
import re
from collections.abc import Iterator
from typing import Any

from treegen.resources import read_schema
from treegen.tree.validation.problems import CODES


def problem_codes() -> str:
    """Every code of a finding, with its severity and meaning."""
    rows = (f"| `{code}` | {severity} | {_text(meaning)} |" for code, (severity, meaning) in CODES.items())
    return "\n".join(["| code | severity | meaning |", "|---|---|---|", *rows])


def schema_table(name: str) -> str:
    """Every key of a document, nested keys below their parents, with its type and description."""
    schema = json.loads(read_schema(name))
    rows = (
        f"| `{key}` | {_type(value)} | {_text(value.get('description', ''))} |"
        for key, value in _keys(schema, schema.get("$defs", {}), "", ())
    )
    return "\n".join([schema["description"], "", "| key | type | meaning |", "|---|---|---|", *rows])


def _keys(
    schema: dict[str, Any], shared: dict[str, Any], path: str, seen: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk through an object's keys; `NAME` stands for any key, `[]` for any element."""
    named = list(schema.get("properties", {}).items())
    if isinstance(other := schema.get("additionalProperties"), dict):
        named.append(("NAME", other))
    for key, value in named:
        reference = value.get("$ref", "")
        inner = {**shared.get(reference.rpartition("/")[2], {}), **value}
        yield f"{path}{key}", inner
        if reference and reference in seen:
            continue
        elements = inner.get("items", {})
        deeper = elements if isinstance(elements, dict) and "properties" in elements else inner
        yield from _keys(deeper, shared, f"{path}{key}{'[]' if deeper is elements else ''}.", (*seen, reference))


def _type(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    kinds = schema.get("type", "")
    return " or ".join([kinds] if isinstance(kinds, str) else kinds)


def _text(words: str) -> str:
    """Escape what Markdown would take for markup, or for the end of a cell; code stays code."""
    parts = re.split(r"(`[^`|]+`)", words)
    return "".join(part if part.startswith("`") else re.sub(r"([\\`*_|<>\[\]{}$])", r"\\\1", part) for part in parts)
