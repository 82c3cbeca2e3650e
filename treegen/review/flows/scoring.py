"""Score the tree while the reviewer continues: shortly after each change, on the models' thread."""

import asyncio
import logging
from concurrent.futures import Future
from functools import partial
from threading import Event
from time import monotonic
from typing import Final, TypeVar

from textual.content import Content

from treegen.clip.metrics.accuracy import beyond_error
from treegen.errors import TreegenError
from treegen.progress import Cancelled
from treegen.review.context import ReviewContext
from treegen.review.details.detail import BAD, DIM, GOOD, line
from treegen.review.messages import ScoreFailed, ScoreProgress, ScoreReady, TestScoreReady, reason_of
from treegen.text import counted, points
from treegen.workflow.score import score_tree
from treegen.workflow.verdict import paired_points

T = TypeVar("T")
_PATIENCE: Final = 0.4  # seconds without a change before scoring starts
_TICK: Final = 1.0  # seconds between looks at a clock, while something takes long
_OFTEN: Final = 0.1  # seconds between reports of progress
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
        self._task, self._first, self._began, self._reported = "", 0, 0.0, 0.0

    def soon(self) -> None:
        """Score the tree once no change has come for a moment; abandon a score that is being computed."""
        if self.context.review.can_score:
            self.context.start(self._score, "score")

    async def _score(self) -> None:
        await asyncio.sleep(_PATIENCE)
        review, superseded = self.context.review, Event()
        if review.measured and not review.stale and not review.measured.is_stored:
            self._say("")
            return
        self.running = True
        self._say("scoring")
        try:
            measured = await self._awaited(review.measure(partial(self._progress, superseded)))
        except Cancelled:
            return
        except Exception as error:
            self.context.post_message(ScoreFailed(error, "dev"))
        else:
            self.context.post_message(ScoreReady(measured))
        finally:
            superseded.set()
            self.running = False

    async def _awaited(self, job: "Future[T]") -> T:
        """Wait for the models' thread, and show how long it takes already."""
        future = asyncio.wrap_future(job)
        try:
            while not (await asyncio.wait([future], timeout=_TICK))[0]:
                self.context.refresh_status()
            return future.result()
        finally:
            future.cancel()

    def _progress(self, superseded: Event, task: str, done: int, total: int) -> None:
        """Report how far a score is and how fast, on the models' thread.

        Raises:
            Cancelled: the tree has changed since.
        """
        if superseded.is_set():
            raise Cancelled
        now = monotonic()
        if task != self._task:
            self._task, self._first, self._began, self._reported = task, done, now, 0.0
        if now - self._reported >= _OFTEN or done == total:
            self._reported = now
            self.context.post_message(
                ScoreProgress(progress_text(task, done, total, done - self._first, now - self._began))
            )

    def score_test(self) -> None:
        """Score the saved tree on the test split, with baseline and controls, and store the score."""
        review = self.context.review
        if not review.can_score:
            self.context.notify(review.missing or "the tree has errors", severity="warning")
        elif review.session.read_only:
            review.session.check_store()  # raises, and says why
        elif review.session.unsaved:
            self.context.notify("save first: the score is stored with the saved tree", severity="warning")
        else:
            self.context.start(self._score_test, "test score")

    async def _score_test(self) -> None:
        review, tree = self.context.review, self.context.review.tree
        self._say("scoring on the test split")
        try:
            scored = await self._awaited(review.on_models(lambda work: score_tree(work, tree), self._report))
        except Cancelled:
            return
        except Exception as error:
            self.context.post_message(ScoreFailed(error, "test"))
        else:
            self.context.post_message(TestScoreReady(scored.score))

    def _report(self, task: str, done: int, total: int) -> None:
        self._progress(Event(), task, done, total)

    def take(self, message: ScoreProgress | ScoreReady | TestScoreReady | ScoreFailed) -> None:
        """Show a result or the progress of the models' thread."""
        review = self.context.review
        if isinstance(message, ScoreProgress):
            self._state = message.text
            self.context.refresh_status()
            return
        self._state = self._task = ""
        match message:
            case ScoreReady():
                if review.measured is None or review.measured.tree != message.measured.tree:
                    review.scores.append(message.measured.dev["accuracy"])
                review.measured = message.measured
            case TestScoreReady():
                review.tested = message.score
                self.context.notify("scored on the test split: 4 shows it", timeout=4)
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
        self._state, self._task, self._began = text, "", monotonic()
        self.context.refresh_status()

    def status(self) -> Content:
        """Return the last score and whether it is stale, and why there is no newer one."""
        parts = [part for part in (self._last_score(), self._why()) if part.plain]
        return Content("  ").join(parts)

    def _last_score(self) -> Content:
        review = self.context.review
        if review.measured is None:
            return Content()
        dev = review.measured.dev
        low, high = dev["interval"]
        score = f"dev {100 * dev['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] n={dev['n']}"
        if review.stale:
            return line((f"{score} (stale)", DIM))
        if review.measured.is_stored:
            return line(score, (" (stored)", DIM))
        change, luck = review.measured.change, dev.get("luck")
        parts: list[str | tuple[str, str]] = [score]
        if change and (change["wins"] or change["losses"]):
            tone = (GOOD if change["difference"] > 0 else BAD) if beyond_error(change) else DIM
            parts.append((f"  {paired_points(change, '')}", tone))
        if luck and luck["expected"] > 0:
            parts.append((f"  luck {points(luck['expected'])}", DIM))
        return line(*parts)

    def _why(self) -> Content:
        """Return why the score is not that of the tree: what is missing or wrong, or what is being computed."""
        review = self.context.review
        if review.missing:
            return line((review.missing, DIM))
        if review.errors:
            return line((f"{counted(review.errors, 'error')}: no score", BAD))
        seconds = monotonic() - self._began
        clock = f", {seconds:.0f} s" if self._state and not self._state[-1:].isdigit() and seconds >= _TICK else ""
        is_failure = self._state.startswith("not scored")
        return line((self._state, BAD)) if is_failure else line((f"{self._state}{clock if self.running else ''}", DIM))


def progress_text(task: str, done: int, total: int, since: int, seconds: float) -> str:
    """Describe how far a task is, with its rate and the time that is left.

    Args:
        task: what is done.
        done: steps so far.
        total: all steps; 1 if nothing is known of them.
        since: steps since the clock began.
        seconds: on that clock.

    >>> progress_text("embedding images", 120, 360, 100, 5.0)
    'embedding images 120/360, 20/s, 12 s left'
    """
    if total <= 1:
        return task
    text = f"{task} {done}/{total}"
    if since <= 0 or seconds < 1 or done == total:
        return text
    rate = since / seconds
    return f"{text}, {rate:.{0 if rate >= 10 else 1}f}/s, {(total - done) / rate:.0f} s left"
