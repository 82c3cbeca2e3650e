"""Score the tree while the reviewer continues: shortly after each change, on the models' thread."""

import asyncio
import logging
from functools import partial
from threading import Event
from typing import Final

from treegen.errors import TreegenError
from treegen.progress import Cancelled
from treegen.review.context import ReviewContext
from treegen.review.messages import ScoreFailed, ScoreProgress, ScoreReady, TestScoreReady, reason_of
from treegen.workflow.score import score_tree

_PATIENCE: Final = 0.4  # seconds without a change before scoring starts
logger = logging.getLogger(__name__)


class ScoringFlow:
    """The scores of a review: the last one, what is being computed, and what went wrong.

    Attributes:
        running: a score of the dev split is being computed.
    """

    def __init__(self, context: ReviewContext) -> None:
        self.context = context
        self.running = False
        self._state = ""

    def soon(self) -> None:
        """Score the tree once no change has come for a moment; abandon a score that is being computed."""
        if self.context.review.can_score:
            self.context.start(self._score, "score")

    async def _score(self) -> None:
        await asyncio.sleep(_PATIENCE)
        superseded = Event()
        self.running = True
        self._say("scoring")
        try:
            measured = await asyncio.wrap_future(self.context.review.measure(partial(self._progress, superseded)))
        except Cancelled:
            return
        except Exception as error:
            self.context.post_message(ScoreFailed(error, "dev"))
        else:
            self.context.post_message(ScoreReady(measured))
        finally:
            superseded.set()
            self.running = False

    def _progress(self, superseded: Event, task: str, done: int, total: int) -> None:
        """Report the progress of a score, on the models' thread.

        Raises:
            Cancelled: the tree has changed since.
        """
        if superseded.is_set():
            raise Cancelled
        text = f"{task} {done}/{total}" if total > 1 else task
        if text != self._state:
            self.context.post_message(ScoreProgress(text))

    def score_test(self) -> None:
        """Score the saved tree on the test split, with baseline and controls, and store the score."""
        review = self.context.review
        if not review.can_score:
            self.context.notify(review.missing or "the tree has errors", severity="warning")
        elif review.session.unsaved:
            self.context.notify("save first: the score is stored with the saved tree", severity="warning")
        else:
            self.context.start(self._score_test, "test score")

    async def _score_test(self) -> None:
        review, tree = self.context.review, self.context.review.tree
        self._say("scoring on the test split")
        try:
            scored = await asyncio.wrap_future(review.on_models(lambda work: score_tree(work, tree)))
        except Cancelled:
            return
        except Exception as error:
            self.context.post_message(ScoreFailed(error, "test"))
        else:
            self.context.post_message(TestScoreReady(scored.score))

    def take(self, message: ScoreProgress | ScoreReady | TestScoreReady | ScoreFailed) -> None:
        """Show a result or the progress of the models' thread."""
        review = self.context.review
        if isinstance(message, ScoreProgress):
            self._say(message.text)
            return
        self._state = ""
        match message:
            case ScoreReady():
                review.measured = message.measured
                review.scores.append(message.measured.dev["accuracy"])
            case TestScoreReady():
                review.tested = message.score
            case ScoreFailed():
                self._fail(message)
        self.context.refresh_panes()

    def _fail(self, message: ScoreFailed) -> None:
        error = message.error
        if not isinstance(error, TreegenError):
            logger.error("scoring on the %s split failed", message.split, exc_info=error)
        if message.split == "dev":
            self._state = f"not scored: {reason_of(error)}"
        else:
            self.context.complain(error if isinstance(error, TreegenError) else TreegenError(reason_of(error)))

    def _say(self, text: str) -> None:
        self._state = text
        self.context.refresh_lines()

    def status(self) -> str:
        """Return the last score and whether it is stale, or what is missing."""
        review = self.context.review
        if review.measured is None:
            return self._state or review.missing or ("the tree has errors: no score" if not review.can_score else "")
        dev = review.measured.dev
        low, high = dev["interval"]
        score = f"dev {100 * dev['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] n={dev['n']}"
        change = ""
        if len(review.scores) > 1:
            change = f"  {100 * (review.scores[-1] - review.scores[-2]):+.1f}"
        stale = "  (stale)" if review.stale else ""
        return f"{score}{change}{stale}  {self._state}".rstrip()
