"""`treegen show`."""

import click


@click.command("show")
@click.argument("tree", metavar="TREE")
@click.option("--textconv", is_flag=True, help="For git: print a file that is not a tree unchanged.")
def command(tree: str, textconv: bool) -> None:
    """Print a tree in words, one answer per line.

    TREE is a file, a domain's folder, a revision of the history such as tree.json@3, or of git: HEAD~1:tree.json.
    """
    from pathlib import Path

    from treegen.errors import TreegenError
    from treegen.tree.rendering import lines_of
    from treegen.vcs.versions import open_version

    try:
        text = "\n".join(lines_of(open_version(tree, Path()).tree)) + "\n"
    except TreegenError:
        if not textconv or not Path(tree).is_file():
            raise
        click.echo(Path(tree).read_bytes(), nl=False)
        return
    click.echo(text.encode() if textconv else text, nl=False)  # git expects UTF-8, whatever the terminal
