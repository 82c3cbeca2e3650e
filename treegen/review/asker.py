"""Feedback to a language model while the reviewer goes on: sent, streamed, cancelled, and its proposal previewed."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from treegen.asking import Asked
from treegen.domain import LlmSettings
from treegen.errors import TreegenError
from treegen.progress import Cancelled
from treegen.review.screens.dialogs import TextDialog
from treegen.review.widgets.feedback import FeedbackPane
from treegen.review.widgets.grid import Grid
from treegen.tree.targets import WHOLE, Feedback, Target
from treegen.workflow import Proposal, propose_revision
from treegen.workspace import Workspace

if TYPE_CHECKING:
    from treegen.clip.previewing import Preview
    from treegen.review.app import ReviewApp


class Asker:
    """The conversation of the app's review with a language model: one request at a time.

    Attributes:
        target: what the next feedback is about.
        asked: the last proposal, of which units may still be open.
    """

    def __init__(self, app: "ReviewApp", settings: LlmSettings) -> None:
        self.app, self.settings = app, settings
        self.target: Target = WHOLE
        self.asked: Asked | None = None
        self._thread = ThreadPoolExecutor(1, "language")
        self._workspace: Workspace | None = None
        self._talk = ""
        self._cancelled = False
        self.running = False

    @property
    def pane(self) -> FeedbackPane:
        """Where it is shown."""
        return self.app.query_one(FeedbackPane)

    def show(self) -> None:
        """Paints the pane."""
        self.pane.show(self.target.words, self._talk or self._before(), self.asked)

    def _before(self) -> str:
        name = self.settings.model
        return f"asks {name}" if name else "no language model is named: --model NAME, or `model` below [llm]"

    def targets(self) -> list[Target]:
        """What feedback can be about, given where the cursors are."""
        found = [WHOLE]
        if group := self.app.group:
            found.append(Target(kind="group", group=group.name))
            if option := self.app.option:
                found.append(Target(kind="option", group=group.name, option=option))
        if name := self.app.class_name:
            found.append(Target(kind="class", class_name=name))
        return found

    def next_target(self) -> None:
        """Feedback about something else."""
        found = self.targets()
        place = found.index(self.target) + 1 if self.target in found else 0
        self.target = found[place % len(found)]
        self.show()

    def send(self, text: str) -> None:
        """Sends feedback; the reviewer goes on meanwhile."""
        review = self.app.review
        if self.running or not text.strip():
            self.app.notify("one request at a time" if self.running else "write what to change", timeout=3)
            return
        if review.domain is None:
            self.app.notify(review.missing, severity="warning", markup=False)
            return
        session = review.session
        feedback = Feedback(
            text=text, target=self.target, locks=session.locks, decisions=tuple(session.decisions())
        )  # fmt: skip
        self.running, self._cancelled = True, False
        self._say(f"waiting for {self.settings.model}")
        dev = review.measured.dev if review.measured and not review.stale else None
        future = self._thread.submit(self._ask, feedback, review.tree, dev)
        future.add_done_callback(lambda done: self._post(self._answered, feedback, done))

    def _ask(self, feedback: Feedback, tree: Any, dev: dict[str, Any] | None) -> Proposal:
        """On the language thread."""
        from treegen.llm.chat import open_chat

        if self._workspace is None:
            self._workspace = Workspace(self.app.review.path, domain_path=self.app.review.domain_path)
        chat = open_chat(self.settings, self._workspace.domain.folder)
        return propose_revision(
            self._workspace, chat, feedback, tries=4, tree=tree, diagnosis=dev, on_text=self._hear,
            on_attempt=lambda attempt: self._post(self._say, _used(attempt)),
        )  # fmt: skip

    def _hear(self, text: str) -> None:
        """On the language thread: what has come so far."""
        if self._cancelled:
            raise Cancelled
        self._post(self._say, f"{len(text)} characters: {text[-300:]}")

    def cancel(self) -> None:
        """Gives the request up; what came of it is in the history."""
        if self.running:
            self._cancelled = True
            self._say("cancelled as soon as the next piece comes")

    def _post(self, show: Any, *arguments: Any) -> None:
        if self.app.is_running:
            self.app.call_from_thread(show, *arguments)

    def _say(self, text: str) -> None:
        self._talk = text
        self.show()

    def _answered(self, feedback: Feedback, done: "Future[Proposal]") -> None:
        """On the app's thread: shows the proposal and asks what each change would do."""
        self.running = False
        try:
            proposal = done.result()
        except Cancelled:
            self._say("cancelled; nothing was changed")
            return
        except TreegenError as error:
            self._say(f"{error.message}\n{error.tip}")
            return
        self.asked = Asked(
            feedback=feedback.text, origin=proposal.base, units=proposal.units, fates=["open"] * len(proposal.units)
        )  # fmt: skip
        count = len(proposal.units)
        self._say(f"{count} change{'s' if count != 1 else ''} proposed: enter takes one, x leaves it, A takes all"
                  if count else "no change proposed")  # fmt: skip
        self.pane.query_one("#proposal", Grid).focus()
        if self.app.review.can_score and count:
            self._preview(self.asked)

    def _preview(self, asked: Asked) -> None:
        def job(work: Workspace) -> "tuple[Preview, ...]":
            return work.evaluator.preview(asked.origin, asked.variants)

        def take(done: "Future[tuple[Preview, ...]]") -> None:
            asked.previews = done.result()
            self.show()

        self.app.review.on_models(job).add_done_callback(
            lambda done: None if done.cancelled() or done.exception() else self._post(take, done)
        )

    def accept(self, numbers: list[int]) -> None:
        """Makes units one step."""
        if self.asked is None or not numbers:
            return
        try:
            taken = self.asked.accept(self.app.review.session, numbers)
        except TreegenError as error:
            self.app.complain(error)
            return
        self.app.notify(f"{len(taken)} taken; u undoes", timeout=2)
        self.app.changed()
        self.show()

    def accept_one(self) -> None:
        """The unit under the cursor, with what it needs."""
        grid = self.pane.query_one("#proposal", Grid)
        if self.asked and grid.row < len(self.asked.units):
            self.accept([grid.row])

    def accept_all(self) -> None:
        """All open units that were asked for."""
        if self.asked:
            self.accept(self.asked.takeable)

    async def reject(self) -> None:
        """The unit under the cursor is left; asks why, for the next request."""
        grid = self.pane.query_one("#proposal", Grid)
        if self.asked and grid.row < len(self.asked.units):
            why = await self.app.push_screen_wait(TextDialog("Why not? (may stay empty; the next request tells it)"))
            if why is not None:
                self.asked.reject(self.app.review.session, grid.row, why.strip())
                self.show()


def _used(attempt: Any) -> str:
    """What an attempt was, with its tokens and cost."""
    reply = attempt.reply
    if reply is None:
        return str(attempt.failure)
    tokens = (
        "tokens unknown" if reply.prompt_tokens is None else f"{reply.prompt_tokens} + {reply.completion_tokens} tokens"
    )
    cost = "cost unknown" if reply.cost is None else f"${reply.cost:.4f}"
    errors = sum(p.severity == "error" for p in attempt.problems)
    return f"reply {attempt.number}: {tokens}, {cost}, {errors} errors"
