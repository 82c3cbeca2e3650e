"""What one does with a tree: open, draft, score, revise, classify. The CLI and the TUI show what these return."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen.domain import BUNDLED_DOMAIN, BUNDLED_ENCODER, Domain, EncoderSettings, LlmSettings
from treegen.errors import InputError, ProblemsError
from treegen.images import Crop, open_image
from treegen.progress import Progress
from treegen.store import Call, Revision, Store
from treegen.tree.changes import Change
from treegen.tree.difference import difference
from treegen.tree.document import read_text, save
from treegen.tree.model import Tree
from treegen.tree.problems import errors_of
from treegen.tree.validation import check_text
from treegen.workspace import Workspace

if TYPE_CHECKING:
    from PIL.Image import Image

    from treegen.clip.labelling import Labeller
    from treegen.llm.chat.interface import Chat, Message, Reply
    from treegen.llm.drafting import Attempt, Conversation

_BATCH: Final = 64  # images that are decoded and labelled together
Listener = Callable[["Attempt"], None]


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
    """A revised tree that nobody has accepted yet, and how it differs from the current one."""

    tree: Tree
    changes: tuple[Change, ...]
    conversation: "Conversation"
    feedback: str
    calls: tuple[int, ...]


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
    listener, calls = _recorder(store, chat.name, on_attempt)
    asked = _Announced(chat, workspace.progress)
    conversation = draft(workspace.domain, asked, tries=tries, on_attempt=listener)
    tree = _result(conversation, workspace.path)
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


class _Announced:
    """A chat whose waiting is shown; a person who pastes needs no such thing."""

    def __init__(self, chat: "Chat", progress: Progress) -> None:
        self.name = chat.name
        self._chat, self._progress = chat, progress

    def complete(self, messages: "Sequence[Message]") -> "Reply":
        if self.name == "manual":
            return self._chat.complete(messages)
        task = f"waiting for {self.name}"
        self._progress(task, 0, 1)
        try:
            return self._chat.complete(messages)
        finally:
            self._progress(task, 1, 1)


def _recorder(store: Store, model: str, on_attempt: Listener | None) -> tuple[Listener, list[int]]:
    """A listener that keeps every attempt in the store before it is shown, and the numbers of the calls."""
    calls: list[int] = []

    def record(attempt: "Attempt") -> None:
        reply = attempt.reply
        problems = tuple(p.as_json() for p in attempt.problems)
        call = Call(
            purpose=attempt.purpose, model=reply.model if reply else model, reply=reply.text if reply else None,
            messages=tuple(m.as_dict() for m in attempt.messages), finish=reply.finish if reply else "failed",
            prompt_tokens=reply.prompt_tokens if reply else None,
            completion_tokens=reply.completion_tokens if reply else None,
            cost=reply.cost if reply else None, seconds=reply.seconds if reply else None, repaired=attempt.repaired,
            problems=problems or (({"failure": attempt.failure},) if attempt.failure else ()),
        )  # fmt: skip
        calls.append(store.add_call(call))
        if on_attempt:
            on_attempt(attempt)

    return record, calls


def _result(conversation: "Conversation", path: Path) -> Tree:
    """The tree of a conversation.

    Raises:
        ProblemsError: there is none; the message lists the last problems.
    """
    if conversation.tree is not None:
        return conversation.tree
    errors = errors_of(conversation.problems)
    listed = "\n".join(f"  {p.code} {p.pointer or '/'}: {p.message}" for p in errors)
    tip = f"nothing was written; all attempts are kept: `treegen log {path} --calls` shows them"
    raise ProblemsError(
        f"no usable tree after {len(conversation.attempts)} replies, {conversation.stopped}\n{listed}", tip
    )


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
    """What a reader of the score must know about the images."""
    images, notes = workspace.evaluator.images, []
    if workspace.encoder_settings.name == BUNDLED_ENCODER and workspace.domain.name != BUNDLED_DOMAIN:
        notes.append(
            "scored with the bundled CLIP, which knows the sketchbook's drawings and nothing else: "
            "name a real one with --encoder, or below [encoder] in domain.toml"
        )
    if workspace.evaluator.cache_rebuilt:
        notes.append("the embedding cache was damaged: it was set aside and computed anew")
    if images.in_two_classes:
        notes.append(f"{images.in_two_classes} pictures stand in more than one class folder, and count for each")
    if images.strangers:
        notes.append(
            f"{len(images.strangers)} folders are no class and were left out: {', '.join(images.strangers[:5])}"
        )
    return tuple(notes)


def parent_tree(workspace: Workspace, revision: Revision) -> Tree | None:
    """The tree of the revision's parent, if it fits the domain and can still be scored."""
    parent = workspace.store.revision(revision.parent) if revision.parent else None
    if parent is None:
        return None
    checked = check_text(parent.tree, classes=workspace.domain.classes, domain=workspace.domain.name)
    return checked.document.tree if checked.document and not errors_of(checked.problems) else None


def propose_revision(
    workspace: Workspace, chat: "Chat", feedback: str, *, tries: int, on_attempt: Listener | None = None
) -> Proposal:
    """Sends the tree, its problems, its dev diagnosis and the feedback to a language model. Nothing is saved.

    Args:
        workspace: its tree may have errors: the feedback may be about them.
        chat: who answers.
        feedback: what the reviewer says.
        tries: most requests, repairs included.
        on_attempt: is told of each attempt.

    Raises:
        InputError: the file is no tree, or the feedback is blank.
        ProblemsError: no reply was without errors; all attempts are in the store.
        ModelError: the model or the encoder failed.
    """
    from treegen.llm.drafting import revise

    checked = workspace.check()
    if checked.document is None:
        raise ProblemsError(f"{workspace.path}: not readable as a tree", f"`treegen check {workspace.path}` says why")
    tree = checked.document.tree
    workspace.current(tree)
    problems = [p for p in checked.problems if not p.code.startswith("TG3")]
    diagnosis = None
    if workspace.domain.images and not errors_of(checked.problems):
        diagnosis = workspace.evaluator.diagnose(tree)
    listener, calls = _recorder(workspace.store, chat.name, on_attempt)
    asked = _Announced(chat, workspace.progress)
    conversation = revise(
        workspace.domain,
        tree,
        feedback,
        asked,
        problems=problems,
        diagnosis=diagnosis,
        tries=tries,
        on_attempt=listener,
    )
    revised = replace(_result(conversation, workspace.path), review=tree.review, conflicts=tree.conflicts)
    return Proposal(
        tree=revised,
        changes=difference(tree, revised),
        conversation=conversation,
        feedback=feedback,
        calls=tuple(calls),
    )


def accept_proposal(workspace: Workspace, proposal: Proposal) -> Revision:
    """Writes the proposed tree and keeps it as a revision. The file's content before it is a revision already.

    Raises:
        InputError: the file cannot be written.
    """
    before = check_text(read_text(workspace.path)).document
    parent = workspace.current(before.tree) if before else workspace.store.latest()
    save(workspace.path, proposal.tree)
    note = " ".join(proposal.feedback.split())
    revision = workspace.store.add_revision(
        proposal.tree, author="llm", note=f"feedback: {note}", parent=parent.id if parent else None
    )
    workspace.store.attach_calls(proposal.calls, revision.id)
    return revision


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
        ranking, answers = next(labels)
        chain = tuple(Answer(group=g, option=o, probability=p, expected=e) for g, o, p, e in answers)
        results.append(Classified(path=path, ranking=ranking, answers=chain))
    return results


def settings_with(
    domain: Domain | None, *, encoder: str | None = None, device: str | None = None, precision: str | None = None
) -> EncoderSettings:
    """The domain's encoder settings, or the defaults, with what the command line names."""
    base = domain.encoder if domain else EncoderSettings()
    return EncoderSettings(
        name=encoder or base.name, device=device or base.device, precision=precision or base.precision
    )


def llm_settings_with(domain: Domain, *, model: str | None, api_base: str | None) -> LlmSettings:
    """The domain's language model settings with what the command line names."""
    return replace(domain.llm, model=model or domain.llm.model, api_base=api_base or domain.llm.api_base)
