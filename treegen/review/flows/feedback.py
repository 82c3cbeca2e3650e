"""Feedback to a language model while the reviewer goes on: sent, streamed, cancelled, and its proposal previewed."""

from collections.abc import Sequence
from concurrent.futures import Future, wait
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from textual.widgets import TextArea

from treegen.asking import Asked, reworded, wording
from treegen.confusion import compose
from treegen.errors import TreegenError
from treegen.llm.arriving import Arrived, Arriving
from treegen.progress import Cancelled
from treegen.review.background import Background
from treegen.review.screens.dialogs import TextDialog
from treegen.review.widgets.feedback import FeedbackPane
from treegen.review.widgets.grid import Grid
from treegen.settings import LlmSettings
from treegen.tree.document import write_atomically
from treegen.tree.problems import errors_of
from treegen.tree.targets import WHOLE, Feedback, Target
from treegen.workflow import Proposal, diagnose, estimate_revision, propose_revision
from treegen.workspace import Workspace

if TYPE_CHECKING:
    from textual.timer import Timer

    from treegen.clip.previewing import Preview
    from treegen.llm.attempts import Attempt
    from treegen.llm.chat.exchange import ManualExchange
    from treegen.llm.chat.interface import Chat
    from treegen.review.app import ReviewApp
    from treegen.tree.changes import Change

_KEPT: Final = "feedback"
_QUIET: Final = 0.5  # seconds without a key after which the typed feedback is kept
_PAUSE: Final = 0.1  # seconds between two looks at what is arriving


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
        self._thread = Background("language")
        self._talk = ""
        self._cancelled = False
        self._exchange: ManualExchange | None = None
        self._sent: Feedback | None = None
        self._attempts: list[Attempt] = []
        self._arriving = Arriving()
        self._heard = 0.0
        self._typing: Timer | None = None
        self.running = False

    @property
    def pane(self) -> FeedbackPane:
        """Where it is shown."""
        return self.app.query_one(FeedbackPane)

    def show(self) -> None:
        """Paints the pane."""
        if self._exchange and self._exchange.request:
            about = "paste the answer here    ctrl+g hand in  ctrl+x cancel"
        else:
            about = f"about {self.target.words}    ctrl+t other  ctrl+l from the mistakes  ctrl+g send  ctrl+x cancel"
        self.pane.show(about, self._talk or self._before(), self.asked)

    @property
    def field(self) -> TextArea:
        """Where feedback is written and answers are pasted."""
        return self.pane.query_one("#feedback", TextArea)

    def take_up(self) -> None:
        """Goes on where the last review was left: with feedback that was not sent, and with open changes."""
        session = self.app.review.session
        self.field.text = session.kept(_KEPT)
        self.asked = Asked.left_in(session)
        if self.asked and self.asked.open:
            self._talk = f"{_counted(self.asked.open)} open of the feedback: {self.asked.feedback}"
            self.app.notify(f"{_counted(self.asked.open)} still open; 7 shows them", timeout=5)
            self._preview(self.asked)

    def typed(self) -> None:
        """Keeps what is being written, after a moment of quiet."""
        if self._typing:
            self._typing.stop()
        self._typing = self.app.set_timer(_QUIET, self._keep_text)

    def _keep_text(self) -> None:
        """While an answer is awaited the field is for that: then what was sent is kept."""
        if not self.app.is_shown:  # the screen is being taken down: `close` has kept it
            return
        text = self._sent.text if self.running and self._sent else self.field.text
        if text != self.app.review.session.kept(_KEPT):
            self.app.review.session.keep(_KEPT, text)

    def follow(self) -> None:
        """What was taken and is undone is open again."""
        if self.asked:
            self.asked.follow(self.app.review.session)

    def close(self) -> None:
        """Before the review ends: keeps what was typed, and waits for nobody."""
        self._keep_text()
        self.cancel()

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

    def compose(self) -> None:
        """Writes into the field what the mistakes on the dev part suggest, behind what stands there."""
        review = self.app.review
        if self.running:
            self.app.notify("one request at a time", timeout=3)
        elif review.measured is None or review.stale:
            self.app.notify("the tree is being scored on the dev part; try again in a moment", timeout=3)
        else:
            measured, decisions = review.measured, review.session.decisions()
            text = compose(measured.tree, measured.dev, measured.mistakes, decisions)
            if not text:
                self.app.notify("no class is taken for another on the dev part", timeout=3)
                return
            own = self.field.text.strip()
            self.field.text = f"{own}\n\n{text}" if own else text

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
        feedback = Feedback(text=text, target=self.target, locks=session.locks, decisions=tuple(session.decisions()))
        self.running, self._cancelled = True, False
        self._sent, self._attempts = feedback, []
        self._arriving = Arriving()
        self._say("preparing the request")
        dev = review.measured.dev if review.measured and not review.stale else None
        future = self._thread.submit(self._ask, feedback, review.tree, dev)
        future.add_done_callback(lambda done: self._post(self._answered, feedback, done))

    def _ask(self, feedback: Feedback, tree: Any, dev: dict[str, Any] | None) -> Proposal:
        """On the language thread."""
        with self.app.review.workspace() as workspace:
            chat = self._chat(workspace)
            dev = dev or self._diagnose(tree)
            expected = estimate_revision(workspace, self.settings, feedback, tree=tree, diagnosis=dev)
            self._check()
            if not self.by_hand:
                self._post(self._say, f"sent to {self.settings.model}: {expected.words}")
            return propose_revision(
                workspace,
                chat,
                feedback,
                tries=4,
                tree=tree,
                diagnosis=dev,
                on_text=self._hear,
                on_attempt=lambda attempt: self._post(self._tried, attempt),
            )

    def _diagnose(self, tree: Any) -> dict[str, Any] | None:
        """On the language thread: how the tree does on the dev part, asked of the models' thread."""
        job = self.app.review.on_models(lambda work: diagnose(work, tree), lambda *step: self._check())
        while not wait([job], _PAUSE).done:
            if self._cancelled:
                job.cancel()
                raise Cancelled
        return job.result()

    def _chat(self, workspace: Workspace) -> "Chat":
        from treegen.llm.chat import Kept, open_chat
        from treegen.llm.chat.exchange import ManualExchange

        if not self.by_hand:
            return open_chat(self.settings, workspace.domain.folder, kept=Kept(workspace.path))
        self._exchange = ManualExchange(lambda request: self._post(self._give_out, request))
        return self._exchange

    def _give_out(self, request: str) -> None:
        """On the app's thread: the request for a chat window, in the clipboard and in a file."""
        path = self.app.review.session.store.folder / "request.txt"
        write_atomically(path, request)
        self.app.copy_to_clipboard(request)
        self.field.text = ""
        self.field.focus()
        broken = f"{_used(self._attempts[-1])}\n" if self._attempts else ""
        what = "a request to mend it" if broken else "the request"
        self._say(f"{broken}{what} is in the clipboard and in {path}; paste the answer above, then ctrl+g")

    def _hand_in(self, answer: str) -> None:
        """What the person pasted goes to the request that waits."""
        assert self._exchange is not None
        try:
            self._exchange.answer(answer)
        except TreegenError as error:
            self.app.complain(error)
            return
        self.field.text = ""

    def _tried(self, attempt: "Attempt") -> None:
        self._attempts.append(attempt)
        self._say(_used(attempt))

    def _check(self) -> None:
        """On the language thread."""
        if self._cancelled:
            raise Cancelled

    def _hear(self, text: str) -> None:
        """On the language thread: what has come so far."""
        self._check()
        if text and not self.by_hand and monotonic() - self._heard > _PAUSE:
            self._heard = monotonic()
            self._arriving.hear(text)
            self._post(self._say, _arriving(text, self._arriving.now))

    def cancel(self) -> None:
        """Gives the request up; what came of it is in the history."""
        if self.running:
            self._cancelled = True
            if self._exchange:
                self._exchange.cancel()
            self._say("cancelled as soon as the next piece comes")

    def _post(self, show: Any, *arguments: Any) -> None:
        self.app.show_later(show, *arguments)

    def _say(self, text: str) -> None:
        self._talk = text
        self.show()

    def _answered(self, feedback: Feedback, done: "Future[Proposal]") -> None:
        """On the app's thread: shows the proposal and asks what each change would do."""
        self.running = False
        try:
            proposal = done.result()
        except Cancelled:
            self._give_back(feedback, "cancelled; nothing was changed")
            return
        except TreegenError as error:
            self._give_back(feedback, "\n".join([*error.message.splitlines()[:2], error.tip]))
            return
        self.asked = Asked.of(feedback.text, proposal.base, proposal.tree, feedback.target, feedback.locks)
        self.asked.keep(self.app.review.session)
        count = len(self.asked.units)
        if count and self.field.text == feedback.text:
            self.field.text = ""
        keys = "enter takes one, e in your words, x leaves it, A takes all"
        told = f"{_counted(count)} proposed: {keys}" if count else "no change proposed; say it in other words"
        self._say("\n".join([*map(_used, proposal.conversation.attempts[-2:]), told]))
        if self.app.pane == "ask":
            self.pane.query_one("#proposal" if count else "#feedback").focus()
        else:
            self.app.notify(f"{told.partition(':')[0]}; 7 shows it", timeout=5)
        self._preview(self.asked)

    def _give_back(self, feedback: Feedback, told: str) -> None:
        """What was written is not lost with a request that failed."""
        if self.by_hand or not self.field.text.strip():
            self.field.text = feedback.text
        self._say(told)

    def _preview(self, asked: Asked) -> None:
        if not self.app.review.can_score or not asked.units:
            return

        def job(work: Workspace) -> "tuple[Preview, ...]":
            return work.evaluator.preview(asked.origin, asked.variants)

        def take(done: "Future[tuple[Preview, ...]]") -> None:
            asked.previewing = False
            if done.cancelled() or done.exception():
                self.app.notify("what the changes would do could not be computed", severity="warning")
            else:
                asked.previews = done.result()
            self.show()

        asked.previewing = True
        self.app.review.on_models(job).add_done_callback(lambda done: self._post(take, done))

    def accept(self, numbers: list[int], edits: "Sequence[Change]" = ()) -> None:
        """Makes units one step, with what the reviewer words otherwise."""
        if self.asked is None:
            return
        if not numbers:
            self.app.notify("nothing of what was asked is open", timeout=3)
            return
        try:
            taken = self.asked.accept(self.app.review.session, numbers, edits)
        except TreegenError as error:
            self.app.complain(error)
            return
        self.app.notify(f"{len(taken)} taken; u undoes" if taken else "taken already; u undoes", timeout=2)
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
        if self.asked is None or grid.row >= len(self.asked.units):
            return
        if self.asked.fates[grid.row] == "taken":
            self.app.notify("taken already; u undoes", timeout=3)
        elif self.asked.fates[grid.row] == "open":
            why = await self.app.push_screen_wait(TextDialog("Why not? (may stay empty; the next request tells it)"))
            if why is not None:
                self.asked.reject(self.app.review.session, grid.row, why.strip())
                self.show()


def _arriving(text: str, arrived: Arrived) -> str:
    """What has come so far: the last groups with their options, and how many rules; before any, the text itself."""
    lines = [f"{len(text)} characters"]
    if arrived.groups:
        lines[0] += f", {len(arrived.groups)} groups, {len(arrived.classes)} rules"
        lines += [f"{g.name}: {g.prompt} {', '.join(g.options)}" for g in arrived.groups[-3:]]
    else:
        lines[0] += f": {text[-300:]}"
    return "\n".join(lines)


def _counted(count: int) -> str:
    return f"{count} change{'s' if count != 1 else ''}"


def _used(attempt: "Attempt") -> str:
    """What an attempt was, with its tokens and cost, and what is wrong with it first of all."""
    reply = attempt.reply
    if reply is None:
        return str(attempt.failure)
    tokens = (
        "tokens unknown" if reply.prompt_tokens is None else f"{reply.prompt_tokens} + {reply.completion_tokens} tokens"
    )
    cost = "cost unknown" if reply.cost is None else f"${reply.cost:.4f}"
    errors = errors_of(attempt.problems)
    wrong = f"no usable tree: {errors[0].message}" if errors else "no errors"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"reply {attempt.number}: {tokens}, {cost}, {wrong}{more}"
