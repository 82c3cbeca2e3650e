"""The diff view: the tree against what was saved or approved or any revision, and the way back to it."""

from functools import partial
from typing import TYPE_CHECKING

from treegen.errors import TreegenError
from treegen.review.context import ReviewContext
from treegen.review.screens.compare import CompareDialog
from treegen.review.screens.dialogs import ChoiceDialog
from treegen.review.widgets.history import HistoryPane
from treegen.text import counted
from treegen.workflow.tree_comparison import Base, TreeComparison, approved_base, revision_base, saved_base

if TYPE_CHECKING:
    from treegen.history.store import Revision


class CompareFlow:
    """What changed, in words."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context

    def show(self) -> None:
        """Show what changed since the base of the marks."""
        self.context.converse(self._compare, "compare")

    def from_history(self) -> None:
        """Compare with the revision under the cursor of the history."""
        pane = self.context.query_one(HistoryPane)
        match pane.at(pane.grid.row):
            case int():
                self.context.notify("u takes steps back; enter on a revision compares with it", timeout=4)
            case None:
                return
            case revision:
                self.with_revision(revision)

    def with_revision(self, revision: "Revision") -> None:
        """Compare with a revision."""
        self.context.converse(partial(self._with, revision_base(revision)), "compare")

    async def _with(self, base: Base) -> None:
        self._take_base(base)
        await self._compare()

    async def _compare(self) -> None:
        """Show the changes, and again after each answer, until the dialog is left."""
        review, row = self.context.review, 0
        while True:
            comparison = TreeComparison(base=review.base, tree=review.tree)
            numbers = range(len(comparison.back))
            rows = ["; ".join(comparison.sentences(number)) for number in numbers]
            title = f"{counted(len(rows), 'change')} since {review.base.words}"
            match await self.context.ask(CompareDialog(title, rows, row)):
                case "base":
                    await self._choose_base()
                case "copy":
                    self.context.copy_to_clipboard("\n".join(rows))
                    self.context.notify(f"copied {counted(len(rows), 'change')}", timeout=2)
                case "all":
                    self._restore_all(comparison)
                case int(row):
                    label = f"restored: {rows[row]}"
                    self.context.commit(label, partial(comparison.restoring, row))
                case _:
                    return

    def _restore_all(self, comparison: TreeComparison) -> None:
        session = self.context.review.session
        session.become(f"restored as {comparison.base.words}", comparison.base.tree)
        self.context.tree_changed()

    async def _choose_base(self) -> None:
        """Ask what to compare with."""
        session = self.context.review.session
        revisions = session.store.revisions()[::-1]
        signed = session.tree.review
        choices = ["as it was saved", f"as {signed.by} approved it" if signed else "as it was approved: it never was"]
        choices += [f"revision {r.id}  {r.created}  {r.author}  {r.note}" for r in revisions]
        chosen = await self.context.ask(ChoiceDialog("Compare with", choices))
        if chosen is None:
            return
        try:
            base = (
                saved_base(session)
                if chosen == 0
                else approved_base(session, in_git=True)
                if chosen == 1
                else revision_base(revisions[chosen - 2])
            )
        except TreegenError as error:
            self.context.complain(error)
            return
        if base is None:
            self.context.notify("what was approved is not in the history", timeout=4)
        else:
            self._take_base(base)

    def _take_base(self, base: Base) -> None:
        self.context.review.compare_with(base)
        self.context.refresh_panes()
