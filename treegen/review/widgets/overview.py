"""The overview below the groups: the scores of the tree in a few lines, and the classes that are worst recognised."""

from typing import TYPE_CHECKING, Final

from textual.content import Content
from textual.widgets import Static

from treegen.history.score_document import as_tested
from treegen.review.context import ReviewContext
from treegen.review.details.detail import DIM, bar, cut, line, tone_style
from treegen.review.widgets.grid import entitle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treegen.workflow.review_model import ReviewModel

LEAST_HEIGHT: Final = 34  # lines of a terminal that has room for it
_NAME: Final = 11
_BLOCKS: Final = "▁▂▃▄▅▆▇█"


class Overview(Static):
    """Scores and worst classes."""

    def show(self, context: ReviewContext) -> None:
        """Repaint it."""
        self.display = context.size.height >= LEAST_HEIGHT and context.review.measured is not None
        if self.display:
            room = context.size.height // 2 - 10
            lines = [*_scores(context.review), *_classes(context.review, room)]
            entitle(self, "score", "of the tree before" if context.review.stale else "")
            self.update(Content("\n").join(lines).stylize(DIM if context.review.stale else ""))


def _scores(review: "ReviewModel") -> "Iterator[Content]":
    assert review.measured
    dev = review.measured.dev
    yield line(cut("dev split", _NAME), (f"{100 * dev['accuracy']:5.1f} %", tone_style(dev["accuracy"])))
    if tested := as_tested(review.tested):
        shares = (
            ("test split", tested["test"]["accuracy"]),
            ("by name", tested["baseline"]["accuracy"]),
            ("chance", tested["controls"]["chance"]["accuracy"]),
        )
        for name, share in shares:
            yield line((cut(name, _NAME), DIM), f"{100 * share:5.1f} %")
    if len(review.scores) > 1:
        yield line((cut("session", _NAME), DIM), sparkline(review.scores[-16:]))


def sparkline(values: list[float]) -> str:
    """Return values as blocks, the least as the lowest.

    >>> sparkline([0.5, 0.6, 0.9])
    '▁▂█'
    """
    least, most = min(values), max(values)
    spread = (most - least) or 1.0
    return "".join(_BLOCKS[int((value - least) / spread * (len(_BLOCKS) - 1))] for value in values)


def _classes(review: "ReviewModel", room: int) -> "Iterator[Content]":
    assert review.measured
    known = [each for each in review.measured.dev["classes"] if each["recall"] is not None]
    worst = sorted(known, key=lambda each: each["recall"])[: max(room, 0)]
    if worst:
        yield Content()
        every = len(worst) == len(known)
        yield line(("classes, worst first" if every else f"worst {len(worst)} of {len(known)}", "bold"))
    for each in worst:
        share = each["recall"]
        yield line(cut(each["name"], _NAME), " ", bar(share), (f"{100 * share:4.0f} %", tone_style(share)))
