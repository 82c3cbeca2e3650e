"""How probabilities, prediction sets and doubtful labels are printed on a terminal."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from treegen.cli.output import interval, percent, say, table
from treegen.history.score_document import DoubtfulLabel, Score, SetCoverage, as_tested
from treegen.text import counted

_MOST_DOUBTS: Final = 10
_PLOT: Final = (60, 16)  # columns and lines


def show_probability(score: Score) -> None:
    """Print how often prediction sets hold, whether probabilities can be trusted, and which labels may be wrong."""
    tested = as_tested(score)
    if tested and (sets := tested.get("sets")):
        say()
        say(sets_sentence(sets))
    on_test = tested.get("calibration") if tested else None
    if calibration := on_test or score["dev"].get("calibration"):
        say()
        where = "test split" if on_test else "dev split, cross-validated"
        say(
            f"probability of the predicted class ({where}): {percent(calibration['confidence'])} on average, expected "
            f"calibration error (ECE) {calibration['error']:.3f}"
        )
        show_reliability(calibration["bins"])
    if doubts := score["dev"].get("label_errors"):
        say()
        show_label_errors(doubts)


def sets_sentence(sets: SetCoverage) -> str:
    """Describe the coverage of the prediction sets."""
    return (
        f"prediction sets ({percent(sets['level'])}, `classify --sets {sets['level']:g}`): they have the class of "
        f"{percent(sets['accuracy'])} {interval(sets['interval'])} of {counted(sets['n'], 'test image')}, "
        f"{sets['size']:.1f} classes on average, {sets['empty']} of them empty"
    )


def show_reliability(bins: Sequence[Mapping[str, Any]]) -> None:
    """Print how often predictions of about the same probability are right: a table, and a plot if plotext is there."""
    rows = [
        (f"{b['low']:.1f} to {b['low'] + 0.1:.1f}", percent(b["confidence"]), percent(b["accuracy"]), b["n"])
        for b in bins
    ]
    table(("probability", "on average", "right", "n"), rows, right=(1, 2, 3))
    for line in _plot(bins):
        say(line)


def _plot(bins: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the reliability plot line by line; none without plotext, or where its characters cannot be printed."""
    if "utf" not in (sys.stdout.encoding or "").lower():
        return []
    try:
        plotext: Any = import_module("plotext")
    except ImportError:
        return []
    plotext.clear_figure()
    plotext.plot_size(*_PLOT)
    plotext.xlim(0, 1)
    plotext.ylim(0, 1)
    plotext.xlabel("probability")
    plotext.ylabel("right")
    plotext.plot([0, 1], [0, 1], marker="dot")
    plotext.scatter([b["confidence"] for b in bins], [b["accuracy"] for b in bins], marker="x")
    lines: list[str] = plotext.uncolorize(plotext.build()).splitlines()
    return [line.rstrip() for line in lines]


def show_label_errors(doubts: Sequence[DoubtfulLabel]) -> None:
    """Print the images whose answers contradict their label in every group."""
    count = counted(len(doubts), "image")
    say(f"labels that may be wrong (dev split): {count} whose answers contradict the label in every group")
    for doubt in doubts[:_MOST_DOUBTS]:
        say(
            f"  {doubt['path']}: labelled {doubt['label']}, looks like {doubt['looks_like']} "
            f"(in {counted(doubt['agreeing'], 'group')})"
        )
    if len(doubts) > _MOST_DOUBTS:
        say(f"  and {len(doubts) - _MOST_DOUBTS} more (--json lists all)")
