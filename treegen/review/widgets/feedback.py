"""The feedback pane: the request to a language model, its reply, and its proposal one change at a time."""

from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static, TextArea

from treegen.clip.diagnosis.advice import LEVEL
from treegen.review.context import ReviewContext
from treegen.review.widgets.grid import Column, PaneGrid
from treegen.text import counted, printable
from treegen.workflow.verdict import NO_DIFFERENCE, test_name

if TYPE_CHECKING:
    from treegen.clip.preview import Preview
    from treegen.workflow.proposal_review import ProposalReview

_MARKS = {"open": "", "taken": "taken", "rejected": "left"}


#: keys for the conversation that work in every pane
CONVERSATION: Final = (
    Binding("F", "app.do('feedback', 'write')", "feedback", tooltip="Feedback to the language model"),
    Binding("ctrl+g", "app.do('feedback', 'send')", "send", tooltip="Send the feedback"),
    Binding(
        "ctrl+t",
        "app.do('feedback', 'next_target')",
        "about something else",
        tooltip="Feedback about something else",
    ),
    Binding(
        "ctrl+l",
        "app.do('feedback', 'compose')",
        "from mistakes",
        tooltip="Feedback from the mistakes",
    ),
    Binding("A", "app.do('proposal', 'accept_all')", "take all", tooltip="Take all proposed changes"),
)


class FeedbackField(TextArea):
    """The text to send, and the answer that is pasted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave the text", key_display="escape"),
        *CONVERSATION[1:4],
        Binding("ctrl+o", "app.do('feedback', 'load')", "load", tooltip="Feedback from a file beside the tree"),
        Binding("ctrl+e", "app.do('editor', 'feedback')", "editor", show=False, tooltip="Feedback in $EDITOR"),
    ]

    def action_cursor_up(self, select: bool = False) -> None:
        """Move up; on the first line, show what was sent before."""
        if select or self.cursor_location[0]:
            super().action_cursor_up(select)
        else:
            self.app.call_later(self.app.run_action, "app.do('feedback', 'earlier', -1)")

    def action_cursor_down(self, select: bool = False) -> None:
        """Move down; on the last line, show what was sent later."""
        if select or self.cursor_location[0] < self.document.line_count - 1:
            super().action_cursor_down(select)
        else:
            self.app.call_later(self.app.run_action, "app.do('feedback', 'earlier', 1)")

    def action_leave(self) -> None:
        """Give the focus to the proposal: in the text its keys would write."""
        self.screen.query_one(ProposalGrid).focus()


class ProposalGrid(PaneGrid):
    """The proposed changes."""

    ENTER = "app.do('proposal', 'accept_one')"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "take", key_display="enter"),
        Binding("e", "app.do('proposal', 'edit')", "reword", tooltip="Take a proposed change in your words"),
        Binding("x", "app.do('proposal', 'reject')", "leave"),
        Binding("c", "app.do('proposal', 'clear')", "clear", tooltip="Clear the list of proposed changes"),
        CONVERSATION[-1],
        CONVERSATION[0],
    ]


class FeedbackPane(Vertical):
    """A text to send, the streamed reply, and the proposed changes."""

    def __init__(self, *, id: str | None = None) -> None:
        """Make a pane without a conversation."""
        super().__init__(id=id)
        self._about, self._talk = "", ""
        self._proposal_review: ProposalReview | None = None

    def compose(self) -> ComposeResult:
        """Compose target, text, conversation, proposal, and details of the change under the cursor."""
        yield Static(id="about", markup=False)
        yield FeedbackField(id="feedback")
        yield Static(id="talk", markup=False)
        yield ProposalGrid(id="proposal", copied=4)
        yield Static(id="whole", markup=False)

    @property
    def field(self) -> FeedbackField:
        """The text field."""
        return self.query_one(FeedbackField)

    @property
    def proposal(self) -> ProposalGrid:
        """The proposed changes."""
        return self.query_one(ProposalGrid)

    @property
    def entry(self) -> Widget:
        """The widget that gets the focus when the pane is shown."""
        return self.proposal if self._proposal_review and self._proposal_review.open else self.field

    def tell(self, about: str, talk: str, proposal_review: "ProposalReview | None") -> None:
        """Show where the conversation is.

        Args:
            about: what the next feedback is about.
            talk: what was said last; its last lines are shown.
            proposal_review: the last proposal.
        """
        self._about, self._talk, self._proposal_review = about, talk, proposal_review
        self._paint()

    def show(self, context: ReviewContext) -> None:
        """Repaint what was shown last."""
        self._paint()

    def _paint(self) -> None:
        self.query_one("#about", Static).update(printable(self._about))
        lines = self._talk.splitlines()[-4:]
        talk = self.query_one("#talk", Static)
        talk.update("\n".join(map(printable, lines)))
        talk.display = bool(lines)
        self._show_units(self._proposal_review)
        self._show_whole()

    def on_grid_moved(self) -> None:
        """Show the details of the change under the cursor."""
        self._show_whole()

    def _show_whole(self) -> None:
        """Show what does not fit in a grid row: all sentences, p, and why the change is refused."""
        proposal_review, row = self._proposal_review, self.proposal.row
        lines = list[str]()
        if proposal_review and row < len(proposal_review.units):
            unit = proposal_review.units[row]
            lines = [*unit.sentences, f"refused: {unit.refused}" if unit.refused else ""]
            if row < len(proposal_review.previews):
                preview = proposal_review.previews[row]
                lines += [preview.failure, "" if unit.refused else _tested(preview)]
        self.query_one("#whole", Static).update("\n".join(printable(line) for line in lines if line))

    def _show_units(self, proposal_review: "ProposalReview | None") -> None:
        grid = self.proposal
        if proposal_review is None:
            grid.fill([], 0, lambda r, c: "", note="write what to change, then ctrl+g")
            grid.entitle("proposed changes")
            return
        units, previews, fates = proposal_review.units, proposal_review.previews, proposal_review.fates
        unknown = "..." if proposal_review.previewing else "-"

        def cell(row: int, column: int) -> str:
            unit = units[row]
            mark = _MARKS[fates[row]] or ("locked" if unit.refused else "outside" if unit.outside else "")
            known = row < len(previews) and not unit.refused
            change, right, wrong = _effect(previews[row]) if known else (unknown, "", "")
            change = f"~{change}" if known and proposal_review.previewing and fates[row] == "open" else change
            return (mark, change, right, wrong, "; ".join(unit.sentences))[column]

        def tone(row: int, column: int) -> str:
            if fates[row] != "open" or units[row].refused or (proposal_review.previewing and 0 < column < 4):
                return "dim"
            if column == 1 and row < len(previews) and previews[row].shows_difference:
                return "good" if (previews[row].difference or 0) > 0 else "bad"
            return "warn" if units[row].outside and column == 0 else ""

        columns = [
            Column(head="", width=7),
            Column(head="dev", width=7, right=True),
            Column(head="right", width=5, right=True),
            Column(head="wrong", width=5, right=True),
            Column(head="change", width=max([6, *(len("; ".join(unit.sentences)) for unit in units)])),
        ]
        grid.fill(columns, len(units), cell, tone, "it proposes no change")
        grid.entitle("proposed changes", f"{proposal_review.open} of {len(units)} open")


def _effect(preview: "Preview") -> tuple[str, str, str]:
    """Format the change of accuracy in points, and the images flipped to right and to wrong."""
    if preview.difference is None:
        return "-", "", ""
    change = f"{100 * preview.difference:+.1f}" if preview.shows_difference else "none"
    return change, f"+{len(preview.to_right)}", f"-{len(preview.to_wrong)}"


def _tested(preview: "Preview") -> str:
    """Describe whether the images show a difference from the current tree."""
    if preview.test is None:
        return ""
    won, lost = len(preview.to_right), len(preview.to_wrong)
    p = preview.test["p"]
    shown = "" if p < LEVEL else ", not significant" if preview.shows_difference else f", {NO_DIFFERENCE}"
    flips = f"{counted(won, 'image')} won, {lost} lost of {preview.n}"
    return f"dev split: {flips}, {test_name(preview.test)} p = {p:.2g}{shown}"
