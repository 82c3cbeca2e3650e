"""What a repository needs so that git shows trees in words and merges them by names: written, shown and undone."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from treegen.errors import InputError
from treegen.git import ask_git, repository_of, run_git
from treegen.tree.document import read_text, write_atomically

BEGIN: Final = "# treegen: begin (`treegen git-setup --undo` takes these lines out)"
END: Final = "# treegen: end"
PATTERNS: Final = ("tree.json",)
ATTRIBUTES: Final = ".gitattributes"
PRE_COMMIT: Final = ".pre-commit-config.yaml"
_SECTIONS: Final = ("diff.treegen", "merge.treegen")


def set_up(folder: Path, command: str, *, patterns: Sequence[str] = PATTERNS, pre_commit: bool = False) -> list[str]:
    """Writes attributes and configuration into the repository of `folder`; a second run writes the same again.

    Args:
        folder: anywhere in the working tree.
        command: how a shell starts treegen; goes into the repository's own configuration, which is not committed.
        patterns: the trees, as .gitattributes names files.
        pre_commit: also a hook for pre-commit that runs `treegen check`.

    Returns:
        What was done, one sentence each.

    Raises:
        InputError: no repository, a pattern that cannot be written, or a file that cannot be changed.
    """
    top = repository_of(folder)
    for pattern in patterns:
        if not pattern.strip() or any(c.isspace() or c in '"#' for c in pattern):
            raise InputError(f"{pattern!r} is no pattern", "write it as in .gitattributes, ? for a space: trees/*.json")
    block = "\n".join(f"{pattern} diff=treegen merge=treegen" for pattern in patterns)
    done = [_write_block(top / ATTRIBUTES, block)]
    for key, value in _settings(command):
        _configure(top, key, value)
        done.append(f"set {key} = {value} in the repository's configuration")
    if pre_commit:
        done.append(_add_hook(top / PRE_COMMIT, patterns))
    return done


def undo(folder: Path) -> list[str]:
    """Takes out what `set_up` wrote and nothing else.

    Returns:
        What was done, one sentence each; empty if there was nothing.

    Raises:
        InputError: no repository, or a file that cannot be changed.
    """
    top = repository_of(folder)
    done = []
    for name in (ATTRIBUTES, PRE_COMMIT):
        with suppress(FileNotFoundError):
            done += _remove_block(top / name)
    for section in _SECTIONS:
        if run_git(["config", "--local", "--remove-section", section], top).code == 0:
            done.append(f"removed the section {section} from the repository's configuration")
    return done


def is_set_up(folder: Path) -> bool:
    """Whether the repository has the merge driver."""
    return bool(ask_git(["config", "--get", "merge.treegen.driver"], folder))


def _settings(command: str) -> Iterator[tuple[str, str]]:
    yield "diff.treegen.textconv", f"{command} show --textconv"
    yield "diff.treegen.xfuncname", "^(group|class) .*$"
    yield "merge.treegen.name", "treegen: trees by names"
    yield "merge.treegen.driver", f"{command} merge --driver --path %P %O %A %B"


def _configure(top: Path, key: str, value: str) -> None:
    done = run_git(["config", "--local", key, value], top)
    if done.code != 0:
        raise InputError(f"git config {key}: {done.err}", "check that the repository is writable")


def _lines(path: Path) -> list[str]:
    return read_text(path).splitlines() if path.exists() else []


def _without_block(lines: Sequence[str]) -> list[str]:
    """The lines without the block, if there is one that ends."""
    marks = [number for number, line in enumerate(lines) if line.strip() in (BEGIN, END)]
    if len(marks) < 2 or lines[marks[0]].strip() != BEGIN:
        return list(lines)
    return [*lines[: marks[0]], *lines[marks[1] + 1 :]]


def _write(path: Path, lines: Sequence[str]) -> None:
    write_atomically(path, "\n".join(lines) + "\n")


def _write_block(path: Path, block: str) -> str:
    """Puts the block at the end: in .gitattributes the last line that matches counts."""
    before = _lines(path)
    after = [*_without_block(before), BEGIN, *block.split("\n"), END]
    if after == before:
        return f"{path.name} is as it should be"
    _write(path, after)
    return f"wrote to {path.name}: {block}"


def _remove_block(path: Path) -> list[str]:
    before = _lines(path)
    after = _without_block(before)
    if after == before:
        return []
    if any(line.strip() and line.strip() != "repos:" for line in after):
        _write(path, after)
        return [f"took treegen's lines out of {path.name}"]
    path.unlink()
    return [f"removed {path.name}, which held nothing else"]


def _add_hook(path: Path, patterns: Sequence[str]) -> str:
    """Puts the hook first below `repos:`, indented like the entries there.

    Raises:
        InputError: the file has no line `repos:` to put it below.
    """
    before = _without_block(_lines(path)) or ["repos:"]
    place = next((number for number, line in enumerate(before) if line.rstrip() == "repos:"), None)
    if place is None:
        shown = "\n".join(_hook("", patterns))
        raise InputError(f"{path}: has no line `repos:`; everything else is done", f"add this hook by hand:\n{shown}")
    entry = next((line for line in before[place + 1 :] if line.lstrip().startswith("- ")), "- ")
    indent = entry[: len(entry) - len(entry.lstrip())]
    after = [*before[: place + 1], *_hook(indent, patterns), *before[place + 1 :]]
    if path.exists() and after == _lines(path):
        return f"{path.name} is as it should be"
    _write(path, after)
    return f"wrote a hook that runs `treegen check` to {path.name}; `pre-commit install` makes git run it"


def _hook(indent: str, patterns: Sequence[str]) -> list[str]:
    """The hook for the treegen that is on the path."""
    lines = [
        BEGIN, "- repo: local", "  hooks:", "    - id: treegen-check", "      name: treegen check",
        "      entry: treegen check", "      language: system", f"      files: '{_expression(patterns)}'", END,
    ]  # fmt: skip
    return [indent + line for line in lines]


def _expression(patterns: Sequence[str]) -> str:
    """The patterns as one regular expression on paths from the top, as pre-commit wants it."""
    import re

    parts = []
    for pattern in patterns:
        anchored = pattern.lstrip("/")
        body = re.escape(anchored).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        parts.append(f"^{body}$" if "/" in pattern else f"(^|/){body}$")
    return "|".join(parts).replace("'", "''")
