"""Score a tree and revise it. The CLI and the TUI display the results."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from treegen.config.class_notes import without_asking
from treegen.config.domain import BUNDLED_DOMAIN, Domain
from treegen.config.settings import BUNDLED_ENCODER, EncoderSettings, LlmSettings
from treegen.config.toml_editing import write_table
from treegen.errors import InputError, ProblemsError
from treegen.files import read_text
from treegen.history.score_document import Diagnosis, Score, TestedScore
from treegen.history.sessions import Journal
from treegen.history.store import Revision
from treegen.tree.changes import Change, apply
from treegen.tree.changes.difference import difference
from treegen.tree.document import content_text, dump, save
from treegen.tree.feedback_target import Feedback
from treegen.tree.model import Tree
from treegen.tree.validation.checks import CheckResult, check_text
from treegen.tree.validation.problems import Problem, errors_of
from treegen.workflow.auto_feedback import compose
from treegen.workflow.proposal_units import ChangeGroup, take, units_of
from treegen.workflow.recording import Listener, ProgressChat, recorder, result_of
from treegen.workflow.workspace import Workspace, split_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treegen.clip.decisions import DecisionRule
    from treegen.llm.chat.estimate import Estimate
    from treegen.llm.chat.interface import Chat, OnText
    from treegen.llm.tasks.attempts import Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreResult:
    """A revision with its score document, and notes about the images that a reader of the score must know."""

    revision: Revision
    score: Score
    notes: tuple[str, ...] = ()


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


def score_tree(
    workspace: Workspace, tree: Tree | None = None, *, sealed: bool | None = None, rules: str = ""
) -> ScoreResult:
    """Score the tree on the test split, with the paired test against its parent revision, and store the score.

    Every evaluation of the test split is recorded, by tree, encoder and decision rule.

    Args:
        workspace: names tree, domain and encoder.
        tree: the content of the tree file, if it is already loaded.
        sealed: use the dev split only; defaults to the domain's [split].
        rules: decision rules to compare, such as `sum,vote` or `all`; none if empty.

    Raises:
        InputError: there are no images, or no such rule.
        ProblemsError: the tree has errors, or a prompt is too long for the encoder.
        ModelError: the encoder cannot be loaded.
    """
    from treegen.clip.decisions import rules_named

    compared = rules_named(rules) if rules else ()
    scored = tree or workspace.load()[0]
    return workspace.run(lambda: _score(workspace, scored, sealed, compared))


def _score(workspace: Workspace, tree: Tree, sealed: bool | None, compared: "Sequence[DecisionRule]") -> ScoreResult:
    from treegen.clip.text_checks import check_lengths

    check_lengths(tree, workspace.domain.name_prompts(), workspace.encoder)  # fail before embedding the images
    closed = workspace.domain.split.sealed if sealed is None else sealed
    revision, evaluator = workspace.current(tree), workspace.evaluator
    score = evaluator.score(tree, None if closed else parent_tree(workspace, revision), sealed=closed)
    if compared:
        score["rules"] = evaluator.compare(tree, compared, sealed=closed)[1]
    if not closed:
        cast(TestedScore, score)["test_looks"] = _look(workspace, score)
    workspace.store.add_score(revision.id, score)
    return ScoreResult(revision=revision, score=score, notes=_score_notes(workspace))


def _look(workspace: Workspace, score: Score) -> int:
    """Record a test evaluation for each decision rule in the score; return how many there have been in total."""
    from treegen.clip.decisions.interface import words_of

    used = [(score["decision_rule"], score.get("decision_parameters", {}))]
    used += [(entry["rule"], entry["parameters"]) for entry in (score["rules"]["entries"] if "rules" in score else ())]
    looks = [(score["tree"], score["encoder"]["fingerprint"], words_of(rule, learnt)) for rule, learnt in used]
    return workspace.store.look(score["images"]["digest"], split_settings(workspace.domain.split), looks)


def freeze_rule(workspace: Workspace, score: Score) -> str:
    """Write the decision rule that a score's comparison chose into the domain file; returns its name.

    From then on scores, previews and labels are made with it. Comments and order of the file stay as they are; a
    `least_margin` stays if the rule does, for it has the scale of the rule's scores.

    Args:
        workspace: its domain file is written.
        score: of `score_tree` with `rules`.

    Raises:
        InputError: the file's table [decision] cannot be edited, or the file cannot be written.
    """
    chosen = score["rules"]["chosen"]
    entry = next(e for e in score["rules"]["entries"] if e["rule"] == chosen)
    learnt = {"parameters": entry["parameters"], "encoder": score["encoder"]["fingerprint"]}
    before = workspace.domain.decision
    kept = {"least_margin": before.least_margin} if before.least_margin and chosen == before.rule else {}
    values = {"rule": chosen, **(learnt if entry["parameters"] else {}), **kept}
    write_table(workspace.domain_path, "decision", values)
    return str(chosen)


def _score_notes(workspace: Workspace) -> tuple[str, ...]:
    """Collect what a reader of the score must know about encoder and images."""
    from treegen.clip.diagnosis.dataset_notes import notes_on
    from treegen.workflow.leakage import note_near_duplicates

    chosen = encoder_notes(workspace.encoder_settings, workspace.domain)
    alike = note_near_duplicates(workspace.evaluator, workspace.cache_path.parent)
    return (*chosen, *notes_on(workspace.evaluator), *alike, *workspace.encoder.notes)


def encoder_notes(settings: EncoderSettings, domain: Domain | None) -> tuple[str, ...]:
    """Return what a reader of results must know about the choice of the encoder."""
    if settings.name != BUNDLED_ENCODER or (domain and domain.name == BUNDLED_DOMAIN):
        return ()
    return (
        "this is the bundled CLIP, which knows the sketchbook's drawings and nothing else: "
        "name a real one with --encoder, or below [encoder] in domain.toml",
    )


def parent_tree(workspace: Workspace, revision: Revision) -> Tree | None:
    """Return the tree of the revision's parent, if it fits the domain and can still be scored."""
    parent = workspace.store.revision(revision.parent) if revision.parent else None
    if parent is None:
        return None
    checked = check_text(parent.tree, classes=workspace.domain.classes, domain=workspace.domain.name)
    return checked.document.tree if checked.document and not errors_of(checked.problems) else None


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
        ProblemsError: every reply had errors; all attempts are in the store.
        ModelError: the model or the encoder failed.
        Cancelled: `on_text` raised it; the attempt is in the store.
    """
    from treegen.llm.tasks.draft import revise

    asked = Feedback(text=feedback) if isinstance(feedback, str) else feedback
    start = _starting_point(workspace, tree, diagnosis)
    if tree is None:
        workspace.current(start.tree)
    listener, calls = recorder(workspace.store, chat.name, on_attempt)
    conversation = revise(
        without_asking(workspace.domain),
        start.tree,
        asked,
        chat if on_text else ProgressChat(chat, workspace.progress),
        problems=start.problems,
        diagnosis=start.diagnosis,
        tries=tries,
        on_attempt=listener,
        on_text=on_text,
    )
    answered = result_of(conversation, workspace.path)
    revised = replace(answered, review=start.tree.review, conflicts=start.tree.conflicts)
    changes = difference(start.tree, revised)
    units = units_of(start.tree, changes, target=asked.target, locks=asked.locks)
    return Proposal(
        base=start.tree,
        tree=revised,
        changes=changes,
        units=units,
        conversation=conversation,
        feedback=asked.text,
        calls=tuple(calls),
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
        told = f"the domain {workspace.domain.name!r} has no images, so there are no mistakes to speak of"
        raise InputError(told, "add [images] with a folder to domain.toml, or say yourself what to change, with -m")
    tree, _ = workspace.load()
    evaluator, decisions = workspace.evaluator, Journal(workspace.store).decisions()
    text = compose(tree, evaluator.diagnose(tree), evaluator.mistakes(tree), decisions)
    if not text:
        told = "no class is taken for another on the dev part: the mistakes suggest nothing"
        raise InputError(told, "say yourself what to change, with -m")
    own = feedback or Feedback(text="")
    whole = f"{own.text.strip()}\n\n{text}" if own.text.strip() else text
    return replace(own, text=whole, decisions=tuple(decisions))


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
        raise ProblemsError(f"{workspace.path}: not readable as a tree", f"`treegen check {workspace.path}` says why")
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


def accept_proposal(workspace: Workspace, proposal: Proposal) -> Revision:
    """Write what may be accepted of a proposal and store it as a revision.

    The previous content of the file is stored as a revision too.

    Raises:
        ProblemsError: without the refused changes, the tree has errors.
        InputError: the file cannot be written.
    """
    tree = proposed_tree(workspace, proposal)
    before = check_text(read_text(workspace.path)).document
    parent = workspace.current(before.tree) if before else workspace.store.latest()
    save(workspace.path, tree)
    note = " ".join(proposal.feedback.split())
    revision = workspace.store.add_revision(
        tree, author="llm", note=f"feedback: {note}", parent=parent.id if parent else None
    )
    workspace.store.attach_calls(proposal.calls, revision.id)
    decide_proposal(workspace, proposal, taken=True)
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
    found = errors_of(check_text(dump(tree), classes=domain.classes, domain=domain.name).problems)
    if found:
        told = f"without what is locked, the proposal has errors: {found[0].code} {found[0].message}"
        raise ProblemsError(told, "unlock what has to change with it, or ask again")
    return tree


def settings_with(
    domain: Domain | None,
    *,
    encoder: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    trust_remote_code: bool | None = None,
) -> EncoderSettings:
    """Override the domain's encoder settings, or the defaults, with the command line's."""
    named = {"name": encoder, "device": device, "precision": precision, "trust_remote_code": trust_remote_code}
    given: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    return replace(domain.encoder if domain else EncoderSettings(), **given)


def llm_settings_with(domain: Domain, *, model: str | None, api_base: str | None) -> LlmSettings:
    """Override the domain's language model settings with the command line's."""
    return replace(domain.llm, model=model or domain.llm.model, api_base=api_base or domain.llm.api_base)
