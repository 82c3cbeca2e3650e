"""Approval: who approved the tree, what changed since, and a key to approve it."""

import asyncio
from functools import partial
from typing import Final

from treegen.errors import TreegenError
from treegen.review.context import ReviewContext
from treegen.review.messages import reason_of
from treegen.review.screens.dialogs import ChoiceDialog, TextDialog
from treegen.text import counted
from treegen.tree.document import digest_of
from treegen.vcs.git import identity
from treegen.vcs.versions import changes_since_approval
from treegen.workflow.approve import ApprovalResult, approve

_NAMED: Final = 8  # changes that are listed


class ApprovalFlow:
    """The sign-off of the tree."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context

    def ask(self) -> None:
        """Show who approved the tree and what changed since, and offer to approve it."""
        self.context.converse(self._ask, "approve")

    async def _ask(self) -> None:
        review = self.context.review
        if review.session.read_only:
            choices = ["back"]
            await self.context.ask(ChoiceDialog(self._title(), choices))
            return
        if review.errors:
            self.context.notify(f"{counted(review.errors, 'error')}: a tree with errors cannot be approved", timeout=5)
            return
        name = identity(review.path.resolve().parent)
        save = "save, and " if review.session.unsaved else ""
        choices = [f"{save}approve as {name}" if name else f"{save}approve", "not now"]
        count = len(review.comments)
        kept = f"\n{counted(count, 'comment')} kept with the approval" if count else ""
        if await self.context.ask(ChoiceDialog(self._title() + kept, choices)) != 0:
            return
        if not name:
            name = await self.context.ask(TextDialog("Who approves it? Name <mail>"))
        if name and name.strip():
            if review.session.unsaved:
                review.session.save()
            self.context.start(partial(self._approve, name.strip()), "approval")

    def _title(self) -> str:
        """Return who approved it, and what changed since."""
        review = self.context.review
        signed = review.tree.review
        if signed is None:
            return "Nobody has approved this tree yet"
        if signed.digest == digest_of(review.tree):
            return f"Approved by {signed.by} on {signed.at}; nothing has changed since"
        changes = changes_since_approval(review.path, review.tree)
        if changes is None:
            return f"Approved by {signed.by} on {signed.at}; what was approved is not in the history"
        lines = [f"- {change.sentence}" for change in changes[:_NAMED]]
        lines += [f"- and {len(changes) - _NAMED} more"] if len(changes) > _NAMED else []
        return "\n".join([f"Approved by {signed.by} on {signed.at}; {counted(len(changes), 'change')} since", *lines])

    async def _approve(self, name: str) -> None:
        review = self.context.review
        self.context.notify("approving: the score is recorded with it", timeout=3)
        try:
            result = await asyncio.wrap_future(review.on_models(lambda work: approve(work, by=name)))
            review.session.take_approval()
        except TreegenError as error:
            self.context.complain(error)
        except Exception as error:
            self.context.complain(TreegenError(f"not approved: {reason_of(error)}"))
            raise
        else:
            self._tell(result)

    def _tell(self, result: ApprovalResult) -> None:
        self.context.review.file_read()
        score = f" with {100 * result.score['accuracy']:.1f} % on the test split" if result.score else ""
        by = result.tree.review.by if result.tree.review else ""
        self.context.notify("\n".join([f"approved by {by}{score}", *result.notes]), timeout=6)
        self.context.refresh_panes()
