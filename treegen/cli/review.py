"""`treegen review`."""

from pathlib import Path

import click

from treegen.cli.options import PATH, domain_option


@click.command("review")
@click.argument("tree", type=PATH)
@domain_option
def command(tree: Path, domain_path: Path | None) -> None:
    """Review TREE in the terminal: edit by keys with undo, see after every step whether CLIP sees better.

    Every step is kept beside the tree before it is shown: a session goes on where it was left, also after a crash.
    """
    from treegen.review.app import open_app
    from treegen.review.repair import RepairApp, is_tree

    if is_tree(tree) or RepairApp(tree).run():
        open_app(tree, domain_path).run()
