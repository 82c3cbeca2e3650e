"""A run of `treegen optimize --model` on the terminal: a row for each round, then what it brought."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from treegen.cli.output import interval, percent, print_line, say, table, tell
from treegen.text import counted, quoted
from treegen.workflow.verdict import paired_points

if TYPE_CHECKING:
    from treegen.cli.conversation import Exchange
    from treegen.history.score_document import TestedScore
    from treegen.optimize.adapter import Round, TreeAdapter
    from treegen.optimize.automatic import Automatic, Automation, Baseline
    from treegen.optimize.judge import Difference
    from treegen.optimize.search import Gain, Step

_HEAD: Final = ("round", "candidates", "best on confirm", "requests", "cost", "time left", "this round")
_WIDTHS: Final = (5, 10, 20, 8, 9, 9, 0)
_HEIGHT: Final = 8  # lines of the curve
_WIDEST: Final = 60  # rounds that the curve shows one by one
_ENDS: Final = {
    "no gain": "no significant gain on the confirm half for as many rounds as --patience allows",
    "target": "the target is reached",
    "perfect": "nothing is confused on the propose half",
    "cap": "a cap is reached; the same command with a higher one goes on",
    "time": "the time is used up; the same command with more --max-minutes goes on",
    "interrupted": "interrupted; the same command goes on",
    "failed": "the language model failed; the same command goes on",
}


def confirmed(right: int, n: int) -> str:
    """Format an accuracy with its interval."""
    from treegen.clip.metrics.statistics import wilson_interval

    return f"{percent(right / n)} {interval(wilson_interval(right, n))}"


class RoundTable:
    """The table of rounds on stderr, which grows by a row as each round ends."""

    def __init__(self, automation: "Automation", exchange: "Exchange") -> None:
        """Show nothing yet."""
        self._automation, self._exchange = automation, exchange
        self._n = len(automation.judge.rows["confirm"])
        if automation.state.resumed:
            tell("resuming the run that was interrupted: what was asked then is not asked again")

    def add(self, current: "Round", adapter: "TreeAdapter") -> None:
        """Show a round that is over."""
        if current.number == 1:
            self._say(_HEAD)
            seed = adapter.candidates[0]
            self._say((0, 1, confirmed(seed.right, self._n), "", "", "", "the tree as it is"))
        best, bill = adapter.candidates[adapter.best], self._automation.state.budget.bill
        cost = f"${bill.cost + bill.guessed_cost:.4f}" if bill.calls > bill.unpriced or bill.guessed_cost else "-"
        cells = (
            current.number,
            len(adapter.candidates),
            confirmed(best.right, self._n),
            bill.calls,
            cost,
            self._left(),
            _in_short(current),
        )
        self._say(cells)

    def _left(self) -> str:
        """Return the time until the first cap is reached, at the pace so far."""
        state = self._automation.state
        bill, most = state.budget.bill, state.budget.limits.max_calls
        times = [] if state.seconds_left is None else [state.seconds_left]
        if most is not None and bill.calls:
            times.append(max(0, most - bill.calls) * state.seconds / bill.calls)
        if not times:
            return "-"
        left = round(min(times))
        return f"{left // 60}:{left % 60:02}"

    def _say(self, cells: Sequence[object]) -> None:
        line = "  ".join(str(cell).rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
        self._exchange.view.say(line, lambda text: print_line(text, err=True))


def _in_short(current: "Round") -> str:
    what = "merged two candidates" if current.kind == "merge" else counted(len(current.changes), "change")
    if current.fate == "invalid":
        return f"no valid tree: {current.refused[0] if current.refused else 'nothing can be applied'}"
    if current.fate in ("repeated", "no change"):
        return "a tree that was tried before" if current.fate == "repeated" else "nothing of it helps"
    return f"{what}, {'accepted' if current.fate == 'accepted' else 'not accepted'}{', best' if current.best else ''}"


def curve(values: Sequence[float], height: int = _HEIGHT) -> list[str]:
    """Return shares over time as a plot in text: one column for each value, as many lines as `height`.

    >>> print("\\n".join(curve([0.5, 0.75, 1.0], 2)))
    100.0 % ┤ ▁█
     50.0 % ┤▁██
    """
    low, high = min(values), max(values)
    steps = " ▁▂▃▄▅▆▇█"
    levels = [1 + round((value - low) / (high - low) * (8 * height - 1)) if high > low else 4 for value in values]
    lines = []
    for row in reversed(range(height)):
        cells = "".join(steps[min(8, max(0, level - 8 * row))] for level in levels)
        label = percent(high) if row == height - 1 else percent(low) if row == 0 else ""
        lines.append(f"{label:>7} ┤{cells}".rstrip())
    return lines if high > low else lines[-1:]


def progress_of(result: "Automatic") -> list[float]:
    """Return the share of the confirm half that the best candidate gets right, at the start and after each round."""
    best = result.candidates[0]
    shares = [best.right / result.n[1]]
    for each in result.rounds:
        if each.best and each.candidate is not None:
            best = result.candidates[each.candidate]
        shares.append(best.right / result.n[1])
    return shares


def show_automatic(result: "Automatic", tree: Path, written: Path | None, *, proposed: bool) -> None:
    """Print what a run brought."""
    say(f"{_counts(result)}; ended by: {_ENDS[result.stop]}.")
    say(_verdict(result))
    shares = progress_of(result)
    if len(shares) > 2:
        say(f"\nright on the confirm half, best so far, over {counted(len(shares) - 1, 'round')}:")
        for line in curve(shares[:: math.ceil(len(shares) / _WIDEST)]):
            say(line)
    _show_changes(result)
    say()
    halves = zip(("propose", "confirm"), result.n, (result.propose, result.confirm), strict=True)
    for name, n, (before, after) in halves:
        say(f"{name} half: {percent(before / n)} -> {percent(after / n)} of {counted(n, 'image')}")
    tried = len(result.candidates) - 1
    say(
        f"{counted(tried, 'candidate')} seen by the confirm half; if images flipped at random, the best of so many "
        f"would gain {percent(result.luck)} there"
    )
    if result.baseline:
        say(_baseline(result.baseline, result.n[1]))
    if written:
        say(f"wrote {written}")
    elif result.changed and not proposed:
        log = f"`treegen log {quoted(tree)}`"
        tell(f"not saved: --apply, -o FILE or --propose do; revision {result.revision} has it ({log})")


def _counts(result: "Automatic") -> str:
    from treegen.optimize.adapter import Fate

    fates = [each.fate for each in result.rounds]
    parts = [counted(len(fates), "round"), counted(result.replies, "reply", "replies")]
    parts += [f"{fates.count(fate)} {fate}" for fate in get_args(Fate) if fate in fates]
    reused = f" ({result.reused} from before the interruption)" if result.reused else ""
    return f"{', '.join(parts)}{reused}"


def _verdict(result: "Automatic") -> str:
    if not result.changed:
        return "Nothing gained on the confirm half: the best tree is the one that it started from."
    if result.score is None:
        return "The test split was not evaluated."
    test, paired = result.score["test"], result.score["mcnemar"]["parent"]
    assert paired is not None
    return (
        f"Right on {percent(test['accuracy'])} {interval(test['interval'])} of {counted(test['n'], 'test image')}; "
        f"against the tree it started from {paired['wins']} won and {paired['losses']} lost (p = {paired['p']:.2g})."
    )


def _show_changes(result: "Automatic") -> None:
    """Print what each change on the way to the best candidate brought, and then the single changes."""
    by_candidate = {each.candidate: each for each in result.rounds if each.candidate is not None}
    way, number = list["Round"](), result.best
    while number:
        way.append(by_candidate[number])
        number = by_candidate[number].parent
    if way:
        say()
        propose, confirm = result.n
        rows = [
            (each.number, _gain(each.propose, propose), _gain(each.confirm, confirm), "; ".join(each.changes))
            for each in reversed(way)
        ]
        table(("round", "propose", "confirm", "changes"), rows, right=(0, 1, 2))
    steps = result.search.steps if result.search else ()
    if steps:
        say("\nthen single changes, without the language model:")
        for each in steps:
            say(f"  {_step(each, result.n[1])}")


def _gain(difference: "Difference | Gain | None", n: int) -> str:
    """Format a difference of accuracies on n images in points; `none` within one standard error of it."""
    if difference is None:
        return "-"
    net = round(difference.accuracy * n)
    wins, losses = (difference.flips + net) // 2, (difference.flips - net) // 2
    return paired_points({"wins": wins, "losses": losses, "difference": difference.accuracy}, "", "none")


def _step(step: "Step", n: int) -> str:
    mark = ", follows CLIP" if step.follows_model else ""
    return f"{'; '.join(change.sentence for change in step.changes)} ({_gain(step.confirm, n)}{mark})"


def _baseline(baseline: "Baseline", n: int) -> str:
    if baseline.right is None:
        return f"baseline: none of the drafts from {counted(baseline.replies, 'reply', 'replies')} is without errors"
    test = baseline.score["test"]["accuracy"] if baseline.score else None
    return (
        f"baseline, the best of {counted(baseline.drafts, 'independent draft')} from as many replies: "
        f"{percent(baseline.right / n)} of the confirm half, {percent(test)} of the test images"
    )


def automatic_json(result: "Automatic", written: Path | None) -> dict[str, Any]:
    """Return the result as plain data."""
    n = {"propose": result.n[0], "confirm": result.n[1]}
    return {
        "stop": result.stop,
        "error": result.error and result.error.message,
        "rounds": [_round_json(each) for each in result.rounds],
        "candidates": [
            {
                "number": each.number,
                "revision": revision,
                "parents": list(each.parents),
                "confirm": each.right / n["confirm"],
                "from_seed": asdict(each.from_seed),
            }
            for each, revision in zip(result.candidates, result.revisions, strict=True)
        ],
        "best": result.best,
        "curve": progress_of(result),
        "steps": [_step_json(each) for each in (result.search.steps if result.search else ())],
        "tried": result.search.tried if result.search else 0,
        "luck": result.luck,
        "propose": {"n": n["propose"], "before": result.propose[0], "after": result.propose[1]},
        "confirm": {"n": n["confirm"], "before": result.confirm[0], "after": result.confirm[1]},
        "replies": result.replies,
        "reused": result.reused,
        "bill": asdict(result.bill),
        "seconds": round(result.seconds, 3),
        "revision": result.revision,
        "written": written and str(written),
        "score": result.score,
        "baseline": result.baseline and _baseline_json(result.baseline, n["confirm"], result.baseline.score),
    }


def _round_json(each: "Round") -> dict[str, Any]:
    return {
        "number": each.number,
        "kind": each.kind,
        "parent": each.parent,
        "fate": each.fate,
        "changes": list(each.changes),
        "left_out": [{"change": sentence, "effect": effect} for sentence, effect in each.dropped],
        "refused": list(each.refused),
        "propose": each.propose and asdict(each.propose),
        "confirm": each.confirm and asdict(each.confirm),
        "candidate": each.candidate,
        "best": each.best,
    }


def _step_json(step: "Step") -> dict[str, Any]:
    return {
        "words": [change.sentence for change in step.changes],
        "follows_model": step.follows_model,
        "propose": asdict(step.propose),
        "confirm": asdict(step.confirm),
    }


def _baseline_json(baseline: "Baseline", n: int, score: "TestedScore | None") -> dict[str, Any]:
    return {
        "drafts": baseline.drafts,
        "replies": baseline.replies,
        "confirm": None if baseline.right is None else baseline.right / n,
        "test": score["test"]["accuracy"] if score else None,
    }
