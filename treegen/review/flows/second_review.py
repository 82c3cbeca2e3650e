"""The second reviewer: what a blind pass allows, the agreement with it, and the decision of disagreements."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from treegen.errors import TreegenError
from treegen.progress import Cancelled
from treegen.review.context import ReviewContext
from treegen.review.messages import reason_of
from treegen.review.screens.agreement import AdjudicationDialog, AgreementDialog
from treegen.review.screens.dialogs import ChoiceDialog
from treegen.review.widgets.panes import RulesPane
from treegen.text import counted, p_value, quoted, show
from treegen.tree.agreement import Pair
from treegen.tree.changes import apply
from treegen.tree.changes.edits import point_rule
from treegen.tree.review_notes import class_target, group_target, option_target
from treegen.workflow import luck
from treegen.workflow.second_review import SecondReview, Whose, adjudicate, second_reviews

if TYPE_CHECKING:
    from treegen.clip.preview import Preview

logger = logging.getLogger(__name__)
#: the flows that neither change the tree nor show the answers of others
_BLIND: Final = frozenset({"appearance", "filters", "navigation", "notes"})
_ALLOWED: Final = frozenset({("edits", "undo"), ("edits", "redo"), ("saving", "save")})


def is_for_second(flow: str, what: str, arguments: tuple[str | int, ...]) -> bool:
    """Whether a second reviewer may do that."""
    if (flow, what) == ("edits", "run"):
        return arguments in (("point",), ("delete",))
    return flow in _BLIND or (flow, what) in _ALLOWED


def go_to_unanswered(context: ReviewContext) -> None:
    """Put the cursor of the rules on the next answer that is missing, in the order in which one reads."""
    rules, tree = context.query_one(RulesPane), context.review.tree
    groups = [group.name for group in tree.groups]
    given = {rule.name: dict(rule.answers) for rule in tree.rules}
    cells = [(row, column) for row in range(len(rules.names)) for column in range(len(groups))]
    at = rules.row * len(groups) + max(rules.column - 1, 0)
    for row, column in (*cells[at + 1 :], *cells[: at + 1]):
        if groups[column] not in given[rules.names[row]]:
            rules.put_cursor(row, column + 1)
            return
    context.notify("every question is answered; q leaves", timeout=4)


class AgreementFlow:
    """Agreement and adjudication in the review of the tree."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context

    def show(self) -> None:
        """Show the agreement with a second reviewer, and go through the disagreements."""
        self.context.converse(self._show, "agreement")

    def _reviews(self) -> tuple[SecondReview, ...]:
        review = self.context.review
        return second_reviews(review.path, review.session.store, review.tree)

    async def _show(self) -> None:
        reviews, number = self._reviews(), 0
        if not reviews:
            command = quoted("treegen", "review", self.context.review.path.name, "--second", "NAME")
            self.context.notify(f"no second review yet: {command} begins one", timeout=6)
            return
        if len(reviews) > 1:
            chosen = await self.context.ask(ChoiceDialog("Whose second review?", [each.words for each in reviews]))
            if chosen is None:
                return
            number = chosen
        review = reviews[number]
        chosen = await self.context.ask(AgreementDialog(review))
        if chosen is not None:
            await self._adjudicate(review, review.groups[chosen] if chosen >= 0 else "")

    async def _adjudicate(self, review: SecondReview, group: str) -> None:
        """Go through the open disagreements, one after the other."""
        pairs, taken = review.open(group), 0
        for number, pair in enumerate(pairs, 1):
            found = self.context.review.tree.group(pair.group)
            options = found.options if found else ()
            title = f"{number} of {len(pairs)}: {show(pair.class_name)} in {show(pair.group)}"
            comments = self._comments(review, pair, options)
            dialog = AdjudicationDialog(
                f"{title}\n{found.prompt if found else ''}", pair, options, review.name, comments
            )
            answers: list[str | None] = [*options, None]
            if self.context.review.can_score:
                self.context.start(partial(self._preview, dialog, pair, answers), "adjudication")
            match await self.context.ask(dialog):
                case None:
                    break
                case "next":
                    continue
                case "first":
                    answer = pair.first
                case "second":
                    answer = pair.second
                case "none":
                    answer = None
                case int() as row:
                    answer = answers[row]
            whose: Whose = "first" if answer == pair.first else "second" if answer == pair.second else "other"
            adjudicate(self.context.review.session, review.name, pair, answer, whose)
            self.context.tree_changed()
            taken += 1
        if pairs:
            text = f"{counted(taken, 'disagreement')} adjudicated, {len(pairs) - taken} left; u undoes one by one"
        else:
            text = "no disagreement is open"
        self.context.notify(text, timeout=4)

    def _comments(self, review: SecondReview, pair: Pair, options: Sequence[str]) -> list[str]:
        """Return what both reviewers wrote about the class, the group and its options."""
        targets = [class_target(pair.class_name), group_target(pair.group)]
        targets += [option_target(pair.group, option) for option in options]
        both = (("first", self.context.review.comments), (review.name, review.comments))
        return [
            f"{name} on {target.words}: {comments[target]}"
            for target in targets
            for name, comments in both
            if target in comments
        ]

    async def _preview(self, dialog: AdjudicationDialog, pair: Pair, answers: Sequence[str | None]) -> None:
        tree = self.context.review.tree
        variants = [apply(tree, point_rule(tree, pair.class_name, pair.group, answer)) for answer in answers]
        others = [variant for variant in variants if variant != tree]
        try:
            previews = await asyncio.wrap_future(
                self.context.review.on_models(lambda work: luck.preview(work, tree, others))
            )
        except Cancelled:
            return
        except Exception as error:
            if not isinstance(error, TreegenError):
                logger.exception("what the answers would do could not be computed")
            dialog.show_effects([f"not computed: {reason_of(error)}"])
        else:
            effects = map(_effect, previews)
            dialog.show_effects(["as the tree is" if variant == tree else next(effects) for variant in variants])


def _effect(preview: "Preview") -> str:
    """Return the change of accuracy in points, the flipped images and p."""
    if preview.difference is None or preview.p is None:
        return preview.failure or "-"
    if not preview.to_right and not preview.to_wrong:
        return "no image changes"
    flips = f"+{len(preview.to_right)} -{len(preview.to_wrong)} images"
    return f"{100 * preview.difference:+.1f} points, {flips}, {p_value(preview.p)}"
