"""What background work sends to the application; each message may be posted from any thread."""

from typing import TYPE_CHECKING, Literal

from textual.message import Message

from treegen.errors import TreegenError

if TYPE_CHECKING:
    from treegen.clip.preview import Preview
    from treegen.history.score_document import Score
    from treegen.tree.feedback_target import Feedback
    from treegen.workflow.proposal_review import ProposalReview
    from treegen.workflow.review_model import Measurement
    from treegen.workflow.revise import Proposal


def reason_of(error: BaseException) -> str:
    """Return why something failed, in one line."""
    if isinstance(error, TreegenError):
        return (error.message.splitlines() or [""])[0]
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}".rstrip(": ")


class TreeChanged(Message):
    """The tree has changed and is painted: what a key press need not wait for comes now."""


class ScoreMessage(Message):
    """What a score has come to."""


class ScoreProgress(ScoreMessage):
    """How far the score is.

    Attributes:
        text: the task and its steps.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class ScoreReady(ScoreMessage):
    """The tree is scored on the dev split.

    Attributes:
        measured: the score.
    """

    def __init__(self, measured: "Measurement") -> None:
        super().__init__()
        self.measured = measured


class TestScoreReady(ScoreMessage):
    """The tree is scored on the test split.

    Attributes:
        score: the score document.
    """

    def __init__(self, score: "Score") -> None:
        super().__init__()
        self.score = score


class ScoreFailed(ScoreMessage):
    """A score could not be computed.

    Attributes:
        error: why.
        split: `dev` or `test`.
    """

    def __init__(self, error: Exception, split: Literal["dev", "test"]) -> None:
        super().__init__()
        self.error, self.split = error, split


class RequestReady(Message):
    """A request is ready for a person to carry to a chat window.

    Attributes:
        request: its text.
    """

    def __init__(self, request: str) -> None:
        super().__init__()
        self.request = request


class ReplyArrived(Message):
    """News of a request to a language model: what was sent, a part of the reply, or what an attempt came to.

    Attributes:
        text: what to show of it.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class ProposalReady(Message):
    """The language model has proposed a tree.

    Attributes:
        feedback: what was asked.
        proposal: the answer.
        proposal_review: the same, divided into change groups.
    """

    def __init__(self, feedback: "Feedback", proposal: "Proposal", proposal_review: "ProposalReview") -> None:
        super().__init__()
        self.feedback, self.proposal, self.proposal_review = feedback, proposal, proposal_review


class RequestFailed(Message):
    """A request to a language model was cancelled or failed.

    Attributes:
        feedback: what was asked.
        text: what to show of it.
    """

    def __init__(self, feedback: "Feedback", text: str) -> None:
        super().__init__()
        self.feedback, self.text = feedback, text


class PreviewsReady(Message):
    """The effect of each proposed change is known, or cannot be computed.

    Attributes:
        proposal_review: the proposal.
        previews: one for each change; none if it failed.
        failure: why they cannot be computed; empty if they are there.
    """

    def __init__(self, proposal_review: "ProposalReview", previews: "tuple[Preview, ...]", failure: str = "") -> None:
        super().__init__()
        self.proposal_review, self.previews, self.failure = proposal_review, previews, failure


class BackgroundFailed(Message):
    """Background work failed in a way that it did not foresee.

    Attributes:
        job: the work.
        error: why.
    """

    def __init__(self, job: str, error: BaseException) -> None:
        super().__init__()
        self.job, self.error = job, error
