"""`treegen revise`."""

from pathlib import Path

import click

from treegen.cli.options import PATH, domain_option, encoder_options, llm_options, open_workspace


@click.command("revise")
@click.argument("tree", type=PATH)
@click.option("-m", "--message", metavar="TEXT", help="The feedback.")
@click.option("-F", "--file", "file", type=PATH, metavar="FILE", help="Read the feedback from a file.")
@click.option("--apply", is_flag=True, help="Save the revised tree and score it.")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write the proposal here; the tree stays as it is.")
@domain_option
@llm_options
@encoder_options
def command(
    tree: Path, message: str | None, file: Path | None, apply: bool, out: Path | None, domain_path: Path | None,
    model: str | None, api_base: str | None, tries: int, answers: tuple[Path, ...], messages: Path | None,
    encoder: str | None, device: str | None, precision: str | None,
) -> None:  # fmt: skip
    """Send TREE and feedback to the language model; prints the changes it proposes.

    The model is told the tree, its problems and how it does on the dev part.
    """
    from treegen.cli.output import say, tell
    from treegen.cli.shown import show_attempt, show_changes, show_score
    from treegen.llm.chat import open_chat
    from treegen.tree.document import save
    from treegen.workflow import accept_proposal, llm_settings_with, propose_revision, score_tree

    feedback = _feedback(message, file)
    workspace = open_workspace(tree, domain_path, encoder=encoder, device=device, precision=precision)
    settings = llm_settings_with(workspace.domain, model=model, api_base=api_base)
    chat = open_chat(settings, workspace.domain.folder, answers=answers, messages=messages)
    proposal = propose_revision(workspace, chat, feedback, tries=tries, on_attempt=show_attempt)
    show_changes(proposal.changes)
    if not proposal.changes:
        say("no change proposed")
    elif out:
        save(out, proposal.tree)
        say(f"wrote {out}; {tree} is as it was")
    elif apply:
        revision = accept_proposal(workspace, proposal)
        say(f"saved {tree}, revision {revision.id}")
        if workspace.domain.images:
            say()
            show_score(score_tree(workspace, proposal.tree).score)
    else:
        tell("nothing saved; --apply saves it, -o FILE writes it elsewhere")


def _feedback(message: str | None, file: Path | None) -> str:
    from treegen.errors import InputError
    from treegen.tree.document import read_text

    if (message is None) == (file is None):
        raise InputError("give the feedback with -m TEXT or with -F FILE", "one of the two")
    return message if message is not None else read_text(file or Path())
