"""The review application: panes around one tree, and what their keys and the background work lead to."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from treegen.config.overrides import llm_settings_with
from treegen.config.settings import EncoderSettings, LlmSettings
from treegen.errors import TreegenError
from treegen.review import messages
from treegen.review.background import BackgroundApp, DaemonThread
from treegen.review.context import Selection
from treegen.review.flows.edits import EditFlow
from treegen.review.flows.external_editor import EditorFlow
from treegen.review.flows.feedback import FeedbackFlow
from treegen.review.flows.navigation import NavigationFlow, selection_of
from treegen.review.flows.saving import SavingFlow
from treegen.review.flows.scoring import ScoringFlow
from treegen.review.screens.dialogs import ChoiceDialog, PagesDialog
from treegen.review.widgets.bars import EVERYWHERE, NARROW, KeysFooter, key_commands, key_rows, tabs_of, title_of
from treegen.review.widgets.panes import GroupsPane, ProblemsPane
from treegen.review.widgets.search_bar import SearchBar
from treegen.review.widgets.switcher import PaneSwitcher
from treegen.text import printable
from treegen.tree.changes import Change
from treegen.workflow.review_model import ReviewModel


class ReviewApp(BackgroundApp[None]):
    """The layout of a review and its wiring: it is the `ReviewContext` of its flows and panes."""

    CSS_PATH: ClassVar[str] = "app.tcss"
    TITLE = "treegen review"
    BINDINGS: ClassVar[list[BindingType]] = [*EVERYWHERE]

    def __init__(self, review: ReviewModel, llm: LlmSettings) -> None:
        """Show a review; `llm` is the language model for feedback."""
        super().__init__()
        self.review = review
        self.edits = EditFlow(self)
        self.editor = EditorFlow(self)
        self.navigation = NavigationFlow(self)
        self.saving = SavingFlow(self)
        self.scoring = ScoringFlow(self)
        self.feedback = FeedbackFlow(self, llm)
        self._told_restored = 0

    def compose(self) -> ComposeResult:
        """Compose a line above, the panes, and two lines below."""
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            yield GroupsPane(id="groups")
            with Vertical(id="right"):
                yield Static(id="tabs")
                yield PaneSwitcher(id="panes")
        yield SearchBar(id="search")
        yield Static(id="status", markup=False)
        yield KeysFooter(id="hints")

    def on_mount(self) -> None:
        """Paint, then let the models load."""
        self.theme = "textual-dark"
        self.query_one(GroupsPane).focus()
        self.refresh_panes()
        if self.review.session.resumed and self.review.session.unsaved:
            self.notify("taken up where it was left; u takes steps back", title="unsaved work")
        if self.review.missing:
            self.notify(self.review.missing, severity="warning", timeout=10)
        self.feedback.take_up()
        self.call_after_refresh(self.scoring.soon)

    def on_resize(self) -> None:
        """Let names of panes and widths of columns follow the terminal."""
        self.set_class(self.size.width < NARROW, "narrow")
        self.call_after_refresh(self.refresh_panes)

    @property
    def selection(self) -> Selection:
        """What the cursors are on."""
        return selection_of(self, self.focused)

    @property
    def pane(self) -> str:
        """The pane on the right that is shown."""
        return self.query_one(PaneSwitcher).current or "options"

    @property
    def is_shown(self) -> bool:
        """Whether the panes exist: not before the first paint, and not while the application ends."""
        return self.is_running and bool(self.query(KeysFooter))

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
        self.feedback.follow()
        self._tell_restored()
        self.query_one(GroupsPane).show(self)
        self.query_one(PaneSwitcher).show(self)
        self.refresh_lines()
        self.call_after_refresh(self.post_message, messages.TreeChanged())

    def _tell_restored(self) -> None:
        restored = self.review.session.restored
        if restored != self._told_restored:
            self._told_restored = restored
            folder = self.review.session.store.folder.name
            self.notify(
                f"{folder} was removed while it was in use\nthis session is written into it again, with every step; "
                "earlier revisions and scores are gone",
                severity="warning",
                timeout=10,
            )

    def on_tree_changed(self) -> None:
        """Validate and rescore."""
        if self.is_shown:
            self.query_one(ProblemsPane).show(self)
            self.refresh_lines()
            self.scoring.soon()

    @on(messages.ScoreProgress)
    @on(messages.ScoreReady)
    @on(messages.TestScoreReady)
    @on(messages.ScoreFailed)
    @on(messages.RequestReady)
    @on(messages.ReplyArrived)
    @on(messages.ProposalReady)
    @on(messages.RequestFailed)
    @on(messages.PreviewsReady)
    def _take(self, message: Any) -> None:
        if self.is_shown:
            (self.scoring if isinstance(message, messages.ScoreMessage) else self.feedback).take(message)

    def refresh_panes(self) -> None:
        """Repaint everything from the review."""
        if self.is_shown:
            self.query_one(GroupsPane).show(self)
            self.query_one(ProblemsPane).show(self)
            self.query_one(PaneSwitcher).show(self)
            self.refresh_lines()

    def refresh_lines(self) -> None:
        """Repaint title, tabs, status and keys."""
        self.query_one("#title", Static).update(title_of(self.review))
        self.query_one("#tabs", Static).update(tabs_of(self, narrow=self.size.width < NARROW))
        self.query_one("#status", Static).update(printable(self.scoring.status()))
        self.query_one(KeysFooter).show(self)

    def show_pane(self, name: str) -> None:
        """Show a pane and give it the focus."""
        panes = self.query_one(PaneSwitcher)
        panes.current = name
        panes.show(self)
        self.refresh_lines()
        self.screen.set_focus(panes.entry)  # at once: keys may be queued already

    action_pane = show_pane

    def on_grid_moved(self, event: GroupsPane.Moved) -> None:
        """Show the options of another group."""
        if self.is_shown and event.grid.id == "groups" and self.pane == "options":
            self.query_one(PaneSwitcher).show(self)

    def on_text_area_changed(self) -> None:
        """Keep the feedback that is being written."""
        self.feedback.typed()

    def action_do(self, flow: str, what: str, *arguments: str | int) -> None:
        """Run a method of a flow."""
        getattr(getattr(self, flow), what)(*arguments)

    def action_keys(self) -> None:
        """Show all keys."""
        self.push_screen(PagesDialog("Keys", key_rows(self)))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Return what the command palette knows: every key of the application, and Textual's own."""
        yield from super().get_system_commands(screen)
        yield from key_commands(self, screen)

    def end_by_signal(self, number: int) -> None:
        """Store what was typed, restore the terminal and end."""
        with suppress(TreegenError):
            self.review.session.check_store()
            self.feedback.keep_text()
        self.feedback.close()
        super().end_by_signal(number)

    async def action_quit(self) -> None:
        """Leave; what is unsaved is in the store, and the next review goes on with it."""
        self.converse(self._leave, "quit")

    async def _leave(self) -> None:
        try:
            self.review.session.check_store()
            self.feedback.keep_text()
        except TreegenError as error:
            choices = ["stay", "quit, and lose what is not stored"]
            if await self.ask(ChoiceDialog(f"not stored: {error.message}", choices)) != 1:
                return
        self.feedback.close()
        self.exit()


def open_app(
    path: Path,
    domain_path: Path | None = None,
    *,
    model: str | None = None,
    api_base: str | None = None,
    env_file: Path | None = None,
    encoder: EncoderSettings | None = None,
) -> ReviewApp:
    """Open the application for a tree file, for the command and for tests; the caller closes its review."""
    with ExitStack() as opened:
        review = opened.enter_context(
            ReviewModel(path, domain_path=domain_path, encoder=encoder, thread=DaemonThread("clip"))
        )
        domain = review.domain
        given = {"model": model, "api_base": api_base, "env_file": env_file}
        llm = llm_settings_with(domain, **given) if domain else LlmSettings()  # type: ignore[arg-type]
        opened.pop_all()
    return ReviewApp(review, llm)
