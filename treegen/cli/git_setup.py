"""`treegen git-setup`."""

import shlex
import sys
from pathlib import Path

import click


@click.command("git-setup")
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option("--pre-commit", is_flag=True, help="Also add a hook for pre-commit that runs `treegen check`.")
@click.option("--undo", is_flag=True, help="Take out what an earlier run wrote.")
def command(patterns: tuple[str, ...], pre_commit: bool, undo: bool) -> None:
    """Make git show trees in words and merge them by name, in the repository of the current folder.

    PATTERN selects the trees as in .gitattributes; by default tree.json, in any folder. Run it once in every clone: git
    only runs programs from the clone's own configuration.
    """
    from treegen.cli.output import say
    from treegen.vcs import setup

    here = Path.cwd()
    if undo:
        done = setup.undo(here) or ["nothing to undo"]
    else:
        done = setup.set_up(here, _own_command(), patterns=patterns or setup.PATTERNS, pre_commit=pre_commit)
        done.append("`treegen git-setup --undo` takes it all out again")
    for line in done:
        say(line)


def _own_command() -> str:
    """Return the shell command of this very treegen: git may run it with another path."""
    started = Path(sys.argv[0])
    if started.name == "treegen" and started.is_file():
        return shlex.quote(str(started.absolute()))
    return f"{shlex.quote(sys.executable)} -m treegen"
