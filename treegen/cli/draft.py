"""`treegen draft`."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treegen.cli.conversation import LlmChoice, announce_plan, open_exchange
from treegen.cli.options import PATH, EncoderChoice, encoder_options, llm_options, open_workspace
from treegen.text import counted

if TYPE_CHECKING:
    from treegen.workflow.draft import Parts

_TELL_APART: Final = "`treegen review {}` shows them: give an answer that differs, or make them one class"
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
    help="Notes on the classes: text, phrases or attributes by class, as JSON, JSON Lines, CSV or a Python dict; "
    "repeat for several files.",
)
@click.option("--no-score", is_flag=True, help="Do not score the draft.")
@click.option(
    "--parts",
    default="auto",
    metavar="auto|never|N",
    callback=_parts,
    help="Draft in batches of N classes: groups first, then rules; auto does so for more than 60 classes.",
)
@click.option(
    "--images",
    type=click.IntRange(1, 16),
    metavar="N",
    help="Show a model with vision N images of each class, from the dev split, and draft from what it sees.",
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
    from treegen.config.class_names import doubtful
    from treegen.config.class_notes import with_notes
    from treegen.config.domain import domain_path
    from treegen.errors import InputError, ProblemsError
    from treegen.extras import require
    from treegen.images import survey_images
    from treegen.tree.validation.folding import fold
    from treegen.workflow.draft import check_scoring, draft_tree
    from treegen.workflow.score import score_tree
    from treegen.workflow.workspace import TREE_NAME

    source = domain_path(domain)
    tree_path = out or source.parent / TREE_NAME
    if tree_path.resolve() == source.resolve():
        raise InputError(f"{tree_path} is the domain file itself", "name another file with -o")
    workspace = open_workspace(tree_path, source, encoder)
    scoring = workspace.domain.images is not None and not no_score
    if scoring:
        require("clip", otherwise="--no-score drafts without it")  # before paying for a model
        survey_images(workspace.domain)
        check_scoring(workspace)
    annotated, remarks = with_notes(workspace.domain, notes, _confirm if _is_terminal() else None)
    for remark in (*doubtful(workspace.domain.classes), *remarks):
        tell(f"note: {remark}")
    with open_exchange(workspace, llm) as exchange, exchange.view.steps_of(workspace):
        drafted = draft_tree(
            workspace,
            exchange.chat,
            tries=llm.tries,
            noted=annotated,
            force=force,
            parts=parts,
            images=images or 0,
            fresh=llm.fresh,
            concurrency=exchange.settings.concurrency,
            settings=exchange.settings,
            on_plan=partial(announce_plan, exchange),
            on_attempt=exchange.view.then(exchange.requests.counting(show_attempt)),
            on_text=exchange.view.on_text,
        )
    for name, text in drafted.descriptions:
        tell(f"seen in the pictures of {name}: {text}")
    if drafted.conversation.taken:
        tell(f"reused {counted(drafted.conversation.taken, 'step')} of an earlier run")
    show_problems(fold(drafted.conversation.problems), str(tree_path), err=True)
    alike = [p for p in drafted.conversation.problems if p.code == "TG506"]
    scoring = scoring and not alike
    if as_json:
        score = show_notes(score_tree(workspace, drafted.tree)).score if scoring else None
        print_json({"written": str(tree_path), "revision": drafted.revision.id, "score": score})
        sys.exit(1 if alike else 0)
    say(
        f"wrote {tree_path}: {len(drafted.tree.groups)} groups, {len(drafted.tree.rules)} classes, "
        f"revision {drafted.revision.id}"
    )
    if scoring:
        say()
        show_score(show_notes(score_tree(workspace, drafted.tree)).score)
    if alike:
        what = counted(len(alike), "class has", "classes have")
        raise ProblemsError(f"{what} the answers of another, so the tree is not scored", _TELL_APART.format(tree_path))


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _confirm(name: str, suggestion: str) -> bool:
    """Ask whether a name of a notes file means a class."""
    from treegen.text import show

    return click.confirm(f"notes on {show(name)}: did you mean the class {show(suggestion)}?", default=False, err=True)
