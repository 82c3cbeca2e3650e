"""Commands that run others: each step is printed as a user would type it, and runs in this process."""

from collections.abc import Sequence
from contextvars import ContextVar

import click

_running = ContextVar("running", default=False)


def is_step() -> bool:
    """Whether the present command is a step of another, which says itself what comes next."""
    return _running.get()


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
    token = _running.set(True)
    try:
        treegen.main(list(arguments), prog_name="treegen", standalone_mode=False)
    except SystemExit as exited:
        if exited.code:
            raise
    finally:
        _running.reset(token)
