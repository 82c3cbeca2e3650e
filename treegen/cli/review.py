"""`treegen review`."""

from pathlib import Path

import click

from treegen.cli.options import PATH, domain_option


@click.command("review")
@click.argument("tree", type=PATH)
@domain_option
@click.option("--model", metavar="NAME", envvar="TREEGEN_MODEL", help="The language model for feedback.")
@click.option("--api-base", metavar="URL", help="Address of an OpenAI-compatible server.")
def command(tree: Path, domain_path: Path | None, model: str | None, api_base: str | None) -> None:
    """Review TREE in the terminal: edit by keys with undo, see after every step what CLIP makes of it.

    Every step is kept beside the tree before it is shown: a session goes on where it was left, also after a crash.
    """
    from treegen.extras import require

    require("review")
    from treegen.review.app import open_app
    from treegen.review.repair_app import RepairApp, is_tree

    if is_tree(tree) or RepairApp(tree).run():
        app = open_app(tree, domain_path, model=model, api_base=api_base)
        with app.review:
            app.run()
