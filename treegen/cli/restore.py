"""`treegen restore`."""

from typing import TYPE_CHECKING

import click

from treegen.cli.options import TREE

if TYPE_CHECKING:
    from treegen.vcs.tree_names import TreeName


@click.command("restore")
@click.argument("tree", type=TREE, metavar="TREE@REVISION")
def command(tree: "TreeName") -> None:
    """Write a revision of the history back to its file, such as tree.json@3 or tree.json@-1.

    It becomes a new revision, and what the file holds is kept as a revision first: nothing is lost.
    """
    from treegen.cli.output import say
    from treegen.workflow.restore import restore

    result = restore(tree)
    if result.revision is None:
        say(f"{tree.path}: already has this content; nothing was changed")
        return
    kept = f"; the file as it was is revision {result.before.id}" if result.before else ""
    say(f"{tree.path}: restored {tree.text} as revision {result.revision.id}{kept}")
