"""Scores the tree while its reviewer goes on: a moment after each change, on the models' thread."""

from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Final

from treegen.errors import TreegenError
from treegen.reviewing import Measured
from treegen.workflow import score_tree

if TYPE_CHECKING:
    from textual.timer import Timer

    from treegen.review.app import ReviewApp

_PATIENCE: Final = 0.4  # seconds of quiet before scoring begins


class _SupersededError(Exception):
    """The tree has changed: the score that is being computed is of no use any more."""


class Scorer:
    """The scores of the app's review: the last one, what is being computed, and what went wrong."""

    def __init__(self, app: "ReviewApp") -> None:
        self.app = app
        self._timer: Timer | None = None
        self._running: Future[Any] | None = None
        self._turn = 0
        self._told = ""

    def soon(self) -> None:
        """Scores the tree after a moment of quiet."""
        if not self.app.review.can_score:
            return
        self._turn += 1
        if self._timer:
            self._timer.stop()
        self._timer = self.app.set_timer(_PATIENCE, self._begin)

    def _begin(self) -> None:
        if not self.app.is_shown:
            return
        turn = self._turn
        self._told = "scoring"
        future = self.app.review.measure(lambda task, done, total: self._progress(turn, task, done, total))
        future.add_done_callback(lambda done: self._post(self._measured, turn, done))
        self._running = future
        self.app.refresh_lines()

    def _progress(self, turn: int, task: str, done: int, total: int) -> None:
        """On the models' thread: stops what is of no use any more."""
        if turn != self._turn:
            raise _SupersededError
        told = f"{task} {done}/{total}" if total > 1 else task
        if told != self._told and self.app.is_running:
            self._told = told
            self._post(self.app.refresh_lines)

    def _post(self, show: Any, *arguments: Any) -> None:
        self.app.show_later(show, *arguments)

    def _measured(self, turn: int, done: "Future[Measured]") -> None:
        """On the app's thread: takes the score, unless the tree is another by now."""
        if turn != self._turn or done.cancelled():
            return
        self._told = ""
        try:
            self.app.review.measured = done.result()
        except TreegenError as error:
            self._told = f"not scored: {error.message.splitlines()[0]}"
        except (_SupersededError, CancelledError):
            return
        else:
            self.app.review.scores.append(done.result().dev["accuracy"])
        self.app.refresh_panes()

    def score_test(self) -> None:
        """Scores the tree of the file on the test part, with baseline and controls, and keeps the score."""
        if not self.app.review.can_score:
            self.app.notify(self.app.review.missing or "the tree has errors", severity="warning", markup=False)
            return
        if self.app.review.session.unsaved:
            self.app.notify("save first: the score is kept with what is in the file", severity="warning")
            return
        self._told = "scoring on the test part"
        tree = self.app.review.tree
        future = self.app.review.on_models(lambda work: score_tree(work, tree))
        future.add_done_callback(lambda done: self._post(self._tested, done))
        self.app.refresh_lines()

    def _tested(self, done: "Future[Any]") -> None:
        self._told = ""
        try:
            self.app.review.tested = done.result().score
        except TreegenError as error:
            self.app.complain(error)
        self.app.refresh_panes()

    def status(self) -> str:
        """The last score and whether it is stale, or what is missing."""
        review = self.app.review
        if review.measured is None:
            return self._told or review.missing or ("the tree has errors: no score" if not review.can_score else "")
        dev = review.measured.dev
        low, high = dev["interval"]
        score = f"dev {100 * dev['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] n={dev['n']}"
        change = ""
        if len(review.scores) > 1:
            change = f"  {100 * (review.scores[-1] - review.scores[-2]):+.1f}"
        stale = "  (stale)" if review.stale else ""
        return f"{score}{change}{stale}  {self._told}".rstrip()
