"""Commands that run others: each step is printed as a user would type it, and runs in this process."""

from collections.abc import Sequence

import click


def run_step(title: str, arguments: Sequence[str]) -> None:
    """Print a title and a command, and run the command.

    Raises:
        SystemExit: the command ended with another exit code than 0.
        TreegenError: it failed.
    """
    import shlex

    from treegen.cli.main import treegen
    from treegen.cli.output import print_line

    print_line("\n" + click.style(f"== {title}", bold=True))
    print_line(click.style(f"$ treegen {shlex.join(arguments)}", fg="cyan"))
    try:
        treegen.main(list(arguments), prog_name="treegen", standalone_mode=False)
    except SystemExit as exited:
        if exited.code:
            raise
