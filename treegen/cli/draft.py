"""`treegen draft`."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treegen.cli.conversation import LlmChoice, announce_plan, open_exchange
from treegen.cli.options import PATH, EncoderChoice, encoder_options, llm_options, open_workspace
from treegen.text import counted

if TYPE_CHECKING:
    from treegen.workflow.draft import DraftResult, Parts
    from treegen.workflow.workspace import Workspace

_TELL_APART: Final = "`treegen review {}` shows them: give an answer that differs, or make them one class"
_MOST: Final = 1000  # most classes whose rules fit in a reply


def _parts(_: click.Context, __: click.Parameter, value: str) -> "Parts":
    """Parse `auto`, `never` or a number of classes."""
    if value == "auto" or value == "never":
        return "auto" if value == "auto" else "never"
    if value.isascii() and value.isdigit() and 0 < int(value) <= _MOST:
        return int(value)
    raise click.BadParameter(f"expected auto, never or a number of classes up to {_MOST}, not {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftOptions:
    """The command's own arguments and options."""

    domain: Path
    out: Path | None
    force: bool
    notes: tuple[Path, ...]
    no_score: bool
    parts: "Parts"
    images: int | None
    as_json: bool

    def scores(self, workspace: "Workspace") -> bool:
        """Whether the draft is scored."""
        return workspace.domain.images is not None and not self.no_score


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
def command(llm: LlmChoice, encoder: EncoderChoice, **values: Any) -> None:
    """Have a language model draft the tree of DOMAIN (domain.toml or its folder), repair it and score it."""
    from treegen.cli.display import show_notes, show_problems, show_score
    from treegen.cli.output import print_json, say
    from treegen.errors import ProblemsError
    from treegen.tree.rendering import size_of
    from treegen.tree.validation.folding import fold
    from treegen.workflow.score import score_tree

    options = DraftOptions(**values)
    workspace = _open(options, encoder)
    drafted = _draft(workspace, options, llm)
    show_problems(fold(drafted.conversation.problems), str(workspace.path), err=True)
    tree, number = drafted.tree, drafted.revision.id
    if not options.as_json:
        say(f"wrote {workspace.path}: {size_of(tree)}, revision {number}")
    alike = [p for p in drafted.conversation.problems if p.code == "TG506"]
    scoring = options.scores(workspace) and not alike
    score = show_notes(score_tree(workspace, tree)).score if scoring else None
    if options.as_json:
        print_json({"written": str(workspace.path), "revision": number, "score": score})
        sys.exit(1 if alike else 0)
    if score:
        say()
        show_score(score)
    if alike:
        what = counted(len(alike), "class has", "classes have")
        tip = _TELL_APART.format(workspace.path)
        raise ProblemsError(f"{what} the answers of another, so the tree is not scored", tip)


def _open(options: DraftOptions, encoder: EncoderChoice) -> "Workspace":
    """Open the workspace of the new tree, and refuse what could not be scored before a model is paid.

    Raises:
        InputError: the tree would replace the domain file, or images are missing.
    """
    from treegen.config.domain import domain_path
    from treegen.config.trust import require_own
    from treegen.errors import InputError
    from treegen.extras import require
    from treegen.files import real_path
    from treegen.images import survey_images
    from treegen.vcs.tree_names import TREE_NAME
    from treegen.workflow.draft import check_scoring

    source = domain_path(options.domain)
    tree_path = options.out or source.parent / TREE_NAME
    if not options.out:
        require_own(tree_path)
    workspace = open_workspace(tree_path, source, encoder)
    if real_path(tree_path) == real_path(source):
        raise InputError(f"{tree_path} is the domain file itself", "name another file with -o")
    if options.scores(workspace):
        require("clip", otherwise="--no-score drafts without it")
        survey_images(workspace.domain)
        check_scoring(workspace)
    return workspace


def _draft(workspace: "Workspace", options: DraftOptions, llm: LlmChoice) -> "DraftResult":
    """Run the conversation, reporting on stderr."""
    from treegen.cli.display import show_attempt
    from treegen.cli.output import tell
    from treegen.config.class_names import doubtful
    from treegen.config.class_notes import with_notes
    from treegen.workflow.draft import draft_tree

    annotated, remarks = with_notes(workspace.domain, options.notes, _confirm if _is_terminal() else None)
    for remark in (*doubtful(workspace.domain.classes), *remarks):
        tell(f"note: {remark}")
    with open_exchange(workspace, llm) as exchange, exchange.view.steps_of(workspace):
        drafted = draft_tree(
            workspace,
            exchange.chat,
            tries=llm.tries,
            noted=annotated,
            force=options.force,
            parts=options.parts,
            images=options.images or 0,
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
    return drafted


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _confirm(name: str, suggestion: str) -> bool:
    """Ask whether a name of a notes file means a class."""
    from treegen.text import show

    return click.confirm(f"notes on {show(name)}: did you mean the class {show(suggestion)}?", default=False, err=True)
