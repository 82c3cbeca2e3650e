"""The first tree of a domain: with or without pictures, in one request or in batches, saved and kept as a revision."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from treegen.config.class_notes import with_notes
from treegen.config.domain import Domain
from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ModelError, ProblemsError, WaitingError
from treegen.files import read_text, state_of
from treegen.history.checkpoints import Checkpoints
from treegen.history.store import Revision
from treegen.images.data_urls import pictures_of
from treegen.text import counted
from treegen.tree.document import save
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text
from treegen.tree.validation.problems import Problem
from treegen.workflow.recording import Listener, ProgressChat, Recorder, forget_failed, result_of, with_best
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from treegen.llm.chat.interface import Chat, OnText
    from treegen.llm.tasks.attempts import Conversation
    from treegen.llm.tasks.planning import DraftPlan

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
    on_plan: "Callable[[DraftPlan], None] | None" = None,
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
        on_plan: called with all requests of the draft, as far as they are known, before the first is made.
        on_attempt: called with each attempt.
        on_text: called with each reply as it streams in; may raise `Cancelled`.

    Raises:
        WaitingError: a person has to fetch the reply to a request.
        InputError: the file exists and `force` is not given; there are no images, or the model takes none; a notes file
            cannot be read or its classes are ambiguous.
        ProblemsError: every attempt had errors; the best one is written as NAME.draft.json, and all of them are in the
            store.
        ModelError: the model failed, or has no vision; finished steps are kept.
        Cancelled: `on_text` raised it; finished steps are kept.
    """
    keep_existing(workspace, force)
    store = workspace.store
    recorder = Recorder(store, chat, on_attempt)
    reporting = recorder if on_text else ProgressChat(recorder, workspace.progress)
    domain = noted or with_notes(workspace.domain)[0]
    requests = _Asking(
        workspace, domain, reporting, tries, Checkpoints(store, fresh=fresh), concurrency, recorder.record, on_text
    )
    pictures = requests.pictures(images, settings) if images else {}
    plan = requests.plan(parts, pictures)
    if on_plan:
        on_plan(plan)
    described = requests.describe(pictures) if images else {}
    try:
        conversation = requests.draft(parts, described, pictures)
    except WaitingError as error:
        raise _numbered(error, plan, recorder) from None
    except ModelError as error:
        raise with_best(error, recorder, workspace.path, domain.name) from None
    tree = result_of(conversation, workspace.path, store, domain.name)
    before = state_of(workspace.path)
    parent = keep_existing(workspace, force) or store.latest()  # the file may have been written since
    note = f"draft by {chat.name}{_remark(conversation.problems)}"
    revision = store.add_revision(tree, author="llm", note=note, parent=parent.id if parent else None)
    store.attach_calls(recorder.calls, revision.id)
    save(workspace.path, tree, before=before)  # last: whatever of the history fails leaves the file as it was
    return DraftResult(tree=tree, revision=revision, conversation=conversation, descriptions=tuple(described.items()))


def _remark(problems: Sequence[Problem]) -> str:
    """Return what a reviewer has to look at, for the note of the revision."""
    added = [p for p in problems if p.code == "TG507"]
    alike = [p for p in problems if p.code == "TG506"]
    remarks = [
        *([f"{counted(len(added), 'option')} added with the rules, to be checked"] if added else []),
        *([f"{counted(len(alike), 'class', 'classes')} not told apart"] if alike else []),
    ]
    return f" ({'; '.join(remarks)})" if remarks else ""


def _numbered(error: WaitingError, plan: "DraftPlan", recorder: Recorder) -> WaitingError:
    """Say which request of how many is waiting, and which answers the next run needs."""
    from treegen.llm.chat.manual import AnswerNeededError

    number = plan.finished + len(recorder.calls) + 1
    total = max(plan.total + recorder.failed, number)
    if not isinstance(error, AnswerNeededError):
        return error
    # the steps before the present one are stored: their answers must not be given again
    again = error.given if plan.total == 1 else error.given[len(error.given) - recorder.unfinished :]
    return error.waiting(f"request {number} of about {total} is waiting for its answer", again)


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

    def pictures(self, count: int, settings: LlmSettings | None) -> dict[str, tuple[str, ...]]:
        """Return pictures of each class.

        Raises:
            ModelError: the model is known to take none.
            InputError: none of the dev split can be shown.
        """
        from treegen.llm.tasks.describe import refuse_blind

        refuse_blind(settings or replace(self.domain.llm, model=self.chat.name))
        pictures = pictures_of(self.domain, self.workspace.dev_images(), count)
        if not any(pictures.values()):
            message = "no picture of the dev split can be shown to the model"
            raise InputError(message, "`treegen check` says what is wrong with the images; or draft without --images")
        return pictures

    def plan(self, parts: Parts, pictures: dict[str, tuple[str, ...]]) -> "DraftPlan":
        """Return what will be requested."""
        from treegen.llm.tasks.planning import plan_draft

        return plan_draft(
            self.domain, self.checkpoints, size=self._size(parts), pictures=pictures, confused=self.confused
        )

    def describe(self, pictures: dict[str, tuple[str, ...]]) -> dict[str, str]:
        """Ask the model what it sees in pictures of the classes.

        Raises:
            ProblemsError: at least one class was not described.
        """
        from treegen.llm.tasks.describe import describe

        descriptions, conversation = describe(
            self.domain,
            self.chat,
            pictures,
            tries=self.tries,
            store=self.checkpoints,
            concurrency=self.concurrency,
            confused=self.confused,
            on_attempt=self.listener,
            on_text=self.on_text,
            progress=self.workspace.progress,
        )
        if conversation.stopped:
            forget_failed(self.workspace.store, conversation.attempts)
            tip = "run it again: finished descriptions are kept; or draft without --images"
            raise ProblemsError(f"not all classes were described: {conversation.stopped}", tip)
        return descriptions

    def draft(self, parts: Parts, descriptions: dict[str, str], pictures: dict[str, tuple[str, ...]]) -> "Conversation":
        """Draft the tree in one request or in batches; show classes that remain alike side by side."""
        from treegen.llm.tasks.batched_draft import BATCH, separate
        from treegen.llm.tasks.draft import draft

        size = self._size(parts)
        if size is None:
            conversation = draft(
                self.domain,
                self.chat,
                tries=self.tries,
                descriptions=descriptions,
                leave_cut=parts == "auto",
                on_attempt=self.listener,
                on_text=self.on_text,
            )
            if conversation.tree and pictures:
                return separate(
                    self.domain,
                    self.chat,
                    conversation,
                    pictures,
                    tries=self.tries,
                    store=self.checkpoints,
                    on_attempt=self.listener,
                    on_text=self.on_text,
                )
            if parts == "never" or conversation.tree or not conversation.attempts[-1].cut:
                return conversation
        return self._in_parts(size or BATCH, descriptions, pictures)

    @property
    def confused(self) -> list[tuple[str, str]]:
        """The classes that the latest scored tree confused on the dev split."""
        scores = self.workspace.store.scores()
        latest = scores[max(scores)] if scores else None
        return [(pair["true"], pair["predicted"]) for pair in latest["dev"]["confused"]] if latest else []

    def _size(self, parts: Parts) -> int | None:
        """Return the classes of a batch; `None` if the tree is requested as a whole at first."""
        from treegen.llm.tasks.batched_draft import BATCH, THRESHOLD

        if parts == "never" or (parts == "auto" and len(self.domain.classes) <= THRESHOLD):
            return None
        return BATCH if isinstance(parts, str) else parts

    def _in_parts(
        self, size: int, descriptions: dict[str, str], pictures: dict[str, tuple[str, ...]]
    ) -> "Conversation":
        from treegen.llm.tasks.batched_draft import draft_in_parts

        return draft_in_parts(
            self.domain,
            self.chat,
            tries=self.tries,
            size=size,
            store=self.checkpoints,
            concurrency=self.concurrency,
            descriptions=descriptions,
            pictures=pictures,
            confused=self.confused,
            on_attempt=self.listener,
            on_text=self.on_text,
            progress=self.workspace.progress,
        )


def check_scoring(workspace: Workspace) -> None:
    """Find what would keep a draft from being scored before a language model is paid: images, split and encoder.

    Raises:
        InputError: there are no images, or one of the splits has none.
        ModelError: the encoder cannot be loaded, or its service does not answer.
    """
    from treegen.clip.embedding.embed import read_image_set

    images = read_image_set(workspace.domain, workspace.cache, workspace.progress).images
    splits = set(workspace.divide(images).values())
    if missing := {"dev", "test"} - splits:
        message = f"the {min(missing)} split has no images ({counted(len(images), 'image')} in all)"
        raise InputError(
            message, "give every class more images, or change `dev` below [split]; --no-score drafts anyway"
        )
    workspace.encoder  # noqa: B018 - loads what is not known of it


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
