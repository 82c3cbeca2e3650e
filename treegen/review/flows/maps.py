"""The heat map of the rules and the confusion matrix."""

from treegen.review.context import ReviewContext
from treegen.review.flows.browsing import BrowsingFlow
from treegen.review.widgets.confusion import ConfusionPane
from treegen.review.widgets.panes import RulesPane, unseen_note


class MapsFlow:
    """What the keys of the maps lead to."""

    def __init__(self, context: ReviewContext, browsing: BrowsingFlow) -> None:
        """Prepare.

        Args:
            context: the application.
            browsing: shows the images of a cell.
        """
        self.context, self._browsing = context, browsing

    def heat(self) -> None:
        """Show or hide how often CLIP gives each answer."""
        pane = self.context.query_one(RulesPane)
        pane.is_heat_map = not pane.is_heat_map
        pane.show(self.context)
        measured = self.context.review.measured
        if pane.is_heat_map and not (measured and measured.observations):
            self.context.notify(f"no heat map yet: {unseen_note(self.context.review)}", timeout=4)

    def next_confusion(self, by: int) -> None:
        """Go to the next (1) or previous (-1) pair of classes that are confused."""
        pane = self.context.query_one(ConfusionPane)
        if pane.rows and not pane.step(by):
            self.context.notify("no image of these classes is wrongly classified", timeout=3)

    def to_images(self) -> None:
        """Show the images of the cell under the cursor."""
        pane = self.context.query_one(ConfusionPane)
        if pane.pair is None:
            return
        if pane.number == 0:
            self.context.notify(pane.words, timeout=3)
        else:
            self._browsing.show_pair(*pane.pair)
