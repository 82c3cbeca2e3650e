"""Feedback to a language model while the reviewer goes on: sent, streamed, cancelled, and its proposal previewed."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from textual.widgets import TextArea

from treegen.asking import Asked, reworded, wording
from treegen.domain import LlmSettings
from treegen.errors import TreegenError
from treegen.progress import Cancelled
from treegen.review.screens.dialogs import TextDialog
from treegen.review.widgets.feedback import FeedbackPane
from treegen.review.widgets.grid import Grid
from treegen.tree.document import write_atomically
from treegen.tree.targets import WHOLE, Feedback, Target
from treegen.workflow import Proposal, estimate_revision, propose_revision
from treegen.workspace import Workspace

if TYPE_CHECKING:
    from treegen.clip.previewing import Preview
    from treegen.llm.chat.exchange import ManualExchange
    from treegen.llm.chat.interface import Chat
    from treegen.review.app import ReviewApp
    from treegen.tree.changes import Change


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
        self._exchange: ManualExchange | None = None
        self.running = False

    @property
    def pane(self) -> FeedbackPane:
        """Where it is shown."""
        return self.app.query_one(FeedbackPane)

    def show(self) -> None:
        """Paints the pane."""
        self.pane.show(self.target.words, self._talk or self._before(), self.asked)

    def _before(self) -> str:
        if self.by_hand:
            return "no language model is named: the request is for your chat window, and you paste its answer here"
        return f"asks {self.settings.model}"

    @property
    def by_hand(self) -> bool:
        """Whether a person carries the messages: no model is named, or `manual` is."""
        return self.settings.model in (None, "manual")

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
        if self._exchange and self._exchange.request:
            self._hand_in(text)
            return
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
        self._say(f"waiting for {self.settings.model or 'you'}")
        dev = review.measured.dev if review.measured and not review.stale else None
        future = self._thread.submit(self._ask, feedback, review.tree, dev)
        future.add_done_callback(lambda done: self._post(self._answered, feedback, done))

    def _ask(self, feedback: Feedback, tree: Any, dev: dict[str, Any] | None) -> Proposal:
        """On the language thread."""
        if self._workspace is None:
            self._workspace = Workspace(self.app.review.path, domain_path=self.app.review.domain_path)
        chat = self._chat(self._workspace)
        expected = estimate_revision(self._workspace, self.settings, feedback, tree=tree, diagnosis=dev)
        if not self.by_hand:
            self._post(self._say, f"sent: {expected.words}")
        return propose_revision(
            self._workspace, chat, feedback, tries=4, tree=tree, diagnosis=dev, on_text=self._hear,
            on_attempt=lambda attempt: self._post(self._say, _used(attempt)),
        )  # fmt: skip

    def _chat(self, workspace: Workspace) -> "Chat":
        from treegen.llm.chat import open_chat
        from treegen.llm.chat.exchange import ManualExchange

        if not self.by_hand:
            return open_chat(self.settings, workspace.domain.folder)
        self._exchange = ManualExchange(lambda request: self._post(self._give_out, request))
        return self._exchange

    def _give_out(self, request: str) -> None:
        """On the app's thread: the request for a chat window, in the clipboard and in a file."""
        path = self.app.review.session.store.folder / "request.txt"
        write_atomically(path, request)
        self.app.copy_to_clipboard(request)
        field = self.pane.query_one("#feedback", TextArea)
        field.text = ""
        field.focus()
        self._say(f"the request is in the clipboard and in {path}; paste the answer above, then ctrl+g")

    def _hand_in(self, answer: str) -> None:
        """What the person pasted goes to the request that waits."""
        assert self._exchange is not None
        try:
            self._exchange.answer(answer)
        except TreegenError as error:
            self.app.complain(error)
            return
        self.pane.query_one("#feedback", TextArea).text = ""

    def _hear(self, text: str) -> None:
        """On the language thread: what has come so far."""
        if self._cancelled:
            raise Cancelled
        if text and not self.by_hand:
            self._post(self._say, f"{len(text)} characters: {text[-300:]}")

    def cancel(self) -> None:
        """Gives the request up; what came of it is in the history."""
        if self.running:
            self._cancelled = True
            if self._exchange:
                self._exchange.cancel()
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
        keys = "enter takes one, e in your words, x leaves it, A takes all"
        told = f"{count} change{'s' if count != 1 else ''} proposed: {keys}" if count else "no change proposed"
        self._say("\n".join([*(_used(a) for a in proposal.conversation.attempts), told]))
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

    def accept(self, numbers: list[int], edits: "Sequence[Change]" = ()) -> None:
        """Makes units one step, with what the reviewer words otherwise."""
        if self.asked is None or not numbers:
            return
        try:
            taken = self.asked.accept(self.app.review.session, numbers, edits)
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

    async def edit(self) -> None:
        """Takes the unit under the cursor in the reviewer's own words."""
        grid = self.pane.query_one("#proposal", Grid)
        if self.asked is None or grid.row >= len(self.asked.units) or self.asked.fates[grid.row] != "open":
            return
        unit = self.asked.units[grid.row]
        text = wording(unit)
        if text is None:
            self.app.notify("take it, then change it with the keys of its pane", timeout=3)
            return
        answer = await self.app.push_screen_wait(TextDialog("Take it as", text))
        if answer is not None and answer.strip():
            self.accept([unit.number], reworded(unit, answer.strip()))

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
