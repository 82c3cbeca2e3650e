"""Details of what the cursor is on: found when it rests, pictures read on a thread of their own."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from treegen.errors import TreegenError
from treegen.review.background import DaemonThread
from treegen.review.context import ReviewContext, Selection
from treegen.review.details.detail import DIM, Detail, joined
from treegen.review.details.other_items import change_detail, problem_detail, revision_detail, step_detail
from treegen.review.details.pairs import pair_detail
from treegen.review.details.tree_items import class_detail, group_detail, option_detail
from treegen.review.thumbnails import ThumbnailReader
from treegen.review.widgets.confusion import ConfusionPane
from treegen.review.widgets.detail import MOST, DetailPanel
from treegen.review.widgets.history import HistoryPane
from treegen.review.widgets.images import ImagesPane
from treegen.review.widgets.panes import ProblemsPane, place_of
from treegen.review.widgets.score import ScorePane
from treegen.tree.changes import Change
from treegen.tree.changes.difference import difference
from treegen.vcs.versions import tree_of
from treegen.workflow.proposal_review import ProposalReview

if TYPE_CHECKING:
    from treegen.history.store import Revision
    from treegen.tree.validation.problems import Problem

_REST: Final = 0.05  # seconds without a move after which the text follows the cursor
_PICTURES: Final = 0.15  # seconds more after which the pictures do


class DetailFlow:
    """The detail panel follows the cursor."""

    def __init__(
        self, context: ReviewContext, proposal: "Callable[[], ProposalReview | None]", thumbnails: ThumbnailReader
    ) -> None:
        """Prepare the panel.

        Args:
            context: the application.
            proposal: returns the last proposal of a language model.
            thumbnails: reads the pictures.
        """
        self.context, self._proposal, self._thumbnails = context, proposal, thumbnails
        self._thread = DaemonThread("details")
        self._changes: dict[int, tuple[Change, ...]] = {}

    def soon(self) -> None:
        """Show what the cursor is on as soon as it rests."""
        if self.context.is_shown and self.context.query_one(DetailPanel).follows:
            self.context.start(self._follow, "details")

    async def _follow(self) -> None:
        await asyncio.sleep(_REST)
        if not self.context.is_shown:
            return
        panel = self.context.query_one(DetailPanel)
        detail = await self._detail(self.context.selection)
        panel.show(detail)
        await asyncio.sleep(_PICTURES)
        pictures = detail.pictures[:MOST]
        pixels = await self._thumbnails.read([picture.image for picture in pictures])
        if self.context.is_shown:
            panel.show_pictures(pictures, pixels)

    async def _detail(self, at: Selection) -> Detail:
        """Return the details of what the cursor is on: by the grid that has the keys, or had them last."""
        review, grid = self.context.review, at.grid
        row, proposal = grid.row if grid else 0, self._proposal()
        match grid.id if grid else "groups":
            case "options" if at.group and at.option:
                return option_detail(review, at.group, at.option)
            case "rules" if at.class_name:
                return class_detail(review, at.class_name, at.rule_group.name if at.rule_group else None)
            case "problems":
                problems = self.context.query_one(ProblemsPane).problems
                return self._problem(problems[row]) if row < len(problems) else _nothing("no problem")
            case "classes":
                name = self.context.query_one(ScorePane).class_at(row)
                return class_detail(review, name) if name else _nothing("not scored yet")
            case "mistakes" | "votes" if image := self.context.query_one(ImagesPane).current:
                fault = image.mistake.at_fault.group if image.mistake else None
                return class_detail(review, image.true, fault)
            case "confusion" if pair := self.context.query_one(ConfusionPane).pair:
                return pair_detail(review, *pair)
            case "steps":
                return await self._happened(row)
            case "proposal" if proposal and row < len(proposal.units):
                observations = review.measured.observations if review.measured else None
                return change_detail(proposal, row, observations)
        return group_detail(review, at.group, at.option) if at.group else _nothing("no group yet")

    def _problem(self, problem: "Problem") -> Detail:
        """Return the details of a problem, and of what it is about."""
        review, detail = self.context.review, problem_detail(problem)
        name, option, class_name = place_of(problem.pointer)
        group = review.tree.group(name) if name else None
        if class_name in review.tree.rows and class_name:
            return joined(detail, class_detail(review, class_name, name))
        if group and option and option.isdigit() and int(option) < len(group.options):
            return joined(detail, option_detail(review, group, group.options[int(option)]))
        return joined(detail, group_detail(review, group)) if group else detail

    async def _happened(self, row: int) -> Detail:
        """Return the details of a row of the history."""
        session = self.context.review.session
        match self.context.query_one(HistoryPane).at(row):
            case int() as number:
                return step_detail(number, session.steps[number - 1], undone=number > session.position)
            case None:
                return _nothing("nothing happened yet")
            case revision:
                changes = await asyncio.wrap_future(self._thread.submit(self._since_parent, revision))
                return revision_detail(revision, session.store.scores().get(revision.id), changes)

    def _since_parent(self, revision: "Revision") -> tuple[Change, ...] | None:
        """Return what changed since the parent of a revision, on the thread of the details."""
        if revision.id not in self._changes:
            parent = self.context.review.session.store.revision(revision.parent or 0)
            if parent is None:
                return None
            try:
                old, new = (tree_of(each.tree, f"revision {each.id}") for each in (parent, revision))
            except TreegenError:
                return None
            self._changes[revision.id] = difference(old, new)
        return self._changes[revision.id]

    def close(self) -> None:
        """Compare no more revisions."""
        self._thread.shutdown(cancel_futures=True)


def _nothing(text: str) -> Detail:
    detail = Detail(title="details")
    detail.add((text, DIM))
    return detail
