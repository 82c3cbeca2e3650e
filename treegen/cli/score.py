"""`treegen score`."""

from pathlib import Path

import click

from treegen.cli.options import PATH, EncoderChoice, domain_option, encoder_options, open_workspace


@click.command("score")
@click.argument("tree", type=PATH)
@domain_option
@encoder_options
@click.option("--json", "as_json", is_flag=True, help="Print the score document.")
def command(tree: Path, domain_path: Path | None, encoder: EncoderChoice, as_json: bool) -> None:
    """Score TREE with CLIP on the images of its domain: accuracy, controls, diagnosis.

    The accuracy is that of the test part; the diagnosis below it is of the dev part, which is for choosing.
    """
    from treegen.cli.output import print_json
    from treegen.cli.shown import show_notes, show_score
    from treegen.workflow import score_tree

    workspace = open_workspace(tree, domain_path, encoder)
    scored = show_notes(score_tree(workspace))
    if as_json:
        print_json(scored.score)
    else:
        show_score(scored.score)
