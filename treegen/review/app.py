"""The review application: panes around one tree, and the keys that change it."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import work
from textual.actions import SkipAction
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, Static

from treegen.errors import TreegenError
from treegen.review.flows.edits import Edits
from treegen.review.flows.feedback import Asker
from treegen.review.flows.navigation import go_to_fault, go_to_problem
from treegen.review.flows.saving import save
from treegen.review.flows.scoring import Scorer
from treegen.review.screens.dialogs import PagesDialog
from treegen.review.widgets.bars import KEYS, PANES, commands, help_rows, hints, tabs
from treegen.review.widgets.feedback import FeedbackPane
from treegen.review.widgets.field import Field
from treegen.review.widgets.grid import Grid
from treegen.review.widgets.history import HistoryPane
from treegen.review.widgets.images import ImagesPane
from treegen.review.widgets.panes import GroupsPane, OptionsPane, ProblemsPane, RulesPane
from treegen.review.widgets.score import ScorePane
from treegen.review.widgets.search_bar import Search
from treegen.reviewing import Review
from treegen.settings import LlmSettings
from treegen.tree.keywords import printable
from treegen.workflow import llm_settings_with

if TYPE_CHECKING:
    from treegen.tree.model import Group

NARROW: Final = 110  # columns; below, the names of panes are cut


class ReviewApp(App[None]):
    """Shows one `Review`. Every change goes through `Edits.edit` and is in the store before it is painted."""

    CSS_PATH: ClassVar[str] = "app.tcss"
    TITLE = "treegen review"
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self, review: Review, llm: LlmSettings | None = None) -> None:
        """An application.

        Args:
            review: what it shows.
            llm: the language model for feedback; the domain's if not given.
        """
        super().__init__()
        self.review = review
        self.edits = Edits(self)
        self.scorer = Scorer(self)
        self.asker = Asker(self, llm or (review.domain.llm if review.domain else LlmSettings()))
        self.search = Search(self)

    def compose(self) -> ComposeResult:
        """One line above, the panes, two lines below."""
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            yield GroupsPane(id="groups")
            with Vertical(id="right"):
                yield Static(id="tabs")
                with ContentSwitcher(initial="options", id="panes"):
                    yield OptionsPane(id="options")
                    yield RulesPane(cells=True, id="rules")
                    yield ProblemsPane(id="problems")
                    yield ScorePane(id="score")
                    yield HistoryPane(id="history")
                    yield ImagesPane(id="images")
                    yield FeedbackPane(id="ask")
        yield Field(id="search", placeholder="search", select_on_focus=False)
        yield Static(id="status", markup=False)
        yield Static(id="hints", markup=False)

    def on_mount(self) -> None:
        """Paints, then lets the models load."""
        self.theme = "textual-dark"
        self.query_one("#search").display = False
        self.query_one(GroupsPane).focus()
        self.refresh_panes()
        if self.review.session.resumed and self.review.session.unsaved:
            self.notify("taken up where it was left; u takes steps back", title="unsaved work")
        if self.review.missing:
            self.notify(self.review.missing, severity="warning", timeout=10, markup=False)
        self.asker.take_up()
        self.call_after_refresh(self.scorer.soon)

    def on_resize(self) -> None:
        """Names of panes and widths of columns follow the terminal."""
        self.set_class(self.size.width < NARROW, "narrow")
        self.call_after_refresh(self.refresh_panes)

    @property
    def group(self) -> "Group | None":
        """The group under the cursor."""
        return self.query_one(GroupsPane).chosen(self.review)

    @property
    def option(self) -> str | None:
        """The option under the cursor."""
        group, row = self.group, self.query_one(OptionsPane).row
        return group.options[row] if group and row < len(group.options) else None

    @property
    def class_name(self) -> str | None:
        """The class under the cursor of the rules."""
        row, classes = self.query_one(RulesPane).row, self.review.tree.classes
        return classes[row] if row < len(classes) else None

    @property
    def rule_group(self) -> "Group | None":
        """The group under the cursor of the rules."""
        column, groups = self.query_one(RulesPane).column, self.review.tree.groups
        return groups[column - 1] if 0 < column <= len(groups) else None

    @property
    def focused_grid(self) -> Grid | None:
        """The grid that has the keys."""
        return self.focused if isinstance(self.focused, Grid) else None

    @property
    def focused_kind(self) -> str:
        """What the edit keys are about: `group`, `option`, `class`, or nothing."""
        kinds = {"groups": "group", "options": "option", "rules": "class"}
        return kinds.get((self.focused.id or "") if self.focused else "", "")

    def changed(self) -> None:
        """The tree is another: paints, then looks for problems, and scores it soon."""
        self.asker.follow()
        self.query_one(GroupsPane).show(self.review)
        self.refresh_right()
        self.refresh_lines()
        self.call_after_refresh(self._after_change)

    def _after_change(self) -> None:
        """What a key press need not wait for: on a thousand classes the checks take some 50 ms."""
        if not self.is_shown:
            return
        self.query_one(ProblemsPane).show(self.review)
        self.refresh_lines()
        self.scorer.soon()

    @property
    def is_shown(self) -> bool:
        """Whether the panes are there: not before the first paint, and not while the application ends."""
        return self.is_running and bool(self.query("#hints"))

    def show_later(self, show: Callable[..., None], *arguments: object) -> None:
        """On any thread: has something shown, without waiting for it, unless the application ends before."""

        def if_shown() -> None:
            if self.is_shown:
                show(*arguments)

        if self.is_running:
            self.call_later(if_shown)

    def refresh_panes(self) -> None:
        """Paints everything from the review."""
        if not self.is_shown:
            return
        self.query_one(GroupsPane).show(self.review)
        self.query_one(ProblemsPane).show(self.review)
        self.refresh_right()
        self.refresh_lines()

    def refresh_right(self) -> None:
        """Paints the pane that is seen."""
        match self.pane:
            case "options":
                self.query_one(OptionsPane).show(self.review, self.group)
            case "rules":
                self.query_one(RulesPane).show(self.review)
            case "score":
                self.query_one(ScorePane).show(self.review)
            case "history":
                self.query_one(HistoryPane).show(self.review)
            case "images":
                self.query_one(ImagesPane).show(self.review)
            case "ask":
                self.asker.show()

    def refresh_lines(self) -> None:
        """Paints title, tabs, status and hints."""
        review, session = self.review, self.review.session
        state = "unsaved" if session.unsaved else "saved"
        tree = review.tree
        title = f"{session.path.name}  {tree.domain}: {len(tree.groups)} groups, {len(tree.classes)} classes  {state}"
        self.query_one("#title", Static).update(printable(title))
        self.query_one("#tabs", Static).update(tabs(self, PANES, narrow=self.size.width < NARROW))
        self.query_one("#status", Static).update(printable(self.scorer.status()))
        self.query_one("#hints", Static).update(hints(self))

    @property
    def pane(self) -> str:
        """The pane that is seen on the right."""
        return self.query_one("#panes", ContentSwitcher).current or "options"

    def notify(self, message: str, **settings: Any) -> None:
        """Says something in a corner, as text: names in it are neither markup nor escapes."""
        settings["title"] = printable(settings.get("title", ""))
        super().notify("\n".join(map(printable, message.splitlines())), **{**settings, "markup": False})

    def complain(self, error: TreegenError) -> None:
        """Says what did not work and what to do about it."""
        self.notify(f"{error.message}\n{error.tip}".strip(), severity="error", timeout=8, markup=False)

    def on_grid_moved(self, event: Grid.Moved) -> None:
        """Another group shows its options."""
        if not self.is_shown:
            return
        if event.grid.id == "groups" and self.pane == "options":
            self.query_one(OptionsPane).show(self.review, self.group)
        if event.grid.id == "mistakes":
            self.query_one(ImagesPane).show_picture()
        self.query_one("#hints", Static).update(hints(self))

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        """Enter goes into a group, points a rule, or goes to where a problem is."""
        match event.grid.id:
            case "groups":
                self.action_pane("options")
            case "options":
                self.action_edit("rename")
            case "rules":
                self.action_edit("point" if event.grid.column else "rename")
            case "mistakes" | "votes":
                go_to_fault(self)
            case "proposal":
                self.asker.accept_one()
            case "problems":
                go_to_problem(self, self.query_one(ProblemsPane).problems[event.grid.row])

    def on_descendant_focus(self) -> None:
        """Other keys are of use elsewhere."""
        if self.is_shown:
            self.query_one("#hints", Static).update(hints(self))

    def action_pane(self, name: str) -> None:
        """Shows a pane and gives it the keys."""
        self.query_one("#panes", ContentSwitcher).current = name
        self.refresh_right()
        self.refresh_lines()
        pane = self.query_one(f"#{name}")
        if name == "ask" and not (self.asker.asked and self.asker.asked.open):
            self.screen.set_focus(self.asker.field)
            return
        self.screen.set_focus(
            pane if isinstance(pane, Grid) else pane.query_one(Grid)
        )  # at once: keys may wait already

    def action_edit(self, what: str) -> None:
        """One of the edits, if what it is about is seen; on a proposed change, `x` leaves it."""
        own = {"split": self.asker.reject, "reword": self.asker.edit}
        if self.focused and self.focused.id == "proposal" and what in own:
            self.run_worker(own[what](), group="edit", exclusive=True)
        if what == "reword" or (self.focused and self.focused.id == "proposal"):
            return
        seen = self.pane == "options" if what in ("merge", "split") else self.focused_kind
        if not seen:
            self.notify("edits are made among groups, options and rules", timeout=3)
            return
        self.run_worker(getattr(self.edits, what)(), group="edit", exclusive=True)

    def action_shift(self, by: int) -> None:
        """Moves what is under the cursor."""
        self.edits.move_by(by)

    def action_undo(self) -> None:
        """Takes the last step back."""
        step = self.review.session.undo()
        self.notify(f"undone: {step.label}" if step else "nothing to undo", timeout=2, markup=False)
        if step:
            self.changed()

    def action_redo(self) -> None:
        """Makes the step that was taken back last again."""
        step = self.review.session.redo()
        self.notify(f"done again: {step.label}" if step else "nothing to do again", timeout=2, markup=False)
        if step:
            self.changed()

    def action_lock(self) -> None:
        """Locks or unlocks the group or class under the cursor for language models."""
        self.edits.lock()

    @work(group="save", exclusive=True)
    async def action_save(self) -> None:
        """Writes the file; if somebody else did meanwhile, asks what to do."""
        await save(self)

    def action_feedback(self, compose: bool = False) -> None:
        """Gives the keys to the text for the language model; it may be composed from the mistakes on the dev part."""
        self.action_pane("ask")
        self.screen.set_focus(self.asker.field)  # at once: the text may come already
        if compose:
            self.asker.compose()

    def action_send(self) -> None:
        """Sends the feedback to the language model."""
        self.action_pane("ask")
        self.asker.send(self.asker.field.text)

    def on_text_area_changed(self) -> None:
        """The feedback that is being written is not lost either."""
        self.asker.typed()

    def action_target(self) -> None:
        """Feedback about something else: the tree, or what the cursors are on."""
        self.asker.next_target()

    def action_cancel(self) -> None:
        """Gives the request to the language model up; without one, the key is the text field's own."""
        if not self.asker.running:
            raise SkipAction
        self.asker.cancel()

    def action_accept_all(self) -> None:
        """Takes all proposed changes that were asked for."""
        if self.pane == "ask":
            self.asker.accept_all()

    def action_editor(self, what: str) -> None:
        """Opens the tree or the group as text in $EDITOR; what comes back is one step."""
        from treegen.review.flows.external_editor import edit_group, edit_tree

        (edit_tree if what == "tree" else edit_group)(self)

    def action_search(self) -> None:
        """Asks what to search for in the pane that has the keys."""
        self.search.ask()

    def action_leave_search(self) -> None:
        """Takes the field away again."""
        self.search.leave()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Goes to what was searched for."""
        if event.input.id == "search":
            self.search.submit(event.value)

    def action_find(self, direction: int) -> None:
        """Goes to the next or previous row that holds the text."""
        self.search.go_on(direction)

    def action_jump(self) -> None:
        """Shows a letter on every pane; pressing it goes there."""
        from treegen.review.screens.jump import JumpScreen

        self.push_screen(JumpScreen(self.query(Grid)))

    def action_copy(self) -> None:
        """Copies what is under the cursor to the clipboard."""
        grid = self.focused_grid
        if grid and grid.count:
            text = grid.copied_text
            self.copy_to_clipboard(text)
            self.notify(f"copied {text}", timeout=2, markup=False)

    def action_score(self) -> None:
        """Scores the saved tree on the test part."""
        self.scorer.score_test()

    def action_toggle_dark(self) -> None:
        """Light or dark."""
        self.theme = "textual-light" if self.theme == "textual-dark" else "textual-dark"

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette knows: every key of the application, and Textual's own."""
        yield from super().get_system_commands(screen)
        yield from commands(self)

    def action_fix(self) -> None:
        """Makes the certain fix of the problem under the cursor."""
        problems = self.query_one(ProblemsPane)
        if problems.has_focus and problems.row < len(problems.problems):
            self.edits.fix(problems.problems[problems.row])

    def action_keys(self) -> None:
        """All keys."""
        self.push_screen(PagesDialog("Keys", help_rows(self)))

    async def action_quit(self) -> None:
        """Leaves; what is unsaved is in the store, and the next review goes on with it."""
        self.asker.close()
        self.exit()


def open_app(
    path: Path, domain_path: Path | None = None, *, model: str | None = None, api_base: str | None = None
) -> ReviewApp:
    """The application for a tree file, for the command and for tests. Who opens it closes its review."""
    with ExitStack() as opened:
        review = opened.enter_context(Review(path, domain_path=domain_path))
        named = llm_settings_with(review.domain, model=model, api_base=api_base) if review.domain else None
        app = ReviewApp(review, named)
        opened.pop_all()
    return app
