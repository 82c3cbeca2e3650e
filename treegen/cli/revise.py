"""`treegen revise`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treegen.cli.conversation import LlmChoice, open_exchange
from treegen.cli.options import (
    PATH,
    TREE_FILE,
    EncoderChoice,
    domain_option,
    encoder_options,
    llm_options,
    open_workspace,
)

if TYPE_CHECKING:
    from treegen.history.score_document import Score
    from treegen.tree.feedback_target import Feedback
    from treegen.workflow.revise import Proposal
    from treegen.workflow.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseOptions:
    """The command's own options."""

    message: str | None
    file: Path | None
    auto: bool
    about: str | None
    locks: tuple[str, ...]
    apply: bool
    out: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of a proposal: the file that was written, if any, its revision and its score."""

    written: Path | None = None
    revision: int | None = None
    score: "Score | None" = None


@click.command("revise")
@click.argument("tree", type=TREE_FILE)
@click.option("-m", "--message", metavar="TEXT", help="The feedback.")
@click.option("-F", "--file", "file", type=PATH, metavar="FILE", help="Read the feedback from a file.")
@click.option("--auto", is_flag=True, help="Compose the feedback from the mistakes on the dev split; -m adds to it.")
@click.option("--about", metavar="TARGET", help="What it is about: group NAME, option GROUP: OPTION, or class NAME.")
@click.option("--lock", "locks", multiple=True, metavar="TARGET", help="Do not change this: group NAME or class NAME.")
@click.option("--apply", is_flag=True, help="Save the revised tree and score it.")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write the proposal here and leave the tree unchanged.")
@click.option("--json", "as_json", is_flag=True, help="Print changes, revision and score as one object.")
@domain_option
@llm_options
@encoder_options
def command(tree: Path, domain_path: Path | None, llm: LlmChoice, encoder: EncoderChoice, **values: Any) -> None:
    """Send TREE and feedback to the language model; print the changes it proposes.

    --auto composes the feedback itself: the classes confused most often on the dev split, which groups misled, what the
    two classes share, and what was rejected before.

    The model is sent the tree, its problems and its diagnosis on the dev split. Changes outside the target of the
    feedback are marked; those that touch something locked are shown, but never saved: exit code 1 if nothing else is
    left to save.
    """
    from treegen.cli.display import show_problems
    from treegen.files import state_of

    options = ReviseOptions(**values)
    text = _feedback(options)
    _check_out(options)
    workspace = open_workspace(tree, domain_path, encoder)
    before = state_of(tree)
    proposal = _propose(workspace, _target_feedback(workspace, text, options), options, llm)
    show_problems(proposal.conversation.problems, "the proposal", err=True)
    decision = _decide(workspace, proposal, options, before)
    (_print_json if options.as_json else _show)(proposal, decision)
    if proposal.changes and (options.apply or options.out) and decision.written is None:
        sys.exit(1)


def _propose(workspace: "Workspace", feedback: "Feedback", options: ReviseOptions, llm: LlmChoice) -> "Proposal":
    """Run the conversation, reporting on stderr."""
    from treegen.cli.display import show_attempt
    from treegen.cli.output import tell
    from treegen.workflow.revise import feedback_of_mistakes, propose_revision

    if options.auto:
        feedback = feedback_of_mistakes(workspace, feedback)
        tell(f"feedback:\n{feedback.text}\n")
    with open_exchange(workspace, llm) as exchange:
        return propose_revision(
            workspace,
            exchange.chat,
            feedback,
            tries=llm.tries,
            on_attempt=exchange.view.then(show_attempt),
            on_text=exchange.view.on_text,
        )


def _decide(workspace: "Workspace", proposal: "Proposal", options: ReviseOptions, before: str) -> Decision:
    """Save the proposal as the options say, and score it; `before` is the hash of the file as it was sent."""
    from treegen.cli.display import show_notes
    from treegen.tree.document import save
    from treegen.workflow.revise import accept_proposal, decide_proposal, proposed_tree
    from treegen.workflow.score import score_tree

    allowed = bool(proposal.allowed())
    if allowed and options.out:
        save(options.out, proposed_tree(workspace, proposal), before="")  # `_check_out` saw that it does not exist
        decide_proposal(workspace, proposal, taken=False, why="written to another file")
        return Decision(written=options.out)
    if not options.apply:
        decide_proposal(workspace, proposal, taken=False, why="shown and not applied")
    if not (allowed and options.apply):
        return Decision()
    revision = accept_proposal(workspace, proposal, before=before).id
    score = show_notes(score_tree(workspace)).score if workspace.domain.images else None
    return Decision(written=workspace.path, revision=revision, score=score)


def _print_json(proposal: "Proposal", decision: Decision) -> None:
    from treegen.cli.output import print_json

    marks = {place: unit for unit in proposal.units for place in unit.places}
    changes = [
        {**change.as_json(), "outside": marks[place].outside, "refused": marks[place].refused or None}
        for place, change in enumerate(proposal.changes)
    ]
    written = decision.written and str(decision.written)
    print_json({"changes": changes, "written": written, "revision": decision.revision, "score": decision.score})


def _show(proposal: "Proposal", decision: Decision) -> None:
    from treegen.cli.display import show_proposal, show_score
    from treegen.cli.output import say, tell

    show_proposal(proposal.units)
    if proposal.changes and not proposal.allowed():
        say("every proposed change touches something locked")
    elif not proposal.changes:
        say("no change proposed")
    elif decision.written is None:
        tell("nothing saved; save it with --apply, or write it elsewhere with -o FILE")
    elif decision.revision:
        say(f"saved {decision.written}, revision {decision.revision}")
    else:
        say(f"wrote {decision.written}; the tree is unchanged")
    if decision.score:
        say()
        show_score(decision.score)


def _target_feedback(workspace: "Workspace", text: str, options: ReviseOptions) -> "Feedback":
    """Build the feedback with its target and locks, checked against the tree."""
    from treegen.tree.feedback_target import WHOLE, Feedback, lock_of, target_of

    if options.about is None and not options.locks:
        return Feedback(text=text)
    document = workspace.check().document
    tree = document.tree if document else workspace.load()[0]
    target = target_of(options.about, tree) if options.about else WHOLE
    return Feedback(text=text, target=target, locks=frozenset(lock_of(lock, tree) for lock in options.locks))


def _check_out(options: ReviseOptions) -> None:
    from treegen.errors import InputError

    if options.out and options.apply:
        raise InputError("--apply saves the tree, -o FILE writes it elsewhere", "use one of them")
    if options.out and options.out.exists():
        raise InputError(f"{options.out} exists", "name a new file with -o; --apply saves to the tree itself")


def _feedback(options: ReviseOptions) -> str:
    from treegen.errors import InputError
    from treegen.files import read_text

    message, file = options.message, options.file
    if message is None and file is None and options.auto:
        return ""
    if (message is None) == (file is None):
        raise InputError("give the feedback with either -m TEXT or -F FILE", "use one of the two, or --auto")
    feedback = message if message is not None else read_text(file or Path())
    if not feedback.strip():
        raise InputError("the feedback is empty", 'describe the change: -m "distinguish the two by their background"')
    return feedback
