"""Filters of the rules, the images and the confusion matrix, while they are typed."""

from treegen.errors import InputError
from treegen.review.context import ReviewContext
from treegen.review.widgets.confusion import ConfusionPane
from treegen.review.widgets.filter_bar import FilterBar
from treegen.review.widgets.images import ImagesPane
from treegen.review.widgets.panes import RulesPane
from treegen.review.widgets.search_bar import SearchBar


class FilterFlow:
    """The filter of the pane that is shown."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context

    @property
    def pane(self) -> RulesPane | ImagesPane | ConfusionPane:
        """The pane that is filtered: the images or the confusion matrix if they are shown, else the rules."""
        match self.context.pane:
            case "images":
                return self.context.query_one(ImagesPane)
            case "confusion":
                return self.context.query_one(ConfusionPane)
        return self.context.query_one(RulesPane)

    def ask(self) -> None:
        """Ask for a filter."""
        if self.context.pane not in ("rules", "images", "confusion"):
            self.context.show_pane("rules")
        pane = self.pane
        self.context.query_one(FilterBar).ask(pane.list, pane.filter, self.apply)

    def apply(self, text: str) -> str:
        """Filter by a text; return how many of how many pass, or what is wrong with the text."""
        pane, before = self.pane, self.pane.filter
        pane.filter = text.strip().removeprefix("&")
        try:
            pane.show(self.context)
        except InputError as error:
            pane.filter = before
            return error.message
        self.context.refresh_lines()
        return pane.passing

    def leave(self) -> None:
        """Take the filter off; without one, take the marks off and leave the search."""
        pane = self.pane
        if pane.filter:
            self.apply("")
        else:
            self.context.query_one(RulesPane).unmark()
            self.context.query_one(SearchBar).action_leave()
