"""The panels of a review: their places, and when each is painted again."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from treegen.errors import TreegenError
from treegen.review import messages
from treegen.review.background import BackgroundApp
from treegen.review.context import Selection
from treegen.review.flows.appearance import AppearanceFlow
from treegen.review.flows.detail import DetailFlow
from treegen.review.flows.feedback import FeedbackFlow
from treegen.review.flows.file_watch import FileWatch
from treegen.review.flows.navigation import selection_of
from treegen.review.flows.proposal import ProposalFlow
from treegen.review.flows.saving import SavingFlow
from treegen.review.flows.scoring import ScoringFlow
from treegen.review.widgets.body import Body
from treegen.review.widgets.filter_bar import FilterBar
from treegen.review.widgets.key_bindings import KeysFooter
from treegen.review.widgets.panes import GroupsPane, ProblemsPane
from treegen.review.widgets.search_bar import SearchBar
from treegen.review.widgets.switcher import PaneSwitcher
from treegen.review.widgets.title_bar import NARROW, tabs_of, title_of
from treegen.tree.changes import Change
from treegen.workflow.review_model import ReviewModel


class PanelsApp(BackgroundApp[None]):
    """Shows a review.

    Attributes:
        review: what is shown.
        appearance: where the panels are.
        scoring: what the status line says.
        detail: what the detail panel shows.
        feedback: the conversation with a language model.
        file_watch: what the title says of the file on disk.
        proposal: which follows the tree.
        saving: what is said of the history.
    """

    CSS_PATH: ClassVar[str] = "app.tcss"
    review: ReviewModel
    appearance: AppearanceFlow
    scoring: ScoringFlow
    detail: DetailFlow
    feedback: FeedbackFlow
    file_watch: FileWatch
    proposal: ProposalFlow
    saving: SavingFlow

    def compose(self) -> ComposeResult:
        """Compose a line above, the panes, and two lines below."""
        yield Static(id="title", markup=False)
        yield Body(id="body")
        yield SearchBar(id="search")
        yield FilterBar(id="filter")
        yield Static(id="status", markup=False)
        yield KeysFooter(id="hints")

    def action_help_quit(self) -> None:
        """Say what quits: Textual does on ctrl+c, in its markup, which is not read here."""
        self.notify("q quits", timeout=3)

    def on_resize(self) -> None:
        """Let panels, names of panes and widths of columns follow the terminal."""
        self.refresh_layout()

    def refresh_layout(self) -> None:
        """Place the panels by the size of the terminal, and repaint them."""
        self.set_class(self.size.width < NARROW, "narrow")
        self.query_one(Body).place(self.appearance.place(*self.size))
        self.call_after_refresh(self.refresh_panes)

    @property
    def selection(self) -> Selection:
        """What the cursors are on, also behind a dialog."""
        return selection_of(self, self.screen_stack[0].focused)

    @property
    def pane(self) -> str:
        """The pane on the right that is shown."""
        return self.query_one(PaneSwitcher).current or "options"

    @property
    def is_shown(self) -> bool:
        """Whether the panes exist: not before the first paint, and not while the application ends."""
        return self.is_running and bool(self.query(KeysFooter))

    @property
    def is_asking(self) -> bool:
        """Whether a request to a language model is under way."""
        return self.feedback.running

    def refresh_panes(self) -> None:
        """Repaint everything from the review."""
        if self.is_shown:
            self.query_one(Body).show(self)
            self.query_one(ProblemsPane).show(self)
            self.refresh_lines()
            self.detail.soon()

    def refresh_lines(self) -> None:
        """Repaint title, tabs, status and keys."""
        self.query_one("#title", Static).update(title_of(self.review, self.file_watch.changed, self.size.width - 2))
        self.query_one("#tabs", Static).update(tabs_of(self, narrow=self.size.width < NARROW))
        self.refresh_status()
        self.query_one(KeysFooter).show(self)

    def refresh_status(self) -> None:
        """Repaint the last score and what is being computed."""
        if self.is_shown:
            self.query_one("#status", Static).update(self.scoring.status())

    def show_pane(self, name: str) -> None:
        """Show a pane and give it the focus."""
        panes = self.query_one(PaneSwitcher)
        panes.current = name
        panes.show(self)
        self.refresh_lines()
        self.screen.set_focus(panes.entry)  # at once: keys may be queued already

    action_pane = show_pane

    def on_grid_moved(self, event: GroupsPane.Moved) -> None:
        """Show the options of another group, and the details of what the cursor is on."""
        self.detail.soon()
        if self.is_shown and event.grid.id == "groups" and self.pane == "options":
            self.query_one(PaneSwitcher).show(self)

    def on_descendant_focus(self) -> None:
        """Show the details of what the cursor of another panel is on."""
        self.detail.soon()

    def commit(self, label: str, make: Callable[[], Sequence[Change]]) -> bool:
        """Make changes as one step and show them; complain if they do not fit."""
        try:
            self.review.session.do(label, make())
        except TreegenError as error:
            self.complain(error)
            return False
        self.tree_changed()
        return True

    def tree_changed(self) -> None:
        """Repaint after a change; the checks (some 50 ms on a thousand classes) wait for the paint."""
        self.proposal.follow()
        self.saving.tell_restored()
        self.query_one(Body).show(self)
        self.refresh_lines()
        self.detail.soon()
        self.call_after_refresh(self.post_message, messages.TreeChanged())

    def marks_changed(self) -> None:
        """Repaint after a lock, a review or a comment has changed, and the tree has not."""
        self.proposal.follow()
        self.saving.tell_restored()
        self.refresh_panes()
