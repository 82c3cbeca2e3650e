"""Configure a repository so that git shows trees in words and merges them by name; and undo it."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from treegen.errors import InputError
from treegen.files import is_there, read_text, write_atomically
from treegen.vcs.git import repository_of, run_git

BEGIN: Final = "# treegen: begin (`treegen git-setup --undo` takes these lines out)"
END: Final = "# treegen: end"
PATTERNS: Final = ("tree.json",)
ATTRIBUTES: Final = ".gitattributes"
PRE_COMMIT: Final = ".pre-commit-config.yaml"
_LINES: Final = (
    rf"[ \t]*{re.escape(BEGIN)}[ \t]*\r?\n(?:(?![ \t]*{re.escape(BEGIN)}).*\n)*?[ \t]*{re.escape(END)}[ \t]*"
)
#: a block with its trailing line end; at the end of the file, with the one before it
_BLOCK: Final = re.compile(rf"\r?\n{_LINES}\Z|^{_LINES}(?:\r?\n|\Z)", re.MULTILINE)
#: the syntax of .gitattributes patterns: see "PATTERN FORMAT" in gitignore(5)
_PARTS: Final = re.compile(r"(?:(?<=/)|^)\*\*/|/\*\*$|\*+|\?|\[[!^]?\]?[^\]/]*\]|\\.|.", re.DOTALL)
_WILD: Final = {"**/": "(.*/)?", "/**": "/.*", "?": "[^/]", "[": "(?!)", "[]": "(?!)"}
_REPOS: Final = re.compile(r"repos:\s*(#.*)?$")


def set_up(folder: Path, command: str, *, patterns: Sequence[str] = PATTERNS, pre_commit: bool = False) -> list[str]:
    """Write attributes and configuration into the repository of `folder`; idempotent.

    Args:
        folder: anywhere in the working tree.
        command: the shell command for treegen; stored in the repository's own configuration, which is not committed.
        patterns: the trees, as .gitattributes patterns.
        pre_commit: also add a pre-commit hook that runs `treegen check`.

    Returns:
        What was done, one sentence each.

    Raises:
        InputError: no repository, an unsupported pattern, or a file that cannot be changed.
    """
    top = _top_of(folder)
    for pattern in patterns:
        if not _can_be_written(pattern):
            raise InputError(
                f"{pattern!r} is not a valid pattern", "write it as in .gitattributes, with ? for a space: trees/*.json"
            )
    block = "\n".join(f"{pattern} diff=treegen merge=treegen" for pattern in patterns)
    done = [_write_block(top / ATTRIBUTES, block)]
    for key, value in _settings(command):
        _configure(top, key, value)
        done.append(f"set {key} = {value} in the repository's configuration")
    if pre_commit:
        done.append(_add_hook(top / PRE_COMMIT, patterns))
    return done


def undo(folder: Path) -> list[str]:
    """Remove what `set_up` wrote and nothing else.

    Returns:
        What was done, one sentence each; empty if there was nothing.

    Raises:
        InputError: no repository, or a file that cannot be changed.
    """
    top = _top_of(folder)
    done = []
    for name in (ATTRIBUTES, PRE_COMMIT):
        done += _remove_blocks(top / name)
    for key, _ in _settings(""):
        if run_git(["config", "--local", "--unset-all", key], top).code == 0:
            done.append(f"removed {key} from the repository's configuration")
    return done


def _top_of(folder: Path) -> Path:
    """Return the top of the working tree, whose files are written.

    Raises:
        InputError: no repository, one of the files is a link, which git does not follow and which may lead anywhere,
            or the repository's configuration, which may be a stranger's, names a folder further up.
    """
    top = repository_of(folder)
    if not is_there(top / ".git") and not os.environ.keys() & {"GIT_DIR", "GIT_WORK_TREE"}:
        raise InputError(
            f"{top}: the working tree, but not the folder of the repository", "see `git config core.worktree`"
        )
    for path in (top / ATTRIBUTES, top / PRE_COMMIT):
        if path.is_symlink():
            raise InputError(f"{path}: a link", "replace it with a file")
    return top


def _can_be_written(pattern: str) -> bool:
    """Whether git accepts the pattern in .gitattributes, and its translation is valid for pre-commit."""
    if not pattern or pattern[0] == "!" or pattern[-1] in "/\\" or any(c.isspace() or c in '"#' for c in pattern):
        return False
    try:
        re.compile(_expression([pattern]))
    except re.error:
        return False
    return True


def _settings(command: str) -> Iterator[tuple[str, str]]:
    yield "diff.treegen.textconv", f"{command} show --textconv"
    yield "diff.treegen.xfuncname", "^((group|class) .*)$"  # git shows the first group
    yield "merge.treegen.name", "treegen: trees by names"
    yield "merge.treegen.driver", f"{command.replace('%', '%%')} merge --driver --path %P %O %A %B"


def _configure(top: Path, key: str, value: str) -> None:
    done = run_git(["config", "--local", "--replace-all", key, value], top)
    if done.code != 0:
        raise InputError(f"git config {key}: {done.err}", "check that the repository is writable")


def _text(path: Path) -> str:
    return read_text(path) if path.exists() else ""


def _end_of_line(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _without_blocks(text: str) -> str:
    """Remove all blocks, restoring the text byte for byte; an unterminated block stays."""
    return _BLOCK.sub("", text)


def _write(path: Path, text: str) -> None:
    """Write a text from `read_text`, keeping a byte order mark."""
    marked = path.exists() and path.read_bytes().startswith(b"\xef\xbb\xbf")
    write_atomically(path, ("\ufeff" if marked else "") + text)


def _write_block(path: Path, block: str) -> str:
    """Put the block at the end: in .gitattributes the last matching line wins."""
    before = _text(path)
    rest, eol = _without_blocks(before), _end_of_line(before)
    lines = eol.join([BEGIN, *block.split("\n"), END])
    # an unterminated last line borrows its line end from the block, so that removing the block restores it
    after = rest + (eol + lines if rest and not rest.endswith("\n") else lines + eol)
    if after == before:
        return f"{path.name} is already up to date"
    _write(path, after)
    return f"wrote to {path.name}: {block}"


def _remove_blocks(path: Path) -> list[str]:
    before = _text(path)
    after = _without_blocks(before)
    if after == before:
        return []
    if after not in ("", "repos:\n"):
        _write(path, after)
        return [f"removed treegen's lines from {path.name}"]
    path.unlink()
    return [f"removed {path.name}, which contained nothing else"]


def _add_hook(path: Path, patterns: Sequence[str]) -> str:
    """Insert the hook first below `repos:`, indented like the existing entries.

    Raises:
        InputError: the file has no `repos:` line.
    """
    before = _text(path)
    eol = _end_of_line(before)
    lines = (_without_blocks(before) or "repos:\n").splitlines(keepends=True)
    place = next((number for number, line in enumerate(lines) if _REPOS.match(line)), None)
    if place is None:
        shown = "\n".join(_hook("", patterns))
        raise InputError(f"{path}: has no line `repos:`; everything else is done", f"add this hook manually:\n{shown}")
    # YAML needs all entries of a list at one indent, and the user's file may use any
    entry = next((line for line in lines[place + 1 :] if line.lstrip().startswith("- ")), "- ")
    hook = eol.join(_hook(entry[: len(entry) - len(entry.lstrip())], patterns))
    terminated = lines[place].endswith("\n")
    after = "".join([*lines[: place + 1], hook + eol if terminated else eol + hook, *lines[place + 1 :]])
    if path.exists() and after == before:
        return f"{path.name} is already up to date"
    _write(path, after)
    return f"wrote a hook that runs `treegen check` to {path.name}; `pre-commit install` makes git run it"


def _hook(indent: str, patterns: Sequence[str]) -> list[str]:
    """Return the lines of a hook that runs the treegen on the path."""
    lines = [
        BEGIN,
        "- repo: local",
        "  hooks:",
        "    - id: treegen-check",
        "      name: treegen check",
        "      entry: treegen check",
        "      language: system",
        f"      files: '{_expression(patterns)}'",
        END,
    ]
    return [indent + line for line in lines]


def _expression(patterns: Sequence[str]) -> str:
    """Combine the patterns into one regular expression on paths from the top, as pre-commit expects."""
    parts = []
    for pattern in patterns:
        body = "".join(map(_translated, _PARTS.findall(pattern.removeprefix("/"))))
        parts.append(f"^{body}$" if "/" in pattern else f"(^|/){body}$")
    return "|".join(parts).replace("'", "''")


def _translated(part: str) -> str:
    """Translate one part of a .gitattributes pattern to a regular expression."""
    if part in _WILD:
        return _WILD[part]
    if part.startswith("*"):
        return "[^/]*"
    if part.startswith("["):
        negated = part[1] in "!^"
        return f"[^/{_inside(part[2:-1])}]" if negated else f"[{_inside(part[1:-1])}]"
    return re.escape(part.removeprefix("\\") or part)


def _inside(characters: str) -> str:
    """Escape the text between brackets; only a hyphen keeps its meaning."""
    return re.sub(r"([\\\[\]^&|~])", r"\\\1", characters)
