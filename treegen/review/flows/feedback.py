"""Feedback to a language model while the reviewer continues: send, stream, cancel, and preview the proposal."""

import asyncio
import logging
from concurrent.futures import wait
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from textual.actions import SkipAction
from textual.widgets import TextArea

from treegen.config.settings import LlmSettings
from treegen.errors import TreegenError
from treegen.files import read_text, write_atomically
from treegen.llm.reading.partial import Arriving, PartialReply
from treegen.progress import Cancelled
from treegen.review.background import DaemonThread
from treegen.review.context import ReviewContext
from treegen.review.flows.earlier_texts import EarlierTexts
from treegen.review.flows.proposal import ProposalFlow
from treegen.review.messages import PreviewsReady, ProposalReady, ReplyArrived, RequestFailed, RequestReady, reason_of
from treegen.review.screens.dialogs import ChoiceDialog
from treegen.review.widgets.feedback import FeedbackPane
from treegen.text import counted, first_line
from treegen.tree.feedback_target import WHOLE, Feedback, Target
from treegen.tree.model import Tree
from treegen.tree.validation.problems import errors_of
from treegen.workflow.auto_feedback import compose
from treegen.workflow.proposal_review import ProposalReview
from treegen.workflow.revise import Proposal, diagnose, estimate_revision, propose_revision
from treegen.workflow.session import Session
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from treegen.history.score_document import Diagnosis
    from treegen.llm.chat.interface import Chat
    from treegen.llm.chat.manual_exchange import ManualExchange
    from treegen.llm.tasks.attempts import Attempt

logger = logging.getLogger(__name__)
_STORED_AS: Final = "feedback"
_QUIET: Final = 0.5  # seconds without a key press after which typed feedback is stored
_PAUSE: Final = 0.1  # seconds between updates of the streamed reply


class FeedbackFlow:
    """The conversation of a review with a language model: one request at a time.

    Attributes:
        target: what the next feedback is about.
        proposal: the last answer, change by change.
        running: a request is under way.
    """

    def __init__(self, context: ReviewContext, settings: LlmSettings) -> None:
        """Prepare a conversation.

        Args:
            context: the application.
            settings: the language model.
        """
        self.context, self.settings = context, settings
        self.target: Target = WHOLE
        self.proposal = ProposalFlow(context, self.show)
        self._thread = DaemonThread("language")
        self._talk = ""
        self._cancelled = False
        self._is_unkept = False
        self._exchange: ManualExchange | None = None
        self._sent: Feedback | None = None
        self._earlier = EarlierTexts(context)
        self._attempts: list[Attempt] = []
        self._arriving = Arriving()
        self._heard = 0.0
        self.running = False

    @property
    def proposal_review(self) -> ProposalReview | None:
        """The last proposal, of which units may still be open."""
        return self.proposal.current

    @property
    def pane(self) -> FeedbackPane:
        """The widget that shows it."""
        return self.context.query_one(FeedbackPane)

    def show(self) -> None:
        """Repaint the pane."""
        if self._exchange and self._exchange.request:
            about = "paste the answer here    ctrl+g hand in  ctrl+x cancel"
        else:
            keys = "ctrl+t other  ctrl+l from the mistakes  ctrl+o from a file  ctrl+g send"
            about = f"about {self.target.words}    {keys}"
        self.pane.tell(about, self._talk or self._before(), self.proposal_review)

    @property
    def field(self) -> TextArea:
        """The text field, where feedback is written and answers are pasted."""
        return self.pane.field

    def take_up(self) -> None:
        """Go on where the last review was left: with feedback that was not sent, and with open changes."""
        session = self.context.review.session
        self.field.text = session.stored_text(_STORED_AS)
        self.context.start(partial(self._restore, session), "restore")
        self.show()

    async def _restore(self, session: Session) -> None:
        """Show what was left open, unless another proposal has come meanwhile."""
        review = await asyncio.wrap_future(self._thread.submit(ProposalReview.left_in, session))
        if review is None or self.proposal_review is not None:
            return
        self.proposal.begin(review)  # a step may have been undone while it was read
        if review.open:
            self._talk = f"{counted(review.open, 'change')} open of the feedback: {review.feedback}"
            self.context.notify(f"{counted(review.open, 'change')} still open; 7 shows them", timeout=5)
        self.show()

    def typed(self) -> None:
        """Keep what is being written, after a moment of quiet."""
        self.context.start(self._keep_typed, "typing")

    async def _keep_typed(self) -> None:
        await asyncio.sleep(_QUIET)
        try:
            self.keep_text()
        except TreegenError as error:
            if not self._is_unkept:  # said once, not for every pause in typing
                self.context.complain(error)
            self._is_unkept = True
        else:
            self._is_unkept = False

    def keep_text(self) -> None:
        """Keep the text of the field; while an answer is awaited the field is for that, and what was sent is kept."""
        if not self.context.is_shown:  # the screen is being removed: `keep_text` came before
            return
        text = self._sent.text if self.running and self._sent else self.field.text
        if text != self.context.review.session.stored_text(_STORED_AS):
            self.context.review.session.store_text(_STORED_AS, text)

    def close(self) -> None:
        """Give up the request that runs, and wait for nobody; `keep_text` comes before."""
        if self.running:
            self._stop()
        self._thread.shutdown(cancel_futures=True)

    def _before(self) -> str:
        if self.by_hand:
            return "no language model is named: the request is for your chat window, and you paste its answer here"
        return f"asks {self.settings.model}"

    @property
    def by_hand(self) -> bool:
        """Whether a person carries the messages: no model is named, or `manual` is."""
        return self.settings.model in (None, "manual")

    def targets(self) -> list[Target]:
        """Return what feedback can be about, given where the cursors are."""
        found = [WHOLE]
        at = self.context.selection
        if group := at.group:
            found.append(Target(kind="group", group=group.name))
            if at.option:
                found.append(Target(kind="option", group=group.name, option=at.option))
        if name := at.class_name:
            found.append(Target(kind="class", class_name=name))
        return found

    def next_target(self) -> None:
        """Let the next feedback be about something else."""
        found = self.targets()
        place = found.index(self.target) + 1 if self.target in found else 0
        self.target = found[place % len(found)]
        self.show()

    def write(self) -> None:
        """Give the focus to the text for the language model."""
        self.context.show_pane("ask")
        self.field.screen.set_focus(self.field)  # at once: text may be typed already

    def compose(self) -> None:
        """Write into the field what the mistakes on the dev split suggest, behind what stands there."""
        self.write()
        review = self.context.review
        if self.running:
            self.context.notify("one request at a time", timeout=3)
        elif review.measured is None or review.stale or review.measured.is_stored:
            self.context.notify("the tree is being scored on the dev split; try again in a moment", timeout=3)
        else:
            measured, decisions = review.measured, review.session.decisions()
            text = compose(measured.tree, measured.dev, measured.mistakes, decisions)
            if not text:
                self.context.notify("no class is taken for another on the dev split", timeout=3)
                return
            own = self.field.text.strip()
            self.field.text = f"{own}\n\n{text}" if own else text

    def earlier(self, step: int) -> None:
        """Show a text that was sent before (-1) or after (1) the one that is shown."""
        if not self.running and (text := self._earlier.move(step, self.field.text)) is not None:
            self._fill(text)

    def load(self) -> None:
        """Ask which of the texts beside the tree to load, if there are several."""
        self.context.converse(self._load, "load")

    async def _load(self) -> None:
        paths = sorted(self.context.review.path.parent.glob("feedback*.txt"))
        if not paths:
            self.context.notify("there is no feedback*.txt beside the tree", timeout=4)
            return
        chosen: int | None = 0
        if len(paths) > 1:
            choices = [f"{path.name}: {first_line(read_text(path))[:70]}" for path in paths]
            chosen = await self.context.ask(ChoiceDialog("Which feedback?", choices))
        if chosen is not None:
            self.write()
            self._fill(read_text(paths[chosen]).strip())

    def _fill(self, text: str) -> None:
        self.field.text = text
        self.field.move_cursor((0, 0))

    def send(self) -> None:
        """Send the feedback; the reviewer goes on meanwhile."""
        self.context.show_pane("ask")
        review, text = self.context.review, self.field.text
        if self._exchange and self._exchange.request:
            self._hand_in(text)
            return
        if self.running or not text.strip():
            self.context.notify("one request at a time" if self.running else "write what to change", timeout=3)
            return
        if review.domain is None:
            self.context.notify(review.missing, severity="warning")
            return
        session = review.session
        session.check_store()
        self._earlier.add(text)
        feedback = Feedback(text=text, target=self.target, locks=session.locks, decisions=tuple(session.decisions()))
        self._cancelled = False
        self._run(True)
        self._sent, self._attempts = feedback, []
        self._arriving = Arriving()
        self._say("preparing the request")
        dev = review.measured.dev if review.measured and not review.stale else None
        self.context.start(partial(self._request, feedback, review.tree, dev), "request")

    async def _request(self, feedback: Feedback, tree: Tree, dev: "Diagnosis | None") -> None:
        try:
            proposal, proposal_review = await asyncio.wrap_future(self._thread.submit(self._ask, feedback, tree, dev))
        except Cancelled:
            self.context.post_message(RequestFailed(feedback, "cancelled; nothing was changed"))
        except TreegenError as error:
            text = "\n".join([*error.message.splitlines()[:2], error.tip])
            self.context.post_message(RequestFailed(feedback, text))
        except Exception as error:
            self.context.post_message(RequestFailed(feedback, f"the request failed: {reason_of(error)}"))
            raise
        else:
            self.context.post_message(ProposalReady(feedback, proposal, proposal_review))

    def _ask(self, feedback: Feedback, tree: Tree, dev: "Diagnosis | None") -> tuple[Proposal, ProposalReview]:
        """Ask the language model and divide its proposal, on the language thread."""
        with self.context.review.workspace() as workspace:
            chat = self._chat(workspace)
            dev = dev or self._diagnose(tree)
            expected = estimate_revision(workspace, self.settings, feedback, tree=tree, diagnosis=dev)
            self._check()
            if not self.by_hand:
                self.context.post_message(ReplyArrived(f"sent to {self.settings.model}: {expected.words}"))
            proposal = propose_revision(
                workspace,
                chat,
                feedback,
                tries=4,
                tree=tree,
                diagnosis=dev,
                on_text=self._hear,
                on_attempt=self._tried,
            )
        return proposal, ProposalReview.of(feedback.text, proposal.base, proposal.tree, feedback.target, feedback.locks)

    def _diagnose(self, tree: Tree) -> "Diagnosis | None":
        """Ask the models' thread how the tree does on the dev split, on the language thread."""
        job = self.context.review.on_models(lambda work: diagnose(work, tree), lambda *step: self._check())
        while not wait([job], _PAUSE).done:
            if self._cancelled:
                job.cancel()
                raise Cancelled
        return job.result()

    def _chat(self, workspace: Workspace) -> "Chat":
        from treegen.llm.chat import ResponseCache, open_chat
        from treegen.llm.chat.manual_exchange import ManualExchange

        if not self.by_hand:
            return open_chat(self.settings, workspace.domain.folder, responses=ResponseCache(workspace.path))

        def give_out(request: str) -> None:
            self.context.post_message(RequestReady(request))

        self._exchange = ManualExchange(give_out)
        return self._exchange

    def _give_out(self, request: str) -> None:
        """Put the request for a chat window into the clipboard and into a file."""
        self.context.review.session.check_store()
        path = self.context.review.session.store.folder / "request.txt"
        write_atomically(path, request)
        self.context.copy_to_clipboard(request)
        self.field.text = ""
        self.field.focus()
        broken = f"{_used(self._attempts[-1])}\n" if self._attempts else ""
        what = "a request to fix it" if broken else "the request"
        self._say(f"{broken}{what} is in the clipboard and in {path}; paste the answer above, then ctrl+g")

    def _hand_in(self, answer: str) -> None:
        """Give what the person pasted to the request that waits."""
        assert self._exchange is not None
        try:
            self._exchange.answer(answer)
        except TreegenError as error:
            self.context.complain(error)
            return
        self.field.text = ""

    def _tried(self, attempt: "Attempt") -> None:
        self._attempts.append(attempt)
        self.context.post_message(ReplyArrived(_used(attempt)))

    def _check(self) -> None:
        """Raise `Cancelled` if the request was given up, on the language thread."""
        if self._cancelled:
            raise Cancelled

    def _hear(self, text: str) -> None:
        """Tell what has come so far, on the language thread."""
        self._check()
        if text and not self.by_hand and monotonic() - self._heard > _PAUSE:
            self._heard = monotonic()
            self._arriving.hear(text)
            self.context.post_message(ReplyArrived(_arriving(text, self._arriving.now)))

    def cancel(self) -> None:
        """Give the request up; what came of it is in the history.

        Raises:
            SkipAction: there is none: the key is the text field's own.
        """
        if not self.running:
            raise SkipAction
        self._stop()
        self._say("cancelled as soon as the next piece comes")

    def _stop(self) -> None:
        self._cancelled = True
        if self._exchange:
            self._exchange.cancel()

    def _run(self, running: bool) -> None:
        """Note whether a request is under way, and offer the key that cancels it only then."""
        self.running = running
        self.context.refresh_lines()

    def _say(self, text: str) -> None:
        self._talk = text
        self.show()

    def take(self, message: RequestReady | ReplyArrived | ProposalReady | RequestFailed | PreviewsReady) -> None:
        """Show what the threads have come to."""
        try:
            match message:
                case RequestReady():
                    self._give_out(message.request)
                case ReplyArrived():
                    self._say(message.text)
                case ProposalReady():
                    self._answered(message.feedback, message.proposal, message.proposal_review)
                case RequestFailed():
                    self._give_back(message.feedback, message.text)
                case PreviewsReady():
                    self.proposal.take_previews(message)
        except TreegenError as error:
            self.context.complain(error)

    def _answered(self, feedback: Feedback, proposal: Proposal, proposal_review: ProposalReview) -> None:
        """Show the proposal and ask what each change would do."""
        self._run(False)
        proposal_review.store(self.context.review.session)
        count = len(proposal_review.units)
        if count and self.field.text == feedback.text:
            self.field.text = ""
        keys = "enter takes one, e in your words, x leaves it, A takes all"
        summary = (
            f"{counted(count, 'change')} proposed: {keys}" if count else "no change proposed; say it in other words"
        )
        self._say("\n".join([*map(_used, proposal.conversation.attempts[-2:]), summary]))
        if self.context.pane == "ask":
            (self.pane.proposal if count else self.field).focus()
        else:
            self.context.notify(f"{summary.partition(':')[0]}; 7 shows it", timeout=5)
        self.proposal.begin(proposal_review)

    def _give_back(self, feedback: Feedback, text: str) -> None:
        """Put the feedback of a request that failed into the field again."""
        self._run(False)
        if self.by_hand or not self.field.text.strip():
            self.field.text = feedback.text
        self._say(text)


def _arriving(text: str, arrived: PartialReply) -> str:
    """Format the reply so far: the last groups with their options, and the number of rules, or else the text."""
    lines = [f"{len(text)} characters"]
    if arrived.groups:
        lines[0] += f", {counted(len(arrived.groups), 'group')}, {counted(len(arrived.classes), 'rule')}"
        lines += [f"{g.name}: {g.prompt} {', '.join(g.options)}" for g in arrived.groups[-3:]]
    else:
        lines[0] += f": {text[-300:]}"
    return "\n".join(lines)


def _used(attempt: "Attempt") -> str:
    """Describe an attempt: its tokens and cost, and its first error."""
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
