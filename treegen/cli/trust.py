"""`treegen trust`."""

import sys
from pathlib import Path

import click

from treegen.cli.options import PATH


@click.command("trust")
@click.argument("path", type=PATH, metavar="DIR")
@click.option("--yes", is_flag=True, help="Allow it without asking.")
@click.option("--list", "only_list", is_flag=True, help="Only show what DIR asks for.")
@click.option("--forget", is_flag=True, help="Allow DIR nothing any more.")
def command(path: Path, yes: bool, only_list: bool, forget: bool) -> None:
    """Show what DIR asks for that could harm you, and allow it on this machine.

    Such are a key sent to another address than the provider's own, a model's own Python code, and files outside of
    DIR. Until it is allowed, everything else works. If DIR asks for something else later, it has to be allowed again.
    """
    from treegen.cli.output import say, tell
    from treegen.config import trust
    from treegen.errors import InputError
    from treegen.workflow.trust import all_requests

    folder = path.parent if path.is_file() else path  # its domain.toml may be named too
    if forget:
        trust.forget(folder)
        say(f"{folder}: nothing is allowed any more")
        return
    (requests, unknown), allowed = all_requests(path), trust.Trust(folder)
    if unknown:
        tell(unknown)
    if not requests and not unknown:
        say(f"{folder}: asks for nothing that needs your permission")
        return
    if requests:
        say(f"{folder} asks to")
    for request in requests:
        say(f"  {request.sentence}{' - allowed already' if allowed.allows(request) else ''}")
    if only_list or not requests:
        return
    if not yes and not sys.stdin.isatty():
        raise InputError("nothing was allowed: there is no terminal to ask on", "--yes allows it")
    if not yes and not click.confirm("Allow it?"):
        say("nothing was allowed")
        return
    trust.record(folder, requests)
    say("allowed")
