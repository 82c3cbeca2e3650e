"""The formats of `treegen check`: findings in, text or plain data out."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from treegen import __version__
from treegen.cli.display import change_line, problem_line
from treegen.cli.output import plain
from treegen.images import below
from treegen.text import counted
from treegen.tree.validation.problems import CODES, Place, Problem
from treegen.workflow.check import Findings

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def text_lines(findings: Findings) -> Iterator[str]:
    """Yield FILE:LINE:COLUMN: SEVERITY CODE POINTER: MESSAGE, one per line, then the counts."""
    for problem, place in zip(findings.problems, findings.places, strict=True):
        yield problem_line(problem, findings.name, place)
    warnings = len(findings.problems) - findings.errors
    counts = f"{counted(findings.errors, 'error')}, {counted(warnings, 'warning')}"
    yield f"{plain(findings.name)}: {counts}{switched_off(findings)}"
    if findings.images:
        yield f"{plain(findings.path)}: {plain(image_line(findings))}"
    yield from change_lines(findings)


def image_line(findings: Findings) -> str:
    """Return in one line how many picture files of a domain are read and left out."""
    assert findings.images is not None
    return findings.images.files.sentence(below(findings.images.root, findings.path.resolve().parent))


def change_lines(findings: Findings) -> Iterator[str]:
    """Yield the changes since the compared revision, in words."""
    if findings.since is None:
        return
    prefix = f"{plain(findings.name)}: since {plain(findings.since)}: "
    if findings.changes is None:
        yield prefix + "new"
        return
    yield prefix + counted(len(findings.changes), "change")
    for change in findings.changes:
        yield f"  {change_line(change)}"


def switched_off(findings: Findings) -> str:
    """Mention suppressed problems, so that a silent file is not taken for a clean one; empty if there are none."""
    return f" ({findings.switched_off} switched off in domain.toml)" if findings.switched_off else ""


def json_document(files: Sequence[Findings]) -> list[dict[str, Any]]:
    """Return the counts and problems of each file; line and column are `null` where unknown."""
    return [
        {
            "file": findings.name,
            "errors": findings.errors,
            "warnings": len(findings.problems) - findings.errors,
            "switched_off": findings.switched_off,
            **({"images": findings.images.files.as_json()} if findings.images else {}),
            **({"fixed": [p.as_json() for p in findings.fixed]} if findings.fixed else {}),
            **_changes_json(findings),
            "problems": [
                problem.as_json() | {"line": place and place.line, "column": place and place.column}
                for problem, place in zip(findings.problems, findings.places, strict=True)
            ],
        }
        for findings in files
    ]


def _changes_json(findings: Findings) -> dict[str, Any]:
    if findings.since is None:
        return {}
    changes = findings.changes
    return {"since": findings.since, "changes": None if changes is None else [c.as_json() for c in changes]}


def github_lines(findings: Findings, base: Path) -> Iterator[str]:
    """Yield workflow commands that GitHub shows as annotations of a pull request.

    Source: "Workflow commands for GitHub Actions" and the escapes of actions/toolkit, packages/core/src/command.ts.
    """
    for problem, place in zip(findings.problems, findings.places, strict=True):
        properties = {"file": _relative(findings.path, base)}
        if place:
            properties |= {"line": str(place.line), "col": str(place.column)}
        properties["title"] = problem.code
        listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        message = _data(f"{problem.pointer or '/'}: {problem.message}")
        yield f"::{problem.severity} {listed}::{message}"
    if findings.since is not None:
        listed = f"file={_property(_relative(findings.path, base))},title=changes since {_property(findings.since)}"
        yield f"::notice {listed}::{_data(click.unstyle(chr(10).join(change_lines(findings))))}"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif_document(files: Sequence[Findings], base: Path, *, complete: bool = True) -> dict[str, Any]:
    """Return one run in SARIF 2.1.0, the format of code scanning services.

    Args:
        files: files with their problems.
        base: the folder that file URIs are relative to.
        complete: whether every file could be read.
    """
    codes = sorted({p.code for findings in files for p in findings.problems})
    rules = [
        {"id": code, "shortDescription": {"text": CODES[code][1]}, "defaultConfiguration": {"level": CODES[code][0]}}
        for code in codes
    ]
    results = [
        _result(problem, place, codes.index(problem.code), _uri(findings.path, base))
        for findings in files
        for problem, place in zip(findings.problems, findings.places, strict=True)
    ]
    driver = {"name": "treegen", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": complete}],
        "results": results,
    }
    return {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(problem: Problem, place: Place | None, rule: int, uri: str) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if place:
        physical["region"] = {"startLine": place.line, "startColumn": place.column}
    location: dict[str, Any] = {"physicalLocation": physical}
    if problem.pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.pointer}]
    identity = "\n".join((uri, problem.code, problem.pointer, problem.message))  # line numbers change, names rarely do
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": problem.message},
        "locations": [location],
        "partialFingerprints": {"problem/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }


def _relative(path: Path, base: Path) -> str:
    """Return the path relative to `base`, with forward slashes; absolute for a file that is not below it."""
    absolute = Path(os.path.normpath(base / path))
    return (absolute.relative_to(base) if absolute.is_relative_to(base) else absolute).as_posix()


def _uri(path: Path, base: Path) -> str:
    relative = _relative(path, base)
    return Path(relative).as_uri() if Path(relative).is_absolute() else quote(relative)
