"""`treegen approve`."""

from pathlib import Path

import click

from treegen.cli.options import TREE_FILE, EncoderChoice, domain_option, encoder_options, open_workspace


@click.command("approve")
@click.argument("tree", type=TREE_FILE)
@click.option("--by", metavar="NAME", help="Who signs, as `Name <mail>`; as git would commit by default.")
@domain_option
@encoder_options
def command(tree: Path, by: str | None, domain_path: Path | None, encoder: EncoderChoice) -> None:
    """Sign TREE off: who, when, the content and its score go into the tree. Refused while it has errors.

    Uses the recorded score of this content; without one, scores the tree. Any later edit makes the approval stale,
    which `treegen check --require-approved` reports.
    """
    from treegen.cli.display import show_problems
    from treegen.cli.output import interval, percent, say, tell
    from treegen.workflow.approve import approve

    workspace = open_workspace(tree, domain_path, encoder)
    result = approve(workspace, by=by)
    show_problems(result.warnings, str(tree), err=True)
    for note in result.notes:
        tell(f"note: {note}")
    review = result.tree.review
    assert review is not None
    say(f"{tree}: approved by {review.by} at {review.at}")
    if result.score:
        score = result.score
        say(
            f"accuracy {percent(score['accuracy'])} {interval(score['interval'])}, n = {score['n']}, "
            f"by {score['encoder']['name']}; name baseline {percent(score['baseline'])}"
        )
    else:
        say("without a score" + ("" if result.notes else ": the domain has no images"))
    for on, text in review.comments:
        say(f"comment on {on}: {text}")
