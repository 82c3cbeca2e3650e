"""Runs what a page of docs/ shows: its console blocks marked `run`, on the files that it says to write.

The first word after the fence is the language; the others say what to do with the block:

    ```console run          run each line that begins with `$ `, and compare what follows it with what is printed
    ```json file=NAME       write the block to this file
    ```toml append=NAME     append it

A line `...` of the output stands for any lines. Words are compared one by one. The numbers of a line with a measurement
(a decimal, or a size in kB) may differ a little, as they do on another machine; elsewhere they count something, such as
warnings, and must be the same.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BLOCK: Final = re.compile(r"^```(\w+) (run|(?:file|append)=\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER: Final = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
_MEASURED: Final = re.compile(r"\d\.\d|\d kB")
#: How far a measured number may be from the one that is shown: an image or two in some hundred.
_ABSOLUTE, _RELATIVE = 4.0, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of a page, or one file to write.

    Attributes:
        kind: run, file or append.
        what: the command, or the file's name.
        text: the output that is shown, or the file's content.
    """

    kind: str
    what: str
    text: str


def steps(page: str) -> list[Step]:
    """Return what a page says to do, in order."""
    found = []
    for _, marker, content in _BLOCK.findall(page):
        kind, _, name = marker.partition("=")
        if kind != "run":
            found.append(Step(kind=kind, what=name, text=content))
            continue
        for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            more = next((i for i, line in enumerate(lines) if not line.endswith("\\\n")), 0) + 1
            found.append(Step(kind="run", what="".join(lines[:more]).strip(), text="".join(lines[more:])))
    return found


def follow(step: Step, folder: Path) -> str:
    """Take a step in a folder; return what the command printed, as a terminal would show it."""
    if step.kind != "run":
        with (folder / step.what).open("a" if step.kind == "append" else "w", encoding="utf-8") as file:
            file.write(step.text)
        return ""
    script = f'treegen() {{ "{sys.executable}" -m treegen "$@"; }}\n{step.what}'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{step.what}\n{done.stdout}"
    return done.stdout


def differences(shown: str, printed: str) -> str:
    """Say where a page differs from what is printed; empty if it does not."""
    expected = [line for line in map(str.strip, shown.splitlines()) if line]
    lines = [" ".join(line.split()) + "\n" for line in printed.splitlines() if line.strip()]
    match = re.fullmatch("".join(map(_pattern, expected)), "".join(lines))
    if match is None:
        return f"shown:\n{shown}\nprinted:\n{printed}"
    numbers = [
        (_value(number), _MEASURED.search(line) is not None)
        for line in expected
        if line != "..."
        for number in _NUMBER.findall(line)
    ]
    pairs = zip(numbers, map(_value, match.groups()), strict=True)
    far = [(a, b) for (a, measured), b in pairs if abs(a - b) > measured * max(_ABSOLUTE, _RELATIVE * abs(a))]
    return f"numbers that differ, shown and printed: {far}\n{printed}" if far else ""


def _pattern(line: str) -> str:
    """The expression for one line that is shown; the width of columns does not count."""
    if line == "...":
        return "(?:.*\n)*?"
    words = " ".join(line.split())
    between = map(re.escape, _NUMBER.split(words))
    return f"({_NUMBER.pattern})".join(between) + "\n"


def _value(number: str) -> float:
    return float(number.replace(",", ""))
