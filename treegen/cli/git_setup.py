"""`treegen git-setup`."""

import shlex
import sys
from pathlib import Path

import click


@click.command("git-setup")
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option("--pre-commit", is_flag=True, help="Also add a hook for pre-commit that runs `treegen check`.")
@click.option("--undo", is_flag=True, help="Remove what an earlier run wrote.")
def command(patterns: tuple[str, ...], pre_commit: bool, undo: bool) -> None:
    """Make git show trees in words and merge them by name, in the repository of the current folder.

    PATTERN selects the trees as in .gitattributes; by default tree.json, in any folder. Run it once in every clone: git
    only runs programs from the clone's own configuration.
    """
    from treegen.cli.output import say
    from treegen.vcs import setup

    here = Path.cwd()
    if undo:
        actions = setup.undo(here) or ["nothing to undo"]
    else:
        actions = setup.set_up(here, _shell_command(), patterns=patterns or setup.PATTERNS, pre_commit=pre_commit)
        actions.append("`treegen git-setup --undo` removes it all again")
    for line in actions:
        say(line)


def _shell_command() -> str:
    """Return the shell command that runs this treegen: git may run it with another path."""
    program = Path(sys.argv[0])
    if program.name == "treegen" and program.is_file():
        return shlex.quote(str(program.absolute()))
    return f"{shlex.quote(sys.executable)} -m treegen"
