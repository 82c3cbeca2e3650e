"""The review application: panes around one tree, and what their keys and the background work lead to."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Final

from textual import on
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from treegen.config.overrides import llm_settings_with
from treegen.config.settings import EncoderSettings, LlmSettings
from treegen.errors import InputError
from treegen.review import messages
from treegen.review.background import DaemonThread
from treegen.review.finder import TreeProvider
from treegen.review.flows.appearance import AppearanceFlow
from treegen.review.flows.approval import ApprovalFlow
from treegen.review.flows.browsing import BrowsingFlow
from treegen.review.flows.compare import CompareFlow
from treegen.review.flows.detail import DetailFlow
from treegen.review.flows.edits import EditFlow
from treegen.review.flows.external_editor import EditorFlow
from treegen.review.flows.feedback import FeedbackFlow
from treegen.review.flows.file_watch import BETWEEN, FileWatch
from treegen.review.flows.filters import FilterFlow
from treegen.review.flows.leaving import LeavingFlow
from treegen.review.flows.maps import MapsFlow
from treegen.review.flows.navigation import NavigationFlow
from treegen.review.flows.notes import NotesFlow
from treegen.review.flows.saving import SavingFlow
from treegen.review.flows.scoring import ScoringFlow
from treegen.review.flows.second_review import AgreementFlow, is_for_second
from treegen.review.panels_app import PanelsApp
from treegen.review.thumbnails import ThumbnailReader
from treegen.review.widgets.key_bindings import EVERYWHERE, key_commands, key_rows
from treegen.review.widgets.keys_panel import KeysPanel
from treegen.review.widgets.panes import GroupsPane, ProblemsPane
from treegen.text import did_you_mean, quote
from treegen.workflow.review_model import ReviewModel

_THEMES: Final = "ctrl+p in the review lists them under Theme"


class ReviewApp(PanelsApp):
    """The layout of a review and its wiring: it is the `ReviewContext` of its flows and panes."""

    TITLE = "treegen review"
    BINDINGS: ClassVar[list[BindingType]] = [*EVERYWHERE]
    COMMANDS = PanelsApp.COMMANDS | {TreeProvider}

    def __init__(self, review: ReviewModel, llm: LlmSettings, theme: str | None = None) -> None:
        """Show a review.

        Args:
            review: what is shown.
            llm: the language model for feedback.
            theme: for this review; that of the preferences if not given.

        Raises:
            InputError: there is no such theme.
        """
        super().__init__()
        if theme and theme not in self.available_themes:
            raise InputError(f"there is no theme {quote(theme)}{did_you_mean(theme, self.available_themes)}", _THEMES)
        self.review = review
        self.approval = ApprovalFlow(self)
        self.compare = CompareFlow(self)
        self.edits = EditFlow(self)
        self.editor = EditorFlow(self)
        self.filters = FilterFlow(self)
        self.navigation = NavigationFlow(self)
        self.notes = NotesFlow(self)
        self.saving = SavingFlow(self)
        self.agreement = AgreementFlow(self)
        self.scoring = ScoringFlow(self)
        self.feedback = FeedbackFlow(self, llm)
        self.proposal = self.feedback.proposal
        self.appearance = AppearanceFlow(self, theme)
        self.file_watch = FileWatch(self)
        thumbnails = ThumbnailReader(self)
        self.detail = DetailFlow(self, lambda: self.feedback.proposal_review, thumbnails)
        self.browsing = BrowsingFlow(self, thumbnails)
        self.maps = MapsFlow(self, self.browsing)
        closing = (self.feedback, self.detail, self.file_watch, thumbnails, self.browsing)
        self.leaving = LeavingFlow(self, self.feedback, *(each.close for each in closing))

    def on_mount(self) -> None:
        """Paint, then let the models load."""
        self.appearance.take_up()
        self.theme_changed_signal.subscribe(self, self.appearance.theme_changed)
        if self.review.session.unreadable or self.review.session.readings:
            self.show_pane("problems")
        elif self.review.second:
            self.show_pane("rules")
        else:
            self.query_one(GroupsPane).focus()
        self.refresh_panes()
        if self.review.session.resumed and self.review.session.unsaved:
            self.notify("taken up where it was left; u takes steps back", title="unsaved work")
        if self.review.missing:
            self.notify(self.review.missing, severity="warning", timeout=10)
        self.feedback.take_up()
        self.set_interval(BETWEEN, self.file_watch.poll)
        self.call_after_refresh(self.scoring.soon)

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
            if isinstance(message, messages.PreviewsReady):
                self.detail.soon()  # of a proposed change: what it does is known now

    def on_images_pane_paged(self) -> None:
        """Show the thumbnails around the cursor."""
        self.browsing.soon()

    def on_text_area_changed(self) -> None:
        """Keep the feedback that is being written."""
        self.feedback.typed()

    def action_do(self, flow: str, what: str, *arguments: str | int) -> None:
        """Run a method of a flow."""
        if self.review.second and not is_for_second(flow, what, arguments):
            self.notify("a second review only answers: 2 and enter; t, c, T, & and / work too", timeout=4)
            return
        getattr(getattr(self, flow), what)(*arguments)

    def action_keys(self) -> None:
        """Show all keys beside the panes, or hide them."""
        self.query_one(KeysPanel).toggle(key_rows(self))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Return what the command palette knows: every key of the application, and Textual's own."""
        yield from super().get_system_commands(screen)
        yield from key_commands(self, screen)

    def end_by_signal(self, number: int) -> None:
        """Store what was typed, restore the terminal and end."""
        self.leaving.at_once()
        super().end_by_signal(number)

    async def action_quit(self) -> None:
        """Leave; what is unsaved is in the store, and the next review goes on with it."""
        self.converse(self.leaving.leave, "quit")


def open_app(
    path: Path,
    domain_path: Path | None = None,
    *,
    model: str | None = None,
    api_base: str | None = None,
    env_file: Path | None = None,
    encoder: EncoderSettings | None = None,
    theme: str | None = None,
    read_only: bool = False,
    second: str = "",
) -> ReviewApp:
    """Open the application for a tree file, for the command and for tests; the caller closes its review."""
    with ExitStack() as opened:
        review = opened.enter_context(
            ReviewModel(
                path,
                domain_path=domain_path,
                encoder=encoder,
                thread=DaemonThread("clip"),
                read_only=read_only,
                second=second,
            )
        )
        domain = review.domain
        given = {"model": model, "api_base": api_base, "env_file": env_file}
        llm = llm_settings_with(domain, **given) if domain else LlmSettings()  # type: ignore[arg-type]
        app = ReviewApp(review, llm, theme)
        opened.pop_all()
    return app
