"""The panels between the lines above and below: groups and overview on the left, panes and details on the right."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from treegen.review.context import ReviewContext
from treegen.review.preferences import Layout
from treegen.review.widgets.detail import DetailPanel
from treegen.review.widgets.keys_panel import KeysPanel
from treegen.review.widgets.overview import Overview
from treegen.review.widgets.panes import GroupsPane
from treegen.review.widgets.switcher import PaneSwitcher


class Body(Horizontal):
    """All panels."""

    def compose(self) -> ComposeResult:
        """Compose two columns; the details are beside the panes or below them."""
        with Vertical(id="left"):
            yield GroupsPane(id="groups")
            yield Overview(id="overview")
        with Vertical(id="right"):
            yield Static(id="tabs")
            with Vertical(id="middle"):
                yield PaneSwitcher(id="panes")
                yield DetailPanel(id="detail")
        yield KeysPanel(id="keys")

    def place(self, details: Layout) -> None:
        """Put the details beside the panes or below them, or hide them."""
        self.set_class(details == "right", "beside")
        self.set_class(details != "hidden", "detailed")
        self.query_one(DetailPanel).display = details != "hidden"

    def show(self, context: ReviewContext) -> None:
        """Repaint what shows the tree and its score."""
        self.query_one(GroupsPane).show(context)
        self.query_one(Overview).show(context)
        self.query_one(PaneSwitcher).show(context)
