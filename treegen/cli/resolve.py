"""`treegen resolve`."""

from pathlib import Path
from typing import Literal

import click

from treegen.cli.options import TREE_FILE
from treegen.text import counted


@click.command("resolve")
@click.argument("tree", type=TREE_FILE)
@click.argument("numbers", type=click.IntRange(min=1), nargs=-1, metavar="[NUMBER]...")
@click.option(
    "--take", type=click.Choice(["ours", "theirs", "file"]), help="The side to take; file keeps the tree as is."
)
def command(tree: Path, numbers: tuple[int, ...], take: Literal["ours", "theirs", "file"] | None) -> None:
    """List the conflicts that a merge left in TREE; with --take resolve those NUMBERed, or all."""
    from treegen.cli.display import show_changes
    from treegen.cli.output import say
    from treegen.files import read_text, state_of
    from treegen.tree.document import save
    from treegen.tree.merge.disputes import changes_of, take_side
    from treegen.tree.merge.three_way import SIDES
    from treegen.vcs.versions import tree_of

    before = state_of(tree)
    merged = tree_of(read_text(tree), str(tree))
    if take:
        resolved = take_side(merged, take, numbers)
        save(tree, resolved, before=before)
        say(f"{tree}: {len(merged.conflicts) - len(resolved.conflicts)} resolved, {len(resolved.conflicts)} left")
        return
    for number, conflict in enumerate(merged.conflicts, 1):
        say(f"{number}. {conflict.what}")
        for side in SIDES:
            changes = changes_of(conflict, side)
            say(f"   --take {side}:" + ("" if changes else " keeps the file as is"))
            show_changes(changes, indent="     ")
    say(f"{tree}: {counted(len(merged.conflicts), 'conflict')}")
