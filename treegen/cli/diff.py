"""`treegen diff`."""

import sys

import click

from treegen.cli.options import colour_option
from treegen.text import counted


@click.command("diff")
@click.argument("old", metavar="A")
@click.argument("new", metavar="[B]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the changes as one object.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are changes.")
@colour_option
def command(old: str, new: str | None, as_json: bool, exit_code: bool, colour: bool | None) -> None:
    """List the changes from A to B in words.

    Each is a file, a domain's folder, a revision of the history such as tree.json@3, or of git: HEAD~1:tree.json. With
    A alone: what changed in a file since HEAD, or since a revision of the history.
    """
    from pathlib import Path

    from treegen.cli.display import show_changes
    from treegen.cli.output import print_json, say
    from treegen.tree.changes.difference import difference
    from treegen.tree.document import digest_of
    from treegen.vcs.tree_names import locate_tree
    from treegen.vcs.versions import at_revision, open_version

    here, located = Path(), locate_tree(old)
    if new or located.revision:
        before = open_version(old, here)
        after = open_version(new or str(located.path), here)
    else:
        after = open_version(old, here)  # first: what is not a tree is refused as such, also outside of a repository
        before = at_revision(located.path, "HEAD")
    changes = difference(before.tree, after.tree)
    if as_json:
        sides = {"old": before, "new": after}
        names = {key: {"name": v.name, "digest": digest_of(v.tree)} for key, v in sides.items()}
        print_json({**names, "changes": [change.as_json() for change in changes]})
    else:
        show_changes(changes, colour=colour)
        count = counted(len(changes), "change") if changes else "no change"
        say(f"{count} from {before.name} to {after.name}")
    if exit_code and changes:
        sys.exit(1)
