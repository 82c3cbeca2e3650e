"""`treegen draft`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treegen.cli.conversation import LlmChoice, talking
from treegen.cli.options import PATH, EncoderChoice, encoder_options, llm_options, open_workspace

if TYPE_CHECKING:
    from treegen.workflow.draft import Parts

_MOST: Final = 1000  # most classes whose rules fit in a reply


def _parts(_: click.Context, __: click.Parameter, value: str) -> "Parts":
    """Parse `auto`, `never` or a number of classes."""
    if value == "auto" or value == "never":
        return "auto" if value == "auto" else "never"
    if value.isascii() and value.isdigit() and 0 < int(value) <= _MOST:
        return int(value)
    raise click.BadParameter(f"expected auto, never or a number of classes up to {_MOST}, not {value!r}")


@click.command("draft")
@click.argument("domain", type=PATH)
@click.option("-o", "--out", type=PATH, metavar="FILE", help="The tree file; tree.json beside the domain by default.")
@click.option("--force", is_flag=True, help="Replace an existing tree; its content stays in the history.")
@click.option(
    "--notes",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="What is known of the classes: text, phrases or attributes by class, as JSON, JSON Lines, CSV or a Python "
    "dict; once for each file.",
)
@click.option("--no-score", is_flag=True, help="Do not score the draft.")
@click.option(
    "--parts",
    default="auto",
    metavar="auto|never|N",
    callback=_parts,
    help="Draft in parts of N classes: groups first, then rules; auto does so with more than 60 classes.",
)
@click.option(
    "--images",
    type=click.IntRange(1, 16),
    metavar="N",
    help="Show a model with vision N images of each class, of the dev part, and draft with what it sees.",
)
@click.option("--json", "as_json", is_flag=True, help="Print file, revision and score as one object.")
@llm_options
@encoder_options
def command(
    domain: Path,
    out: Path | None,
    force: bool,
    notes: tuple[Path, ...],
    no_score: bool,
    parts: "Parts",
    images: int | None,
    llm: LlmChoice,
    encoder: EncoderChoice,
    as_json: bool,
) -> None:
    """Have a language model draft the tree of DOMAIN (domain.toml or its folder), repair it and score it."""
    from treegen.cli.display import show_attempt, show_notes, show_problems, show_score
    from treegen.cli.output import print_json, say, tell
    from treegen.config.class_notes import with_notes
    from treegen.config.domain import domain_path
    from treegen.errors import InputError
    from treegen.extras import require
    from treegen.workflow.draft import draft_tree
    from treegen.workflow.score import score_tree
    from treegen.workflow.workspace import TREE_NAME

    source = domain_path(domain)
    tree_path = out or source.parent / TREE_NAME
    if tree_path.resolve() == source.resolve():
        raise InputError(f"{tree_path} is the domain file itself", "name another file with -o")
    workspace = open_workspace(tree_path, source, encoder)
    wanted = workspace.domain.images is not None and not no_score
    if wanted:
        require("clip", otherwise="--no-score drafts without")  # before paying for a model
    noted, sentences = with_notes(workspace.domain, notes, _confirm if _is_terminal() else None)
    for sentence in sentences:
        tell(f"note: {sentence}")
    with talking(workspace, llm) as talk, talk.view.steps_of(workspace):
        drafted = draft_tree(
            workspace,
            talk.chat,
            tries=llm.tries,
            noted=noted,
            force=force,
            parts=parts,
            images=images or 0,
            fresh=llm.fresh,
            concurrency=talk.settings.concurrency,
            settings=talk.settings,
            on_attempt=talk.view.then(show_attempt),
            on_text=talk.view.on_text,
        )
    for name, text in drafted.descriptions:
        tell(f"seen in pictures of {name}: {text}")
    if drafted.conversation.taken:
        tell(f"{drafted.conversation.taken} parts of an earlier run were taken up")
    show_problems(drafted.conversation.problems, str(tree_path), err=True)
    if as_json:
        score = show_notes(score_tree(workspace, drafted.tree)).score if wanted else None
        print_json({"written": str(tree_path), "revision": drafted.revision.id, "score": score})
        return
    say(
        f"wrote {tree_path}: {len(drafted.tree.groups)} groups, {len(drafted.tree.rules)} classes, "
        f"revision {drafted.revision.id}"
    )
    if wanted:
        say()
        show_score(show_notes(score_tree(workspace, drafted.tree)).score)


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _confirm(name: str, meant: str) -> bool:
    """Ask whether a name of a notes file means a class."""
    from treegen.text import show

    return click.confirm(f"notes on {show(name)}: is the class {show(meant)} meant?", default=False, err=True)
