"""The terminal, and git."""

import locale
import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from treegen.doctor.findings import Finding
from treegen.errors import TreegenError
from treegen.extras import EXTRAS, missing_modules
from treegen.vcs.git import ask_git, repository_of

_SMALL = (80, 24)
_NO_QUERIES = ("", "dumb", "unknown")
_finding = partial(Finding, topic="terminal")


def terminal() -> Iterator[Finding]:
    """Check size, colours, characters and pictures. The terminal is only queried for pictures if there is one."""
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    if not interactive:
        message = "standard input or output is not a terminal; `treegen review` needs one"
        yield _finding(name="terminal", state="off", message=message, tip="run it in a terminal for more checks")
        return
    width, height = shutil.get_terminal_size()
    too_small = width < _SMALL[0] or height < _SMALL[1]
    tip = f"make it {_SMALL[0]} x {_SMALL[1]} or larger for `treegen review`" if too_small else ""
    message = f"{width} x {height}"
    yield _finding(name="size", state="off" if too_small else "ok", message=message, tip=tip)
    yield _colours()
    encoding = (locale.getencoding() or "").upper().replace("-", "")
    if encoding == "UTF8":
        yield _finding(name="characters", state="ok", message="UTF-8")
    else:
        tip = "set LANG to a locale that ends in .UTF-8"
        yield _finding(name="characters", state="off", message=encoding or "unknown", tip=tip)
    yield _pictures()


def _colours() -> Finding:
    if os.environ.get("NO_COLOR"):
        return _finding(name="colours", state="off", message="off: NO_COLOR is set")
    from rich.console import Console

    system = Console().color_system
    if system == "truecolor":
        return _finding(name="colours", state="ok", message="16.7 million")
    tip = "" if system == "256" else "set TERM, such as xterm-256color; COLORTERM=truecolor if the terminal can"
    return _finding(name="colours", state="ok" if system else "off", message=system or "none", tip=tip)


def _pictures() -> Finding:
    """Check picture support; textual-image queries the terminal when it is imported."""
    if missing_modules("review"):
        message = "not checked: textual-image is not installed"
        return _finding(name="pictures", state="off", message=message, tip=EXTRAS["review"].command)
    if os.environ.get("TERM", "") in _NO_QUERIES:
        message = "not checked: TERM is not that of a terminal that answers queries"
        return _finding(name="pictures", state="off", message=message, tip="set TERM, such as xterm-256color")
    from textual_image import renderable

    kinds = {renderable.SixelImage: "Sixel", renderable.TGPImage: "kitty's protocol"}
    kind = kinds.get(renderable.Image)
    if kind:
        return _finding(name="pictures", state="ok", message=kind)
    message = "in coarse blocks: the terminal supports neither Sixel nor kitty's protocol"
    tip = "kitty, WezTerm, iTerm2, foot, Konsole and Windows Terminal show real pictures"
    return _finding(name="pictures", state="off", message=message, tip=tip)


def git_setup(folder: Path) -> Finding:
    """Check whether git shows and merges trees in the folder's repository."""
    if shutil.which("git") is None:
        message = "not installed: needed for diff, merge and history of trees"
        return Finding(topic="git", name="git", state="off", message=message, tip="install git")
    try:
        top = repository_of(folder)
    except TreegenError:
        tip = "to review trees in git: `git init`, then `treegen git-setup`"
        return Finding(topic="git", name="git", state="off", message=f"{folder} is not in a repository", tip=tip)
    configured = [ask_git(["config", "--get", key], top) for key in ("diff.treegen.textconv", "merge.treegen.driver")]
    attributes = ask_git(["check-attr", "merge", "--", "tree.json"], folder) or ""
    if all(configured) and attributes.strip().endswith("treegen"):
        return Finding(topic="git", name="git", state="ok", message="diffs and merges trees by their names")
    missing = "the configuration" if not all(configured) else "the attribute of tree.json"
    message = f"{missing} is missing in this repository"
    return Finding(topic="git", name="git", state="off", message=message, tip="`treegen git-setup` sets it up")
