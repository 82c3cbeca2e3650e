"""The first tree of a domain: with or without pictures, in one request or in batches, saved and kept as a revision."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from treegen.config.class_notes import with_notes
from treegen.config.domain import Domain
from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ProblemsError
from treegen.files import hash_of, read_text
from treegen.history.checkpoints import Checkpoints
from treegen.history.store import Revision
from treegen.images.data_urls import pictures_of
from treegen.tree.document import save
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text
from treegen.workflow.recording import Listener, ProgressChat, recorder, result_of
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from treegen.llm.chat.interface import Chat, OnText
    from treegen.llm.tasks.attempts import Conversation

#: the number of classes per batch, or when to draft in batches at all
Parts = Literal["auto", "never"] | int


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftResult:
    """A finished draft: the file is written and the revision stored.

    Attributes:
        tree: what was written.
        revision: the stored revision of it.
        conversation: all attempts at the tree; those at descriptions are in the history.
        descriptions: what the model saw in the pictures of each class.
    """

    tree: Tree
    revision: Revision
    conversation: "Conversation"
    descriptions: tuple[tuple[str, str], ...] = ()


def draft_tree(
    workspace: Workspace,
    chat: "Chat",
    *,
    tries: int,
    noted: Domain | None = None,
    force: bool = False,
    parts: Parts = "auto",
    images: int = 0,
    fresh: bool = False,
    concurrency: int = 1,
    settings: LlmSettings | None = None,
    on_attempt: Listener | None = None,
    on_text: "OnText | None" = None,
) -> DraftResult:
    """Have a language model draft the tree of the workspace's domain and write it.

    Args:
        workspace: its tree file is written.
        chat: the language model; called from several threads if `concurrency` is above 1.
        tries: most replies for the tree or for each batch.
        noted: the workspace's domain with its notes files, if they were read already.
        force: replace an existing tree, after storing it as a revision.
        parts: `auto` drafts more than 60 classes in batches, and fewer if a reply stays truncated at the token limit; a
            number is the size of the batches.
        images: pictures of each class, from the dev split, that a vision model describes first.
        fresh: ignore the finished steps of an earlier run.
        concurrency: most simultaneous requests.
        settings: of the model, to find out whether it has vision; the domain's with the chat's name if not given.
        on_attempt: called with each attempt.
        on_text: called with each reply as it streams in; may raise `Cancelled`.

    Raises:
        InputError: the file exists and `force` is not given; there are no images, or the model takes none; a notes file
            cannot be read or its classes are ambiguous.
        ProblemsError: every attempt had errors; nothing is written, all attempts are in the store.
        ModelError: the model failed, or has no vision; finished steps are kept.
        Cancelled: `on_text` raised it; finished steps are kept.
    """
    keep_existing(workspace, force)
    store = workspace.store
    listener, calls = recorder(store, chat.name, on_attempt)
    reporting = chat if on_text else ProgressChat(chat, workspace.progress)
    domain = noted or with_notes(workspace.domain)[0]
    requests = _Asking(
        workspace, domain, reporting, tries, Checkpoints(store, fresh=fresh), concurrency, listener, on_text
    )
    described = requests.describe(images, settings) if images else {}
    conversation = requests.draft(parts, described)
    tree = result_of(conversation, workspace.path)
    before = hash_of(workspace.path)
    parent = keep_existing(workspace, force) or store.latest()  # the file may have been written since
    revision = store.add_revision(
        tree, author="llm", note=f"draft by {chat.name}", parent=parent.id if parent else None
    )
    store.attach_calls(calls, revision.id)
    save(workspace.path, tree, before=before)  # last: whatever of the history fails leaves the file as it was
    return DraftResult(tree=tree, revision=revision, conversation=conversation, descriptions=tuple(described.items()))


@dataclass(frozen=True, slots=True)
class _Asking:
    """What all requests of a draft share."""

    workspace: Workspace
    domain: Domain
    chat: "Chat"
    tries: int
    checkpoints: Checkpoints
    concurrency: int
    listener: Listener
    on_text: "OnText | None"

    def describe(self, images: int, settings: LlmSettings | None) -> dict[str, str]:
        """Ask the model what it sees in pictures of the classes.

        Raises:
            ProblemsError: at least one class was not described.
        """
        from treegen.llm.tasks.describe import describe, refuse_blind

        domain = self.domain
        refuse_blind(settings or replace(domain.llm, model=self.chat.name))
        pictures = pictures_of(domain, self.workspace.dev_images(), images)
        descriptions, conversation = describe(
            domain,
            self.chat,
            pictures,
            tries=self.tries,
            kept=self.checkpoints,
            concurrency=self.concurrency,
            on_attempt=self.listener,
            on_text=self.on_text,
            progress=self.workspace.progress,
        )
        if conversation.stopped:
            tip = "run it again: finished descriptions are kept; or draft without --images"
            raise ProblemsError(f"not all classes were described: {conversation.stopped}", tip)
        return descriptions

    def draft(self, parts: Parts, descriptions: dict[str, str]) -> "Conversation":
        """Draft the tree in one request or in batches."""
        from treegen.llm.tasks.batched_draft import BATCH, THRESHOLD
        from treegen.llm.tasks.draft import draft

        domain = self.domain
        if parts == "never" or (parts == "auto" and len(domain.classes) <= THRESHOLD):
            conversation = draft(
                domain,
                self.chat,
                tries=self.tries,
                descriptions=descriptions,
                leave_cut=parts == "auto",
                on_attempt=self.listener,
                on_text=self.on_text,
            )
            if parts == "never" or conversation.tree or not conversation.attempts[-1].cut:
                return conversation
        return self._in_parts(BATCH if isinstance(parts, str) else parts, descriptions)

    def _in_parts(self, size: int, descriptions: dict[str, str]) -> "Conversation":
        from treegen.llm.tasks.batched_draft import draft_in_parts

        return draft_in_parts(
            self.domain,
            self.chat,
            tries=self.tries,
            size=size,
            kept=self.checkpoints,
            concurrency=self.concurrency,
            descriptions=descriptions,
            on_attempt=self.listener,
            on_text=self.on_text,
            progress=self.workspace.progress,
        )


def keep_existing(workspace: Workspace, force: bool) -> Revision | None:
    """Return the revision of a tree file about to be replaced; `None` if there is no file.

    Raises:
        InputError: the file exists and `force` is not given, or it is not a tree.
    """
    if not workspace.path.exists():
        return None
    if not force:
        tip = "--force replaces it (its content stays in the history), or -o FILE"
        raise InputError(f"{workspace.path} exists", tip)
    checked = check_text(read_text(workspace.path))
    if checked.document is None:
        raise InputError(f"{workspace.path} exists and is not a tree", "move it away first")
    return workspace.current(checked.document.tree)
