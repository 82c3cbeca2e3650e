"""`treegen draft`."""

from pathlib import Path

import click

from treegen.cli.options import PATH, encoder_options, llm_options, open_workspace


@click.command("draft")
@click.argument("domain", type=PATH)
@click.option("-o", "--out", type=PATH, metavar="FILE", help="The tree file; tree.json beside the domain by default.")
@click.option("--force", is_flag=True, help="Replace an existing tree; its content stays in the history.")
@click.option("--no-score", is_flag=True, help="Do not score the draft.")
@llm_options
@encoder_options
def command(
    domain: Path, out: Path | None, force: bool, no_score: bool, model: str | None, api_base: str | None, tries: int,
    answers: tuple[Path, ...], messages: Path | None, encoder: str | None, device: str | None, precision: str | None,
) -> None:  # fmt: skip
    """Have a language model draft the tree of DOMAIN (domain.toml or its folder), repair it and score it."""
    from treegen.cli.output import say
    from treegen.cli.shown import show_attempt, show_problems, show_score
    from treegen.domain import domain_path
    from treegen.errors import InputError
    from treegen.llm.chat import open_chat
    from treegen.workflow import TREE_NAME, draft_tree, llm_settings_with, score_tree

    source = domain_path(domain)
    tree_path = out or source.parent / TREE_NAME
    if tree_path.resolve() == source.resolve():
        raise InputError(f"{tree_path} is the domain file itself", "name another file with -o")
    workspace = open_workspace(tree_path, source, encoder=encoder, device=device, precision=precision)
    settings = llm_settings_with(workspace.domain, model=model, api_base=api_base)
    chat = open_chat(settings, workspace.domain.folder, answers=answers, messages=messages)
    drafted = draft_tree(workspace, chat, tries=tries, force=force, on_attempt=show_attempt)
    show_problems(drafted.conversation.problems, str(tree_path), err=True)
    say(f"wrote {tree_path}: {len(drafted.tree.groups)} groups, {len(drafted.tree.rules)} classes, "
        f"revision {drafted.revision.id}")  # fmt: skip
    if workspace.domain.images and not no_score:
        say()
        show_score(score_tree(workspace, drafted.tree).score)
