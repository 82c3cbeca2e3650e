"""What one does with a tree: open, draft, score, revise, classify. The CLI and the TUI show what these return."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen.conversing import Announced, Listener, recorder, result_of
from treegen.domain import BUNDLED_DOMAIN, BUNDLED_ENCODER, Domain, EncoderSettings, LlmSettings
from treegen.errors import InputError, ProblemsError
from treegen.images import Crop, open_image
from treegen.proposals import Unit, take, units_of
from treegen.store import Revision
from treegen.tree.changes import Change, apply
from treegen.tree.difference import difference
from treegen.tree.document import content_text, dump, read_text, save
from treegen.tree.model import Tree
from treegen.tree.problems import Problem, errors_of
from treegen.tree.targets import Feedback
from treegen.tree.validation import check_text
from treegen.workspace import Workspace

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.labelling import Labeller
    from treegen.llm.chat.estimate import Estimate
    from treegen.llm.chat.interface import Chat, OnText
    from treegen.llm.drafting import Conversation

_BATCH: Final = 64  # images that are decoded and labelled together


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A revision with its score document, and what a reader of the score must know about the images."""

    revision: Revision
    score: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A finished draft: the file is written and the revision kept."""

    tree: Tree
    revision: Revision
    conversation: "Conversation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A revised tree that nobody has accepted yet, and how it differs from the current one.

    Attributes:
        base: the tree that was sent.
        tree: the model's answer.
        changes: what leads from one to the other.
        units: the parts that can be taken or left; those that touch a lock are refused.
        conversation: all attempts.
        feedback: what the reviewer said.
        calls: their numbers in the store.
    """

    base: Tree
    tree: Tree
    changes: tuple[Change, ...]
    units: tuple[Unit, ...]
    conversation: "Conversation"
    feedback: str
    calls: tuple[int, ...]

    def allowed(self) -> tuple[Change, ...]:
        """Everything that may be taken: without what touches a lock."""
        return take(self.base, self.units, [u.number for u in self.units if not u.refused])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one group says about one image: its most probable option, and how probable that is (0 to 1)."""

    group: str
    option: str
    probability: float
    expected: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """One image: the best classes with their scores (0 to number of groups), and the answers behind them."""

    path: Path
    ranking: tuple[tuple[str, float], ...]
    answers: tuple[Answer, ...]
    failure: str = ""


def draft_tree(
    workspace: Workspace, chat: "Chat", *, tries: int, force: bool = False, on_attempt: Listener | None = None
) -> Drafted:
    """Has a language model draft the tree of the workspace's domain and writes it.

    Args:
        workspace: its tree file is written.
        chat: who answers.
        tries: most requests, repairs included.
        force: an existing tree may be replaced; what it held is kept as a revision first.
        on_attempt: is told of each attempt.

    Raises:
        InputError: the file exists and `force` is not given.
        ProblemsError: no attempt was without errors; nothing is written, all attempts are in the store.
        ModelError: the model failed.
    """
    from treegen.llm.drafting import draft

    _keep_existing(workspace, force)
    store = workspace.store
    listener, calls = recorder(store, chat.name, on_attempt)
    asked = Announced(chat, workspace.progress)
    conversation = draft(workspace.domain, asked, tries=tries, on_attempt=listener)
    tree = result_of(conversation, workspace.path)
    parent = _keep_existing(workspace, force) or store.latest()  # what was written while the model was thinking
    save(workspace.path, tree)
    revision = store.add_revision(
        tree, author="llm", note=f"draft by {chat.name}", parent=parent.id if parent else None
    )
    store.attach_calls(calls, revision.id)
    return Drafted(tree=tree, revision=revision, conversation=conversation)


def _keep_existing(workspace: Workspace, force: bool) -> Revision | None:
    """The revision of a tree file that is about to be replaced; `None` if there is no file.

    Raises:
        InputError: there is a file and `force` is not given, or it is no tree.
    """
    if not workspace.path.exists():
        return None
    if not force:
        tip = "--force replaces it (its content stays in the history), or -o FILE"
        raise InputError(f"{workspace.path} exists", tip)
    checked = check_text(read_text(workspace.path))
    if checked.document is None:
        raise InputError(f"{workspace.path} exists and is no tree", "move it away first")
    return workspace.current(checked.document.tree)


def score_tree(workspace: Workspace, tree: Tree | None = None) -> Scored:
    """Scores the tree on the test part, with the paired test against its parent revision, and keeps the score.

    Args:
        workspace: names tree, domain and encoder.
        tree: the content of the tree file, if it is already loaded.

    Raises:
        InputError: there are no images.
        ProblemsError: the tree has errors, or a prompt is too long for the encoder.
        ModelError: the encoder cannot be had.
    """
    tree = tree or workspace.load()[0]
    revision = workspace.current(tree)
    score = workspace.evaluator.score(tree, parent_tree(workspace, revision))
    workspace.store.add_score(revision.id, score)
    return Scored(revision=revision, score=score, notes=_score_notes(workspace))


def _score_notes(workspace: Workspace) -> tuple[str, ...]:
    """What a reader of the score must know about encoder and images."""
    from treegen.clip.notes import notes_on

    notes = []
    if workspace.encoder_settings.name == BUNDLED_ENCODER and workspace.domain.name != BUNDLED_DOMAIN:
        notes.append(
            "scored with the bundled CLIP, which knows the sketchbook's drawings and nothing else: "
            "name a real one with --encoder, or below [encoder] in domain.toml"
        )
    return (*notes, *notes_on(workspace.evaluator), *workspace.encoder.notes)


def parent_tree(workspace: Workspace, revision: Revision) -> Tree | None:
    """The tree of the revision's parent, if it fits the domain and can still be scored."""
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
    diagnosis: dict[str, Any] | None = None,
    on_attempt: Listener | None = None,
    on_text: "OnText | None" = None,
) -> Proposal:
    """Sends the tree, its problems, its dev diagnosis and the feedback to a language model. Nothing is saved.

    Args:
        workspace: its tree may have errors: the feedback may be about them.
        chat: who answers.
        feedback: what the reviewer says, what it is about, what is locked, what was decided before.
        tries: most requests, repairs included.
        tree: as it is in a session; that of the file if not given.
        diagnosis: the `dev` part of the tree's score, if it is known; else the tree is scored.
        on_attempt: is told of each attempt.
        on_text: is told each reply while it comes; may raise `Cancelled`.

    Raises:
        InputError: the file is no tree, or the feedback is blank.
        ProblemsError: no reply was without errors; all attempts are in the store.
        ModelError: the model or the encoder failed.
        Cancelled: `on_text` raised it; the attempt is in the store.
    """
    from treegen.llm.drafting import revise

    asked = Feedback(text=feedback) if isinstance(feedback, str) else feedback
    start = _starting_point(workspace, tree, diagnosis)
    if tree is None:
        workspace.current(start.tree)
    listener, calls = recorder(workspace.store, chat.name, on_attempt)
    conversation = revise(
        workspace.domain, start.tree, asked, Announced(chat, workspace.progress), problems=start.problems,
        diagnosis=start.diagnosis, tries=tries, on_attempt=listener, on_text=on_text,
    )  # fmt: skip
    answered = result_of(conversation, workspace.path)
    revised = replace(answered, review=start.tree.review, conflicts=start.tree.conflicts)
    changes = difference(start.tree, revised)
    units = units_of(start.tree, changes, target=asked.target, locks=asked.locks)
    return Proposal(
        base=start.tree, tree=revised, changes=changes, units=units, conversation=conversation,
        feedback=asked.text, calls=tuple(calls),
    )  # fmt: skip


def estimate_revision(
    workspace: Workspace,
    settings: LlmSettings,
    feedback: str | Feedback,
    *,
    tree: Tree | None = None,
    diagnosis: dict[str, Any] | None = None,
) -> "Estimate":
    """What the first request of `propose_revision` will take, before it is sent; nothing is kept.

    Raises:
        InputError: the feedback is blank.
        ProblemsError: the file is no tree.
        ModelError: the encoder failed.
    """
    from treegen.llm.chat.estimate import estimate
    from treegen.llm.drafting import revision_request

    start = _starting_point(workspace, tree, diagnosis)
    request = revision_request(
        workspace.domain, start.tree, feedback, problems=start.problems, diagnosis=start.diagnosis
    )
    return estimate(settings, request, answer=content_text(start.tree))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What a revision begins with: the tree, what is wrong with it, and how it does on the dev part."""

    tree: Tree
    problems: tuple[Problem, ...]
    diagnosis: dict[str, Any] | None


def _starting_point(workspace: Workspace, tree: Tree | None, diagnosis: dict[str, Any] | None) -> _Start:
    """The given tree or that of the file.

    Raises:
        ProblemsError: the file is no tree.
    """
    domain = workspace.domain
    checked = workspace.check() if tree is None else check_text(dump(tree), classes=domain.classes, domain=domain.name)
    if checked.document is None:
        raise ProblemsError(f"{workspace.path}: not readable as a tree", f"`treegen check {workspace.path}` says why")
    if diagnosis is None and domain.images and not errors_of(checked.problems):
        diagnosis = workspace.evaluator.diagnose(checked.document.tree)
    problems = tuple(p for p in checked.problems if not p.code.startswith("TG3"))
    return _Start(tree=checked.document.tree, problems=problems, diagnosis=diagnosis)


def accept_proposal(workspace: Workspace, proposal: Proposal) -> Revision:
    """Writes what may be taken of a proposal and keeps it as a revision.

    The file's content before it is a revision already.

    Raises:
        ProblemsError: without what is refused, the tree has errors.
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
    return revision


def proposed_tree(workspace: Workspace, proposal: Proposal) -> Tree:
    """The proposed tree without what is refused.

    Raises:
        ProblemsError: it has errors then.
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


def classify_images(workspace: Workspace, paths: Sequence[Path]) -> list[Classified]:
    """Labels images with the chain of answers behind each label. An image that cannot be read carries the reason.

    Raises:
        ProblemsError: the tree has errors.
        ModelError: the encoder cannot be had.
    """
    from treegen.clip.labelling import Labeller

    tree, _ = workspace.load()
    crop = workspace.domain.images.crop if workspace.domain.images else (0.0, 0.0, 1.0, 1.0)
    labeller = Labeller(tree, workspace.encoder)
    results: list[Classified] = []
    for start in range(0, len(paths), _BATCH):
        results += _classify_batch(labeller, paths[start : start + _BATCH], crop)
        workspace.progress("classifying", len(results), len(paths))
    return results


def _classify_batch(labeller: "Labeller", paths: Sequence[Path], crop: Crop) -> list[Classified]:
    """One batch, in the order of the paths."""
    pictures: list[Image] = []
    failures: dict[int, str] = {}
    for number, path in enumerate(paths):
        try:
            pictures.append(open_image(path, crop))
        except ValueError as error:
            failures[number] = str(error)
    labels = iter(labeller.label(pictures) if pictures else ())
    results = []
    for number, path in enumerate(paths):
        if number in failures:
            results.append(Classified(path=path, ranking=(), answers=(), failure=failures[number]))
            continue
        if (found := next(labels)) is None:
            told = "the model makes no numbers of it"
            results.append(Classified(path=path, ranking=(), answers=(), failure=told))
            continue
        ranking, answers = found
        chain = tuple(Answer(group=g, option=o, probability=p, expected=e) for g, o, p, e in answers)
        results.append(Classified(path=path, ranking=ranking, answers=chain))
    return results


def settings_with(
    domain: Domain | None, *, encoder: str | None = None, device: str | None = None, precision: str | None = None,
    trust_remote_code: bool | None = None,
) -> EncoderSettings:  # fmt: skip
    """The domain's encoder settings, or the defaults, with what the command line names."""
    named = {"name": encoder, "device": device, "precision": precision, "trust_remote_code": trust_remote_code}
    given: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    return replace(domain.encoder if domain else EncoderSettings(), **given)


def llm_settings_with(domain: Domain, *, model: str | None, api_base: str | None) -> LlmSettings:
    """The domain's language model settings with what the command line names."""
    return replace(domain.llm, model=model or domain.llm.model, api_base=api_base or domain.llm.api_base)
