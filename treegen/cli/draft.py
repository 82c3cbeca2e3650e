"""`treegen draft`."""

from pathlib import Path

import click

from treegen.cli.options import PATH, EncoderChoice, encoder_options, llm_options, open_workspace


@click.command("draft")
@click.argument("domain", type=PATH)
@click.option("-o", "--out", type=PATH, metavar="FILE", help="The tree file; tree.json beside the domain by default.")
@click.option("--force", is_flag=True, help="Replace an existing tree; its content stays in the history.")
@click.option("--no-score", is_flag=True, help="Do not score the draft.")
@click.option("--json", "as_json", is_flag=True, help="Print file, revision and score as one object.")
@llm_options
@encoder_options
def command(
    domain: Path, out: Path | None, force: bool, no_score: bool, model: str | None, api_base: str | None, tries: int,
    answers: tuple[Path, ...], messages: Path | None, encoder: EncoderChoice, as_json: bool,
) -> None:  # fmt: skip
    """Have a language model draft the tree of DOMAIN (domain.toml or its folder), repair it and score it."""
    from treegen.cli.output import print_json, say
    from treegen.cli.shown import show_attempt, show_notes, show_problems, show_score
    from treegen.domain import domain_path
    from treegen.errors import InputError
    from treegen.llm.chat import open_chat
    from treegen.workflow import draft_tree, llm_settings_with, score_tree
    from treegen.workspace import TREE_NAME

    source = domain_path(domain)
    tree_path = out or source.parent / TREE_NAME
    if tree_path.resolve() == source.resolve():
        raise InputError(f"{tree_path} is the domain file itself", "name another file with -o")
    workspace = open_workspace(tree_path, source, encoder)
    settings = llm_settings_with(workspace.domain, model=model, api_base=api_base)
    chat = open_chat(settings, workspace.domain.folder, answers=answers, messages=messages)
    drafted = draft_tree(workspace, chat, tries=tries, force=force, on_attempt=show_attempt)
    show_problems(drafted.conversation.problems, str(tree_path), err=True)
    wanted = workspace.domain.images and not no_score
    if as_json:
        score = show_notes(score_tree(workspace, drafted.tree)).score if wanted else None
        print_json({"written": str(tree_path), "revision": drafted.revision.id, "score": score})
        return
    say(f"wrote {tree_path}: {len(drafted.tree.groups)} groups, {len(drafted.tree.rules)} classes, "
        f"revision {drafted.revision.id}")  # fmt: skip
    if wanted:
        say()
        show_score(show_notes(score_tree(workspace, drafted.tree)).score)
