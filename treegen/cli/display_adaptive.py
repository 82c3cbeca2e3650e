"""Print accuracy against the number of questions."""

from typing import TYPE_CHECKING, Any

from treegen.cli.output import interval, percent, say, table
from treegen.text import counted

if TYPE_CHECKING:
    from treegen.workflow.adaptive import AdaptiveScore

_NAMES = {"gain": "by information gain", "fixed": "as in the tree", "random": "random"}
_WIDTH = 40  # columns of a bar at 100 %


def show_adaptive(result: "AdaptiveScore") -> None:
    """Print the accuracy after each number of questions for each order, and what stopping early costs."""
    say(f"accuracy by number of questions, {counted(result.n, f'{result.split} image')}, decision rule bayes")
    head = ("questions", *(_NAMES[order] for order in result.orders))
    rows = [
        (after[0].questions, *(f"{percent(a.accuracy)} {interval(a.interval)}" for a in after))
        for after in zip(*result.orders.values(), strict=True)
    ]
    table(head, rows, right=(0,))
    say()
    for after in result.orders["gain"]:
        bar = "#" * round(_WIDTH * after.accuracy)
        say(f"{after.questions:3} {bar:{_WIDTH}} {percent(after.accuracy)}")
    say()
    for stop in result.stops:
        say(
            f"stop at {percent(stop.threshold)} (at most {percent(stop.target)} wrong on dev): {stop.questions:.2f} "
            f"questions, right on {percent(stop.after.accuracy)} {interval(stop.after.interval)}"
        )


def adaptive_json(result: "AdaptiveScore") -> dict[str, Any]:
    """Return the same as plain data."""
    from dataclasses import asdict

    return asdict(result)
