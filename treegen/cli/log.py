"""`treegen log`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treegen.cli.options import TreeFileType
from treegen.history.score_document import Score, as_tested
from treegen.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treegen.history.store import Call, Store

_GLANCE: Final = 90  # characters shown of a text in a list


@click.command("log")
@click.argument("tree", type=TreeFileType(deleted=True))
@click.option("--calls", is_flag=True, help="List every language model call, failed ones too, with its problems.")
@click.option("--call", "number", type=click.IntRange(1), metavar="N", help="One call in full: messages and reply.")
@click.option("--cost", is_flag=True, help="Cost by model and purpose.")
@click.option("--json", "as_json", is_flag=True, help="Print everything, messages and replies included.")
def command(tree: Path, calls: bool, number: int | None, cost: bool, as_json: bool) -> None:
    """List the revisions of TREE with their scores and costs, newest first."""
    from treegen.cli.output import print_json
    from treegen.errors import InputError
    from treegen.history.store import FOLDER, Store

    if not (tree.resolve().parent / FOLDER / "store.sqlite").is_file():
        raise InputError(f"{tree}: has no history", "draft, score and revise create one; is this the right file?")
    with Store(tree) as store:
        if not store.revisions() and not store.calls():
            tip = "the history in this folder belongs to other trees; is this the right file?"
            raise InputError(f"{tree}: has no history", tip)
        if as_json:
            print_json(_as_json(store))
        elif number is not None:
            _show_call(store.calls(), number)
        elif cost:
            _show_cost(store.calls())
        elif calls:
            _show_calls(store.calls())
        else:
            _show_revisions(store)


def _as_json(store: "Store") -> dict[str, Any]:
    from dataclasses import asdict

    from treegen.clip.metrics.accuracy import corrected_over

    scores = store.scores()
    corrected = corrected_over(scores, store.every_score())
    return {
        "revisions": [
            {**asdict(r), "score": scores.get(r.id), "p_holm": corrected.get(r.id, (None,))[0]}
            for r in store.revisions()
        ],
        "calls": [asdict(c) for c in store.calls()],
    }


def _show_revisions(store: "Store") -> None:
    from treegen.cli.output import percent, say, table
    from treegen.clip.metrics.accuracy import corrected_over

    scores, calls = store.scores(), store.calls()
    corrected, rows = corrected_over(scores, store.every_score()), []
    for revision in reversed(store.revisions()):
        score = scores.get(revision.id)
        own_calls = [c for c in calls if c.revision == revision.id]
        rows.append(
            (
                revision.id,
                revision.parent or "-",
                revision.created,
                revision.author,
                _scored_by(score) if score else "-",
                percent(score["dev"]["accuracy"]) if score else "-",
                *_test_cells(score, corrected.get(revision.id, (None,))[0]),
                _used(own_calls),
                revision.note[:60],
            )
        )
    head = (
        "rev",
        "parent",
        "time (UTC)",
        "author",
        "encoder",
        "dev",
        "test",
        "95 % interval",
        "n",
        "vs parent",
        "calls",
        "note",
    )
    table(head, rows, right=(0, 1, 5, 6, 7, 8, 9))
    comparisons = max((count for _, count in corrected.values()), default=0)
    if comparisons > 1:
        say(f"Holm: p corrected for all {comparisons} comparisons on the same test split (parents, baselines, rules)")
    if any(score.get("decision_rule", "sum") != "mean" for score in scores.values()):
        say("vs parent: both by the newer revision's encoder and decision rule, so not the difference of two rows")
    evaluations = [score["test_looks"] for score in map(as_tested, scores.values()) if score and "test_looks" in score]
    if evaluations:
        say(f"the test split was evaluated {counted(max(evaluations), 'time')} (trees, encoders, decision rules)")
    say(f"all calls, failed ones too: {_used(calls)}")


def _scored_by(score: Score) -> str:
    """Return the encoder, and the decision rule if it is not the mean."""
    rule = score.get("decision_rule", "sum")
    return str(score["encoder"]["name"]) + (f", {rule}" if rule != "mean" else "")


def _test_cells(score: Score | None, holm: float | None) -> tuple[str, str, str, str]:
    """Format accuracy on the test split, interval, n, and the difference from the parent."""
    from treegen.cli.output import interval, percent

    tested = as_tested(score)
    if tested is None:
        return "-" if score is None else "not evaluated", "", "", ""
    paired, test = tested["mcnemar"]["parent"], tested["test"]
    corrected = "" if holm is None else f", Holm {holm:.2g}"
    change = f"{100 * paired['difference']:+.1f} (p {paired['p']:.2g}{corrected})" if paired else ""
    return percent(test["accuracy"]), interval(test["interval"]), str(test["n"]), change


def _used(calls: "list[Call]") -> str:
    """Format number of calls, tokens and cost; unreported values are unknown, not zero."""
    if not calls:
        return "none"
    if len(calls) == 1 and calls[0].cached:
        return "reused from an earlier run, free"
    reported = [c for c in calls if c.prompt_tokens is not None]
    tokens = sum((c.prompt_tokens or 0) + (c.completion_tokens or 0) for c in reported)
    costs = [c.cost for c in calls if c.cost is not None]
    size = f"{tokens} tokens" if reported else "tokens unknown"
    price = f"${sum(costs):.4f}" if costs else "cost unknown"
    missing = f" ({len(calls) - len(costs)} unknown)" if costs and len(costs) < len(calls) else ""
    return f"{len(calls)}, {size}, {price}{missing}"


def _show_calls(calls: "list[Call]") -> None:
    from treegen.cli.output import say

    for number, call in enumerate(calls, 1):
        say(f"{number}. {_headline(call)}")
        for problem in call.problems:
            line = problem.get("failure") or f"{problem['code']} {problem['pointer'] or '/'}: {problem['message']}"
            say(f"   {line}")
        if call.messages:
            say(f"   asked: {_glance(call.messages[-1]['content'])}")
        if call.reply:
            say(f"   reply: {_glance(call.reply)}")
        for name, text in _descriptions(call):
            say(f"   seen in the pictures of {name}: {text}")


def _descriptions(call: "Call") -> list[tuple[str, str]]:
    """Return class and description from a reply that described pictures; empty for one with problems."""
    if call.purpose not in ("describe", "repair") or not call.reply or call.problems:
        return []
    from treegen.llm.reading.parser import keyed, parse_reply

    data = parse_reply(call.reply, finish=call.finish, shape=keyed("descriptions")).data
    texts = data["descriptions"] if data else None
    return [(name, " ".join(str(text).split())) for name, text in texts.items()] if isinstance(texts, dict) else []


def _headline(call: "Call") -> str:
    """Format a call on one line."""
    revision = f"-> revision {call.revision}" if call.revision else "-> no revision"
    return f"{call.created} {call.purpose} by {call.model or '?'} {revision}: {_used([call])}"


def _glance(text: str) -> str:
    """Return the start of a text on one line, and its length."""
    line = " ".join(text.split())
    return line if len(line) <= _GLANCE else f"{line[:_GLANCE]}... ({len(text):,} characters)"


def _show_call(calls: "list[Call]", number: int) -> None:
    """Print all messages and the reply of one call.

    Raises:
        InputError: there is no such call.
    """
    from treegen.cli.output import say
    from treegen.errors import InputError

    if number > len(calls):
        raise InputError(f"there is no call {number}", f"`treegen log TREE --calls` lists {len(calls)}")
    call = calls[number - 1]
    say(f"{number}. {_headline(call)}")
    for problem in call.problems:
        say(f"   {problem.get('failure') or problem['message']}")
    for message in call.messages:
        say()
        pictures = f" (with {len(message['images'])} pictures)" if message.get("images") else ""
        say(f"--- {message['role']}{pictures}")
        say(message["content"])
    say()
    say(f"--- reply{f' ({call.finish})' if call.finish not in (None, 'stop') else ''}")
    say(call.reply if call.reply is not None else "none")


def _show_cost(calls: "list[Call]") -> None:
    """Print totals by model and purpose. Unreported values are unknown, not zero."""
    from treegen.cli.output import say, table

    if not calls:
        say("no calls to a language model")
        return
    kinds = sorted({(c.model or "?", c.purpose) for c in calls})
    rows = [
        (model, purpose, *_sums([c for c in calls if (c.model or "?", c.purpose) == (model, purpose)]))
        for model, purpose in kinds
    ]
    if len(rows) > 1:
        rows.append(("all", "", *_sums(calls)))
    head = ("model", "purpose", "calls", "cached", "failed", "requests", "tokens read", "tokens written", "USD")
    table(head, rows, right=(2, 3, 4, 5))


def _sums(calls: "list[Call]") -> tuple[object, ...]:
    """Return the numbers of calls, cached and failed ones, and their known usage."""
    cached, failed = sum(c.cached for c in calls), sum(c.reply is None for c in calls)
    return (
        len(calls),
        cached,
        failed,
        _sum([c.requests for c in calls]),
        _sum([c.prompt_tokens for c in calls]),
        _sum([c.completion_tokens for c in calls]),
        _sum([c.cost for c in calls], "{:.4f}"),
    )


def _sum(values: "Sequence[float | None]", form: str = "{}") -> str:
    """Return the sum of known values, and how many are unknown."""
    reported = [value for value in values if value is not None]
    unknown = len(values) - len(reported)
    if not reported:
        return "unknown"
    return form.format(sum(reported)) + (f" + {unknown} unknown" if unknown else "")
