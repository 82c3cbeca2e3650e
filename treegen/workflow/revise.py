"""Revise a tree by feedback to a language model: propose, show the changes, accept or decline."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from treegen.config.class_notes import without_asking
from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ModelError, ProblemsError, WaitingError
from treegen.files import read_text, state_of
from treegen.history.score_document import Diagnosis
from treegen.history.sessions import Journal
from treegen.history.store import Revision
from treegen.text import quoted
from treegen.tree.changes import Change, apply
from treegen.tree.changes.difference import difference
from treegen.tree.document import content_text, dump, save
from treegen.tree.feedback_target import Feedback
from treegen.tree.model import Tree
from treegen.tree.validation.checks import CheckResult, check_text
from treegen.tree.validation.problems import Problem, errors_of
from treegen.workflow.auto_feedback import compose
from treegen.workflow.proposal_units import ChangeGroup, take, units_of
from treegen.workflow.recording import Listener, ProgressChat, Recorder, result_of, with_best
from treegen.workflow.review_notes import with_comments
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from treegen.llm.chat.estimate import Estimate
    from treegen.llm.chat.interface import Chat, OnText
    from treegen.llm.tasks.attempts import Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A revised tree that has not been accepted yet, and how it differs from the current one.

    Attributes:
        base: the tree that was sent.
        tree: the model's answer.
        changes: the difference from `base` to `tree`.
        units: the change groups that can be accepted or rejected; those that touch a lock are refused.
        conversation: all attempts.
        feedback: what the reviewer said.
        calls: numbers of the attempts in the store.
    """

    base: Tree
    tree: Tree
    changes: tuple[Change, ...]
    units: tuple[ChangeGroup, ...]
    conversation: "Conversation"
    feedback: str
    calls: tuple[int, ...]

    def allowed(self) -> tuple[Change, ...]:
        """Return everything that may be accepted: all changes except those that touch a lock."""
        return take(self.base, self.units, [u.number for u in self.units if not u.refused])


def propose_revision(
    workspace: Workspace,
    chat: "Chat",
    feedback: str | Feedback,
    *,
    tries: int,
    tree: Tree | None = None,
    diagnosis: Diagnosis | None = None,
    on_attempt: Listener | None = None,
    on_text: "OnText | None" = None,
) -> Proposal:
    """Send the tree, its problems, its dev diagnosis and the feedback to a language model. Saves nothing.

    Args:
        workspace: its tree may have errors; the feedback may be about them.
        chat: the language model.
        feedback: the reviewer's text, its target, the locks and earlier decisions.
        tries: most replies, including repairs.
        tree: the current one of a session; that of the file if not given.
        diagnosis: the `dev` entry of the tree's score, if known; otherwise the tree is scored.
        on_attempt: called with each attempt.
        on_text: called with each reply as it streams in; may raise `Cancelled`.

    Raises:
        InputError: the file is not a tree, or the feedback is blank.
        ProblemsError: every reply had errors; the best one is written as NAME.draft.json, and all of them are in the
            store.
        ModelError: the model or the encoder failed.
        Cancelled: `on_text` raised it; the attempt is in the store.
    """
    from treegen.llm.tasks.draft import revise

    start = _starting_point(workspace, tree, diagnosis)
    feedback = with_comments(workspace.store, start.tree, feedback)
    if tree is None:
        workspace.current(start.tree)
    recorder = Recorder(workspace.store, chat, on_attempt)
    try:
        conversation = revise(
            without_asking(workspace.domain),
            start.tree,
            feedback,
            recorder if on_text else ProgressChat(recorder, workspace.progress),
            problems=start.problems,
            diagnosis=start.diagnosis,
            tries=tries,
            on_attempt=recorder.record,
            on_text=on_text,
        )
    except WaitingError:
        raise
    except ModelError as error:
        raise with_best(error, recorder, workspace.path, start.tree.domain, start.tree) from None
    reply_tree = result_of(conversation, workspace.path, workspace.store, start.tree.domain, start.tree)
    revised = replace(reply_tree, review=start.tree.review, conflicts=start.tree.conflicts)
    changes = difference(start.tree, revised)
    units = units_of(start.tree, changes, target=feedback.target, locks=feedback.locks)
    return Proposal(
        base=start.tree,
        tree=revised,
        changes=changes,
        units=units,
        conversation=conversation,
        feedback=feedback.text,
        calls=tuple(recorder.calls),
    )


def feedback_of_mistakes(workspace: Workspace, feedback: Feedback | None = None) -> Feedback:
    """Derive feedback from the mistakes on the dev split, append it to the reviewer's, and add all earlier decisions.

    Args:
        workspace: its tree is scored on the dev split; the test split is not used.
        feedback: the reviewer's own; its text may be empty.

    Raises:
        InputError: there are no images, or no classes are confused.
        ProblemsError: the tree has errors.
        ModelError: the encoder failed.
    """
    if workspace.domain.images is None:
        message = f"the domain {workspace.domain.name!r} has no images, so there are no mistakes to learn from"
        raise InputError(message, "add [images] with a folder to domain.toml, or describe the change with -m")
    tree, _ = workspace.load()
    evaluator, decisions = workspace.evaluator, Journal(workspace.store).decisions()
    text = compose(tree, evaluator.diagnose(tree), evaluator.mistakes(tree), decisions)
    if not text:
        message = "no classes are confused on the dev split, so there is nothing to derive feedback from"
        raise InputError(message, "describe the change with -m")
    reviewer = feedback or Feedback(text="")
    combined = f"{reviewer.text.strip()}\n\n{text}" if reviewer.text.strip() else text
    return replace(reviewer, text=combined, decisions=tuple(decisions))


def estimate_revision(
    workspace: Workspace,
    settings: LlmSettings,
    feedback: str | Feedback,
    *,
    tree: Tree | None = None,
    diagnosis: Diagnosis | None = None,
) -> "Estimate":
    """Estimate the size and cost of the first request of `propose_revision` before it is sent; stores nothing.

    Raises:
        InputError: the feedback is blank.
        ProblemsError: the file is not a tree.
        ModelError: the encoder failed.
    """
    from treegen.llm.chat.estimate import estimate
    from treegen.llm.tasks.draft import revision_request

    start = _starting_point(workspace, tree, diagnosis)
    feedback = with_comments(workspace.store, start.tree, feedback)
    request = revision_request(
        without_asking(workspace.domain), start.tree, feedback, problems=start.problems, diagnosis=start.diagnosis
    )
    return estimate(settings, request, answer=content_text(start.tree))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """The starting point of a revision: the tree, its problems, and its diagnosis on the dev split."""

    tree: Tree
    problems: tuple[Problem, ...]
    diagnosis: Diagnosis | None


def _starting_point(workspace: Workspace, tree: Tree | None, diagnosis: Diagnosis | None) -> _Start:
    """Check and diagnose the given tree, or that of the file.

    Raises:
        ProblemsError: the file is not a tree.
    """
    domain = workspace.domain
    checked = workspace.check() if tree is None else check_text(dump(tree), classes=domain.classes, domain=domain.name)
    if checked.document is None:
        tip = f"run `treegen check {quoted(workspace.path)}`"
        raise ProblemsError(f"{workspace.path}: cannot be read as a tree", tip)
    if diagnosis is None:
        diagnosis = _diagnosed(workspace, checked)
    problems = tuple(p for p in checked.problems if not p.code.startswith("TG3"))
    return _Start(tree=checked.document.tree, problems=problems, diagnosis=diagnosis)


def diagnose(workspace: Workspace, tree: Tree) -> Diagnosis | None:
    """Return the `dev` entry of a tree's score; `None` if the tree has errors or there are no images.

    Raises:
        ModelError: the encoder failed.
    """
    domain = workspace.domain
    return _diagnosed(workspace, check_text(dump(tree), classes=domain.classes, domain=domain.name))


def _diagnosed(workspace: Workspace, checked: CheckResult) -> Diagnosis | None:
    if checked.document is None or not workspace.domain.images or errors_of(checked.problems):
        return None
    return workspace.evaluator.diagnose(checked.document.tree)


def accept_proposal(workspace: Workspace, proposal: Proposal, *, before: str | None = None) -> Revision:
    """Store what may be accepted of a proposal as a revision, then write it.

    The previous content of the file is stored as a revision too.

    Args:
        workspace: its tree file is written.
        proposal: for its tree.
        before: `state_of` the file before the language model was asked; not compared if not given.

    Raises:
        ProblemsError: without the refused changes, the tree has errors.
        ChangedFileError: somebody has written the file meanwhile; the result is in a file beside it.
        InputError: the file cannot be written.
    """
    tree = proposed_tree(workspace, proposal)
    if before is not None and before != state_of(workspace.path):
        save(workspace.path, tree, before=before)  # raises: nothing goes to the history
    existing = check_text(read_text(workspace.path)).document
    parent = workspace.current(existing.tree) if existing else workspace.store.latest()
    note = " ".join(proposal.feedback.split())
    revision = workspace.store.add_revision(
        tree, author="llm", note=f"feedback: {note}", parent=parent.id if parent else None
    )
    workspace.store.attach_calls(proposal.calls, revision.id)
    decide_proposal(workspace, proposal, taken=True)
    save(workspace.path, tree, before=before)  # last: whatever of the history fails leaves the file as it was
    return revision


def decide_proposal(workspace: Workspace, proposal: Proposal, *, taken: bool, why: str = "") -> None:
    """Record the decision on a proposal as a whole; later requests report it to the language model.

    Changes that touch a lock are recorded as rejected in any case.
    """
    journal = Journal(workspace.store)
    for unit in proposal.units:
        reason = unit.refused or why
        journal.decide(proposal.feedback, unit.changes, taken=taken and not unit.refused, why=reason)


def proposed_tree(workspace: Workspace, proposal: Proposal) -> Tree:
    """Return the proposed tree without the refused changes.

    Raises:
        ProblemsError: the resulting tree has errors.
    """
    if not any(unit.refused for unit in proposal.units):
        return proposal.tree
    tree = apply(proposal.base, proposal.allowed())
    domain = workspace.domain
    errors = errors_of(check_text(dump(tree), classes=domain.classes, domain=domain.name).problems)
    if errors:
        message = f"without the changes to locked parts, the proposal has errors: {errors[0].code} {errors[0].message}"
        raise ProblemsError(message, "unlock what must change too, or ask again")
    return tree
