"""A proposal under review: take, reword or leave its changes one by one, and see what each would do to the tree."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from treegen.errors import TreegenError
from treegen.progress import Cancelled
from treegen.review.context import ReviewContext
from treegen.review.messages import PreviewsReady, reason_of
from treegen.review.screens.dialogs import ChoiceDialog, TextDialog
from treegen.review.widgets.feedback import ProposalGrid
from treegen.text import counted, show
from treegen.tree.changes import Change, RuleChanged
from treegen.workflow import luck
from treegen.workflow.proposal_review import ProposalReview, reanswered, reworded, wording
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from treegen.clip.preview import Preview
    from treegen.workflow.proposal_units import ChangeGroup

logger = logging.getLogger(__name__)
_PATIENCE: Final = 0.2  # seconds without a change of the tree before the effects are computed
_NO_ANSWER: Final = "(no answer)"


class ProposalFlow:
    """What the keys do to the proposed changes.

    Attributes:
        current: the last proposal, of which units may still be open.
    """

    def __init__(self, context: ReviewContext, show_pane: Callable[[], None]) -> None:
        """Prepare for a proposal.

        Args:
            context: the application.
            show_pane: repaints the pane of the conversation.
        """
        self.context, self._show = context, show_pane
        self.current: ProposalReview | None = None

    @property
    def grid(self) -> ProposalGrid:
        """The list of changes."""
        return self.context.query_one(ProposalGrid)

    def begin(self, proposal_review: ProposalReview) -> None:
        """Review a proposal, from its first open change on."""
        self.current = proposal_review
        self.follow()
        self._show()
        self._go_on(0)

    def follow(self) -> None:
        """Open again what was taken and is undone, look at the locks, and compute the effects on the tree as it is."""
        if self.current is None:
            return
        session = self.context.review.session
        try:
            self.current.follow(session)
        except TreegenError as error:
            self.context.complain(error)  # and go on: the step itself is stored, and is to be painted
        self.current.refresh_locks(session)
        if self.current.previewed is not session.tree:
            self._preview(self.current)
        self._show()

    def _preview(self, proposal_review: ProposalReview) -> None:
        domain = self.context.review.domain
        if domain and domain.images and proposal_review.units:
            proposal_review.previewing, proposal_review.previewed = True, self.context.review.tree
            self.context.start(partial(self._compute_previews, proposal_review), "preview")

    async def _compute_previews(self, proposal_review: ProposalReview) -> None:
        await asyncio.sleep(_PATIENCE)
        trials = proposal_review.trials(self.context.review.session)

        def job(work: Workspace) -> "tuple[Preview, ...]":
            return trials(partial(luck.preview, work))

        try:
            previews = await asyncio.wrap_future(self.context.review.on_models(job))
        except Cancelled:
            return
        except Exception as error:
            logger.exception("what the changes would do could not be computed")
            self.context.post_message(PreviewsReady(proposal_review, (), reason_of(error)))
        else:
            self.context.post_message(PreviewsReady(proposal_review, previews))

    def take_previews(self, message: PreviewsReady) -> None:
        """Show what the changes would do."""
        message.proposal_review.previewing = False
        message.proposal_review.previews = message.previews
        if message.failure:
            text = f"what the changes would do could not be computed: {message.failure}"
            self.context.notify(text, severity="warning")
        self._show()

    def accept(self, numbers: list[int], edits: "Sequence[Change]" = ()) -> None:
        """Make units one step, with what the reviewer words otherwise, and go on to the next."""
        if self.current is None:
            return
        if not numbers:
            self.context.notify("nothing of what was asked is open", timeout=3)
            return
        session = self.context.review.session
        tree = session.tree
        try:
            taken = self.current.accept(session, numbers, edits)
        except TreegenError as error:
            self.context.complain(error)
            if session.tree is not tree:  # the step is stored, but not that it came from a proposal
                self.context.tree_changed()
            return
        self.context.notify(f"{len(taken)} taken; u undoes" if taken else "taken already; u undoes", timeout=2)
        self.context.tree_changed()
        self._go_on(self.grid.row)

    def _go_on(self, row: int) -> None:
        """Put the cursor on the next change that is open; at the end, on the first."""
        if self.current and (units := self.current.next_open(row)) is not None:
            self.grid.put_cursor(units)

    def accept_one(self) -> None:
        """Take the unit under the cursor, with what it needs."""
        if unit := self._under_cursor():
            self.accept([unit.number])

    def accept_all(self) -> None:
        """Take all open units that were asked for."""
        if self.current and self.context.pane == "ask":
            self.accept(self.current.takeable)

    def _under_cursor(self) -> "ChangeGroup | None":
        row = self.grid.row
        return self.current.units[row] if self.current and row < len(self.current.units) else None

    def edit(self) -> None:
        """Take the unit under the cursor in the reviewer's own words."""
        self.context.converse(self._edit, "edit")

    async def _edit(self) -> None:
        unit = self._under_cursor()
        if self.current is None or unit is None or self.current.fates[unit.number] != "open":
            return
        text = wording(unit)
        if text is not None:
            answer = await self.context.ask(TextDialog("Take it as", text))
            if answer is not None and answer.strip():
                self.accept([unit.number], reworded(unit, answer.strip()))
        elif isinstance(change := unit.changes[-1], RuleChanged):
            await self._point(unit, change)
        else:  # a removal or an order: there are no words in it
            title = "; ".join(unit.sentences)
            chosen = await self.context.ask(ChoiceDialog(title, ["take it", "leave it", "not now"]))
            if chosen == 0:
                self.accept([unit.number])
            elif chosen == 1:
                await self._reject()

    async def _point(self, unit: "ChangeGroup", change: RuleChanged) -> None:
        """Ask which option of the proposed group a class gets."""
        assert self.current
        group = self.current.proposed.group(change.group)
        options = group.options if group else ()
        at = options.index(change.new) if change.new in options else len(options)
        title = f"{show(change.class_name)} in {show(change.group)}"
        chosen = await self.context.ask(ChoiceDialog(title, [*options, _NO_ANSWER], at))
        if chosen is not None:
            self.accept([unit.number], reanswered(change, options[chosen] if chosen < len(options) else None))

    def reject(self) -> None:
        """Leave the unit under the cursor; ask why, for the next request."""
        self.context.converse(self._reject, "edit")

    async def _reject(self) -> None:
        unit = self._under_cursor()
        if self.current is None or unit is None:
            return
        if self.current.fates[unit.number] == "taken":
            self.context.notify("taken already; u undoes", timeout=3)
        elif self.current.fates[unit.number] == "open":
            why = await self.context.ask(TextDialog("Why not? (may stay empty; the next request tells it)"))
            if why is not None:
                self.current.reject(self.context.review.session, unit.number, why.strip())
                self._show()
                self._go_on(unit.number)

    def clear(self) -> None:
        """Empty the list; ask if changes in it are open."""
        self.context.converse(self._clear, "clear")

    async def _clear(self) -> None:
        if self.current is None:
            return
        if count := self.current.open:
            title = f"{counted(count, 'change is', 'changes are')} still open"
            if await self.context.ask(ChoiceDialog(title, ["clear the list", "keep it"])) != 0:
                return
        ProposalReview.forget(self.context.review.session)
        self.current = None
        self._show()
