"""`treegen revise`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treegen.cli.conversation import LlmChoice, open_exchange
from treegen.cli.options import PATH, EncoderChoice, domain_option, encoder_options, llm_options, open_workspace

if TYPE_CHECKING:
    from treegen.tree.feedback_target import Feedback
    from treegen.workflow.revise import Proposal
    from treegen.workflow.workspace import Workspace


@click.command("revise")
@click.argument("tree", type=PATH)
@click.option("-m", "--message", metavar="TEXT", help="The feedback.")
@click.option("-F", "--file", "file", type=PATH, metavar="FILE", help="Read the feedback from a file.")
@click.option("--auto", is_flag=True, help="Compose the feedback from the mistakes on the dev split; -m adds to it.")
@click.option("--about", metavar="PART", help="What it is about: group NAME, option GROUP: OPTION, or class NAME.")
@click.option("--lock", "locks", multiple=True, metavar="PART", help="Do not change this: group NAME or class NAME.")
@click.option("--apply", is_flag=True, help="Save the revised tree and score it.")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write the proposal here and leave the tree unchanged.")
@click.option("--json", "as_json", is_flag=True, help="Print changes, revision and score as one object.")
@domain_option
@llm_options
@encoder_options
def command(
    tree: Path,
    message: str | None,
    file: Path | None,
    auto: bool,
    about: str | None,
    locks: tuple[str, ...],
    apply: bool,
    out: Path | None,
    domain_path: Path | None,
    llm: LlmChoice,
    encoder: EncoderChoice,
    as_json: bool,
) -> None:
    """Send TREE and feedback to the language model; print the changes it proposes.

    --auto composes the feedback itself: the classes confused most often on the dev split, which groups misled, what the
    two classes share, and what was rejected before.

    The model is sent the tree, its problems and its diagnosis on the dev split. Changes outside the target of the
    feedback are marked; those that touch something locked are shown, but never saved.
    """
    from treegen.cli.display import show_attempt, show_notes, show_problems
    from treegen.cli.output import tell
    from treegen.files import hash_of
    from treegen.tree.document import save
    from treegen.workflow.revise import (
        accept_proposal,
        decide_proposal,
        feedback_of_mistakes,
        propose_revision,
        proposed_tree,
    )
    from treegen.workflow.score import score_tree

    text = _feedback(message, file, auto)
    _check_out(out, apply)
    workspace = open_workspace(tree, domain_path, encoder)
    before = hash_of(tree)
    feedback = _target_feedback(workspace, text, about, locks)
    if auto:
        feedback = feedback_of_mistakes(workspace, feedback)
        tell(f"feedback:\n{feedback.text}\n")
    with open_exchange(workspace, llm) as exchange:
        proposal = propose_revision(
            workspace,
            exchange.chat,
            feedback,
            tries=llm.tries,
            on_attempt=exchange.view.then(show_attempt),
            on_text=exchange.view.on_text,
        )
    show_problems(proposal.conversation.problems, "the proposal", err=True)
    revision = score = None
    allowed = bool(proposal.allowed())
    if allowed and out:
        save(out, proposed_tree(workspace, proposal), before="")  # `_check_out` saw that it does not exist
        decide_proposal(workspace, proposal, taken=False, why="written to another file")
    elif not apply:
        decide_proposal(workspace, proposal, taken=False, why="shown and not applied")
    elif allowed:
        revision = accept_proposal(workspace, proposal, before=before).id
        score = show_notes(score_tree(workspace)).score if workspace.domain.images else None
    written = (out or (tree if revision else None)) if allowed else None
    if as_json:
        _print_json(proposal, written, revision, score)
    else:
        _show(proposal, written, revision, score)


def _print_json(proposal: "Proposal", written: Path | None, revision: int | None, score: Any) -> None:
    from treegen.cli.output import print_json

    marks = {place: unit for unit in proposal.units for place in unit.places}
    changes = [
        {**change.as_json(), "outside": marks[place].outside, "refused": marks[place].refused or None}
        for place, change in enumerate(proposal.changes)
    ]
    print_json({"changes": changes, "written": written and str(written), "revision": revision, "score": score})


def _show(proposal: "Proposal", written: Path | None, revision: int | None, score: Any) -> None:
    from treegen.cli.display import show_proposal, show_score
    from treegen.cli.output import say, tell

    show_proposal(proposal.units)
    if proposal.changes and not proposal.allowed():
        say("every proposed change touches something locked")
    elif not proposal.changes:
        say("no change proposed")
    elif written is None:
        tell("nothing saved; save it with --apply, or write it elsewhere with -o FILE")
    else:
        say(f"saved {written}, revision {revision}" if revision else f"wrote {written}; the tree is unchanged")
    if score:
        say()
        show_score(score)


def _target_feedback(workspace: "Workspace", text: str, about: str | None, locks: tuple[str, ...]) -> "Feedback":
    """Build the feedback with its target and locks, checked against the tree."""
    from treegen.tree.feedback_target import WHOLE, Feedback, lock_of, target_of

    if about is None and not locks:
        return Feedback(text=text)
    document = workspace.check().document
    tree = document.tree if document else workspace.load()[0]
    target = target_of(about, tree) if about else WHOLE
    return Feedback(text=text, target=target, locks=frozenset(lock_of(lock, tree) for lock in locks))


def _check_out(out: Path | None, apply: bool) -> None:
    from treegen.errors import InputError

    if out and apply:
        raise InputError("--apply saves the tree, -o FILE writes it elsewhere", "use one of them")
    if out and out.exists():
        raise InputError(f"{out} exists", "name a new file with -o; --apply saves to the tree itself")


def _feedback(message: str | None, file: Path | None, auto: bool) -> str:
    from treegen.errors import InputError
    from treegen.files import read_text

    if message is None and file is None and auto:
        return ""
    if (message is None) == (file is None):
        raise InputError("give the feedback with either -m TEXT or -F FILE", "use one of the two, or --auto")
    feedback = message if message is not None else read_text(file or Path())
    if not feedback.strip():
        raise InputError("the feedback is empty", 'describe the change: -m "distinguish the two by their background"')
    return feedback
