"""The panes on the right, of which one is shown."""

from typing import Any

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from treegen.errors import TreegenError
from treegen.review.context import ReviewContext
from treegen.review.widgets.confusion import ConfusionPane
from treegen.review.widgets.feedback import FeedbackPane
from treegen.review.widgets.grid import Grid
from treegen.review.widgets.history import HistoryPane
from treegen.review.widgets.images import ImagesPane
from treegen.review.widgets.panes import OptionsPane, ProblemsPane, RulesPane
from treegen.review.widgets.score import ScorePane


class PaneSwitcher(ContentSwitcher):
    """One pane for each name of `PANES`."""

    def __init__(self, *, id: str | None = None) -> None:
        """Show the options at first."""
        super().__init__(id=id, initial="options")

    def compose(self) -> ComposeResult:
        """Yield the panes in the order of their numbers."""
        yield OptionsPane(id="options")
        yield RulesPane(id="rules")
        yield ProblemsPane(id="problems")
        yield ScorePane(id="score")
        yield HistoryPane(id="history")
        yield ImagesPane(id="images")
        yield FeedbackPane(id="ask")
        yield ConfusionPane(id="confusion")

    def show(self, context: ReviewContext) -> None:
        """Repaint the pane that is shown."""
        pane: Any = self.visible_content
        if not pane:
            return
        try:
            pane.show(context)
        except TreegenError as error:  # a damaged history is no reason to end the review
            context.complain(error)

    @property
    def entry(self) -> Widget:
        """The widget of the shown pane that gets the focus."""
        match self.visible_content or self:
            case FeedbackPane() as pane:
                return pane.entry
            case Grid() as pane:
                return pane
            case pane:
                return pane.query_one(Grid)
